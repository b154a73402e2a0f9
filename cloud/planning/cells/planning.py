"""Cells planned side by side, each on travel times of its own, and joined to one checked plan.

At most one cell a core is searched at a time, and the travel times of the next are asked for
meanwhile. A matrix of each cell is kept for the check: of n orders in cells of m they hold n x m
entries instead of n x n.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Final, NamedTuple

from msgspec.structs import replace

from cloud.planning.cells.checking import check_in_cells
from cloud.planning.cells.child import CellTask
from cloud.planning.cells.division import Cell, Ground
from cloud.planning.cells.joining import Piece, joined, sewn_in
from cloud.planning.cells.processes import SearchProcess
from cloud.planning.cells.seams import Standing, borders, rescues
from cloud.planning.portion import Portion, portion
from cloud.planning.problem import Problem
from cloud.planning.questions import SolveRequest
from cloud.planning.solution import Plan, Prices, Violation
from cloud.planning.solvers.keeping import prices_kept
from cloud.roads.hours import Travel

type Table = Callable[[Portion], Awaitable[tuple[Travel, dict[int, float]]]]
"""Travel times between a portion's locations, and how far those without a street are from one."""
type Ends = Callable[[Sequence[Piece]], float]
"""When searching ends, by `time.perf_counter`, as things are with the pieces planned so far."""

_JOINING_S: Final = 0.1
_JOINING_A_JOB_S: Final = 0.000_1
"""Kept of the time for joining and checking: twice what they take."""
_BESIDE_A_JOB_S: Final = 0.000_8
"""What a process needs beside the search, until it is seen how long it takes here."""
_LEAST_S: Final = 0.1
"""So long a cell is searched at least, whatever the travel times took."""
_BORDER_SHARE: Final = 0.2
"""Of the time of depots that were halved: for the borders between their cells."""
_RESCUE_SHARE: Final = 0.03
_RESCUE_LEAST_S: Final = 0.4
"""Of the time, for orders that cells left out; so much while none has, in case that a last does."""
_SEAM_LEAST_S: Final = 0.4
"""Rather fewer seams than less time for each."""


class Planned(NamedTuple):
    """A plan of the whole, what the independent check says of it, and what the one before costs.

    ``kept`` is that of driving on as planned, as things are now; None when nothing was planned.
    """

    plan: Plan
    check: tuple[Violation, ...]
    kept: Prices | None


async def planned_in_cells(
    request: SolveRequest, cells: Sequence[Cell], table: Table, *, ends: float
) -> Planned:
    """A plan of the whole.

    Args:
        request: what is asked; its seconds are for everything, travel times and check too.
        cells: two at least, with each of its vans and jobs once.
        table: asked for the travel times of one cell after another.
        ends: when the time is over, by `time.perf_counter`.

    Raises:
        SolverFailed: a search ended without a plan.
        RoadsUnavailable: the travel times were not to be had.
    """
    search = _InCells(request, table, ends, len(cells))
    try:
        pieces = await search.pieces(cells)
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    plan, found = await asyncio.to_thread(_checked, request.problem, pieces)
    return Planned(plan, found, search.kept)


def lines(sizes: Sequence[int], count: int) -> tuple[tuple[int, ...], ...]:
    """Cells dealt out to so many lines, by their indices: the largest first to the shortest."""
    dealt: list[list[int]] = [[] for _ in range(min(count, len(sizes)))]
    lengths = [0] * len(dealt)
    for at in sorted(range(len(sizes)), key=lambda at: (-sizes[at], at)):
        line = lengths.index(min(lengths))
        dealt[line].append(at)
        lengths[line] += max(1, sizes[at])
    return tuple(tuple(line) for line in dealt)


def _checked(problem: Problem, pieces: Sequence[Piece]) -> tuple[Plan, tuple[Violation, ...]]:
    plan = joined(problem, pieces)
    return plan, check_in_cells(problem, pieces, plan)


def _kept(problem: Problem, pieces: Sequence[Piece]) -> Prices | None:
    """Of all cells, in which every van has what it was to do; none of them shares anything."""
    if not any(van.in_force for van in problem.vehicles):
        return None
    told = [prices_kept(piece.portion.problem, piece.matrix) for piece in pieces]
    return Prices(
        driving=sum(one.driving for one in told),
        lateness=sum(one.lateness for one in told),
        change=sum(one.change for one in told),
        unserved=sum(one.unserved for one in told),
        preference=sum(one.preference for one in told),
        risk=sum(one.risk for one in told),
    )


def halved_share(cells: Sequence[Cell], home: Sequence[int]) -> float:
    """How many of the jobs, of 1.0, stand in cells beside another one of the same depot.

    ``home``: the depot of each van.
    """
    depots = [{home[van] for van in cell.vehicles} for cell in cells]
    of_depot = Counter(depot for some in depots for depot in some)
    jobs = sum(len(cell.jobs) for cell in cells)
    halved = sum(
        len(cell.jobs)
        for cell, some in zip(cells, depots, strict=True)
        if any(of_depot[depot] > 1 for depot in some)
    )
    return halved / max(1, jobs)


def rescue_s(seconds: float, pieces: Sequence[Piece]) -> float:
    """So many of all seconds are kept for orders that cells leave out, as these pieces stand."""
    is_left = any(piece.plan.unserved for piece in pieces)
    share_s = seconds * _RESCUE_SHARE
    return share_s if is_left else min(share_s, _RESCUE_LEAST_S)


class _InCells:
    """One request's searches."""

    def __init__(self, request: SolveRequest, table: Table, ends: float, cells: int) -> None:
        self._request = request
        self._table = table
        self._ends = ends - _JOINING_S - _JOINING_A_JOB_S * len(request.problem.jobs)
        cores = max(1, len(os.sched_getaffinity(0)))
        self._lines = min(cores, cells)
        self._threads = cores // self._lines
        self.kept: Prices | None = None

    async def pieces(self, cells: Sequence[Cell]) -> list[Piece]:
        """All cells, planned, and sewn together where that gains."""
        ground = await asyncio.to_thread(Ground, self._request.problem, self._request.previous)
        seconds = self._ends - time.perf_counter()
        border_s = seconds * _BORDER_SHARE * halved_share(cells, ground.home)
        async with AsyncExitStack() as stack:
            processes = [
                await stack.enter_async_context(await SearchProcess.started())
                for _ in range(self._lines)
            ]
            search = _Searches(processes, self._request, self._table, self._threads)
            found = await search.all_of(
                cells,
                self._request.previous,
                lambda pieces: self._ends - border_s - rescue_s(seconds, pieces),
            )
            self.kept = await asyncio.to_thread(_kept, self._request.problem, found)
            for seams, kept_s in (
                (borders, rescue_s(seconds, found)),
                (partial(rescues, is_near=True), rescue_s(seconds, found) / 2),
                (partial(rescues, is_near=False), 0.0),
            ):
                found = await self._sewn(search, ground, found, seams, self._ends - kept_s)
        return found

    async def _sewn(
        self,
        search: "_Searches",
        ground: Ground,
        pieces: list[Piece],
        seams: Callable[[Standing], tuple[Cell, ...]],
        ends: float,
    ) -> list[Piece]:
        """The pieces with those seams that are better than what they had been."""
        wanted = await asyncio.to_thread(lambda: seams(Standing(ground, pieces)))
        able = int((ends - time.perf_counter()) * self._lines / _SEAM_LEAST_S)
        if not wanted or able < 1:
            return pieces
        before = joined(self._request.problem, pieces)
        sewn = await search.all_of(wanted[:able], before, lambda _: ends)
        return await asyncio.to_thread(sewn_in, pieces, before, sewn)


class _Searches:
    """The processes that search, each a line of cells at a time."""

    def __init__(
        self,
        processes: Sequence[SearchProcess],
        request: SolveRequest,
        table: Table,
        threads: int,
    ) -> None:
        self._processes = processes
        self._request = request
        self._table = table
        self._threads = threads
        self._beside_a_job_s = _BESIDE_A_JOB_S

    async def all_of(self, cells: Sequence[Cell], previous: Plan | None, ends: Ends) -> list[Piece]:
        """All cells, planned until ``ends``, which is asked anew before each of them."""
        found: list[Piece] = []
        dealt = lines([len(cell.jobs) for cell in cells], len(self._processes))
        async with asyncio.TaskGroup() as group:
            for process, line in zip(self._processes, dealt, strict=False):
                some = [cells[at] for at in line]
                work = self._line(group, process, some, previous, ends, found)
                group.create_task(work, name="cells")
        return found

    async def _line(
        self,
        group: asyncio.TaskGroup,
        process: SearchProcess,
        line: Sequence[Cell],
        previous: Plan | None,
        ends: Ends,
        found: list[Piece],
    ) -> None:
        """One cell after another; the travel times of the next are asked for meanwhile."""
        coming = group.create_task(self._measured(line[0]), name="cell-roads")
        for at, cell in enumerate(line):
            part, matrix, far_m = await coming
            if at + 1 < len(line):
                coming = group.create_task(self._measured(line[at + 1]), name="cell-roads")
            left = sum(len(each.jobs) for each in line[at:])
            share = len(cell.jobs) / left if left else 1.0
            begun = time.perf_counter()
            beside_s = self._beside_a_job_s * len(cell.jobs)
            task = CellTask(
                request=replace(
                    self._request,
                    problem=part.problem,
                    seconds=max(_LEAST_S, (ends(found) - begun) * share - beside_s),
                    seed=(self._request.seed + cell.vehicles[0]) % 2**32,
                    previous=_of_vans(previous, part.problem),
                ),
                matrix=matrix,
                far_m=far_m,
                cores=self._threads,
            )
            found.append(Piece(part, matrix, await process.plan(task)))
            over_s = time.perf_counter() - begun - task.request.seconds
            self._beside_a_job_s = max(0.0, over_s / max(1, len(cell.jobs)))

    async def _measured(self, cell: Cell) -> tuple[Portion, Travel, dict[int, float]]:
        part = await asyncio.to_thread(portion, self._request.problem, cell.vehicles, cell.jobs)
        return part, *await self._table(part)


def _of_vans(plan: Plan | None, problem: Problem) -> Plan | None:
    """The routes of a problem's vans only."""
    if plan is None:
        return None
    vans = {van.id for van in problem.vehicles}
    routes = tuple(route for route in plan.routes if route.vehicle in vans)
    return replace(plan, routes=routes, unserved=())
