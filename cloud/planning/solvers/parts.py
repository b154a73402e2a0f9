"""A large problem improved part by part: neighbouring routes, as many parts at once as cores.

A search spends as long on a move whether 100 orders or 1,000 lie around it, but finds what is left
to gain much sooner among 100 (Taillard and Voss's POPMUSIC, 2002; figures in
docs/decisions/solvers.md).
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cloud.planning.portion import portion
from cloud.planning.problem import Problem
from cloud.planning.solution import Unserved
from cloud.planning.solvers.allowed import allows
from cloud.planning.solvers.cores import THIS_MACHINE
from cloud.planning.solvers.port import Sequences, Step, Task
from cloud.planning.solvers.schedule import feasible, plan_of, price_of
from cloud.roads.hours import Travel

_PART: Final = 150
_LEFT_OUT: Final = 10
"""A part has about so many orders, and tries so many that are left out."""
_PART_S: Final = (0.4, 0.8)
_ROUNDS: Final = 3
"""A part is searched so long, the less the sooner: each should have its turn a few times."""
_LOOK_AGAIN_S: Final = 0.02
"""A worker that finds all routes in others' hands looks again so soon."""

type Search = Callable[[Task], Sequences]


@dataclass(frozen=True, slots=True)
class Part:
    """Some vans and orders of a problem as a problem of its own; where they stand in the whole."""

    task: Task
    vans: tuple[int, ...]
    jobs: tuple[int, ...]


def improved_in_parts(task: Task, start: Sequences, search: Search, ends: float) -> Sequences:
    """``start``, improved until ``ends`` (of `time.perf_counter`) by ``search`` on its parts."""
    with THIS_MACHINE.lent(task.cores) as workers:
        whole = _Whole(task, start, ends, workers)
        with ThreadPoolExecutor(workers, thread_name_prefix="part") as pool:
            running = [pool.submit(whole.improve, search) for _ in range(workers)]
            for each in running:
                each.result()
    return whole.sequences()


class _Whole:
    """The routes of all vans, of which each worker takes some at a time.

    An order that is left out is tried by one worker at a time, or two might serve it.
    """

    def __init__(self, task: Task, start: Sequences, ends: float, workers: int) -> None:
        self._task = task
        self._ends = ends
        parts = max(1.0, len(task.problem.jobs) / _PART)
        turn_s = (ends - time.perf_counter()) * workers / parts / _ROUNDS
        self._part_s = min(max(turn_s, _PART_S[0]), _PART_S[1])
        self._routes = list(start)
        self._busy: set[int] = set()
        self._tried: set[int] = set()
        self._lock = threading.Lock()
        self._dice = np.random.default_rng(task.seed)
        self._doors = np.array([job.delivery for job in task.problem.jobs], dtype=np.int64)
        self._turns = np.zeros(len(self._doors), dtype=np.int64)

    def sequences(self) -> Sequences:
        return tuple(self._routes)

    def improve(self, search: Search) -> None:
        """Take one part after another until the time is over."""
        while self._left_s() > 0 and not self._task.is_cancelled():
            with self._lock:
                part, is_waited_for = self._next(), bool(self._busy)
                if part is not None:
                    self._busy |= set(part.vans)
                    self._tried |= set(part.jobs)
            if part is None:
                if not is_waited_for:
                    return
                time.sleep(_LOOK_AGAIN_S)
                continue
            better = _searched(part, search)
            with self._lock:
                if better is not None:
                    self._put(part, better)
                self._busy -= set(part.vans)
                self._tried -= set(part.jobs)

    def _left_s(self) -> float:
        return self._ends - time.perf_counter()

    def _put(self, part: Part, better: Sequences) -> None:
        for van, steps in zip(part.vans, better, strict=True):
            self._routes[van] = tuple(Step(part.jobs[step.job], step.kind) for step in steps)

    def _next(self) -> Part | None:
        """The routes around a door, of those that nobody works on.

        It is drawn by lot of the orders that were in a part least often: of 14 parts that a cell of
        50 routes has time for, some routes stood in five and some in none.
        """
        van_of = {step.job: van for van, steps in enumerate(self._routes) for step in steps}
        drawn = int(self._dice.choice(np.flatnonzero(self._turns == self._turns.min())))
        door = int(self._doors[drawn])
        seconds = self._task.matrix.seconds
        near = np.argsort(seconds[door, self._doors] + seconds[self._doors, door], kind="stable")
        vans: list[int] = []
        left: list[int] = []
        count = 0
        for job in near.tolist():
            van = van_of.get(job)
            if van is None:
                left += [job] if job not in self._tried else []
            elif van not in self._busy and van not in vans:
                vans.append(van)
                count += sum(step.kind == "delivery" for step in self._routes[van])
            if count >= _PART:
                break
        vans += self._idle(vans)
        part = self._part(vans, left[:_LEFT_OUT]) if vans else None
        self._turns[[drawn, *(part.jobs if part is not None else ())]] += 1
        return part

    def _idle(self, vans: list[int]) -> list[int]:
        """One van that stays at home, in case that one more is better."""
        idle = (
            van
            for van, steps in enumerate(self._routes)
            if not steps and van not in self._busy and van not in vans
        )
        return [van for van in (next(idle, None),) if van is not None]

    def _part(self, vans: list[int], left: list[int]) -> Part:
        problem = self._task.problem
        fleet = [problem.vehicles[van] for van in vans]
        jobs = sorted({step.job for van in vans for step in self._routes[van]})
        held = set(jobs)
        jobs += [
            job
            for job in left
            if job not in held and any(allows(van, problem.jobs[job]) for van in fleet)
        ]
        at = {job: index for index, job in enumerate(jobs)}
        start = tuple(
            tuple(Step(at[step.job], step.kind) for step in self._routes[van]) for van in vans
        )
        smaller = portion(problem, vans, jobs)
        task = replace(
            self._task,
            problem=smaller.problem,
            matrix=self._task.matrix.cut(smaller.places),
            seconds=max(0.01, min(self._part_s, self._left_s())),
            seed=int(self._dice.integers(2**31)),
            start=start,
        )
        return Part(task, tuple(vans), tuple(jobs))


def _searched(part: Part, search: Search) -> Sequences | None:
    """What is better than the part as it was; None when nothing was found."""
    problem, matrix, start = part.task.problem, part.task.matrix, part.task.start
    if start is None or not problem.jobs:
        return None
    found = feasible(problem, matrix, search(part.task))
    return found if price(problem, matrix, found) < price(problem, matrix, start) else None


def price(problem: Problem, travel: Travel, sequences: Sequences) -> float:
    """What sequences cost by the policy, with what they leave out."""
    served = {step.job for steps in sequences for step in steps}
    left = (
        Unserved(job=job.id, constraint="time", reason="left out")
        for index, job in enumerate(problem.jobs)
        if index not in served
    )
    return price_of(problem, plan_of(problem, travel, sequences, left, ""))
