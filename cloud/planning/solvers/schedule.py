"""From an order of visits to a plan with times: as early as possible, waiting for windows. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

import msgspec

from cloud.planning.problem import Job, Problem, RouteStep, Vehicle
from cloud.planning.sequence import out_of_order
from cloud.planning.solution import Cost, Plan, PlannedBreak, PlannedRoute, Prices, Unserved, Visit
from cloud.planning.solvers.allowed import NOTHING, allows, is_loaded_at_start
from cloud.planning.solvers.breaks import Rest, is_limited, legs_of, needs_breaks, placed
from cloud.planning.solvers.port import Sequences, Step
from cloud.planning.solvers.rates import (
    price_of_lateness,
    price_of_leaving,
    price_of_preference,
    price_of_risk,
    price_of_route,
)
from cloud.planning.solvers.service import (
    Loading,
    is_missed,
    lateness_s,
    loadings,
    place_of,
    service_s_of,
    start_of,
)
from cloud.roads.hours import TimedMatrix, Travel
from cloud.roads.model import NO_WAY

_MOST_DRIVEN: Final = 512
"""Routes kept with their times for each matrix; one decision times each van some five times."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A route with times, and the job that breaks a rule first, if one does."""

    route: PlannedRoute
    broken_by: int | None


def timed(problem: Problem, travel: Travel, vehicle: Vehicle, steps: Iterable[Step]) -> Timed:
    """Drive ``steps`` with ``vehicle``, each leg at its hour and each visit as early as it can be.

    No later departure arrives earlier (`cloud.roads.hours`), so waiting never gains anything.
    Breaks that the route needs are taken where they delay it least. The same route by the same
    matrix is driven once, however often it is asked for.
    """
    told = with_pickups(problem, vehicle, tuple(steps))
    if not isinstance(travel, TimedMatrix):
        return _timed(problem, travel, vehicle, told)
    made_of = vehicle, problem.policy, *(problem.jobs[step.job] for step in told)
    key = tuple(map(id, made_of)), told, problem.aboard.get(vehicle.id)
    driven = _driven.setdefault(travel, {})
    known = driven.get(key)
    if known is None:
        if len(driven) >= _MOST_DRIVEN:
            driven.clear()
        known = driven[key] = _Driven(_timed(problem, travel, vehicle, told), made_of)
    return known.timed


@dataclass(frozen=True, slots=True)
class _Driven:
    """A route with times, and what it was made of, which its key names as long as it is kept."""

    timed: Timed
    made_of: tuple[object, ...]


_driven: Final[WeakKeyDictionary[TimedMatrix, dict[object, _Driven]]] = WeakKeyDictionary()


def _timed(problem: Problem, travel: Travel, vehicle: Vehicle, told: tuple[Step, ...]) -> Timed:
    drive = _Drive(problem, travel, vehicle)
    straight = drive.through(told)
    if not is_limited(vehicle) or not needs_breaks(vehicle, straight.route):
        return straight
    legs = legs_of(problem.jobs, problem.policy, vehicle, told[drive.loaded :], drive.drive_s)
    found = placed(vehicle, drive.leaves_at, legs)
    with_breaks = _Drive(problem, travel, vehicle, found.rests).through(told)
    if found.stuck_at is None or with_breaks.broken_by is not None:
        return with_breaks
    stuck = min(len(told) - 1, drive.loaded + found.stuck_at)
    return Timed(with_breaks.route, told[stuck].job)


def with_pickups(problem: Problem, vehicle: Vehicle, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Put the pickups that ``steps`` leave out in front: they are loaded at the start.

    What lies elsewhere comes behind that.
    """
    fetched = {step.job for step in steps if step.kind == "pickup"}
    loaded = [
        Step(step.job, "pickup")
        for step in steps
        if step.kind == "delivery"
        and step.job not in fetched
        and problem.jobs[step.job].pickup is not None
    ]
    loaded.sort(key=lambda step: not is_loaded_at_start(vehicle, problem.jobs[step.job]))
    return (*loaded, *steps)


def feasible(problem: Problem, travel: Travel, sequences: Sequences) -> Sequences:
    """The same sequences without the jobs that break a rule where they stand."""
    kept: list[tuple[Step, ...]] = []
    for vehicle, steps in zip(problem.vehicles, sequences, strict=True):
        left = with_pickups(problem, vehicle, steps)
        while (broken := timed(problem, travel, vehicle, left).broken_by) is not None:
            left = tuple(step for step in left if step.job != broken)
        kept.append(left)
    return tuple(kept)


def plan_of(
    problem: Problem,
    travel: Travel,
    sequences: Sequences,
    unserved: Iterable[Unserved],
    solver: str,
) -> Plan:
    """The plan that drives ``sequences``."""
    routes = tuple(
        timed(problem, travel, vehicle, steps).route
        for vehicle, steps in zip(problem.vehicles, sequences, strict=True)
    )
    return Plan(
        routes=routes,
        unserved=tuple(unserved),
        cost=cost_of(problem, routes),
        solver=solver,
    )


def cost_of(problem: Problem, routes: Iterable[PlannedRoute]) -> Cost:
    """What ``routes`` cost in driving and lateness."""
    jobs = {job.id: job for job in problem.jobs}
    vans = {van.id: van for van in problem.vehicles}
    cost = Cost(drive_s=0, distance_m=0, late_s=0)
    for route in routes:
        late = sum(
            lateness_s(jobs[visit.job], visit.start)
            for visit in route.visits
            if visit.kind == "delivery"
        )
        cost = msgspec.structs.replace(
            cost,
            drive_s=cost.drive_s + sum(visit.leg_s for visit in route.visits) + route.end_leg_s,
            distance_m=cost.distance_m
            + sum(visit.leg_m for visit in route.visits)
            + route.end_leg_m,
            late_s=cost.late_s + late,
            preference=cost.preference
            + sum(
                price_of_preference(problem.policy, vans[route.vehicle], jobs[visit.job])
                for visit in route.visits
                if visit.kind == "delivery"
            ),
        )
    return cost


def price_of(problem: Problem, plan: Plan) -> float:
    """What a plan costs by the problem's policy, in seconds of driving."""
    return prices_of(problem, plan).total


def prices_of(problem: Problem, plan: Plan) -> Prices:
    """What a plan costs by the problem's policy, by what costs it."""
    policy = problem.policy
    jobs = {job.id: job for job in problem.jobs}
    changed = sum(
        jobs[visit.job].previous_vehicle not in {None, route.vehicle}
        for route in plan.routes
        for visit in route.visits
        if visit.kind == "delivery"
    )
    vans = {van.id: van for van in problem.vehicles}
    in_force = {van.id: _deliveries(van.in_force) for van in problem.vehicles}
    resequenced = sum(
        len(out_of_order(in_force[route.vehicle], _deliveries(route.visits)))
        for route in plan.routes
    )
    return Prices(
        driving=sum(price_of_route(policy, vans[route.vehicle], route) for route in plan.routes),
        lateness=sum(
            lateness_s(jobs[visit.job], visit.start) * price_of_lateness(policy, jobs[visit.job])
            for route in plan.routes
            for visit in route.visits
            if visit.kind == "delivery"
        ),
        change=changed * policy.changed_vehicle + resequenced * policy.changed_sequence,
        unserved=sum(price_of_leaving(policy, jobs[left.job]) for left in plan.unserved),
        preference=plan.cost.preference,
        risk=sum(
            price_of_risk(policy, jobs[visit.job], visit.start)
            for route in plan.routes
            for visit in route.visits
            if visit.kind == "delivery"
        ),
    )


def _deliveries(steps: Iterable[RouteStep] | Iterable[Visit]) -> list[str]:
    return [step.job for step in steps if step.kind == "delivery"]


class _Drive:
    """One van on its way through its visits."""

    def __init__(
        self, problem: Problem, travel: Travel, vehicle: Vehicle, rests: Iterable[Rest] = ()
    ) -> None:
        self._problem = problem
        self._travel = travel
        self._vehicle = vehicle
        self._at = vehicle.start
        self._clock = vehicle.available_from
        self._load = problem.aboard.get(vehicle.id, NOTHING)
        self._room = vehicle.room
        self._left_m = vehicle.range_m
        self._rests = tuple(rests)
        self._breaks: list[PlannedBreak] = []
        self.loaded = 0
        self.leaves_at = self._clock
        self._visits: list[Visit] = []
        self._broken_by: int | None = None

    def through(self, steps: tuple[Step, ...]) -> Timed:
        self.loaded = self._load_at_start(steps)
        self.leaves_at = self._clock
        told = loadings(self._vehicle, self._problem.jobs, steps[self.loaded :])
        for at, step in enumerate(steps[self.loaded :]):
            loading = told.get(at) if told else None
            if loading is not None and at > loading.first:
                self._load_too(step)
            else:
                self._drive_to(step, loading)
        self._rest(self._at, is_at_end=False)
        seconds, metres = self._leg(self._vehicle.end) if steps else (0, 0)
        if steps and self._is_out_of_range(metres):
            self._break(steps[-1].job)
        ends_at = self._clock + seconds
        if steps and ends_at > self._vehicle.shift_end:
            self._break(steps[-1].job)
        route = PlannedRoute(
            vehicle=self._vehicle.id,
            visits=tuple(self._visits),
            end_leg_s=seconds,
            end_leg_m=metres,
            ends_at=ends_at,
            breaks=tuple(self._breaks),
        )
        return Timed(route, self._broken_by)

    def _load_at_start(self, steps: tuple[Step, ...]) -> int:
        """Load what stands first and lies at the start, in one go; say how many visits that is."""
        if not self._vehicle.loads_at_start:
            return 0
        loaded: list[Step] = []
        for step in steps:
            if step.kind != "pickup" or not is_loaded_at_start(self._vehicle, self._job(step)):
                break
            loaded.append(step)
        if not loaded:
            return 0
        ready = [self._job(step).ready_from or 0 for step in loaded]
        start = max(self._clock, *ready)
        for step in loaded:
            self._visit(step, start, self._vehicle.loading_s, (0, 0))
        self._clock = start + self._vehicle.loading_s
        return len(loaded)

    def _drive_to(self, step: Step, loading: Loading | None) -> None:
        job = self._job(step)
        place = place_of(job, step)
        if self._rests:
            self._rest(self._at, is_at_end=False)
        leg = self._leg(place)
        if self._left_m is not None and self._is_out_of_range(leg[1], place):
            self._break(step.job)
        arrival = self._clock + leg[0]
        rested_at = self._rest(place, is_at_end=True) if self._rests else 0
        free_at = max(arrival, rested_at)
        start = start_of(job, step, free_at) if loading is None else max(free_at, loading.ready)
        service_s = service_s_of(job, step) if loading is None else loading.service_s
        if (job.windows or job.pickup_windows) and is_missed(job, step, start):
            self._break(step.job)
        self._visit(step, start, service_s, leg)
        self._clock = start + service_s
        self._at = place

    def _load_too(self, step: Step) -> None:
        """What is loaded with the visit before."""
        last = self._visits[-1]
        if self._is_overloaded_by(step) or not allows(self._vehicle, self._job(step)):
            self._break(step.job)
        self._visits.append(msgspec.structs.replace(last, job=self._job(step).id, leg_s=0, leg_m=0))

    def _rest(self, place: int, *, is_at_end: bool) -> int:
        """Take the breaks that belong here; gives when the last of them ends, 0 without any."""
        if not self._rests:
            return 0
        ends = 0
        for rest in self._rests:
            if (rest.leg, rest.is_at_end) == (len(self._visits) - self.loaded, is_at_end):
                ends = rest.ends
                self._breaks.append(
                    PlannedBreak(
                        before=len(self._visits), location=place, begins=rest.begins, ends=ends
                    )
                )
        if not is_at_end:
            self._clock = max(self._clock, ends)
        return ends

    def drive_s(self, origin: int, goal: int, leaves: int) -> int:
        """How long a drive takes that is set out on at an instant."""
        return self._travel.leg(origin, goal, leaves)[0]

    def _visit(self, step: Step, start: int, service_s: int, leg: tuple[int, int]) -> None:
        job = self._job(step)
        if self._is_overloaded_by(step) or leg[0] >= NO_WAY or not allows(self._vehicle, job):
            self._break(step.job)
        self._visits.append(
            Visit(
                job=job.id,
                kind=step.kind,
                location=place_of(job, step),
                arrival=self._clock + leg[0],
                start=start,
                departure=start + service_s,
                leg_s=leg[0],
                leg_m=leg[1],
            )
        )

    def _is_overloaded_by(self, step: Step) -> bool:
        """Take the load aboard or off; whether that is more than fits."""
        job, (parcels, grams, millilitres) = self._job(step), self._load
        if step.kind == "delivery":
            self._load = parcels - job.size, grams - job.weight_g, millilitres - job.volume_ml
            return False
        self._load = parcels + job.size, grams + job.weight_g, millilitres + job.volume_ml
        return any(
            more and there > room
            for there, more, room in zip(self._load, job.load, self._room, strict=True)
        )

    def _is_out_of_range(self, metres: int, place: int | None = None) -> bool:
        """Drive so far; whether it was too far to come back from ``place``."""
        if self._left_m is None:
            return False
        self._left_m -= metres
        back = 0 if place is None else int(self._travel.metres[place, self._vehicle.end])
        return self._left_m < back

    def _leg(self, place: int) -> tuple[int, int]:
        return self._travel.leg(self._at, place, self._clock)

    def _job(self, step: Step) -> Job:
        return self._problem.jobs[step.job]

    def _break(self, job: int) -> None:
        self._broken_by = job if self._broken_by is None else self._broken_by
