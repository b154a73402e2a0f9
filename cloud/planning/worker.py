"""The planner's process: computes plans and nothing else. One JSON line in, one JSON line out.

Each connection carries one request. A caller that closes its connection ends its search.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click
import msgspec

from cloud.foundation import asking
from cloud.foundation.logs import log_as
from cloud.foundation.processes import put_start_aside
from cloud.planning.cells.division import WHOLE_ORDERS, Cell, divided
from cloud.planning.cells.planning import planned_in_cells
from cloud.planning.check import check
from cloud.planning.questions import (
    MAX_REQUEST_BYTES,
    QUICK_S,
    Answer,
    Expected,
    Heard,
    Question,
    Refused,
    Solved,
    SolveRequest,
)
from cloud.planning.solution import Plan, Prices, Violation
from cloud.planning.solvers.keeping import prices_kept
from cloud.planning.solvers.port import SolverFailed
from cloud.planning.solvers.solving import solve
from cloud.planning.travelling import expect, table_of, travel_of
from cloud.planning.turns import searches_at_once
from cloud.roads.hours import Travel
from cloud.roads.model import RoadsUnavailable
from cloud.roads.timed import TimedRoads

_log: Final = logging.getLogger(__name__)

_WAITING: Final = 16
_NICE: Final = 10


class Planner:
    """Answers requests, ``at_once`` searches at a time; more than a few wait in turn.

    What takes no time to speak of has a place of its own, so it never waits for a search. By
    ``is_quick`` nothing else is answered.
    """

    def __init__(self, roads: TimedRoads, *, at_once: int, is_quick: bool = False) -> None:
        self._roads = roads
        self._is_quick = is_quick
        self._free = asyncio.Semaphore(at_once)
        self._quick = asyncio.Semaphore(1)

    async def answer(self, question: Question) -> Answer:
        """Do what is asked for when it has its turn; who is cancelled ends the search."""
        try:
            if isinstance(question, Expected):
                await expect(self._roads, question)
                return Heard()
            is_quick = question.seconds <= QUICK_S and len(question.problem.jobs) < WHOLE_ORDERS
            if self._is_quick and not is_quick:
                reason = f"planner: {len(question.problem.jobs)} orders are not decided at once"
                return Refused(reason=reason, is_passing=True)
            async with self._quick if is_quick else self._free:
                return await self._solved(question, is_quick=is_quick)
        except RoadsUnavailable as error:
            return Refused(reason=str(error), is_passing=True)
        except SolverFailed as error:
            return Refused(reason=str(error))
        except Exception as error:  # noqa: BLE001 - one request must not end the others
            _log.exception("a request could not be solved")
            return Refused(
                reason=f"planner: {type(error).__name__}: {error}; "
                "this is a fault of the planner, report it with its log"
            )

    async def _solved(self, request: SolveRequest, *, is_quick: bool) -> Solved:
        begun = time.perf_counter()
        cells = await asyncio.to_thread(divided, request.problem, request.previous)
        if len(cells) > 1:
            return await self._in_cells(request, cells, begun)
        travel, far_m = await travel_of(
            self._roads, request.problem, request.now, is_quick=is_quick
        )
        is_left = threading.Event()
        work = partial(_plan, request, travel, far_m, is_left)
        plan, found, kept = await asking.in_thread(work, is_left.set)
        return _told(plan, found, kept, begun)

    async def _in_cells(self, request: SolveRequest, cells: Sequence[Cell], begun: float) -> Solved:
        """As `_solved`, of a problem too large for one search."""
        ends = begun + request.seconds
        table = table_of(self._roads, request.now)
        return _told(*await planned_in_cells(request, cells, table, ends=ends), begun)


class _Left(Exception):
    """Nobody waits for the answer any more."""


def _plan(
    request: SolveRequest, travel: Travel, far_m: dict[int, float], is_left: threading.Event
) -> tuple[Plan, tuple[Violation, ...], Prices]:
    plan = solve(request, travel, far_m=far_m, is_cancelled=is_left.is_set)
    if is_left.is_set():
        raise _Left
    return plan, check(request.problem, travel, plan), prices_kept(request.problem, travel)


def _told(plan: Plan, found: tuple[Violation, ...], kept: Prices | None, begun: float) -> Solved:
    seconds = round(time.perf_counter() - begun, 3)
    return Solved(plan=plan, check=found, seconds=seconds, kept=kept)


async def serve(
    socket: Path, roads_url: str, folder: Path | None, *, at_once: int, is_quick: bool
) -> None:
    """Listen on ``socket``, which is not there yet, until SIGTERM or SIGINT."""
    async with TimedRoads(folder, roads_url) as roads:
        planner = Planner(roads, at_once=at_once, is_quick=is_quick)
        asked: Callable[[bytes], Question] = msgspec.json.Decoder(Question).decode
        desk = asking.Desk(
            asked,
            planner.answer,
            refused=lambda reason: Refused(reason=reason),
            busy=lambda reason: Refused(reason=f"planner: {reason}", is_passing=True),
            most_held=at_once + _WAITING,
        )
        await asking.listen("planner", socket, desk, most_bytes=MAX_REQUEST_BYTES)


@click.command()
@click.option("--socket", type=click.Path(path_type=Path), required=True, help="Where to listen.")
@click.option("--roads", required=True, help="Where the road engine answers: http://host:port.")
@click.option("--is-quick", is_flag=True, help="For what people wait for: it is not niced.")
@click.option(
    "--roads-folder",
    type=click.Path(path_type=Path),
    help="Of the roads' process here: tells of its data sets of the hours.",
)
def main(socket: Path, roads: str, roads_folder: Path | None, *, is_quick: bool) -> None:
    """Compute plans asked for over a Unix socket."""
    log_as("quick_planner" if is_quick else "planner")
    if not is_quick:
        os.nice(_NICE)
    at_once = searches_at_once(os.cpu_count())
    socket.unlink(missing_ok=True)
    put_start_aside()
    try:
        asyncio.run(serve(socket, roads, roads_folder, at_once=at_once, is_quick=is_quick))
    finally:
        socket.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
