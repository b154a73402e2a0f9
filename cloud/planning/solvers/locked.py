"""Locked routes: they are driven as they stand, and only the rest is searched. Pure."""

from dataclasses import dataclass

from msgspec.structs import replace

from cloud.planning.model import Problem, Unserved, Vehicle
from cloud.planning.solvers.port import Sequences, Step
from cloud.planning.solvers.schedule import timed
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
