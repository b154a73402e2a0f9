"""The product's planning under a day that is lived: its own rules and solver, the world's truth."""

from dataclasses import replace
from datetime import datetime
from itertools import count
from math import inf
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import structs

from bench.simulated_days import City
from bench.taught import TravelTimes
from cloud.fleet.model import Depot, Shift, Vehicle
from cloud.orders.model import Order, Parcel, Span, Whereabouts
from cloud.planning.arrivals import Learned
from cloud.planning.breakdowns.model import Breakdown, to_fetch
from cloud.planning.day_plan import DayPlan, Stop
from cloud.planning.diff import difference
from cloud.planning.lag import ASSUMED_LAG, Lag
from cloud.planning.meanwhile import with_progress
from cloud.planning.pace import ASSUMED
from cloud.planning.policy import TenantPolicy
from cloud.planning.posing import problem_of
from cloud.planning.questions import SolveRequest, SolverName
from cloud.planning.revising import NewRoutes, routes_of
from cloud.planning.situation import At, Day
from cloud.planning.solvers.keeping import prices_kept
from cloud.planning.solvers.schedule import prices_of
from cloud.planning.solvers.solving import solve
from cloud.planning.worth import Judged, Worth
from sim.day import LivedDay, Task, attempted
from sim.happenings import HOUR_S, Errand, Script
from sim.opening import DEPOT_ID, ZONE
from sim.traffic import Traffic

LEARNED_NOTHING: Final = Learned(ASSUMED, Worth(), ZoneInfo(ZONE))
_TENANT: Final = "main"
_CAPACITY: Final = 60
_MOST_NAMES: Final = 100_000
"""A plan made before has no more routes and stops."""


class Made(NamedTuple):
    """Routes that were made, and by which they are better than those in force, if that is known."""

    new: NewRoutes
    gain_s: float | None


class KeptPlan:
    """The morning plan, kept whatever happens: what is called off is passed by.

    ``morning``: one that was made of the same day before; without it one is made.
    """

    name = "the morning plan kept"

    def __init__(
        self,
        script: Script,
        times: TravelTimes,
        *,
        seconds: float,
        seed: int,
        policy: TenantPolicy | None = None,
        learned: Learned = LEARNED_NOTHING,
        lag: Lag = ASSUMED_LAG,
        morning: NewRoutes | None = None,
    ) -> None:
        self.day: LivedDay | None = None
        self._broken: dict[str, Breakdown] = {}
        self.moved = 0
        self._learned = learned
        self._lag = lag
        self._script = script
        self._times = times
        self.seconds = seconds
        self._seed = seed
        self.policy = policy or TenantPolicy()
        self._names = count(1 if morning is None else _MOST_NAMES)
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
        self.morning = morning or self.made_early(script.begins_s - HOUR_S)
        self.take(self.morning)

    @property
    def revision(self) -> int:
        """Of the plan in force."""
        return self.plan.revision

    def begin(self, day: LivedDay) -> None:
        """The day that is lived under this plan begins."""
        self.day = day

    def made_early(self, now_s: float) -> NewRoutes:
        """The plan of the day before the vans leave."""
        return self.made(self.as_it_stands(now_s), self.seconds).new

    def made(self, day: Day, seconds: float, solver: SolverName = "auto") -> "Made":
        """What the product would make of a day, by a search of so many real seconds."""
        asked = structs.replace(self.request(day, seconds), solver=solver)
        travel = self._times.between(asked.problem.locations)
        plan = solve(asked, travel)
        kept, prices = prices_kept(asked.problem, travel), prices_of(asked.problem, plan)
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
            vehicles=self._vehicles, positions=positions, broken=frozenset(self._broken),
            orders=to_fetch(self.orders.values(), self._broken, self.plan.routes),
            lag=self._lag, pace=self._learned.pace,
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
        """It stands there with what it has aboard; nobody plans for that."""
        self._broken[van] = Breakdown(
            tenant=_TENANT, vehicle_id=van, lat=point[0], lon=point[1], note="",
            reported_by="driver", reported_at=now_s,
        )  # fmt: skip

    def judged(self) -> list[Judged]:
        """Forecasts that were made and what came; who keeps a plan makes none."""
        return []

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
