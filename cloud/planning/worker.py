"""The planner's process: computes plans and nothing else. One JSON line in, one JSON line out.

Each connection carries one request. A caller that closes its connection ends its search.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import click
import msgspec

from cloud.foundation import asking
from cloud.foundation.logs import log_as
from cloud.planning.cells.division import Cell, divided
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
_READ_S: Final = 30.0
_NICE: Final = 10
_LEFT: Final = "planner: the caller has left; ask again"
_LOOK_S: Final = 0.2
"""So soon a plan in cells is ended when its caller has left."""


class Planner:
    """Answers requests, ``at_once`` searches at a time; more than a few wait in turn.

    What takes no time to speak of has a place of its own, so it never waits for a search.
    """

    def __init__(self, roads: TimedRoads, *, at_once: int) -> None:
        self._roads = roads
        self._free = asyncio.Semaphore(at_once)
        self._quick = asyncio.Semaphore(1)
        self._held = 0
        self._most_held = at_once + _WAITING

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: read a request, answer it."""
        try:
            answer = await self._hear(reader)
            if answer is None:
                return
            await asking.answer(reader, writer, msgspec.json.encode(answer) + b"\n")
        except ConnectionError:
            _log.debug("caller left before its answer")
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _hear(self, reader: asyncio.StreamReader) -> Answer | None:
        """The answer to what comes; None when nothing does."""
        try:
            async with asyncio.timeout(_READ_S):
                line = await reader.readline()
            if not line:
                return None
            question: Question = msgspec.json.decode(line, type=Question)
        except TimeoutError:
            return Refused(reason=f"request: no whole line within {_READ_S:g} s; send it at once")
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            return Refused(reason=f"request: {error}; send one Question as one JSON line")
        if isinstance(question, Expected):
            return await self._expect(question)
        if self._held >= self._most_held:
            reason = f"planner: {self._held} requests wait already; try again later"
            return Refused(reason=reason, is_passing=True)
        self._held += 1
        try:
            return await self._answer_or_leave(question, reader)
        finally:
            self._held -= 1

    async def _expect(self, told: Expected) -> Answer:
        try:
            await expect(self._roads, told)
        except RoadsUnavailable as error:
            return Refused(reason=str(error), is_passing=True)
        return Heard()

    async def _answer_or_leave(self, request: SolveRequest, reader: asyncio.StreamReader) -> Answer:
        """The answer, unless the caller leaves first: then the search is ended."""
        is_left = threading.Event()
        answering = asyncio.create_task(self._answer(request, is_left), name="answer")
        leaving = asyncio.create_task(reader.read(1), name="caller-leaves")
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            is_left.set()
            return await answering
        finally:
            is_left.set()
            leaving.cancel()
            await asyncio.wait({leaving})

    async def _answer(self, request: SolveRequest, is_left: threading.Event) -> Answer:
        async with self._quick if request.seconds <= QUICK_S else self._free:
            begun = time.perf_counter()
            try:
                cells = await asyncio.to_thread(divided, request.problem, request.previous)
                if len(cells) > 1:
                    return await self._in_cells(request, cells, is_left, begun)
                is_quick = request.seconds <= QUICK_S
                travel, far_m = await travel_of(
                    self._roads, request.problem, request.now, is_quick=is_quick
                )
                return await asyncio.to_thread(_solved, request, travel, far_m, is_left, begun)
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

    async def _in_cells(
        self, request: SolveRequest, cells: Sequence[Cell], is_left: threading.Event, begun: float
    ) -> Answer:
        """As `_answer`, of a problem too large for one search."""
        ends = begun + request.seconds
        table = table_of(self._roads, request.now)
        planning = asyncio.create_task(
            planned_in_cells(request, cells, table, ends=ends), name="cells"
        )
        while not planning.done():
            await asyncio.wait({planning}, timeout=_LOOK_S)
            if is_left.is_set() and not planning.done():
                planning.cancel()
                await asyncio.wait({planning})
                return Refused(reason=_LEFT)
        plan, found, kept = planning.result()
        seconds = round(time.perf_counter() - begun, 3)
        return Solved(plan=plan, check=found, seconds=seconds, kept=kept)


def _solved(
    request: SolveRequest,
    travel: Travel,
    far_m: dict[int, float],
    is_left: threading.Event,
    begun: float,
) -> Solved | Refused:
    plan = solve(request, travel, far_m=far_m, is_cancelled=is_left.is_set)
    if is_left.is_set():
        return Refused(reason=_LEFT)
    found = check(request.problem, travel, plan)
    kept = prices_kept(request.problem, travel)
    seconds = round(time.perf_counter() - begun, 3)
    return Solved(plan=plan, check=found, seconds=seconds, kept=kept)


async def serve(socket: Path, roads_url: str, folder: Path | None, *, at_once: int) -> None:
    """Listen on ``socket``, which is not there yet, until SIGTERM or SIGINT."""
    async with TimedRoads(folder, roads_url) as roads:
        planner = Planner(roads, at_once=at_once)
        await asking.listen("planner", socket, planner.serve, most_bytes=MAX_REQUEST_BYTES)


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
    try:
        asyncio.run(serve(socket, roads, roads_folder, at_once=at_once))
    finally:
        socket.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
