"""Searching on one matrix what will be driven by the hour, and mending what the hours break. Pure.

A solver searches on one matrix. Each of its columns is how long it takes to reach a place when the
place may be served: a mean over the hours of its windows. What the clock, which drives each leg at
its hour, then finds late is asked for earlier, and searched once more.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
from msgspec.structs import replace

from cloud.planning.problem import Job, Problem, Vehicle, Window
from cloud.planning.solution import Visit
from cloud.planning.solvers.allowed import allows
from cloud.planning.solvers.port import Sequences
from cloud.planning.solvers.schedule import timed
from cloud.planning.solvers.screening import earliest_delivery
from cloud.planning.solvers.service import lateness_s
from cloud.roads.hours import TimedMatrix, Travel
from cloud.roads.model import Matrix

_ON_THE_WAY_S: Final = 1_800
"""A leg to a place is driven so long before its window at the earliest."""
_MARGIN_S: Final = 60
"""What was late is asked for so much earlier than it has to be."""


def search_matrix(problem: Problem, travel: Travel) -> Matrix:
    """The one matrix that a solver searches on."""
    if not isinstance(travel, TimedMatrix):
        return travel
    if len(travel.seconds) == 1:
        return Matrix(travel.seconds[0], travel.metres)
    spans = _spans(problem)
    weights = np.zeros((len(travel.seconds), len(travel.metres)))
    for place, some in enumerate(spans):
        for begins, ends in some:
            for number, lasts_s in travel.hours.lasts_s(begins, ends).items():
                weights[number, place] += max(1.0, lasts_s)
    return travel.mean(weights)


def tightened(
    asked: Problem, problem: Problem, travel: Travel, matrix: Matrix, sequences: Sequences
) -> Problem | None:
    """``asked``, to be searched once more with what the hours make late asked for earlier.

    Args:
        asked: what was searched on ``matrix``.
        problem: the same with the windows and shifts that hold.
        travel: how long each leg takes at its hour.
        matrix: what was searched on.
        sequences: what was found.

    Returns:
        None when nothing is late that the matrix did not show, or nothing can be earlier.
    """
    jobs, vans = {job.id: job for job in problem.jobs}, list(asked.vehicles)
    closes: dict[tuple[str, str], int] = {}
    for at, (van, steps) in enumerate(zip(problem.vehicles, sequences, strict=True)):
        exact, plain = (timed(problem, roads, van, steps).route for roads in (travel, matrix))
        for visit, shown in zip(exact.visits, plain.visits, strict=True):
            late_s = _late_s(jobs[visit.job], visit) - _late_s(jobs[visit.job], shown)
            if late_s > 0:
                closes[visit.job, visit.kind] = shown.start - late_s - _MARGIN_S
        over_s = exact.ends_at - van.shift_end
        if steps and over_s > 0:
            ends = min(plain.ends_at, vans[at].shift_end) - over_s - _MARGIN_S
            vans[at] = replace(vans[at], shift_end=max(van.available_from, ends))
    earlier = [_earlier(job, closes, travel, asked.vehicles) for job in asked.jobs]
    found = replace(asked, vehicles=tuple(vans), jobs=tuple(earlier))
    return None if found == asked else found


def _spans(problem: Problem) -> list[list[tuple[int, int]]]:
    """When each place may be driven to; at any time that vans work where nothing is said."""
    begins = min((van.available_from for van in problem.vehicles), default=0)
    ends = max((van.shift_end for van in problem.vehicles), default=0)
    spans: list[list[tuple[int, int]]] = [[] for _ in problem.locations]
    for job in problem.jobs:
        for window in job.windows:
            first = max(begins, window.opens - _ON_THE_WAY_S)
            spans[job.delivery].append((first, max(first, min(ends, window.closes))))
    return [some or [(begins, ends)] for some in spans]


def _late_s(job: Job, visit: Visit) -> int:
    if visit.kind == "delivery":
        return lateness_s(job, visit.start)
    windows = job.pickup_windows
    return max(0, visit.start - windows[-1].closes) if windows else 0


def _earlier(
    job: Job, closes: dict[tuple[str, str], int], travel: Travel, vans: Iterable[Vehicle]
) -> Job:
    delivery, pickup = closes.get((job.id, "delivery")), closes.get((job.id, "pickup"))
    if pickup is not None:
        job = replace(job, pickup_windows=_closing(job.pickup_windows, pickup))
    if delivery is None:
        return job
    soonest = min(earliest_delivery(travel, van, job) for van in vans if allows(van, job))
    return job if delivery < soonest else replace(job, windows=_closing(job.windows, delivery))


def _closing(windows: tuple[Window, ...], closes: int) -> tuple[Window, ...]:
    """The windows with the last of them closing earlier, and opening so when it must."""
    last = windows[-1]
    closes = max(windows[-2].closes + 1 if len(windows) > 1 else 0, min(last.closes, closes))
    return (*windows[:-1], Window(opens=min(last.opens, closes), closes=closes))
