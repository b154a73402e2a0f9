"""The product's planning under a day that is lived: its own rules and solver, the world's truth."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from cloud.fleet.model import Depot, Shift, Vehicle
from cloud.orders.model import Order, Parcel, Span, Whereabouts
from cloud.planning.day import DayPlan, Stop
from cloud.planning.model import Location, SolveRequest
from cloud.planning.revising import routes_of, with_progress
from cloud.planning.situation import At, Day, problem_of
from cloud.planning.solvers.solving import solve
from cloud.roads.client import RoadsClient
from cloud.roads.model import Matrix, Point
from sim.day import HOUR_S, Errand, LivedDay, Rates, Script, Task, script_of
from sim.opening import DEPOT, DEPOT_ID, ZONE
from sim.orders import orders_of_day
from sim.streets import Streets
from sim.traffic import Traffic, TrafficTruth, crossings

CITY_FILE: Final = Path(__file__).parents[1] / "sim" / "city" / "coquimbo.osm.pbf"
_TENANT: Final = "main"
_CAPACITY: Final = 60
_URGENT_DOORS: Final = 40


@dataclass(frozen=True, slots=True)
class City:
    """The streets of the demo city, and where incidents may happen in it."""

    streets: Streets
    crossings: Sequence[tuple[float, float]]

    @classmethod
    def read(cls) -> "City":
        """Read its extract."""
        streets = Streets.read(CITY_FILE)
        return cls(streets, crossings(streets))

    def traffic(self, truth: TrafficTruth, seed: str = "city") -> Traffic:
        """Its traffic."""
        return Traffic(zone=ZONE, seed=seed, around=self.crossings, truth=truth)


def day_script(
    city: City, *, number: int, orders: int, vans: int, rates: Rates, seed: int
) -> Script:
    """Working day ``number`` of the simulated city, from eight to six."""
    begins = datetime(2026, 3, 2, 8, tzinfo=ZoneInfo(ZONE)) + timedelta(
        days=number // 5 * 7 + number % 5
    )
    rng = Random(f"{seed} orders {number}")
    made = orders_of_day(
        streets=city.streets, depot=DEPOT, day=begins.date(),
        count=orders + _URGENT_DOORS, vans=vans, rng=rng,
    )  # fmt: skip
    ordered = [
        Errand(
            id=one.reference,
            door=one.door.point,
            window=_span(begins, one.window),
            service_s=one.service_min * 60.0,
            parcels=one.parcels,
            known_s=begins.timestamp() - 12 * HOUR_S,
        )
        for one in made[:orders]
    ]
    return script_of(
        seed=f"{seed} {number}",
        begins_s=begins.timestamp(),
        ends_s=begins.timestamp() + 10 * HOUR_S,
        depot=DEPOT,
        vans=[f"van-{at + 1}" for at in range(vans)],
        ordered=ordered,
        urgent_doors=[one.door.point for one in made[orders:]],
        rates=rates,
    )


def _span(begins: datetime, window: tuple[str, str]) -> tuple[float, float] | None:
    if not window[0]:
        return None
    from_s, to_s = (
        begins.replace(hour=int(at[:2]), minute=int(at[3:])).timestamp() for at in window
    )
    return from_s, to_s


class Distances:
    """Travel times of the road engine between all places of a day, asked for once."""

    def __init__(self, url: str, script: Script) -> None:
        places = [script.depot, *(one.door for one in script.errands)]
        self._at = {place: at for at, place in enumerate(dict.fromkeys(places))}
        self._url = url
        self._whole = self._ask(list(self._at))

    def matrix(self, locations: Sequence[Location]) -> Matrix:
        """Between the locations of a problem."""
        places = [(one.lat, one.lon) for one in locations]
        new = [place for place in places if place not in self._at]
        if new:  # a van that broke down stands where no door is
            self._at |= {place: len(self._at) + at for at, place in enumerate(new)}
            self._whole = self._ask(list(self._at))
        return self._whole.cut([self._at[place] for place in places])

    def _ask(self, places: Sequence[tuple[float, float]]) -> Matrix:
        async def ask() -> Matrix:
            async with RoadsClient(self._url, lane="bulk") as roads:
                return await roads.table([Point(*place) for place in places])

        return asyncio.run(ask())


class KeptPlan:
    """The morning plan, kept whatever happens: what is called off is passed by."""

    name = "the morning plan kept"

    def __init__(self, script: Script, distances: Distances, *, seconds: float, seed: int) -> None:
        self._script = script
        self._distances = distances
        self._seconds = seconds
        self._seed = seed
        self._names = count(1)
        date = datetime.fromtimestamp(script.begins_s, ZoneInfo(ZONE)).date()
        self._depot = Depot(
            tenant=_TENANT, id=DEPOT_ID, name="La Serena", zone=ZONE,
            lat=script.depot[0], lon=script.depot[1], shift_start="08:00", shift_end="18:00",
        )  # fmt: skip
        self._vehicles = {
            van: Vehicle(
                tenant=_TENANT, id=van, name=van, depot_id=DEPOT_ID, capacity_parcels=_CAPACITY
            )
            for van in script.vans
        }
        self._shifts = tuple(
            Shift(
                tenant=_TENANT, id=f"shift-{van}", vehicle_id=van, driver_id=f"driver-{van}",
                depot_id=DEPOT_ID, service_date=date,
                starts_at=script.begins_s, ends_at=script.ends_s,
            )
            for van in script.vans
        )  # fmt: skip
        known = [one for one in script.errands if one.known_s <= script.begins_s]
        self.orders = {one.id: self._order(one) for one in known}
        self.plan = DayPlan(tenant=_TENANT, depot_id=DEPOT_ID, service_date=date)
        self.positions: dict[str, At] = {}
        self.make_plan(script.begins_s - HOUR_S)

    @property
    def revision(self) -> int:
        """Of the plan in force."""
        return self.plan.revision

    def make_plan(self, now_s: float) -> None:
        """Solve the day as it stands and take the plan at once."""
        day = Day(
            now=now_s, depot=self._depot, plan=self.plan, shifts=self._shifts,
            vehicles=self._vehicles, orders=self.orders, positions=self.positions,
        )  # fmt: skip
        problem = problem_of(day, self.drives_s(day))
        request = SolveRequest(problem=problem, seconds=self._seconds, seed=self._seed)
        made = solve(request, self._distances.matrix(problem.locations))
        new = routes_of(day, made, lambda kind: f"{kind}-{next(self._names)}")
        routes = with_progress(new.routes, self.plan)
        number = self.plan.revision + 1
        self.plan = replace(self.plan, revision=number, routes=routes, unserved=new.unserved)
        for order_id, promise in new.promises.items():
            self.orders[order_id] = replace(self.orders[order_id], state="planned", promise=promise)

    def drives_s(self, day: Day) -> dict[str, int]:
        """How long vans under way still drive; nobody plans while they do here."""
        return {}

    def next_task(self, van: str, now_s: float) -> Task | None:
        """The next stop of the route, as the driver's own page has it."""
        route = self.plan.route_of(van)
        for stop in () if route is None else route.open_stops:
            wanted = self._wanted(stop)
            if wanted:
                opens = stop.window.begin if stop.window else None
                return Task(stop.id, stop.kind, wanted, (stop.lat, stop.lon), opens)
        return None

    def _wanted(self, stop: Stop) -> tuple[str, ...]:
        return tuple(order for order in stop.order_ids if self.orders[order].state != "cancelled")

    def arrived(self, van: str, task: Task, now_s: float) -> None:
        """Mark the stop."""
        self._mark(task.stop_id, state="arrived", arrived_at=now_s)

    def done(self, van: str, task: Task, delivered: dict[str, bool], now_s: float) -> None:
        """Mark the stop, and the orders."""
        self._mark(task.stop_id, state="done", done_at=now_s)
        for order_id, is_done in delivered.items():
            order = self.orders[order_id]
            if order.state == "cancelled":
                continue
            if task.kind == "pickup":
                where, state = Whereabouts("van", van), "out_for_delivery"
            else:
                where = Whereabouts("handed_over", order_id) if is_done else Whereabouts("van", van)
                state = "delivered" if is_done else "failed_attempt"
            parcels = tuple(replace(one, whereabouts=where) for one in order.parcels)
            self.orders[order_id] = replace(order, state=state, parcels=parcels)  # type: ignore[arg-type]

    def ordered(self, errand: Errand, now_s: float) -> None:
        """Taken in; nobody plans it."""
        self.orders[errand.id] = self._order(errand)

    def called_off(self, order: str, now_s: float) -> None:
        """Cancelled, unless it is done already."""
        if self.orders[order].state in {"received", "planned", "loaded", "out_for_delivery"}:
            self.orders[order] = replace(self.orders[order], state="cancelled")

    def broke_down(self, van: str, point: tuple[float, float], now_s: float) -> None:
        """Nobody plans for it."""

    def _mark(self, stop_id: str, **changes: object) -> None:
        routes = tuple(
            replace(
                route,
                stops=tuple(
                    replace(stop, **changes) if stop.id == stop_id else stop  # type: ignore[arg-type]
                    for stop in route.stops
                ),
            )
            for route in self.plan.routes
        )
        self.plan = replace(self.plan, routes=routes)

    def _order(self, errand: Errand) -> Order:
        return Order(
            tenant=_TENANT, id=errand.id, reference=errand.id, depot_id=DEPOT_ID,
            service_date=datetime.fromtimestamp(self._script.begins_s, ZoneInfo(ZONE)).date(),
            state="received", priority="urgent" if errand.is_urgent else "normal",
            address=errand.id, lat=errand.door[0], lon=errand.door[1],
            window=Span(*errand.window) if errand.window else None,
            service_s=int(errand.service_s),
            parcels=tuple(
                Parcel(
                    id=f"{errand.id}-{at}", order_id=errand.id, label=f"{errand.id}/{at}",
                    whereabouts=Whereabouts("depot", DEPOT_ID),
                )
                for at in range(errand.parcels)
            ),
            promise=None, created_at=errand.known_s, version=1,
        )  # fmt: skip


def lived(script: Script, city: City, traffic: Traffic, planner: KeptPlan) -> LivedDay:
    """The day under ``planner``."""
    day = LivedDay(script, city.streets, traffic)
    day.live(planner)
    return day
