"""PyVRP behind the port: iterated local search, the default. It releases the GIL.

PyVRP knows no locks and no orders that belong to one van: vans share a travel profile, and a van
that owns parcels, or that another should not lose an order to, has one of its own in which arcs
into foreign orders cost more than leaving them (docs/decisions/solvers.md).
"""

import time
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

import pyvrp
from msgspec import structs
from pyvrp.exceptions import PenaltyBoundWarning
from pyvrp.stop import FirstFeasible, MaxRuntime, NoImprovement

from cloud.planning.solvers.choice import LARGE
from cloud.planning.solvers.cores import THIS_MACHINE
from cloud.planning.solvers.formulation import Formulation, Node, formulate
from cloud.planning.solvers.insertion.solver import inserted
from cloud.planning.solvers.parts import improved_in_parts, price
from cloud.planning.solvers.pauses import without_common_pauses
from cloud.planning.solvers.port import Sequences, Step, Task
from cloud.planning.solvers.pyvrp_model import PyvrpModel, pairs_of
from cloud.planning.solvers.pyvrp_parameters import FAR_OFF, IN_PARTS, KEEPING, fitted
from cloud.planning.solvers.ranges import has_ranges, reined
from cloud.planning.solvers.schedule import feasible, timed

_IDLE_ITERATIONS: Final = 20_000
"""So many iterations without a better plan end the search before its time does."""
_FIRST_SHARE: Final = 0.1
_FIRST_LEAST_S: Final = 1.0
"""Of the time for a large problem, spent on the whole of it before it is improved in parts."""
_BEGIN_SHARE: Final = 0.1
_INSERT_SHARE: Final = 0.25
"""Of the time, for a plan that serves every order to start from; by insertion, until it hurries."""
_SIDE_BY_SIDE: Final = 2
"""Searches of a small problem at once: more of them find little more."""


class PyvrpSolver:
    """Quality first; see the figures in docs/decisions/solvers.md."""

    name = "pyvrp"

    def solve(self, task: Task) -> Sequences:
        """The best order of visits found; feasible by PyVRP's own account, or to be trimmed."""
        ends = time.perf_counter() + task.seconds
        problem = without_common_pauses(task.problem)
        task = replace(task, problem=problem, travel=None)  # on the matrix throughout
        with warnings.catch_warnings():  # here and not in a search: filters are of all threads
            warnings.simplefilter("ignore", PenaltyBoundWarning)
            if len(task.problem.jobs) < LARGE:
                return _searched_side_by_side(task, ends)
            return _searched_in_parts(task, ends)


def _searched_in_parts(task: Task, ends: float) -> Sequences:
    first = task.start
    if first is None:
        first_s = min(max(_FIRST_LEAST_S, task.seconds * _FIRST_SHARE), task.seconds)
        ends_first = time.perf_counter() + first_s
        plain = _without_strangers(task)
        begun = _begun(plain, ends_first)
        first = _searched(replace(plain, start=begun), ends_first, begun, IN_PARTS)
    first = feasible(task.problem, task.matrix, first)
    return improved_in_parts(task, first, _searched_part, ends)


def _without_strangers(task: Task) -> Task:
    """The task where every driver knows every door: its parts price that.

    A matrix for each van would be 8 MB for 1,000 orders; vans with the same zones share one.
    """
    policy = structs.replace(task.problem.policy, unfamiliar=0.0)
    return replace(task, problem=structs.replace(task.problem, policy=policy))


def _searched_side_by_side(task: Task, ends: float) -> Sequences:
    """The best of two searches, if two may: from a plan in force one keeps to the rules.

    It is no dearer than the plan they began with, whether that serves every order or not.
    """
    ways = (FAR_OFF, FAR_OFF) if task.start is None else (KEEPING, FAR_OFF)
    begun = _begun(task, ends)
    with THIS_MACHINE.lent(min(task.cores or _SIDE_BY_SIDE, _SIDE_BY_SIDE)) as count:
        tasks = [replace(task, seed=(task.seed + at) % 2**32) for at in range(count)]
        with ThreadPoolExecutor(count, thread_name_prefix="search") as pool:
            found = list(pool.map(lambda one, way: _searched(one, ends, begun, way), tasks, ways))
    best = _cheapest(task, found)
    if best not in found:  # what the clock takes out goes where there is room for it
        best = inserted(replace(task, seconds=0.0), best)
    return best if begun is None else _cheapest(task, [best, begun])


def _cheapest(task: Task, plans: Iterable[Sequences]) -> Sequences:
    """By the clock, which what is found may not pass as it is."""
    kept = [feasible(task.problem, task.matrix, each) for each in plans]
    return min(kept, key=lambda each: price(task.problem, task.matrix, each))


def _begun(task: Task, ends: float) -> Sequences | None:
    """The plan to start from, or one that serves every order, where one is soon found.

    With it every order is told to PyVRP as one that must be served, which makes the search
    nearly twice as fast. PyVRP's own first plan is found twenty times sooner than one by
    insertion, which is asked where that serves not all. What insertion leaves out is left out of
    the plan: on a day that does not fit it is still what a search has to be cheaper than.
    """
    if task.start is not None:
        return task.start
    form = formulate(task)
    if _must_serve_all(form, task):
        plan = _first_plan(form, task, ends)
        if _serves_all(task, plan):
            return plan
    elif not pairs_of(form):
        return None  # what may wait is seldom left out because it does not fit
    if len(task.problem.jobs) >= LARGE:
        return None
    within = replace(
        task,
        seconds=_INSERT_SHARE * max(0.0, ends - time.perf_counter()),
        is_cancelled=lambda: task.is_cancelled() or time.perf_counter() > ends,
    )
    plan = inserted(within, tuple(() for _ in task.problem.vehicles))
    return feasible(task.problem, task.matrix, plan)


def _first_plan(form: Formulation, task: Task, ends: float) -> Sequences:
    """The first plan that breaks no rule, or the best in a share of the time."""
    model = PyvrpModel(form, None, is_required=True)
    limit = MaxRuntime(_BEGIN_SHARE * max(0.0, ends - time.perf_counter()))
    first = FirstFeasible()
    found = pyvrp.solve(
        model.data,
        stop=lambda best: first(best) or limit(best) or task.is_cancelled(),
        seed=task.seed,
        params=IN_PARTS,
        collect_stats=False,
        display=False,
    )
    return feasible(task.problem, task.matrix, model.sequences(found.best))


def _must_serve_all(form: Formulation, task: Task) -> bool:
    return not pairs_of(form) and all(job.unserved is None for job in task.problem.jobs)


def _serves_all(task: Task, plan: Sequences) -> bool:
    return len({step.job for steps in plan for step in steps}) == len(task.problem.jobs)


def _searched_part(task: Task) -> Sequences:
    return _searched(task, time.perf_counter() + task.seconds, task.start, IN_PARTS)


def _searched(
    task: Task, ends: float, known: Sequences | None, parameters: pyvrp.SolveParams
) -> Sequences:
    """The best found until ``ends``, of the plan ``known`` as well.

    It starts where the task says, or anywhere: searches side by side then find more together
    than from one plan.
    """
    form = formulate(task)
    if not (has_open_windows(form) or has_ranges(form)):
        return _search(form, task, known, ends, parameters)
    middle = (time.perf_counter() + ends) / 2
    half = _search(form, task, known, middle, parameters)
    form = reined(narrowed(form, task, half), task, half)
    return _search(form, replace(task, start=half), half, ends, parameters)


def has_open_windows(form: Formulation) -> bool:
    """Whether a pair has several windows: PyVRP takes one, so two searches are made."""
    return any(len(node.windows) > 1 for pair in pairs_of(form) for node in pair)


def narrowed(form: Formulation, task: Task, sequences: Sequences) -> Formulation:
    """The formulation where each fetched order keeps the one window it is served in now."""
    starts: dict[Step, int] = {}
    for vehicle, steps in zip(task.problem.vehicles, sequences, strict=True):
        drive = timed(task.problem, task.matrix, vehicle, steps).route
        ids = {job.id: at for at, job in enumerate(task.problem.jobs)}
        for visit in drive.visits:
            starts[Step(ids[visit.job], visit.kind)] = visit.start - form.origin
    pairs = tuple(
        (
            _in_one_window(pickup, starts.get(pickup.step, 0)),
            _in_one_window(delivery, starts.get(delivery.step, 0)),
        )
        for pickup, delivery in form.pairs
    )
    return replace(form, pairs=pairs)


def _in_one_window(node: Node, start: int) -> Node:
    chosen = next((window for window in node.windows if start <= window[1]), node.windows[-1])
    return replace(node, windows=(chosen,))


def _search(
    form: Formulation,
    task: Task,
    known: Sequences | None,
    ends: float,
    parameters: pyvrp.SolveParams,
) -> Sequences:
    start = task.start
    whole = _whole_plan(form, task, known)
    model = PyvrpModel(form, start, is_required=whole is not None)
    left_s = max(0.0, ends - time.perf_counter())
    limit = MaxRuntime(left_s)
    idle = NoImprovement(_IDLE_ITERATIONS)
    result = pyvrp.solve(
        model.data,
        stop=lambda best: limit(best) or idle(best) or task.is_cancelled(),
        seed=task.seed,
        params=fitted(
            parameters,
            scale=form.scale,
            is_whole=whole is not None,
            orders=len(task.problem.jobs),
            seconds=left_s,
        ),
        collect_stats=False,
        display=False,
        initial_solution=None if start is None else model.solution(start),
    )
    found = model.sequences(result.best)
    return found if whole is None else _cheaper(task, whole, found)


def _cheaper(task: Task, whole: Sequences, found: Sequences) -> Sequences:
    """By the policy and the clock; what PyVRP minimises, and holds possible, is not quite that."""
    kept = feasible(task.problem, task.matrix, found)
    if not _serves_all(task, kept):
        kept = inserted(task, kept)
    return min(whole, kept, key=lambda each: price(task.problem, task.matrix, each))


def _whole_plan(form: Formulation, task: Task, known: Sequences | None) -> Sequences | None:
    """The plan that is known, if it serves every order; or None.

    What PyVRP then puts on a wrong van in the end is left out, and `_cheaper` tells.
    """
    if known is None or not _must_serve_all(form, task):
        return None
    kept = feasible(task.problem, task.matrix, known)
    return kept if _serves_all(task, kept) else None
