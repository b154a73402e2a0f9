"""Many depots in one plan: a region in cells, beside each cell searched long and alone."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Final, Self

import psutil

from bench.figure import Figure
from bench.regions import Region, region
from cloud.planning.cells.child import CellTask
from cloud.planning.cells.division import Cell, divided
from cloud.planning.cells.planning import lines, planned_in_cells
from cloud.planning.cells.processes import SearchProcess
from cloud.planning.model import SolveRequest
from cloud.planning.portion import portion
from cloud.planning.solvers.schedule import price_of

_STOPS: Final = int(os.environ.get("ROUNDSMAN_STOPS", "10000"))
"""With a depot for each 500 of them, and a van for each ten."""
_SECONDS: Final = float(os.environ.get("ROUNDSMAN_CELLS_S", "58")) * _STOPS / 10_000
_REFERENCE_S: Final = float(os.environ.get("ROUNDSMAN_REFERENCE_S", "20"))
_SEED: Final = 1


def run() -> Iterator[Figure]:
    """10,000 stops, 20 depots, 1,000 vans."""
    here = region(stops=_STOPS, depots=max(2, _STOPS // 500), vans=_STOPS // 10, seed=_SEED)
    cells = divided(here.problem)
    request = SolveRequest(problem=here.problem, seconds=_SECONDS, seed=_SEED)
    with _Memory() as memory:
        begun = time.perf_counter()
        planning = planned_in_cells(request, cells, here.table, ends=begun + _SECONDS)
        plan, found = asyncio.run(planning)
        taken_s = time.perf_counter() - begun
    if found:
        raise RuntimeError(f"a plan that breaks its rules: {found[0].text}")
    what = f"{_STOPS:,} stops, {len(cells)} cells"
    yield Figure(
        bench="cells",
        figure=f"{what}: asked to checked plan, on {len(os.sched_getaffinity(0))} cores",
        value=round(taken_s, 1),
        unit="s",
        goal=60.0,
    )
    yield Figure(
        bench="cells", figure=f"{what}: memory at most", value=round(memory.most_mb), unit="MB"
    )
    yield Figure(
        bench="cells", figure=f"{what}: orders left", value=len(plan.unserved), unit="orders"
    )
    ours = price_of(here.problem, plan)
    best = asyncio.run(_alone(here, cells))
    yield Figure(
        bench="cells",
        figure=f"{what}: over {_REFERENCE_S:g} s a cell",
        value=round(100 * (ours / best - 1), 2),
        unit="%",
        goal=3.5,
    )


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

    dealt = lines([len(cell.jobs) for cell in cells], len(os.sched_getaffinity(0)))
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
