"""From a request and a matrix to a plan: screen, search, put times to it, name what is left."""

import time
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Final

from msgspec.structs import replace

from cloud.planning.problem import Job, Problem, Window
from cloud.planning.questions import SolveRequest
from cloud.planning.solution import Plan, PlannedRoute, Unserved
from cloud.planning.solvers.allowed import allows, total
from cloud.planning.solvers.breaks import is_limited
from cloud.planning.solvers.by_hour import search_matrix, tightened
from cloud.planning.solvers.choice import NamedSolver, chosen
from cloud.planning.solvers.insertion.solver import InsertionSolver, inserted
from cloud.planning.solvers.locked import divided, ordered
from cloud.planning.solvers.margins import closing_earlier, margins_of
from cloud.planning.solvers.ortools_solver import OrtoolsSolver
from cloud.planning.solvers.parts import price
from cloud.planning.solvers.port import Sequences, Solver, Task, sequences_in_force, sequences_of
from cloud.planning.solvers.pyvrp_solver import PyvrpSolver
from cloud.planning.solvers.rates import price_of_risk
from cloud.planning.solvers.schedule import feasible, plan_of
from cloud.planning.solvers.screening import earliest_delivery, screened
from cloud.roads.hours import TimedMatrix, Travel

_JUST_LATE_S: Final = 900
_LATER_S: Final = (1_800, 7_200, 1_000_000)
"""How much later what a search left out may come in the next; at last until the shift ends."""
_LATE_SHARE: Final = 0.4
"""Of the time, kept for those further searches."""
_FIRST_SHARE: Final = 0.85
_AGAIN_SHARE: Final = 0.5
_LAST_SHARE: Final = 0.95
"""Of the time left, for the first search where speeds change with the hour; for the next when the
clock found something late, and when it did not."""
_ROUNDS: Final = 6
_SOFT_SHARE: Final = 0.5
"""Of the time, for plans that are late in soft windows because that is cheaper."""
_SOFT_S: Final = ((1_800, _SOFT_SHARE / 2), (36_000, 0.0))
"""How much later such a window closes in each search, and the share of the time left after it."""
_MARGIN_SHARE: Final = 0.25
_MARGIN_ROUNDS: Final = 4
"""What cannot keep a margin, found in that share of the time, has none; where something is left out
even so, nothing has."""
_MOST_NEW: Final = 3
"""Where more is new than that, as after a breakdown, all of the time goes into placing it."""
_WORTH_SAVING_S: Final = 60.0
"""In seconds of driving: where so much less is to be feared, margins are sought."""
_WORTH_S: Final = 0.05
"""So much of the time must be left for a search to go on in it."""


def solver_named(name: NamedSolver) -> Solver:
    """The solver of that name."""
    match name:
        case "pyvrp":
            return PyvrpSolver()
        case "ortools":
            return OrtoolsSolver()
        case "insertion":
            return InsertionSolver()


def solve(
    request: SolveRequest,
    travel: Travel,
    *,
    far_m: dict[int, float] | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
    cores: int = 0,
) -> Plan:
    """A plan for the request's problem within about its seconds.

    Args:
        request: what is asked.
        travel: between all its locations; solvers search on one matrix, and what they find is
            driven, trimmed and priced with the speeds of the hour of each leg.
        far_m: locations without a street near them; orders there are left unserved.
        is_cancelled: when true the search ends with the best so far.
        cores: searches made at once at the most; 0 is as many as this process may use.

    Raises:
        SolverFailed: the solver ended without an answer.
    """
    screen = screened(request.problem, travel, far_m or {})
    choice = chosen(request.solver, screen.problem, is_revised=request.previous is not None)
    solver = solver_named(choice.solver)
    given = ordered(screen.problem, travel, partial(_insert, request, travel, is_cancelled))
    division = divided(given.problem, travel)
    found = _Search(request, division.free, travel, solver, is_cancelled, cores).run()
    left_out = (*given.unserved, *division.unserved, *_left_out(division.free, found))
    unserved = (*screen.unserved, *left_out)
    sequences = division.joined(found)
    plan = plan_of(given.problem, travel, sequences, unserved, solver.name)
    return replace(_with_idle_vans(request.problem, plan), because=choice.because)


def _insert(
    request: SolveRequest,
    travel: Travel,
    is_cancelled: Callable[[], bool],
    problem: Problem,
    start: Sequences,
) -> Sequences:
    """``start`` with everything that is new where it costs least."""
    task = Task(
        problem=problem,
        matrix=search_matrix(problem, travel),
        seconds=request.seconds,
        seed=request.seed,
        start=start,
        is_cancelled=is_cancelled,
        cores=1,
        travel=travel if isinstance(travel, TimedMatrix) else None,
    )
    return inserted(task, start)


class _Search:
    """The search proper; once more with later windows when something that may be late is left."""

    def __init__(
        self,
        request: SolveRequest,
        problem: Problem,
        travel: Travel,
        solver: Solver,
        is_cancelled: Callable[[], bool],
        cores: int,
    ) -> None:
        self._request = request
        self._problem = problem
        self._travel = travel
        self._is_by_hour = isinstance(travel, TimedMatrix) and len(travel.seconds) > 1
        self._matrix = search_matrix(problem, travel)
        self._solver = solver
        self._is_cancelled = is_cancelled
        self._cores = cores
        self._seconds = request.seconds
        self._ends = time.perf_counter() + request.seconds

    def run(self) -> Sequences:
        problem = self._problem
        if not problem.jobs or not problem.vehicles:
            return tuple(() for _ in problem.vehicles)
        if all(job.late_s is None for job in problem.jobs):
            return self._kept()
        seconds, whole = self._seconds, self._ends
        self._seconds *= 1.0 - _SOFT_SHARE
        self._ends -= _SOFT_SHARE * seconds
        best = self._kept()
        self._seconds, self._ends = seconds, whole
        found = [best, *(self._opened(later_s, best, left) for later_s, left in _SOFT_S)]
        return min(found, key=lambda each: price(problem, self._travel, each))

    def _opened(self, later_s: int, start: Sequences, spared: float) -> Sequences:
        """The best where soft windows close so much later; it is priced as late as it is."""
        jobs = tuple(
            job if job.late_s is None or not job.windows else _closed_later(job, later_s)
            for job in self._problem.jobs
        )
        sequences = self._search(replace(self._problem, jobs=jobs), start, spared)
        return feasible(self._problem, self._travel, sequences)

    def _kept(self) -> Sequences:
        """A plan that keeps every window that some plan was found to keep.

        A search from a plan in force holds the margins that it has. Where promises are in danger
        it asks for whole ones, when the plan with these to start from is worth its price.
        """
        problem, travel = self._problem, self._travel
        before = self._before()
        margins = margins_of(problem, travel, before)
        begun = self._begun(margins, {}, before)
        if self._is_cancelled():
            return begun[1] or tuple(() for _ in problem.vehicles)
        if before is None or begun[1] is None or not self._may_restore(before):
            return self._searched(*begun)
        fuller = margins | margins_of(problem, travel, None)
        if self._gained_by(margins, fuller) < _WORTH_SAVING_S:
            return self._searched(*begun)
        restored = self._begun(fuller, margins, before)
        if restored[1] is not None and (
            price(problem, travel, restored[1]) < price(problem, travel, begun[1])
        ):
            begun = restored
        return self._searched(*begun)

    def _may_restore(self, before: Sequences) -> bool:
        """Whether the time is for more than placing what is new."""
        is_quick = self._solver.name == "insertion"
        return not is_quick and len(_jobs_left(self._problem, before)) <= _MOST_NEW

    def _gained_by(self, margins: dict[int, int], fuller: dict[int, int]) -> float:
        """By how much less is to be feared with ``fuller`` margins, in seconds of driving."""
        policy, jobs = self._problem.policy, self._problem.jobs
        found = 0.0
        for at, margin_s in fuller.items():
            closes = jobs[at].windows[-1].closes
            feared = (
                price_of_risk(policy, jobs[at], closes - held)
                for held in (margins.get(at, 0), margin_s)
            )
            found += next(feared) - next(feared)
        return found

    def _searched(self, problem: Problem, start: Sequences | None) -> Sequences:
        """The best found that keeps the margins that are in the windows of ``problem``."""
        later: dict[int, int] = {}
        share = _LATE_SHARE if any(job.may_be_late for job in problem.jobs) else 0.0
        sequences = self._search(_relaxed(problem, self._travel, later), start, share)
        for later_s in _LATER_S:
            left = [at for at in _jobs_left(problem, sequences) if _must_come(problem.jobs[at])]
            if not left:
                break
            later |= dict.fromkeys(left, later_s)
            relaxed = _relaxed(problem, self._travel, later)
            share = 0.0 if later_s == _LATER_S[-1] else _LATE_SHARE / 2
            if not self._has_time():
                break
            sequences = self._search(relaxed, sequences, share)
        if _jobs_left(problem, sequences):  # margins or not
            sequences = inserted(self._task(self._problem, sequences, self._ends), sequences)
            return feasible(self._problem, self._travel, sequences)
        if share and self._has_time():
            relaxed = _relaxed(problem, self._travel, later)
            sequences = self._search(relaxed, sequences, 0.0)
        return sequences

    def _before(self) -> Sequences | None:
        """The plan in force, or the one that is to be bettered."""
        previous = self._request.previous
        if previous is None:
            return sequences_in_force(self._problem)
        return sequences_of(previous, self._problem)

    def _begun(
        self, margins: dict[int, int], least: dict[int, int], before: Sequences | None
    ) -> tuple[Problem, Sequences | None]:
        """The problem with the margins that can be kept, and where the search for it starts.

        That is the plan before with what is new put where it costs least.
        """
        problem = self._problem
        for round_ in range(_MARGIN_ROUNDS if margins else 0):
            held = closing_earlier(problem, margins)
            relaxed = _relaxed(held, self._travel, {})
            if before is None:
                begun = before = self._search(relaxed, None, 1.0 - _MARGIN_SHARE)
            else:
                begun = inserted(self._task(relaxed, before, self._ends), before)
            left = set(_jobs_left(problem, begun))
            if not left:
                return held, begun
            if self._is_cancelled():
                break
            margins = {at: least.get(at, 0) if at in left else s for at, s in margins.items()}
            if round_ == _MARGIN_ROUNDS - 2:
                margins = {at: max(s // 2, least.get(at, 0)) for at, s in margins.items()}
        if before is None:
            return problem, None
        return problem, inserted(self._task(problem, before, self._ends), before)

    def _search(self, problem: Problem, start: Sequences | None, spared: float) -> Sequences:
        """Search in what is left of the time but the share ``spared``, of this phase's time."""
        ends = self._ends - spared * self._seconds
        if self._is_by_hour and self._solver.name != "insertion":
            return self._searched_by_hour(problem, start, ends)
        return feasible(problem, self._travel, self._solver.solve(self._task(problem, start, ends)))

    def _searched_by_hour(
        self, problem: Problem, start: Sequences | None, ends: float
    ) -> Sequences:
        """Search, drive what was found by the hour, and search again where that is late."""
        asked, best, least, share = problem, None, inf, _FIRST_SHARE
        if start is not None:
            best = feasible(problem, self._travel, start)
            least = price(problem, self._travel, best)
        for _ in range(_ROUNDS):
            pause = time.perf_counter() + share * (ends - time.perf_counter())
            found = self._solver.solve(self._task(asked, start, pause))
            kept = feasible(problem, self._travel, found)
            if _jobs_left(problem, kept):
                kept = inserted(self._task(problem, kept, ends), kept)
            costs = price(problem, self._travel, kept)
            if best is None or costs < least:
                best, least = kept, costs
            closer = tightened(asked, problem, self._travel, self._matrix, found)
            if ends - time.perf_counter() < _WORTH_S or self._is_cancelled():
                break
            asked, start = closer or asked, best
            share = _LAST_SHARE if closer is None else _AGAIN_SHARE
        return best or tuple(() for _ in problem.vehicles)

    def _has_time(self) -> bool:
        return not self._is_cancelled() and self._ends - time.perf_counter() > _WORTH_S

    def _task(self, problem: Problem, start: Sequences | None, ends: float) -> Task:
        return Task(
            problem=problem,
            matrix=self._matrix,
            seconds=max(0.01, ends - time.perf_counter()),
            seed=self._request.seed,
            start=start,
            is_cancelled=self._is_cancelled,
            cores=self._cores,
            travel=self._travel if isinstance(self._travel, TimedMatrix) else None,
        )


def _relaxed(problem: Problem, travel: Travel, later: dict[int, int]) -> Problem:
    """Lengthen the last window of what may be late.

    Where no van can keep it, just enough to be reached; for each job in ``later``, which a search
    left out, so many seconds more.
    """
    vans = problem.vehicles

    def relax(at: int, job: Job) -> Job:
        if not job.may_be_late or not job.windows:
            return job
        last = job.windows[-1]
        if at not in later and any(
            allows(van, job) and earliest_delivery(travel, van, job) <= last.closes for van in vans
        ):
            return job
        able = [van for van in vans if allows(van, job)]
        earliest = min(earliest_delivery(travel, van, job) for van in able)
        within = later.get(at, _JUST_LATE_S if earliest > last.closes else 0)
        closes = min(max(last.closes, earliest) + within, max(van.shift_end for van in able))
        if job.late_until is not None:
            closes = min(closes, job.late_until)
        if not within or closes <= last.closes:
            return job
        return replace(job, windows=(*job.windows[:-1], Window(opens=last.opens, closes=closes)))

    jobs = tuple(relax(at, job) for at, job in enumerate(problem.jobs))
    return replace(problem, jobs=jobs)


def _must_come(job: Job) -> bool:
    """Whether it comes late rather than not at all."""
    return job.may_be_late and job.unserved is None


def _closed_later(job: Job, later_s: int) -> Job:
    last = job.windows[-1]
    closes = last.closes + later_s
    if job.late_until is not None:
        closes = min(closes, job.late_until)
    later = Window(opens=last.opens, closes=closes)
    return replace(job, windows=(*job.windows[:-1], later))


def _jobs_left(problem: Problem, sequences: Sequences) -> list[int]:
    served = {step.job for steps in sequences for step in steps}
    return [at for at in range(len(problem.jobs)) if at not in served]


def _left_out(problem: Problem, sequences: Sequences) -> list[Unserved]:
    left = [at for at in _jobs_left(problem, sequences) if problem.jobs[at].unserved is None]
    return [*_waiting(problem, sequences), *_without_room(problem, left)]


def _waiting(problem: Problem, sequences: Sequences) -> list[Unserved]:
    """What may wait, and does."""
    return [
        Unserved(
            job=problem.jobs[at].id,
            constraint="wait",
            reason="it may wait for another day, and serving it today costs more than leaving it; "
            "raise the price of leaving it (`wait` of the policy) to serve it today",
        )
        for at in _jobs_left(problem, sequences)
        if problem.jobs[at].unserved is not None
    ]


def _without_room(problem: Problem, left: list[int]) -> list[Unserved]:
    demand = total(job.load for job in problem.jobs)
    room = total(van.room for van in problem.vehicles)
    short = next((at for at in range(len(demand)) if demand[at] > room[at]), None)
    if short is not None:
        scale, unit = ((1, "parcels"), (1_000, "kg"), (1_000, "litres"))[short]
        reason = (
            f"the vans hold {room[short] / scale:g} {unit} together and the orders have "
            f"{demand[short] / scale:g}; add a van, or move orders to another day"
        )
        return [
            Unserved(job=problem.jobs[at].id, constraint="capacity", reason=reason) for at in left
        ]
    reason = (
        f"it fits no van beside the other orders within {_limits(problem)}; "
        "add a van, lengthen a shift, or move orders to another day"
    )
    return [Unserved(job=problem.jobs[at].id, constraint="time", reason=reason) for at in left]


def _limits(problem: Problem) -> str:
    told = ["windows", "shifts"]
    told += ["range"] if any(van.range_m is not None for van in problem.vehicles) else []
    told += ["working time"] if any(is_limited(van) for van in problem.vehicles) else []
    return f"{', '.join(told[:-1])} and {told[-1]}"


def _with_idle_vans(problem: Problem, plan: Plan) -> Plan:
    """The plan with a route for each van of ``problem``, in its order."""
    routes = {route.vehicle: route for route in plan.routes}
    every = tuple(
        routes.get(van.id)
        or PlannedRoute(
            vehicle=van.id, visits=(), end_leg_s=0, end_leg_m=0, ends_at=van.available_from
        )
        for van in problem.vehicles
    )
    return replace(plan, routes=every)
