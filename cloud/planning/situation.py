"""A depot's day at one instant, and the problem it poses to the planner. Pure.

What is fixed: a stop that is done, the stop being driven to or stood at, and parcels aboard a van.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from cloud.fleet.model import Depot, Driver, Shift, Vehicle
from cloud.orders.model import Order
from cloud.orders.states import OrderState
from cloud.places.areas import AccessArea
from cloud.places.model import Place
from cloud.places.service_times import NOTHING_LEARNED, ServiceTimes
from cloud.places.usable import Excluded, why_excluded
from cloud.planning import model
from cloud.planning.break_times import rest_left_s, worked_until
from cloud.planning.day import DayPlan, Route, Stop, Unplanned, served_orders
from cloud.planning.policy import TenantPolicy
from cloud.planning.proposals import Sequences
from cloud.planning.rules import Rule
from cloud.planning.solvers.allowed import is_loaded_at_start
from cloud.planning.vans import range_and_prices
from cloud.planning.visiting import OVERTIME_S, Access, visits_of
from cloud.planning.working import WorkRules

LOADING_S: Final = 600
LEAST_REST_S: Final = 30
EARLY_S: Final = 600
"""A driver sets out so as to stand at the door this long before its window opens, not earlier."""
POSITION_TOO_OLD_S: Final = 900.0
TWO_MAN: Final = "two_man"
"""The skill of a shift on which somebody goes along with the driver."""

TO_DELIVER: Final[frozenset[OrderState]] = frozenset(
    {"received", "planned", "loaded", "out_for_delivery"}
)
_ABOARD: Final[frozenset[OrderState]] = frozenset({"loaded", "out_for_delivery"})


def is_to_serve(order: Order) -> bool:
    """Whether something of it is still to be driven: to its door, or of a return to the depot."""
    return order.state in TO_DELIVER or (order.is_return and order.state == "returning")


@dataclass(frozen=True, slots=True)
class At:
    """Where a van is, and when that was true (seconds since 1970)."""

    lat: float
    lon: float
    fix_time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Everything that is known of a depot's service date at one instant."""

    now: float
    depot: Depot
    plan: DayPlan
    shifts: tuple[Shift, ...]
    vehicles: Mapping[str, Vehicle]
    orders: Mapping[str, Order]
    positions: Mapping[str, At]
    drivers: Mapping[str, Driver] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)
    areas: tuple[AccessArea, ...] = ()
    service_times: ServiceTimes = NOTHING_LEARNED
    broken: frozenset[str] = frozenset()
    """Vans that cannot drive on; what they had aboard lies there to be fetched."""

    @property
    def locked_vehicles(self) -> frozenset[str]:
        """Vans whose routes a dispatcher has locked."""
        return frozenset(rule.vehicle_id for rule in self.rules if rule.kind == "lock")

    def pinned_vehicle(self, order_id: str) -> str | None:
        """The van that alone may serve an order: by a pin, or as it is on a locked route."""
        for rule in self.rules:
            if rule.kind == "pin" and rule.order_id == order_id:
                return rule.vehicle_id
        for vehicle_id in self.locked_vehicles:
            route = self.plan.route_of(vehicle_id)
            for stop in route.open_stops if route else ():
                if stop.kind == "delivery" and order_id in stop.order_ids:
                    return vehicle_id
        return None

    def banned_vehicles(self, order_id: str) -> frozenset[str]:
        """Vans that may not serve an order, as a dispatcher says."""
        return frozenset(
            rule.vehicle_id
            for rule in self.rules
            if rule.kind == "ban" and rule.order_id == order_id
        )

    def skills_of(self, shift: Shift) -> tuple[str, ...]:
        """What van, driver and helpers of a shift can do together."""
        known = (self.drivers.get(one) for one in shift.people)
        words = {word for person in known if person is not None for word in person.skills}
        words |= set(self.vehicles[shift.vehicle_id].skills)
        return tuple(sorted(words | ({TWO_MAN} if shift.helper_ids else set())))

    def is_wanted(self, stop: Stop) -> bool:
        """Whether anything of a stop is still to be done for somebody."""
        return any(
            is_to_serve(order)
            for order_id in stop.order_ids
            if (order := self.orders.get(order_id)) is not None
        )

    def frozen_stop(self, vehicle_id: str) -> Stop | None:
        """The stop a van under way is driving to, or stands at; None while it waits.

        Who does not go on still finishes where the van stands.
        """
        route = self.plan.route_of(vehicle_id)
        if route is None or not route.has_begun:
            return None
        if self._is_called_off(vehicle_id):
            return next((s for s in route.open_stops if s.state == "arrived"), None)
        stop = next(
            (s for s in route.open_stops if s.state == "arrived" or self.is_wanted(s)), None
        )
        return None if stop is None or self.is_waited_for(stop) else stop

    def _is_called_off(self, vehicle_id: str) -> bool:
        return not any(
            self.may_go_out(shift) for shift in self.shifts if shift.vehicle_id == vehicle_id
        )

    def is_waited_for(self, stop: Stop) -> bool:
        """Whether it is too early to set out for a stop, because its window opens much later."""
        if stop.state != "open" or stop.window is None:
            return False
        return self.now < stop.window.begin - EARLY_S - stop.leg_s

    def open_shifts(self) -> list[Shift]:
        """Shifts that are to come or on, and those over whose van still has something to do."""
        return [
            shift
            for shift in self.shifts
            if self.may_go_out(shift) and (shift.ends_at > self.now or self._is_in_overtime(shift))
        ]

    def may_go_out(self, shift: Shift) -> bool:
        """Whether a shift holds and its van is in use and can drive."""
        is_fit = self.vehicles[shift.vehicle_id].is_in_use and shift.vehicle_id not in self.broken
        return shift.state == "planned" and is_fit

    def _is_in_overtime(self, shift: Shift) -> bool:
        route = self.plan.route_of(shift.vehicle_id)
        is_under_way = route is not None and route.state == "under_way"
        return is_under_way and self.now < shift.ends_at + OVERTIME_S

    def newest_position(self, vehicle_id: str) -> At | None:
        """Where a van is, unless that was true too long ago."""
        at = self.positions.get(vehicle_id)
        if at is None or self.now - at.fix_time > POSITION_TOO_OLD_S:
            return None
        return at

    def start_of(self, vehicle_id: str) -> tuple[float, float]:
        """Where a van stands before its shift."""
        van = self.vehicles[vehicle_id]
        if van.start_lat is None or van.start_lon is None:
            return self.depot.lat, self.depot.lon
        return van.start_lat, van.start_lon

    def end_of(self, vehicle_id: str) -> tuple[float, float]:
        """Where a van goes after its shift."""
        van = self.vehicles[vehicle_id]
        if van.end_lat is None or van.end_lon is None:
            return self.depot.lat, self.depot.lon
        return van.end_lat, van.end_lon

    def metres_driven(self, vehicle_id: str) -> int:
        """What a van has driven today to its stops, the one it is driving to included."""
        route, frozen = self.plan.route_of(vehicle_id), self.frozen_stop(vehicle_id)
        stops = route.stops if route else ()
        return sum(stop.leg_m for stop in stops if stop.state == "done" or stop == frozen)

    def drives_to_ask(self) -> dict[str, tuple[At, Stop]]:
        """For each van on its way to a frozen stop: from where to where it drives."""
        asked = {}
        for shift in self.shifts:
            stop, at = self.frozen_stop(shift.vehicle_id), self.newest_position(shift.vehicle_id)
            if stop is not None and stop.state == "open" and at is not None:
                asked[shift.vehicle_id] = (at, stop)
        return asked


class _Locations:
    """Distinct places, in the order in which they are first asked for."""

    def __init__(self) -> None:
        self._known: dict[tuple[float, float], int] = {}

    def index(self, lat: float, lon: float) -> int:
        return self._known.setdefault((lat, lon), len(self._known))

    def all(self) -> tuple[model.Location, ...]:
        return tuple(model.Location(lat=lat, lon=lon) for lat, lon in self._known)


def problem_of(
    day: Day,
    drives_s: Mapping[str, int],
    policy: TenantPolicy | None = None,
    held: Sequences | None = None,
) -> model.Problem:
    """What the planner is asked.

    Args:
        day: as it stands.
        drives_s: how long each van of `Day.drives_to_ask` still drives to its frozen stop.
        policy: the tenant's prices and slack; None takes the usual ones.
        held: each van's visits, when they are given and not sought: all routes are locked to them.
            What is aboard another van, pinned, or on a route that a dispatcher locked, stays there.
    """
    places = _Locations()
    depot = places.index(day.depot.lat, day.depot.lon)
    over = [order for order in day.orders.values() if not is_to_serve(order)]
    rules = (policy or TenantPolicy()).work_rules_at(day.depot.id)
    vehicles = [
        _with_hours(
            day,
            shift,
            _vehicle(day, shift, places, drives_s.get(shift.vehicle_id), over),
            rules,
        )
        for shift in day.open_shifts()
    ]
    known = _Known.of(day)
    policy = policy or TenantPolicy()
    jobs = [
        replace(job, service_s=job.service_s + policy.slack_s)
        for order in day.orders.values()
        if (job := _job(day, order, places, depot, known)) is not None
    ]
    if held is not None:
        jobs = _given(jobs, held, known.on_shift)
    of_day = {job.id: job for job in jobs}
    return model.Problem(
        locations=places.all(),
        vehicles=tuple(_with_route(day, vehicle, of_day, held) for vehicle in vehicles),
        jobs=tuple(jobs),
        policy=policy.prices,
    )


def stranded(day: Day) -> tuple[Unplanned, ...]:
    """Orders that nobody can serve: their van has no shift any more, or no time is left."""
    known = _Known.of(day)
    on_shift = known.on_shift
    told = []
    for order in day.orders.values():
        van, pinned = van_of(order), day.pinned_vehicle(order.id)
        if order.id in known.driven_to:
            continue
        if is_aboard(order) and van is not None and van not in on_shift:
            reason = f"its parcels are aboard {van}, which has no shift; give it one"
        elif is_to_serve(order) and van is None and _is_off(pinned, on_shift):
            reason = f"it is pinned to {pinned}, which has no shift; give it one, or lift the pin"
        elif (excluded := _excluded(order, known)) is not None:
            reason = why_excluded(excluded, day.depot.zone)
        else:
            continue
        told.append(Unplanned(order_id=order.id, reason=reason))
    return tuple(told)


def _excluded(order: Order, known: "_Known") -> Excluded | None:
    """What leaves no time for an order that is still to be fetched."""
    if not is_to_serve(order) or van_of(order) is not None or order.id in known.fetched_by:
        return None
    visits = visits_of(order, lambda lat, lon: 0, 0, known.access, is_fetched=False)
    return visits if isinstance(visits, Excluded) else None


def _is_off(pinned: str | None, on_shift: Container[str]) -> bool:
    return pinned is not None and pinned not in on_shift


def _with_route(
    day: Day,
    vehicle: model.Vehicle,
    of_day: Mapping[str, model.Job],
    held: Sequences | None,
) -> model.Vehicle:
    """The van with its open visits as they are planned, locked when a dispatcher says so."""
    route, frozen = day.plan.route_of(vehicle.id), day.frozen_stop(vehicle.id)
    steps: dict[model.RouteStep, None] = {}
    for stop in route.open_stops if route else ():
        for order_id in () if stop == frozen else stop.order_ids:
            job = of_day.get(order_id)
            if job is not None and _is_step(job, stop.kind, vehicle, steps):
                steps[model.RouteStep(job=order_id, kind=stop.kind)] = None
    if vehicle.id not in day.locked_vehicles:
        given = None if held is None else _held_steps(vehicle, of_day, held)
        return replace(vehicle, in_force=tuple(steps), locked=given)
    own = tuple(step for step in steps if of_day[step.job].only_vehicle == vehicle.id)
    return replace(vehicle, in_force=tuple(steps), locked=own)


def _given(jobs: list[model.Job], held: Sequences, on_shift: Container[str]) -> list[model.Job]:
    """The jobs, each bound to the van that has it in ``held`` unless it is bound already."""
    van_of_job = {step.job: van for van, steps in held.items() for step in steps if van in on_shift}
    return [replace(job, only_vehicle=job.only_vehicle or van_of_job.get(job.id)) for job in jobs]


def _held_steps(
    vehicle: model.Vehicle, of_day: Mapping[str, model.Job], held: Sequences
) -> tuple[model.RouteStep, ...]:
    steps: dict[model.RouteStep, None] = {}
    for step in held.get(vehicle.id, ()):
        job = of_day.get(step.job)
        is_own = job is not None and job.only_vehicle == vehicle.id
        if job is not None and is_own and _is_step(job, step.kind, vehicle, steps):
            steps[step] = None
    return tuple(steps)


def _is_step(
    job: model.Job,
    kind: model.VisitKind,
    vehicle: model.Vehicle,
    before: Iterable[model.RouteStep],
) -> bool:
    """Whether a planned visit is still one by itself: what is loaded at the start is not.

    What is loaded there behind a delivery is for a further trip.
    """
    if job.pickup is None:
        return kind == "delivery" and job.only_vehicle == vehicle.id
    if kind == "delivery" or not is_loaded_at_start(vehicle, job):
        return True
    return any(step.kind == "delivery" for step in before)


def is_aboard(order: Order) -> bool:
    """Whether its parcels were taken aboard a van and are to be brought somewhere."""
    return order.state in _ABOARD or (order.is_return and order.state == "returning")


def van_of(order: Order) -> str | None:
    """The van that has parcels of an order aboard."""
    return next((p.whereabouts.at for p in order.parcels if p.whereabouts.kind == "van"), None)


def _vehicle(
    day: Day, shift: Shift, places: _Locations, drive_s: int | None, over: Iterable[Order]
) -> model.Vehicle:
    van = day.vehicles[shift.vehicle_id]
    route = day.plan.route_of(van.id)
    room = _room(van, over)
    skills = day.skills_of(shift)
    is_out = route is not None and route.has_begun
    costs = range_and_prices(van, day.metres_driven(van.id), is_out=is_out)
    depot = places.index(day.depot.lat, day.depot.lon)
    end = places.index(*day.end_of(van.id))
    if route is None or not route.has_begun:
        start = places.index(*day.start_of(van.id))
        return model.Vehicle(
            id=van.id,
            start=start,
            end=end,
            available_from=int(max(shift.starts_at, day.now)),
            shift_end=int(shift.ends_at),
            capacity=room[0],
            capacity_g=room[1],
            capacity_ml=room[2],
            skills=skills,
            loads_at_start=start == depot,
            loading_s=LOADING_S,
            loads_at=depot,
            **costs,
        )
    lat, lon, free_at = _free_where_and_when(day, route, drive_s)
    return model.Vehicle(
        id=van.id,
        start=places.index(lat, lon),
        end=end,
        available_from=int(free_at),
        shift_end=int(shift.ends_at) + OVERTIME_S,
        capacity=room[0],
        capacity_g=room[1],
        capacity_ml=room[2],
        skills=skills,
        loads_at=depot,
        loading_s=LOADING_S,
        **costs,
    )


def _with_hours(
    day: Day, shift: Shift, vehicle: model.Vehicle, rules: WorkRules | None
) -> model.Vehicle:
    """The van with what its driver has worked, and may; and the breaks that the shift plans."""
    free_at = vehicle.available_from
    return replace(
        vehicle,
        work_rules=rules,
        worked=worked_until(day.plan.route_of(shift.vehicle_id), shift.starts_at, free_at, rules),
        pauses=tuple((int(begin), int(end)) for begin, end in shift.breaks if end > free_at),
    )


def _room(van: Vehicle, over: Iterable[Order]) -> tuple[int, int | None, int | None]:
    """Parcels, grams and millilitres that fit beside what is over and still aboard."""
    parcels, grams, millilitres = 0, 0, 0
    for order in over:
        count = order.aboard_count(van.id)
        if count:
            parcels += count
            grams += thousandths(order.weight_kg) * count // len(order.parcels)
            millilitres += thousandths(order.volume_litres) * count // len(order.parcels)
    return (
        max(0, van.capacity_parcels - parcels),
        None if van.capacity_kg is None else max(0, thousandths(van.capacity_kg) - grams),
        None
        if van.capacity_litres is None
        else max(0, thousandths(van.capacity_litres) - millilitres),
    )


def thousandths(amount: float | None) -> int:
    """Kilograms as grams, litres as millilitres; what is not known counts as nothing."""
    return 0 if amount is None else round(amount * 1_000)


def _free_where_and_when(day: Day, route: Route, drive_s: int | None) -> tuple[float, float, float]:
    stop = day.frozen_stop(route.vehicle_id)
    if stop is not None:
        return stop.lat, stop.lon, _done_at(day.now, route, stop, drive_s)
    at = day.newest_position(route.vehicle_id)
    if at is not None:
        return at.lat, at.lon, day.now
    last = [one for one in route.stops if one.state == "done"][-1]
    return last.lat, last.lon, day.now


def _done_at(now: float, route: Route, stop: Stop, drive_s: int | None) -> float:
    """When the service at a frozen stop will probably be done."""
    if stop.arrived_at is not None:
        arrival = stop.arrived_at
    elif drive_s is not None:
        arrival = now + rest_left_s(route, stop, now) + drive_s
    else:
        arrival = max(now, stop.planned_arrival)
    begin = max(arrival, stop.window.begin) if stop.window else arrival
    return max(begin + stop.service_s, now + LEAST_REST_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What holds for the day as a whole, found once and not anew for each of its orders.

    Attributes:
        on_shift: vans with an open shift. access: when doors can be served.
        driven_to: orders whose door a van is driving to or stands at.
        fetched_by: the van that is about to fetch an order. previous: that of the plan in force.
    """

    on_shift: frozenset[str]
    access: Access
    driven_to: Mapping[str, str]
    fetched_by: Mapping[str, str]
    previous: Mapping[str, str]

    @classmethod
    def of(cls, day: Day) -> "_Known":
        shifts = day.open_shifts()
        heading: dict[str, dict[str, str]] = {"delivery": {}, "pickup": {}}
        for shift in day.shifts:
            stop = day.frozen_stop(shift.vehicle_id)
            if stop is not None:
                heading[stop.kind] |= dict.fromkeys(stop.order_ids, shift.vehicle_id)
        return cls(
            on_shift=frozenset(shift.vehicle_id for shift in shifts),
            access=Access(
                day=day.plan.service_date,
                zone=day.depot.zone,
                last=max((shift.ends_at for shift in shifts), default=day.now),
                places=day.places,
                areas=day.areas,
            ),
            driven_to=heading["delivery"],
            fetched_by=heading["pickup"],
            previous=served_orders(day.plan.routes),
        )


def _job(day: Day, order: Order, places: _Locations, depot: int, known: _Known) -> model.Job | None:
    if not is_to_serve(order):
        return None
    van = van_of(order) or known.fetched_by.get(order.id)
    is_fetched = van is not None
    if van is not None and known.driven_to.get(order.id) == van:
        return None
    pinned = van if is_fetched else day.pinned_vehicle(order.id)
    if _is_off(pinned, known.on_shift):
        return None
    previous = known.previous.get(order.id)
    visits = visits_of(order, places.index, depot, known.access, is_fetched=is_fetched)
    if isinstance(visits, Excluded):
        return None
    return model.Job(
        id=order.id,
        size=len(order.parcels),
        weight_g=thousandths(order.weight_kg),
        volume_ml=thousandths(order.volume_litres),
        needs=order.needs,
        only_vehicle=pinned,
        banned_vehicles=tuple(sorted(day.banned_vehicles(order.id) & known.on_shift)),
        priority=order.priority,
        previous_vehicle=previous if previous in known.on_shift else None,
        **visits,
    )


def shifts_to_plan(
    shifts: Iterable[Shift], vehicles: Mapping[str, Vehicle], plan: DayPlan
) -> tuple[Shift, ...]:
    """One shift a van: those that hold, and those called off after their route had begun.

    What was done on a route that was called off stays in the plan.
    """
    chosen: dict[str, Shift] = {}
    for shift in shifts:
        holds = shift.state == "planned" and vehicles[shift.vehicle_id].is_in_use
        route = plan.route_of(shift.vehicle_id)
        if holds or (shift.vehicle_id not in chosen and route is not None and route.has_begun):
            chosen[shift.vehicle_id] = shift
    return tuple(chosen.values())
