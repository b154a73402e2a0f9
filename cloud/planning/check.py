"""The independent check of a plan: every rule again from the problem, sharing no code with solvers.

A plan with a violation is never used. Lateness of jobs that may be late is no violation.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from math import inf
from typing import Final

from cloud.planning.check_breaks import check_breaks
from cloud.planning.check_loading import begun_by, services_s
from cloud.planning.check_preference import check_preference
from cloud.planning.problem import Job, Problem, Vehicle
from cloud.planning.solution import Plan, PlannedRoute, Violation, Visit
from cloud.roads.hours import Travel
from cloud.roads.model import NO_WAY, Matrix

_ROUNDED_S: Final = 1
"""A leg over a change of hours is a sum of shares, and may be rounded otherwise than here."""


def check(problem: Problem, travel: Travel, plan: Plan) -> tuple[Violation, ...]:
    """Every rule that ``plan`` breaks.

    Args:
        problem: what was asked.
        travel: between its locations; each leg must take as long as it does at its hour.
        plan: the answer.
    """
    return _Check(problem, travel, plan).violations()


class _Check:
    def __init__(self, problem: Problem, travel: Travel, plan: Plan) -> None:
        self._problem = problem
        self._jobs = {job.id: job for job in problem.jobs}
        self._vehicles = {vehicle.id: vehicle for vehicle in problem.vehicles}
        self._legs = _Legs(travel)
        self._plan = plan

    def violations(self) -> tuple[Violation, ...]:
        """All of them, whole-plan rules first."""
        found = [*self._strangers(), *self._each_job_once(), *self._each_van_once()]
        if found:
            return tuple(found)
        for route in self._plan.routes:
            van = self._vehicles[route.vehicle]
            found += self._order(route)
            found += self._locked(van, route)
            found += self._kept_order(van, route)
            found += self._load(van, route)
            found += self._times(van, route)
            found += self._end(van, route)
            found += self._range(van, route)
            found += check_breaks(van, route)
            for visit in route.visits:
                found += self._visit(van, visit)
        return (*found, *self._cost(), *check_preference(self._problem, self._plan))

    def _strangers(self) -> Iterator[Violation]:
        for route in self._plan.routes:
            if route.vehicle not in self._vehicles:
                yield _broken("known", "the plan has a van that the problem has not", None, route)
            for visit in route.visits:
                if visit.job not in self._jobs:
                    yield _broken("known", "the plan has a job that is not asked", visit, route)
        for left in self._plan.unserved:
            if left.job not in self._jobs:
                yield Violation(
                    rule="known",
                    text=f"{left.job}: left unserved and was never asked",
                    job=left.job,
                )

    def _each_job_once(self) -> Iterator[Violation]:
        delivered = Counter(
            visit.job
            for route in self._plan.routes
            for visit in route.visits
            if visit.kind == "delivery"
        )
        left = Counter(each.job for each in self._plan.unserved)
        for job in self._jobs:
            if delivered[job] + left[job] != 1:
                yield Violation(
                    rule="once",
                    text=f"{job}: delivered {delivered[job]} times and left {left[job]} times",
                    job=job,
                )
        for each in self._plan.unserved:
            if not each.reason.strip():
                yield Violation(
                    rule="reason", text=f"{each.job}: left without a reason", job=each.job
                )

    def _each_van_once(self) -> Iterator[Violation]:
        drawn = Counter(route.vehicle for route in self._plan.routes)
        for van in self._vehicles:
            if drawn[van] != 1:
                yield Violation(
                    rule="vehicle", text=f"{van}: has {drawn[van]} routes, not one", vehicle=van
                )

    def _order(self, route: PlannedRoute) -> Iterator[Violation]:
        fetched: set[str] = set()
        delivered: set[str] = set()
        for visit in route.visits:
            is_aboard = self._jobs[visit.job].pickup is None
            if visit.kind == "pickup":
                if is_aboard or visit.job in fetched:
                    yield _broken("pickup", "it is fetched though it is aboard", visit, route)
                fetched.add(visit.job)
            elif not is_aboard and visit.job not in fetched:
                yield _broken("pickup", "it is delivered before it is fetched", visit, route)
            else:
                delivered.add(visit.job)
        for job in sorted(fetched - delivered):
            yield Violation(
                rule="pickup",
                text=f"{job}: fetched by {route.vehicle} and never delivered",
                job=job,
                vehicle=route.vehicle,
            )

    def _locked(self, van: Vehicle, route: PlannedRoute) -> Iterator[Violation]:
        if van.locked is None:
            return
        left = {each.job for each in self._plan.unserved}
        wanted = [(step.job, step.kind) for step in van.locked if step.job not in left]
        while van.loads_at_start and wanted and wanted[0][1] == "pickup":
            first = self._jobs[wanted[0][0]]
            if first.pickup != van.start or first.pickup_windows:
                break
            wanted.pop(0)
        visits = route.visits[self._loaded(van, route) :]
        driven = [(visit.job, visit.kind) for visit in visits]
        if driven != wanted:
            yield Violation(
                rule="sequence",
                text=f"{van.id}: its route is locked to {wanted}, and the plan drives {driven}",
                vehicle=van.id,
            )

    def _kept_order(self, van: Vehicle, route: PlannedRoute) -> Iterator[Violation]:
        """What stays on a van whose order a person chose stays in that order."""
        if not van.keeps_order or van.locked is not None:
            return
        chosen = [step.job for step in van.in_force if step.kind == "delivery"]
        driven = [v.job for v in route.visits if v.kind == "delivery" and v.job in set(chosen)]
        wanted = [job for job in chosen if job in set(driven)]
        if driven != wanted:
            yield Violation(
                rule="sequence",
                text=f"{van.id}: its stops are to keep the order {wanted}, and it drives {driven}",
                vehicle=van.id,
            )

    def _load(self, van: Vehicle, route: PlannedRoute) -> Iterator[Violation]:
        """What is aboard at first is a fact; only taking more than fits is a fault."""
        for what, limit, share in (
            ("parcels", van.capacity, lambda job: job.size),
            ("grams", van.capacity_g, lambda job: job.weight_g),
            ("millilitres", van.capacity_ml, lambda job: job.volume_ml),
        ):
            if limit is not None:
                yield from self._load_in(van, route, what, limit, share)

    def _load_in(
        self,
        van: Vehicle,
        route: PlannedRoute,
        what: str,
        limit: int,
        share: Callable[[Job], int],
    ) -> Iterator[Violation]:
        aboard = sum(
            share(job)
            for job in self._jobs.values()
            if job.pickup is None and job.only_vehicle == van.id
        )
        for visit in route.visits:
            taken = share(self._jobs[visit.job])
            aboard += taken if visit.kind == "pickup" else -taken
            if visit.kind == "pickup" and taken and aboard > limit:
                text = f"{aboard} {what} are aboard and {limit} fit"
                yield _broken("capacity", text, visit, route)

    def _times(self, van: Vehicle, route: PlannedRoute) -> Iterator[Violation]:
        place, free_at = van.start, van.available_from
        firsts = begun_by(van, self._jobs, route.visits)
        services = services_s(van, self._jobs, route.visits, firsts)
        loaded = self._loaded(van, route)
        for number, visit in enumerate(route.visits):
            is_loading = number < loaded
            if firsts[number] < number and not is_loading:
                continue
            leaves = max(free_at, visit.arrival - visit.leg_s)
            leg_s, leg_m = self._legs.of(place, visit.location, leaves, visit.leg_s)
            if (visit.leg_s, visit.leg_m) != (leg_s, leg_m) or max(leg_s, leg_m) >= NO_WAY:
                text = f"the drive there takes {leg_s} s and {leg_m} m, not {visit.leg_s}"
                yield _broken("roads", text, visit, route)
            if visit.arrival < free_at + leg_s:
                text = f"it arrives at {visit.arrival}, {free_at + leg_s} is the earliest"
                yield _broken("time", text, visit, route)
            if visit.start < visit.arrival:
                yield _broken("time", "its service starts before the arrival", visit, route)
            service_s = van.loading_s if is_loading else services[number]
            if visit.departure < visit.start + service_s:
                yield _broken("service", "its service is too short", visit, route)
            place = visit.location
            free_at = van.available_from if is_loading else visit.departure
            if number + 1 == loaded:
                free_at = max(each.departure for each in route.visits[: number + 1])
        yield from self._loading(van, route)

    def _loaded(self, van: Vehicle, route: PlannedRoute) -> int:
        """How many visits belong to the loading at the start, which is done in one go."""
        if not van.loads_at_start:
            return 0
        for number, visit in enumerate(route.visits):
            is_fetched_here = visit.kind == "pickup" and visit.location == van.start
            if not is_fetched_here or self._jobs[visit.job].pickup_windows:
                return number
        return len(route.visits)

    def _loading(self, van: Vehicle, route: PlannedRoute) -> Iterator[Violation]:
        for one, other in pairwise(route.visits[: self._loaded(van, route)]):
            if one.departure != other.departure:
                yield _broken("service", "the loading does not end for all at once", other, route)

    def _end(self, van: Vehicle, route: PlannedRoute) -> Iterator[Violation]:
        if not route.visits:
            return
        last = route.visits[-1]
        leaves = max(last.departure, route.ends_at - route.end_leg_s)
        leg_s, leg_m = self._legs.of(last.location, van.end, leaves, route.end_leg_s)
        if (route.end_leg_s, route.end_leg_m) != (leg_s, leg_m) or max(leg_s, leg_m) >= NO_WAY:
            yield _broken("roads", f"the drive back takes {leg_s} s and {leg_m} m", last, route)
        if route.ends_at < last.departure + leg_s:
            yield _broken("time", "the van is back before it can be", last, route)
        if max(route.ends_at, last.departure + leg_s) > van.shift_end:
            text = f"the route ends at {route.ends_at}, the shift at {van.shift_end}"
            yield _broken("shift", text, last, route)

    def _range(self, van: Vehicle, route: PlannedRoute) -> Iterator[Violation]:
        metres = sum(visit.leg_m for visit in route.visits) + route.end_leg_m
        if van.range_m is not None and route.visits and metres > van.range_m:
            text = f"it drives {metres} m and reaches {van.range_m} m"
            yield _broken("range", text, None, route)

    def _visit(self, van: Vehicle, visit: Visit) -> Iterator[Violation]:
        job = self._jobs[visit.job]
        place = job.pickup if visit.kind == "pickup" else job.delivery
        if visit.location != place:
            yield _broken("place", f"it is at {visit.location}, not {place}", visit, van)
        if job.only_vehicle not in {None, van.id}:
            yield _broken("locked", f"only {job.only_vehicle} may serve it", visit, van)
        if job.pickup is not None and van.id in job.banned_vehicles:
            yield _broken("banned", "this van may not serve it", visit, van)
        if job.pickup is not None and (lacking := set(job.needs) - set(van.skills)):
            yield _broken("skill", f"the van has not {', '.join(sorted(lacking))}", visit, van)
        if visit.kind == "pickup" and job.ready_from and visit.start < job.ready_from:
            yield _broken("ready", f"it is not ready before {job.ready_from}", visit, van)
        if visit.kind == "pickup" and not _is_open(job, visit.start):
            yield _broken("window", f"nobody is there at {visit.start} to fetch it", visit, van)
        if visit.kind == "delivery" and not _is_in_window(job, visit.start):
            yield _broken("window", f"service at {visit.start} is outside its windows", visit, van)

    def _cost(self) -> Iterator[Violation]:
        drive_s = distance_m = late_s = 0
        for route in self._plan.routes:
            drive_s += route.end_leg_s
            distance_m += route.end_leg_m
            for visit in route.visits:
                drive_s += visit.leg_s
                distance_m += visit.leg_m
                windows = self._jobs[visit.job].windows
                if visit.kind == "delivery" and windows:
                    late_s += max(0, visit.start - windows[-1].closes)
        told = self._plan.cost
        if (told.drive_s, told.distance_m, told.late_s) != (drive_s, distance_m, late_s):
            yield Violation(
                rule="cost",
                text=f"its cost is {drive_s} s, {distance_m} m, {late_s} s late; it says {told}",
            )


class _Legs:
    """How long drives take that begin at a time: the share of the way driven in each hour, summed.

    In fractions, and written apart from `cloud.roads.hours`, by which plans are made.
    """

    def __init__(self, travel: Travel) -> None:
        self._metres = travel.metres
        if isinstance(travel, Matrix):
            self._seconds = travel.seconds[None]
            self._spells: list[tuple[float, int]] = [(inf, 0)]
        else:
            self._seconds = travel.seconds
            ends = *travel.hours.changes[1:], inf
            self._spells = list(zip(ends, travel.hours.classes, strict=True))

    def of(self, origin: int, goal: int, leaves: int, told_s: int) -> tuple[int, int]:
        """Seconds and metres; ``told_s`` itself when it is right but for the rounding."""
        metres = int(self._metres[origin, goal])
        first = next(at for at, (ends, _) in enumerate(self._spells) if leaves < ends)
        ends, kind = self._spells[first]
        whole_s = int(self._seconds[kind, origin, goal])
        if leaves + whole_s <= ends:
            return whole_s, metres
        exact = self._across(origin, goal, leaves, first)
        return told_s if abs(exact - told_s) <= _ROUNDED_S else round(exact), metres

    def _across(self, origin: int, goal: int, leaves: int, first: int) -> Fraction:
        """Seconds of a drive over changes of hours; while no way leads there it waits."""
        left, clock = Fraction(1), Fraction(leaves)
        for ends, kind in self._spells[first:]:
            whole_s = int(self._seconds[kind, origin, goal])
            if whole_s < NO_WAY:
                if clock + left * whole_s <= ends:
                    return clock + left * whole_s - leaves
                left -= (Fraction(ends) - clock) / whole_s
            elif ends == inf:
                return Fraction(NO_WAY)
            clock = Fraction(ends)
        raise AssertionError("the last hours hold for ever")


def _is_in_window(job: Job, start: int) -> bool:
    if not job.windows:
        return True
    if job.may_be_late and start > job.windows[-1].closes:
        return job.late_until is None or start <= job.late_until
    return any(window.opens <= start <= window.closes for window in job.windows)


def _is_open(job: Job, start: int) -> bool:
    windows = job.pickup_windows
    return not windows or any(window.opens <= start <= window.closes for window in windows)


def _broken(rule: str, text: str, visit: Visit | None, on: PlannedRoute | Vehicle) -> Violation:
    van = on.vehicle if isinstance(on, PlannedRoute) else on.id
    job = None if visit is None else visit.job
    about = van if visit is None else f"{visit.job} ({visit.kind}) on {van}"
    return Violation(rule=rule, text=f"{about}: {text}", job=job, vehicle=van)
