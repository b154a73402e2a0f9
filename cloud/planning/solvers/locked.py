"""Routes whose order is given: they are driven as they stand, and only the rest is searched. Pure.

A locked route gets nothing more. One that keeps its order is locked when everything new has been
put where it costs least, so what is new may come between.
"""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from cloud.planning.problem import Job, Problem, RouteStep, Vehicle
from cloud.planning.solution import Unserved
from cloud.planning.solvers.allowed import allows, without_room_for
from cloud.planning.solvers.port import Sequences, Step, sequences_in_force
from cloud.planning.solvers.schedule import feasible, timed
from cloud.roads.hours import Travel


@dataclass(frozen=True, slots=True)
class Divided:
    """A problem in two: what a solver may order, and what is ordered already.

    Attributes:
        free: without the vans whose routes are locked, and without their jobs.
        held: for each locked van of the problem, its visits, and those of no job that breaks a
            rule where it stands. unserved: those jobs.
    """

    problem: Problem
    free: Problem
    held: dict[str, tuple[Step, ...]]
    unserved: tuple[Unserved, ...]

    def joined(self, sequences: Sequences) -> Sequences:
        """The sequences of ``free``, with the locked ones, as those of the whole problem."""
        at = {job.id: index for index, job in enumerate(self.problem.jobs)}
        index_of = [at[job.id] for job in self.free.jobs]
        found = {
            van.id: tuple(Step(index_of[step.job], step.kind) for step in steps)
            for van, steps in zip(self.free.vehicles, sequences, strict=True)
        }
        return tuple((self.held | found)[van.id] for van in self.problem.vehicles)


@dataclass(frozen=True, slots=True)
class Ordered:
    """A problem in which each van that keeps its order is locked to it.

    Attributes:
        unserved: what only such a van may serve, and fits nowhere beside what it keeps.
    """

    problem: Problem
    unserved: tuple[Unserved, ...]


def ordered(
    problem: Problem, travel: Travel, insert: Callable[[Problem, Sequences], Sequences]
) -> Ordered:
    """Lock each van that keeps its order, with what is new put between where that costs least.

    Args:
        problem: as it is asked.
        travel: between its locations.
        insert: puts what its sequences leave out where it costs least, and moves nothing.
    """
    keeping = {van.id for van in problem.vehicles if van.keeps_order and van.locked is None}
    before = sequences_in_force(problem) if keeping else None
    if before is None:
        return Ordered(problem, ())
    fits = _of_vans(feasible(problem, travel, before))
    gone = {
        job: van.id
        for van, steps in zip(problem.vehicles, before, strict=True)
        if van.id in keeping
        for job in {step.job for step in steps}
        if job not in fits
    }
    stuck = [problem.jobs[at] for at in gone if problem.jobs[at].only_vehicle is not None]
    asked = replace(
        problem,
        vehicles=tuple(without_room_for(van, stuck) for van in problem.vehicles),
        jobs=tuple(
            job if at not in gone else _banned_from(job, gone[at])
            for at, job in enumerate(problem.jobs)
            if at not in gone or job.only_vehicle is None
        ),
    )
    start = sequences_in_force(asked) or tuple(() for _ in asked.vehicles)
    kept = _locked(asked, insert(asked, start), keeping)
    left = [job for job in kept.jobs if not any(allows(van, job) for van in kept.vehicles)]
    unserved = (*map(_stuck, stuck), *(_fits_nowhere(asked, job, keeping) for job in left))
    return Ordered(_without(kept, left), unserved)


def _of_vans(sequences: Sequences) -> set[int]:
    return {step.job for steps in sequences for step in steps}


def _banned_from(job: Job, van_id: str) -> Job:
    return replace(job, banned_vehicles=(*job.banned_vehicles, van_id))


def _locked(problem: Problem, placed: Sequences, keeping: set[str]) -> Problem:
    vans: list[Vehicle] = []
    only: dict[int, str] = {}
    for van, steps in zip(problem.vehicles, placed, strict=True):
        if van.id not in keeping:
            vans.append(van)
            continue
        only |= {step.job: van.id for step in steps}
        given = tuple(RouteStep(job=problem.jobs[one.job].id, kind=one.kind) for one in steps)
        vans.append(replace(van, locked=given))
    jobs = tuple(
        replace(job, only_vehicle=only.get(at, job.only_vehicle))
        for at, job in enumerate(problem.jobs)
    )
    return replace(problem, vehicles=tuple(vans), jobs=jobs)


def _without(problem: Problem, left: Sequence[Job]) -> Problem:
    gone = {job.id for job in left}
    return replace(
        problem,
        vehicles=tuple(without_room_for(van, left) for van in problem.vehicles),
        jobs=tuple(job for job in problem.jobs if job.id not in gone),
    )


def _stuck(job: Job) -> Unserved:
    reason = (
        f"it does not fit any more where it stands on the route of {job.only_vehicle}, which keeps "
        "the order that was chosen; lift that rule, or move it to another day"
    )
    return Unserved(job=job.id, constraint="time", reason=reason)


def _fits_nowhere(problem: Problem, job: Job, keeping: Container[str]) -> Unserved:
    able = [van.id for van in problem.vehicles if van.id in keeping and allows(van, job)]
    where = " or ".join(able) or "a van"
    reason = (
        f"it fits nowhere on the route of {where}, which keeps the order that was chosen, and no "
        "other van may serve it; lift that rule, or move it to another day"
    )
    return Unserved(job=job.id, constraint="time", reason=reason)


def divided(problem: Problem, travel: Travel) -> Divided:
    """Take the locked routes out of ``problem``."""
    locked = [van for van in problem.vehicles if van.locked is not None]
    if not locked:
        return Divided(problem, problem, {}, ())
    held: dict[str, tuple[Step, ...]] = {}
    unserved: list[Unserved] = []
    for van in locked:
        held[van.id], left = _held(problem, travel, van)
        unserved += left
    names = {van.id for van in locked}
    free = replace(
        problem,
        vehicles=tuple(van for van in problem.vehicles if van.id not in names),
        jobs=tuple(
            job if job.previous_vehicle not in names else replace(job, previous_vehicle=None)
            for job in problem.jobs
            if job.only_vehicle not in names
        ),
    )
    return Divided(problem, free, held, tuple(unserved))


def _held(
    problem: Problem, travel: Travel, van: Vehicle
) -> tuple[tuple[Step, ...], list[Unserved]]:
    at = {job.id: index for index, job in enumerate(problem.jobs)}
    steps = tuple(Step(at[step.job], step.kind) for step in van.locked or ())
    left: list[Unserved] = []
    while (broken := timed(problem, travel, van, steps).broken_by) is not None:
        steps = tuple(step for step in steps if step.job != broken)
        reason = (
            f"it does not fit any more where it stands on the locked route of {van.id}; "
            "lift the lock, or move it to another day"
        )
        left.append(Unserved(job=problem.jobs[broken].id, constraint="time", reason=reason))
    return steps, left
