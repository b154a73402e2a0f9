"""Drives put onto the streets: pieces and their seams, and the real engine on the demo city."""

import asyncio
import random
from collections.abc import Iterator
from itertools import pairwise
from math import hypot
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.foundation.database import Database
from cloud.foundation.errors import Invalid
from cloud.roads.client import RoadsClient
from cloud.roads.engine import MAX_MATCH_POINTS
from cloud.roads.matching import OVERLAP, Hop, Stretch, pieces, stretches
from cloud.roads.model import Point, RoadsUnavailable
from cloud.tracking import store
from cloud.tracking.matched import Matching
from cloud.tracking.service import Tracks
from cloud.tracking.store import Writes
from tests.parts.migrated import upgrade
from tests.parts.roads_engine import RoadEngine
from tests.tracking.vans import NOON_MS, arrived_row
from wire.messages import Batch, Fix

NOON_S = NOON_MS / 1000
PLAZA = Point(-29.9027, -71.2519)
HARBOUR = Point(-29.9533, -71.3393)
EAST_M, NORTH_M = 96_500, 111_320


@given(st.integers(2, 2000), st.integers(OVERLAP + 2, 200))
def test_each_hop_counts_in_one_piece_and_has_room_around_it(count: int, most: int) -> None:
    found = list(pieces(count, most))
    assert [one.begin for one in found] == [0, *(one.stop for one in found[:-1])]
    assert found[-1].stop == count
    for one in found:
        assert one.end - one.first <= most
        assert one.first <= one.begin < one.stop <= one.end
        assert one.first == 0 or one.begin - one.first >= OVERLAP // 2
        assert one.end == count or one.end - one.stop >= OVERLAP // 2


def hop(first: int, last: int, metres: float = 10.0) -> Hop:
    line = ((float(first), 0.0), (float(last), 0.0))
    return Hop(first=first, last=last, metres=metres, confidence=0.5, line=line)


def test_what_fits_no_street_is_told_as_such() -> None:
    found = stretches([hop(1, 2), hop(2, 4), hop(3, 4), hop(6, 7)], 9)
    assert found == [
        Stretch(first=0, last=1),
        Stretch(
            first=1, last=4, metres=20.0, confidence=0.5, line=((1.0, 0.0), (2.0, 0.0), (4.0, 0.0))
        ),
        Stretch(first=4, last=6),
        Stretch(first=6, last=7, metres=10.0, confidence=0.5, line=((6.0, 0.0), (7.0, 0.0))),
        Stretch(first=7, last=8),
    ]
    assert stretches([], 5) == [Stretch(first=0, last=4)]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "telemetry.db")
    upgrade(database, "telemetry")
    yield database
    database.close()


async def driven(roads: RoadsClient) -> tuple[float, list[tuple[float, float]]]:
    """The length of the way from plaza to harbour, and fixes on it each 15 m with 4 m of noise."""
    rng = random.Random(1)
    path = await roads.route([PLAZA, HARBOUR])
    fixes: list[tuple[float, float]] = []
    for (lon, lat), (to_lon, to_lat) in pairwise(path.geometry):
        length = hypot((to_lon - lon) * EAST_M, (to_lat - lat) * NORTH_M)
        parts = max(1, round(length / 15))
        for at in range(parts):
            share = at / parts
            east, north = rng.gauss(0, 4) / EAST_M, rng.gauss(0, 4) / NORTH_M
            fixes.append(
                (lat + (to_lat - lat) * share + north, lon + (to_lon - lon) * share + east)
            )
    return path.metres, fixes


def keep(database: Database, places: list[tuple[float, float]], first_s: int = 0) -> None:
    fixes = [
        Fix(
            recorded_at_ms=NOON_MS + (first_s + at * 2) * 1000,
            lat_e7=round(lat * 1e7),
            lon_e7=round(lon * 1e7),
            mode=3,
        )
        for at, (lat, lon) in enumerate(places)
    ]
    rows = [
        arrived_row(Batch(stream=7, first=first_s + at, fixes=tuple(fixes[at : at + 900])))
        for at in range(0, len(fixes), 900)
    ]
    with database.writing() as connection:
        store.write(connection, Writes(arrived=rows))


@pytest.mark.slow
def test_a_drive_in_several_pieces_is_as_long_as_its_streets(
    engine: RoadEngine, database: Database
) -> None:
    async def ask() -> None:
        async with RoadsClient(engine.url, lane="bulk") as roads:
            metres, fixes = await driven(roads)
            assert len(fixes) > 2 * MAX_MATCH_POINTS
            keep(database, fixes)
            parts = await Matching(Tracks(database), roads).matched(
                "main", "van-1", (NOON_S, NOON_S + 7200)
            )
        told = [one for one in parts if one.metres is not None]
        assert sum(one.metres or 0 for one in told) == pytest.approx(metres, rel=0.03)
        assert all(0 <= (one.confidence or 0) <= 1 for one in told)
        assert sum(one.straight_m for one in parts if one.metres is None) < 0.02 * metres

    asyncio.run(ask())


@pytest.mark.slow
def test_a_drive_on_the_sea_fits_no_street_and_a_stand_is_no_drive(
    engine: RoadEngine, database: Database
) -> None:
    keep(database, [(-29.93, -71.45 - at * 0.0002) for at in range(20)])
    keep(database, [(-29.9027, -71.2519)] * 50, first_s=3600)

    async def ask() -> None:
        async with RoadsClient(engine.url, lane="bulk") as roads:
            matching = Matching(Tracks(database), roads)
            (part,) = await matching.matched("main", "van-1", (NOON_S, NOON_S + 7200))
            with pytest.raises(Invalid, match="more than a day"):
                await matching.matched("main", "van-1", (NOON_S, NOON_S + 90_000))
        assert part.metres is None
        assert part.straight_m == pytest.approx(18 * 0.0002 * EAST_M, rel=0.05)

    asyncio.run(ask())


def test_an_engine_that_hangs_is_given_up_and_blocks_nothing(database: Database) -> None:
    keep(database, [(-29.9 - at * 0.0003, -71.25) for at in range(20)])

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def ask() -> None:
        server = await asyncio.start_server(swallow, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        ticks = 0
        async with RoadsClient(f"http://127.0.0.1:{port}", lane="bulk") as roads:
            asked = asyncio.create_task(
                Matching(Tracks(database), roads, 0.5).matched(
                    "main", "van-1", (NOON_S, NOON_S + 7200)
                )
            )
            while not asked.done():
                await asyncio.sleep(0.02)
                ticks += 1
            with pytest.raises(RoadsUnavailable, match="shorter span"):
                await asked
        assert ticks > 5
        server.close()

    asyncio.run(ask())
