"""Many depots in one plan, in cells, beside each cell searched long and alone; one large depot.

Travel of the many depots is generated (`bench.regions`): no city here has streets for 20 depots.
The large depot is asked of the planner's process, with the demo city's streets. ROUNDSMAN_STOPS
makes the region smaller, ROUNDSMAN_SEED draws another one, ROUNDSMAN_REFERENCE_S shortens the
search it is compared with, and ROUNDSMAN_WHOLE=1 lets plain PyVRP try the whole (10,000 stops:
about 10 GB, and minutes).
"""

import asyncio
import multiprocessing
import os
import queue
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Final, Self

import numpy as np
import psutil

from bench.city_days import morning
from bench.figure import Figure
from bench.peers import pyvrp_alone
from bench.regions import Region, region
from cloud.planning.cells.child import CellTask
from cloud.planning.cells.division import Cell, divided
from cloud.planning.cells.planning import lines, planned_in_cells
from cloud.planning.cells.processes import SearchProcess
from cloud.planning.client import PlannerClient
from cloud.planning.portion import portion
from cloud.planning.questions import SolveRequest
from cloud.planning.solvers.parts import price
from cloud.planning.solvers.port import Task
from cloud.planning.solvers.schedule import feasible, price_of
from tests.parts.planner import planner_process
from tests.parts.roads_engine import demo_city, roads_engine

_STOPS: Final = int(os.environ.get("ROUNDSMAN_STOPS", "10000"))
"""With a depot for each 500 of them, and a van for each ten."""
_SECONDS: Final = 58.0 * _STOPS / 10_000
_REFERENCE_S: Final = float(os.environ.get("ROUNDSMAN_REFERENCE_S", "20"))
_IS_WHOLE: Final = bool(os.environ.get("ROUNDSMAN_WHOLE"))
_WHOLE_MOST_S: Final = 300.0
_DEPOT_ORDERS: Final = 3_000 * _STOPS // 10_000
_DEPOT_VANS: Final = _DEPOT_ORDERS // 20
_DEPOT_S: Final = 60.0 * _STOPS / 10_000
_SEED: Final = int(os.environ.get("ROUNDSMAN_SEED", "1"))


def run() -> Iterator[Figure]:
    """10,000 stops, 20 depots, 1,000 vans; then one depot with 3,000 and 150."""
    yield from _many_depots()
    yield from _one_depot()


def _many_depots() -> Iterator[Figure]:
    here = region(stops=_STOPS, depots=max(2, _STOPS // 500), vans=_STOPS // 10, seed=_SEED)
    begun = time.perf_counter()
    cells = divided(here.problem)
    request = SolveRequest(problem=here.problem, seconds=_SECONDS, seed=_SEED)
    with _Memory() as memory:
        planning = planned_in_cells(request, cells, here.table, ends=begun + _SECONDS)
        plan, found, _ = asyncio.run(planning)
        taken_s = time.perf_counter() - begun
    if found:
        raise RuntimeError(f"a plan that breaks its rules: {found[0].text}")
    what = f"{_STOPS:,} stops, {len(cells)} cells"
    yield Figure(
        bench="cells",
        figure=f"{what}, {_cores()} cores: asked to checked plan",
        value=round(taken_s, 1),
        unit="s",
        goal=60.0,
    )
    yield _memory(what, memory)
    yield _left(what, len(plan.unserved))
    ours, peer = price_of(here.problem, plan), _whole(here) if _IS_WHOLE else None
    best = asyncio.run(_alone(here, cells))
    yield Figure(
        bench="cells",
        figure=f"{what}: over {_REFERENCE_S:g} s a cell",
        value=_over(ours, best),
        unit="%",
        goal=3.5,
        peer="PyVRP, the whole" if peer is not None else None,
        peer_value=None if peer is None else _over(peer, best),
    )


def _one_depot() -> Iterator[Figure]:
    """By the planner's process, with the demo city's streets."""
    city = demo_city()
    day = morning(city, orders=_DEPOT_ORDERS, vans=_DEPOT_VANS, seed=_SEED)
    request = SolveRequest(problem=day, seconds=_DEPOT_S, seed=_SEED)
    with (
        tempfile.TemporaryDirectory() as folder,
        roads_engine(city=city) as engine,
        planner_process(Path(folder) / "planner.sock", engine.url) as planner,
        _Memory() as memory,
    ):
        begun = time.perf_counter()
        asking = PlannerClient(planner.socket).solve(request, timeout_s=_DEPOT_S + 120)
        solved = asyncio.run(asking)
        taken_s = time.perf_counter() - begun
    if solved.check:
        raise RuntimeError(f"a plan that breaks its rules: {solved.check[0].text}")
    what = f"one depot, {_DEPOT_ORDERS:,} orders, {_DEPOT_VANS} vans, real streets"
    yield Figure(
        bench="cells",
        figure=f"{what}: asked to plan, {_DEPOT_S:g} s given",
        value=round(taken_s, 1),
        unit="s",
        goal=round(1.05 * _DEPOT_S + 1, 1),
    )
    yield _memory(what, memory)
    yield _left(what, len(solved.plan.unserved))
    yield Figure(
        bench="cells",
        figure=f"{what}: price in hours of driving",
        value=round(price_of(day, solved.plan) / 3_600, 1),
        unit="h",
    )


def _memory(what: str, memory: "_Memory") -> Figure:
    name = f"{what}: memory at most, all processes"
    return Figure(bench="cells", figure=name, value=round(memory.most_mb), unit="MB")


def _left(what: str, count: int) -> Figure:
    return Figure(bench="cells", figure=f"{what}: orders left", value=count, unit="orders")


def _over(ours: float, best: float) -> float:
    return round(100 * (ours / best - 1), 2)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _whole(here: Region) -> float | None:
    """What plain PyVRP makes of the whole in the same time; None when it gave nothing at all."""
    context = multiprocessing.get_context("spawn")
    told: Queue[float] = context.Queue()
    child = context.Process(target=_search_whole, args=(here, told), daemon=True)
    child.start()
    try:
        return told.get(timeout=_WHOLE_MOST_S)
    except queue.Empty:
        return None
    finally:
        child.kill()
        child.join()


def _search_whole(here: Region, told: "Queue[float]") -> None:
    matrix = here.matrix(np.arange(len(here.problem.locations)))
    task = Task(here.problem, matrix, _SECONDS, _SEED, None, lambda: False)
    found = feasible(here.problem, matrix, pyvrp_alone(task) or ())
    told.put(price(here.problem, matrix, found))


async def _alone(here: Region, cells: tuple[Cell, ...]) -> float:
    """What the cells cost together when each is searched on one core for its whole time."""
    prices: list[float] = []

    async def line(process: SearchProcess, some: list[Cell]) -> None:
        for cell in some:
            part = portion(here.problem, cell.vehicles, cell.jobs)
            matrix, far_m = await here.table(part)
            request = SolveRequest(problem=part.problem, seconds=_REFERENCE_S, seed=_SEED)
            plan = await process.plan(CellTask(request, matrix, far_m, cores=1))
            prices.append(price_of(part.problem, plan))

    dealt = lines([len(cell.jobs) for cell in cells], _cores())
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for some in dealt:
            process = await stack.enter_async_context(await SearchProcess.started())
            group.create_task(line(process, [cells[at] for at in some]))
    return sum(prices)


class _Memory:
    """The most that this process and its children hold at once, shared pages once."""

    def __init__(self) -> None:
        self.most_mb = 0.0
        self._is_over = threading.Event()
        self._looking = threading.Thread(target=self._look, name="memory", daemon=True)

    def __enter__(self) -> Self:
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._looking.join()

    def _look(self) -> None:
        us = psutil.Process()
        while not self._is_over.wait(0.5):
            held = 0
            for each in (us, *us.children(recursive=True)):
                try:
                    held += each.memory_full_info().pss
                except psutil.NoSuchProcess:
                    continue
            self.most_mb = max(self.most_mb, held / 1e6)
