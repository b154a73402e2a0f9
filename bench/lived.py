"""The product's planning under a day that is lived: its own rules and solver, the world's truth."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from math import inf
from pathlib import Path
from random import Random
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import structs

from cloud.fleet.model import Depot, Shift, Vehicle
from cloud.orders.model import Order, Parcel, Span, Whereabouts
from cloud.planning.arrivals import Learned
from cloud.planning.day import DayPlan, Stop, difference
from cloud.planning.model import Location, SolveRequest, SolverName
from cloud.planning.pace import ASSUMED
from cloud.planning.policy import TenantPolicy
from cloud.planning.posing import problem_of
from cloud.planning.revising import NewRoutes, routes_of, with_progress
from cloud.planning.situation import At, Day
from cloud.planning.solvers.keeping import prices_kept
from cloud.planning.solvers.schedule import prices_of
from cloud.planning.solvers.solving import solve
from cloud.planning.worth import Worth
from cloud.roads.client import RoadsClient
from cloud.roads.model import Matrix, Point
from sim.day import HOUR_S, Errand, LivedDay, Rates, Script, Task, attempted, script_of
from sim.geodesy import distance_m
from sim.opening import DEPOT, DEPOT_ID, ZONE
from sim.orders import orders_of_day
from sim.streets import RememberedStreets, Streets
from sim.traffic import Traffic, TrafficTruth, crossings

CITY_FILE: Final = Path(__file__).parents[1] / "sim" / "city" / "coquimbo.osm.pbf"
LEARNED_NOTHING: Final = Learned(ASSUMED, Worth(), ZoneInfo(ZONE))
_TENANT: Final = "main"
_CAPACITY: Final = 60
_URGENT_DOORS: Final = 40
_WEEK: Final = 5
_OFTEN: Final = 0.3
_REGULARS: Final = 100
"""Three orders of ten go to one of a hundred doors that order often: assumptions."""
_FIRST_DAY: Final = datetime(2026, 3, 2, 8, tzinfo=ZoneInfo(ZONE))


@dataclass(frozen=True, slots=True, eq=False)
class City:
    """The streets of the demo city, and where incidents may happen in it."""

    streets: Streets
    ways: RememberedStreets
    crossings: Sequence[tuple[float, float]]

    @classmethod
    def read(cls) -> "City":
        """Read its extract."""
        streets = Streets.read(CITY_FILE)
        return cls(streets, RememberedStreets(streets), crossings(streets))

    def traffic(self, truth: TrafficTruth, seed: str = "city") -> Traffic:
        """Its traffic."""
        return Traffic(zone=ZONE, seed=seed, around=self.crossings, truth=truth)


def day_script(
    city: City, *, number: int, orders: int, vans: int, rates: Rates, seed: int
) -> Script:
    """Working day ``number`` of the simulated city, from eight to six.

    ``rates.stranded`` vans break down on one day of each week.
    """
    begins = _FIRST_DAY + timedelta(days=number // _WEEK * 7 + number % _WEEK)
    breaks_on = Random(f"{seed} breakdown of week {number // _WEEK}").randrange(_WEEK)
    if number % _WEEK != breaks_on:
        rates = replace(rates, stranded=0)
    rng = Random(f"{seed} orders {number}")
    made = orders_of_day(
        streets=city.streets, depot=DEPOT, day=begins.date(),
        count=orders + _URGENT_DOORS, vans=vans, rng=rng,
    )  # fmt: skip
    regulars = _regulars(city, seed)
    doors = [
        rng.choice(regulars) if rng.random() < _OFTEN else one.door.point for one in made[:orders]
    ]
    ordered = [
        Errand(
            id=one.reference,
            door=door,
            window=_span(begins, one.window),
            service_s=one.service_min * 60.0,
            parcels=one.parcels,
            known_s=begins.timestamp() - 12 * HOUR_S,
        )
        for one, door in zip(made, doors, strict=False)
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


@cache
def _regulars(city: City, seed: int) -> tuple[tuple[float, float], ...]:
    """Doors that are ordered to again and again."""
    made = orders_of_day(
        streets=city.streets, depot=DEPOT, day=_FIRST_DAY.date(), count=_REGULARS, vans=1,
        rng=Random(f"{seed} regulars"),
    )  # fmt: skip
    return tuple(one.door.point for one in made)


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


class Made(NamedTuple):
    """Routes that were made, and by which they are better than those in force, if that is known."""

    new: NewRoutes
    gain_s: float | None


class KeptPlan:
    """The morning plan, kept whatever happens: what is called off is passed by."""

    name = "the morning plan kept"

    def __init__(
        self,
        script: Script,
        distances: Distances,
        *,
        seconds: float,
        seed: int,
        policy: TenantPolicy | None = None,
        learned: Learned = LEARNED_NOTHING,
    ) -> None:
        self.day: LivedDay | None = None
        self._to_fetch: dict[str, list[str]] = {}
        self.moved = 0
        self._learned = learned
        self._script = script
        self._distances = distances
        self.seconds = seconds
        self._seed = seed
        self.policy = policy or TenantPolicy()
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
        self.make_plan(script.begins_s - HOUR_S)

    @property
    def revision(self) -> int:
        """Of the plan in force."""
        return self.plan.revision

    def begin(self, day: LivedDay) -> None:
        """The day that is lived under this plan begins."""
        self.day = day

    def make_plan(self, now_s: float) -> None:
        """Solve the day as it stands and take the plan at once."""
        self.take(self.made(self.as_it_stands(now_s), self.seconds).new)

    def made(self, day: Day, seconds: float, solver: SolverName = "auto") -> "Made":
        """What the product would make of a day, by a search of so many real seconds."""
        asked = structs.replace(self.request(day, seconds), solver=solver)
        matrix = self._distances.matrix(asked.problem.locations)
        plan = solve(asked, matrix)
        kept, prices = prices_kept(asked.problem, matrix), prices_of(asked.problem, plan)
        gain_s = None if kept is None else kept.total - prices.total
        return Made(routes_of(day, plan, lambda kind: f"{kind}-{next(self._names)}"), gain_s)

    def take(self, new: NewRoutes) -> None:
        """Put routes in force."""
        routes = with_progress(new.routes, self.plan)
        self.moved += len(difference(self.plan, routes, new.sacrificed).moved)
        number = self.plan.revision + 1
        self.plan = replace(self.plan, revision=number, routes=routes, unserved=new.unserved)
        for order_id, promise in new.promises.items():
            state = self.orders[order_id].state
            self.orders[order_id] = replace(
                self.orders[order_id],
                state="planned" if state == "received" else state,
                promise=promise,
            )

    def as_it_stands(self, now_s: float) -> Day:
        """The day as the product knows it."""
        positions = {}
        if self.day is not None:
            for van in self._script.vans:
                (lat, lon), _ = self.day.motion(van, now_s)
                positions[van] = At(lat, lon, now_s)
        return Day(
            now=now_s, depot=self._depot, plan=self.plan, shifts=self._shifts,
            vehicles=self._vehicles, orders=self.orders, positions=positions,
        )  # fmt: skip

    def request(self, day: Day, seconds: float) -> SolveRequest:
        """What the planner is asked."""
        problem = problem_of(day, self.drives_s(day), self.policy)
        return SolveRequest(problem=problem, seconds=seconds, seed=self._seed)

    def drives_s(self, day: Day) -> dict[str, int]:
        """How long vans under way still drive, as the road engine would tell."""
        return {
            van: round(stop.leg_s * self.way_left(van, stop.id, day.now))
            for van, (_, stop) in day.drives_to_ask().items()
        }

    def way_left(self, van: str, stop_id: str, now_s: float) -> float:
        """The share of the leg to its next stop that a van still has ahead."""
        return 1.0 if self.day is None else self.day.way_left(van, stop_id, now_s)

    def lateness_s(self, day: LivedDay) -> dict[str, float]:
        """By how much orders were first tried after what they were first told; never is infinite.

        Without a promise it is the end of what was asked for.
        """
        began = attempted(day.halts)
        late = {
            order.id: began.get(order.id, inf) - told_until(order, self._script.ends_s)
            for order in self.orders.values()
            if order.state != "cancelled"
        }
        return {order_id: seconds for order_id, seconds in late.items() if seconds > 0}

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

    def arrived(self, van: str, task: Task, now_s: float) -> bool:
        """Mark the stop, unless it is this van's no more."""
        route = self.plan.route_of(van)
        stop = next((s for s in route.stops if s.id == task.stop_id), None) if route else None
        if stop is None or not self._wanted(stop):
            return False
        self._mark(task.stop_id, state="arrived", arrived_at=now_s)
        return True

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

    def called(self, what: str, now_s: float) -> None:
        """Nothing was asked for."""

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


class Nearest(KeptPlan):
    """Vans load what the morning plan gave them, and drive to the nearest door that is left."""

    name = "the nearest door next"

    def next_task(self, van: str, now_s: float) -> Task | None:
        """Load, fetch what is urgent, then the nearest door."""
        route = self.plan.route_of(van)
        first = super().next_task(van, now_s) if route and not route.has_begun else None
        if first is not None:
            return first
        fetched = tuple(self._to_fetch.get(van, ()))
        if fetched:
            return Task(f"fetch {fetched}", "pickup", fetched, self._script.depot, None)
        aboard = [
            order
            for order in self.orders.values()
            if order.state == "out_for_delivery" and order.aboard_count(van)
        ]
        if not aboard:
            return None
        here = self._where(van, now_s)
        order = min(aboard, key=lambda one: distance_m(here, (one.lat, one.lon)))
        told = order.promise.current if order.promise else order.window
        opens = told.begin if told else None
        return Task(f"door {order.id}", "delivery", (order.id,), (order.lat, order.lon), opens)

    def arrived(self, van: str, task: Task, now_s: float) -> bool:
        """Always, unless it was called off."""
        self._mark(task.stop_id, state="arrived", arrived_at=now_s)
        return any(self.orders[order].state != "cancelled" for order in task.orders)

    def done(self, van: str, task: Task, delivered: dict[str, bool], now_s: float) -> None:
        """Mark what is done."""
        super().done(van, task, delivered, now_s)
        if task.kind == "pickup":
            self._to_fetch.pop(van, None)

    def ordered(self, errand: Errand, now_s: float) -> None:
        """The van that is nearest to the depot fetches it next."""
        super().ordered(errand, now_s)
        nearest = min(
            self._script.vans,
            key=lambda van: distance_m(self._where(van, now_s), self._script.depot),
        )
        self._to_fetch.setdefault(nearest, []).append(errand.id)
        self.plan = replace(self.plan, revision=self.plan.revision + 1)

    def _where(self, van: str, now_s: float) -> tuple[float, float]:
        return self._script.depot if self.day is None else self.day.motion(van, now_s)[0]


def told_until(order: Order, ends_s: float) -> float:
    """When an order was to be served at last: nobody is early by having promised a later time."""
    promised = ends_s if order.promise is None else order.promise.original.end
    return promised if order.window is None else min(promised, order.window.end)


def lived(script: Script, city: City, traffic: Traffic, planner: KeptPlan) -> LivedDay:
    """The day under ``planner``."""
    day = LivedDay(script, city.ways, traffic)
    planner.begin(day)
    day.live(planner)
    return day
