"""An urgent order by the API until its revision is committed, while bulk matrices are computed.

A day of 200 stops on 12 vans stands on a served cloud. Meanwhile matrices of 400 places are asked
for without a pause, and the routes are put in order around each order as the loop does it.
"""

import asyncio
import os
import random
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from bench.city_days import doors
from bench.figure import Figure
from bench.served_day import DATE, ServedDay, served_day
from cloud.foundation.layout import DataFolder
from cloud.roads.client import RoadsClient
from cloud.roads.engine import url_of
from cloud.roads.keeper import NOW, ports_in_force
from cloud.roads.model import Point, RoadsUnavailable
from tests.parts.roads_engine import demo_city

_ORDERS: Final = int(os.environ.get("ROUNDSMAN_URGENT", "40"))
_FIRST: Final = 5
"""Of a cloud that has just begun; they do not count."""
_BULK: Final = 400
_WITHIN_S: Final = 20.0
_LOOK_S: Final = 0.001
_PAUSE_S: Final = (0.2, 2.5)
"""Between two orders: some come while the routes are put in order around the one before."""


def run() -> Iterator[Figure]:
    """Forty orders, one after the other."""
    with (
        tempfile.TemporaryDirectory(prefix="roundsman-bench-") as name,
        served_day(Path(name), orders=200, vans=12) as day,
    ):
        data = DataFolder(day.cloud.root)
        _asked(day, data, _FIRST)
        alone = _asked(day, data, max(3, _ORDERS // 2))
        with _bulk(url_of(ports_in_force(data.roads)[NOW])) as tables:
            took = _asked(day, data, _ORDERS)
    yield Figure(
        bench="urgent",
        figure=f"order to committed revision beside {tables[0]} bulk matrices, p95 of {_ORDERS}",
        value=round(1e3 * float(np.quantile(took, 0.95)), 1),
        unit="ms",
        goal=100.0,
        peer="without them",
        peer_value=round(1e3 * float(np.quantile(alone, 0.95)), 1),
    )
    yield Figure(
        bench="urgent",
        figure="the same, median",
        value=round(1e3 * statistics.median(took), 1),
        unit="ms",
        peer="without them",
        peer_value=round(1e3 * statistics.median(alone), 1),
    )


def _asked(day: ServedDay, data: DataFolder, count: int) -> list[float]:
    took = []
    with closing(sqlite3.connect(f"file:{data.business}?mode=ro", uri=True)) as database:
        for _ in range(count):
            time.sleep(day.dice.uniform(*_PAUSE_S))
            door = day.door()
            begun = time.perf_counter()
            _wait_for_revision(database, day.order(door, priority="urgent"))
            took.append(time.perf_counter() - begun)
    return took


def _wait_for_revision(database: sqlite3.Connection, order: str) -> None:
    deadline = time.monotonic() + _WITHIN_S
    query = "SELECT 1 FROM plan_revision WHERE service_date = ? AND reason LIKE ?"
    while time.monotonic() < deadline:
        seen = _commits(database)
        if database.execute(query, (DATE, f"%{order}%")).fetchone() is not None:
            return
        while _commits(database) == seen and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
    raise RuntimeError(f"no revision for the urgent order {order}")


def _commits(database: sqlite3.Connection) -> int:
    """Grows with each commit of others; to look costs next to nothing."""
    (count,) = database.execute("PRAGMA data_version").fetchone()
    return int(count)


@contextmanager
def _bulk(url: str) -> Iterator[list[int]]:
    """Ask for one large matrix after the other; counts them."""
    points = [Point(at.lat, at.lon) for at in doors(demo_city(), _BULK, random.Random(5))]
    ended, count = threading.Event(), [0]

    async def ask() -> None:
        async with RoadsClient(url, lane="bulk") as roads:
            while not ended.is_set():
                try:
                    await roads.table(points)
                except RoadsUnavailable:
                    await asyncio.sleep(0.2)
                    continue
                count[0] += 1

    thread = threading.Thread(target=lambda: asyncio.run(ask()), name="bulk")
    thread.start()
    try:
        yield count
    finally:
        ended.set()
        thread.join()
