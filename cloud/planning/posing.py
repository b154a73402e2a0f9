"""What is to be done on a day, and the problem that it poses to the planner. Pure."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from cloud.orders.model import Order
from cloud.places.usable import Excluded, why_excluded
from cloud.planning.day_plan import Unplanned, served_orders
from cloud.planning.lag import with_margin
from cloud.planning.policy import TenantPolicy
from cloud.planning.preferring import preferred, with_zones
from cloud.planning.problem import Job, Problem, RouteStep, Vehicle, VisitKind
from cloud.planning.proposals import Sequences
from cloud.planning.situation import Day, is_to_serve, van_of
from cloud.planning.solvers.allowed import is_loaded_at_start
from cloud.planning.van_shifts import Locations, thousandths, vehicle_of, with_hours
from cloud.planning.visiting import Access, visits_of
from cloud.planning.wishes import left_out, priced


def problem_of(
    day: Day,
    drives_s: Mapping[str, int],
    policy: TenantPolicy | None = None,
    held: Sequences | None = None,
) -> Problem:
    """What the planner is asked.

    Args:
        day: as it stands.
        drives_s: how long each van of `Day.drives_to_ask` still drives to its frozen stop.
        policy: the tenant's prices and slack; None takes the usual ones.
        held: each van's visits, when they are given and not sought: all routes are locked to them.
            What is aboard another van, pinned, or on a route that a dispatcher locked, stays there.
    """
    places = Locations()
    depot = places.index(day.depot.lat, day.depot.lon)
    over = [order for order in day.orders.values() if not is_to_serve(order)]
    rules = (policy or TenantPolicy()).work_rules_at(day.depot.id)
    shifts = day.open_shifts()
    vehicles = [
        with_hours(
            day,
            shift,
            with_zones(
                day,
                shift,
                vehicle_of(day, shift, places, drives_s.get(shift.vehicle_id), over),
            ),
            rules,
        )
        for shift in shifts
    ]
    known = _Known.of(day)
    policy = policy or TenantPolicy()
    jobs = [
        preferred(
            day,
            shifts,
            priced(_with_slack(job, order, policy.slack_s), order, policy),
            order,
            policy,
        )
        for order in day.orders.values()
        if (job := _job(day, order, places, depot, known)) is not None
    ]
    begins = max(day.now, min((van.available_from for van in vehicles), default=day.now))
    jobs = [with_margin(job, begins, day.lag, policy.margin_share) for job in jobs]
    if held is not None:
        jobs = _given(jobs, held, known.on_shift)
    of_day = {job.id: job for job in jobs}
    return Problem(
        locations=places.all(),
        vehicles=tuple(_with_route(day, vehicle, of_day, held) for vehicle in vehicles),
        jobs=tuple(jobs),
        policy=policy.prices,
    )


def _with_slack(job: Job, order: Order, slack_s: int) -> Job:
    """The job with more time at its customer's door; a return is fetched there."""
    if order.is_return and job.pickup is not None:
        return replace(job, pickup_service_s=job.pickup_service_s + slack_s)
    return replace(job, service_s=job.service_s + (0 if order.is_return else slack_s))


def stranded(day: Day, planned: Container[str] = ()) -> tuple[Unplanned, ...]:
    """Orders that nobody can serve: their van has no shift any more, or no time is left.

    Args:
        day: as it stands.
        planned: orders that have found a van, of which nothing needs to be said.
    """
    known = _Known.of(day)
    on_shift = known.on_shift
    told = []
    for order in day.orders.values():
        van, pinned = van_of(order), day.pinned_vehicle(order.id)
        if order.id in planned or order.id in known.driven_to:
            continue
        if is_to_serve(order) and van is not None and van not in on_shift:
            reason = f"its parcels are aboard {van}, which has no shift; give it one"
        elif is_to_serve(order) and van is None and _is_off(pinned, on_shift):
            reason = f"it is pinned to {pinned}, which has no shift; give it one, or lift the pin"
        elif (excluded := _excluded(order, known)) is not None:
            reason = why_excluded(excluded, day.depot.zone)
        else:
            continue
        told.append(left_out(order, reason))
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
    vehicle: Vehicle,
    of_day: Mapping[str, Job],
    held: Sequences | None,
) -> Vehicle:
    """The van with its open visits as they are planned, locked when a dispatcher says so."""
    route, frozen = day.plan.route_of(vehicle.id), day.frozen_stop(vehicle.id)
    steps: dict[RouteStep, None] = {}
    for stop in route.open_stops if route else ():
        for order_id in () if stop == frozen else stop.order_ids:
            job = of_day.get(order_id)
            if job is not None and _is_step(job, stop.kind, vehicle, steps):
                steps[RouteStep(job=order_id, kind=stop.kind)] = None
    if vehicle.id not in day.locked_vehicles:
        given = None if held is None else _held_steps(vehicle, of_day, held)
        is_kept = held is None and vehicle.id in day.kept_in_order
        return replace(vehicle, in_force=tuple(steps), locked=given, keeps_order=is_kept)
    own = tuple(step for step in steps if of_day[step.job].only_vehicle == vehicle.id)
    return replace(vehicle, in_force=tuple(steps), locked=own)


def _given(jobs: list[Job], held: Sequences, on_shift: Container[str]) -> list[Job]:
    """The jobs, each bound to the van that has it in ``held`` unless it is bound already."""
    van_of_job = {step.job: van for van, steps in held.items() for step in steps if van in on_shift}
    return [replace(job, only_vehicle=job.only_vehicle or van_of_job.get(job.id)) for job in jobs]


def _held_steps(
    vehicle: Vehicle, of_day: Mapping[str, Job], held: Sequences
) -> tuple[RouteStep, ...]:
    steps: dict[RouteStep, None] = {}
    for step in held.get(vehicle.id, ()):
        job = of_day.get(step.job)
        is_own = job is not None and job.only_vehicle == vehicle.id
        if job is not None and is_own and _is_step(job, step.kind, vehicle, steps):
            steps[step] = None
    return tuple(steps)


def _is_step(
    job: Job,
    kind: VisitKind,
    vehicle: Vehicle,
    before: Iterable[RouteStep],
) -> bool:
    """Whether a planned visit is still one by itself: what is loaded at the start is not.

    What is loaded there behind a delivery is for a further trip.
    """
    if job.pickup is None:
        return kind == "delivery" and job.only_vehicle == vehicle.id
    if kind == "delivery" or not is_loaded_at_start(vehicle, job):
        return True
    return any(step.kind == "delivery" for step in before)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What holds for the day as a whole, found once and not anew for each of its orders.

    Attributes:
        on_shift: vans with an open shift. access: when doors can be served.
        driven_to: orders whose door a van is driving to or stands at.
        fetched_by: the van on shift that is about to fetch an order. previous: that of the plan
            in force.
    """

    on_shift: frozenset[str]
    access: Access
    driven_to: Mapping[str, str]
    fetched_by: Mapping[str, str]
    previous: Mapping[str, str]

    @classmethod
    def of(cls, day: Day) -> "_Known":
        shifts = day.open_shifts()
        on_shift = frozenset(shift.vehicle_id for shift in shifts)
        heading: dict[str, dict[str, str]] = {"delivery": {}, "pickup": {}}
        for shift in day.shifts:
            van, stop = shift.vehicle_id, day.frozen_stop(shift.vehicle_id)
            if stop is not None and (stop.kind == "delivery" or van in on_shift):
                heading[stop.kind] |= dict.fromkeys(stop.order_ids, van)
        return cls(
            on_shift=on_shift,
            access=Access(
                day=day.plan.service_date,
                zone=day.depot.zone,
                last=max((shift.ends_at for shift in shifts), default=day.now),
                places=day.places,
                areas=day.areas,
                streets=day.streets,
            ),
            driven_to=heading["delivery"],
            fetched_by=heading["pickup"],
            previous=served_orders(day.plan.routes),
        )


def _job(day: Day, order: Order, places: Locations, depot: int, known: _Known) -> Job | None:
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
    return Job(
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
