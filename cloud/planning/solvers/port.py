"""What every solver is to the planner: a problem in, an order of visits out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cloud.planning.problem import Problem, Vehicle, VisitKind
from cloud.planning.solution import Plan
from cloud.planning.solvers.allowed import allows
from cloud.roads.hours import TimedMatrix, Travel
from cloud.roads.model import Matrix


class Step(NamedTuple):
    """One visit before it has a time: ``job`` is an index into the problem's jobs."""

    job: int
    kind: VisitKind


type Sequences = tuple[tuple[Step, ...], ...]
"""For each vehicle of the problem its visits in order. A delivery whose pickup is not among them
is loaded at the van's start."""


class SolverFailed(RuntimeError):
    """A solver ended without an answer; the text says what it told."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a solver is asked.

    Attributes:
        problem: no job in it is impossible by itself. matrix: between its locations.
        seconds: real time it may take. seed: of its randomness.
        start: where to start the search, or None.
        is_cancelled: asked now and then; when true the best so far is enough.
        cores: searches it may make at once; 0 is as many as this process may use.
        travel: how long each leg takes at its hour, by which the plan will be timed; None: as the
            matrix says.
    """

    problem: Problem
    matrix: Matrix
    seconds: float
    seed: int
    start: Sequences | None
    is_cancelled: Callable[[], bool]
    cores: int = 0
    travel: TimedMatrix | None = None

    @property
    def exact(self) -> Travel:
        """How long each leg really takes."""
        return self.matrix if self.travel is None else self.travel


class Solver(Protocol):
    """Orders the visits. Jobs that stand in no sequence are left unserved."""

    name: str

    def solve(self, task: Task) -> Sequences:
        """The best order of visits found in the time given.

        Raises:
            SolverFailed: it ended without any.
        """
        ...


def sequences_in_force(problem: Problem) -> Sequences | None:
    """The order of visits of the plan in force, as far as it still may be; None without any."""
    jobs = {job.id: at for at, job in enumerate(problem.jobs)}
    sequences = tuple(
        tuple(
            Step(jobs[step.job], step.kind)
            for step in vehicle.in_force
            if step.job in jobs and _may_be(problem, vehicle, jobs[step.job], step.kind)
        )
        for vehicle in problem.vehicles
    )
    return sequences if any(sequences) else None


def _may_be(problem: Problem, vehicle: Vehicle, job: int, kind: VisitKind) -> bool:
    is_aboard = problem.jobs[job].pickup is None
    return allows(vehicle, problem.jobs[job]) and (kind == "delivery" or not is_aboard)


def sequences_of(plan: Plan, problem: Problem) -> Sequences:
    """The order of a plan's visits, as far as its jobs and vans are still in ``problem``.

    A job whose parcels have been taken aboard since keeps its delivery only, on that van.
    """
    jobs = {job.id: at for at, job in enumerate(problem.jobs)}
    routes = {route.vehicle: route for route in plan.routes}
    sequences: list[tuple[Step, ...]] = []
    for vehicle in problem.vehicles:
        route = routes.get(vehicle.id)
        steps: list[Step] = []
        for visit in route.visits if route else ():
            at = jobs.get(visit.job)
            if at is not None and _may_be(problem, vehicle, at, visit.kind):
                steps.append(Step(at, visit.kind))
        sequences.append(tuple(steps))
    return tuple(sequences)
