"""Cheapest insertion as a solver of its own: one pass, in the blink of an eye."""

import time
from functools import lru_cache, partial
from typing import Final

from cloud.planning.problem import Job, Problem
from cloud.planning.solvers.insertion.board import Ways
from cloud.planning.solvers.insertion.desk import PICKUPS_KEPT, InsertionDesk
from cloud.planning.solvers.port import Sequences, Task
from cloud.planning.solvers.schedule import feasible

_THOROUGH_S: Final = 0.02
"""So much time must be left for an order to be tried in all its places."""
_OVERTIME_S: Final = 0.3
"""So long at the most, once the time is over, for orders that then find no place."""


class InsertionSolver:
    """Puts each order where it costs least, the hardest to place first; never moves one."""

    name = "insertion"

    def solve(self, task: Task) -> Sequences:
        """The start, if one is given, with what it leaves out."""
        start = task.start or tuple(() for _ in task.problem.vehicles)
        return inserted(task, start)


def inserted(task: Task, start: Sequences) -> Sequences:
    """``start``, less what breaks a rule there, with every order that fits and is not in it.

    Places are ranked on the task's matrix, and an order goes into the first of them where each leg,
    driven at its hour, breaks no promise. What is left when the task's time is over is tried in
    fewer places, until some time has gone into orders that fit nowhere.
    """
    ends = time.perf_counter() + task.seconds
    overtime_s = 0.0
    problem, matrix, travel = task.problem, task.matrix, task.exact
    kept = feasible(problem, travel, start)
    served = {step.job for steps in kept for step in steps}
    left = _hardest_first(problem, served)
    if not left:
        return kept
    desk = InsertionDesk.of_travel(problem, travel, kept)
    pickup_at = lru_cache(PICKUPS_KEPT)(partial(Ways.of, matrix))
    for index in left:
        if task.is_cancelled() or overtime_s > _OVERTIME_S:
            break
        begun = time.perf_counter()
        job = problem.jobs[index]
        door = Ways.of(matrix, job.delivery)
        pickup = None if job.pickup is None else pickup_at(job.pickup)
        is_hurried = begun > ends - _THOROUGH_S
        found = desk.decide(index, door, pickup, is_hurried=is_hurried)
        if found is not None:
            desk.take(found, door, pickup)
        elif is_hurried:
            overtime_s += time.perf_counter() - begun
    return desk.sequences


def _hardest_first(problem: Problem, served: set[int]) -> list[int]:
    """Urgent ones, then those that one van alone may serve, then the shortest windows."""

    def ease(index: int) -> tuple[bool, bool, int]:
        job = problem.jobs[index]
        return job.priority != "urgent", job.only_vehicle is None, _open_s(job)

    return sorted((at for at in range(len(problem.jobs)) if at not in served), key=ease)


def _open_s(job: Job) -> int:
    if not job.windows:
        return 1 << 60
    return sum(window.closes - window.opens for window in job.windows)
