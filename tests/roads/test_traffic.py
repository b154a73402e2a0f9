"""From committed history to speeds on streets, over the real engine."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from itertools import pairwise
from math import hypot
from pathlib import Path

import numpy as np
import pytest

from cloud.foundation.database import Database
from cloud.roads import store
from cloud.roads.client import RoadsClient
from cloud.roads.learning import Met, packed
from cloud.roads.segments import Segments, read_segments
from cloud.tracking import store as tracking_store
from cloud.tracking.store import Writes
from cloud.traffic import SpeedLearning
from tests.parts.migrated import upgrade
from tests.parts.roads_engine import RoadEngine, demo_city
from tests.roads.test_keeper import HARBOUR, PLAZA
from tests.tracking.vans import NOON_MS, arrived_row
from wire.messages import Batch, Fix

pytestmark = pytest.mark.slow

NOON_S = NOON_MS // 1000
EAST_M, NORTH_M = 96_500, 111_320


class At:
    """A clock that stands."""

    def __init__(self, at_s: float) -> None:
        self.at_s = at_s
        self.speed = 1.0

    def now_s(self) -> float:
        return self.at_s

    async def sleep_until(self, at_s: float) -> None:
        raise AssertionError(at_s)


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    business, telemetry = Database(tmp_path / "business.db"), Database(tmp_path / "telemetry.db")
    upgrade(business, "business")
    upgrade(telemetry, "telemetry")
    yield business, telemetry
    business.close()
    telemetry.close()


async def drive(roads: RoadsClient, telemetry: Database, pace: float, first_s: int) -> None:
    """From plaza to harbour, ``pace`` times as long as the engine says, one fix each second."""
    path = await roads.route([PLAZA, HARBOUR])
    metres = [
        hypot((to[0] - one[0]) * EAST_M, (to[1] - one[1]) * NORTH_M)
        for one, to in pairwise(path.geometry)
    ]
    along = np.concatenate([[0.0], np.cumsum(metres)])
    seconds = int(path.seconds * pace)
    at = np.interp(np.linspace(0, along[-1], seconds), along, range(len(along)))
    lon = np.interp(at, range(len(along)), [place[0] for place in path.geometry])
    lat = np.interp(at, range(len(along)), [place[1] for place in path.geometry])
    fixes = [
        Fix(
            recorded_at_ms=NOON_MS + (first_s + number) * 1000,
            lat_e7=round(lat[number] * 1e7),
            lon_e7=round(lon[number] * 1e7),
            mode=3,
        )
        for number in range(seconds)
    ]
    rows = [
        arrived_row(Batch(stream=7, first=first_s + part, fixes=tuple(fixes[part : part + 900])))
        for part in range(0, len(fixes), 900)
    ]
    with telemetry.writing() as connection:
        tracking_store.write(connection, Writes(arrived=rows))


def test_what_vans_drove_is_learned_by_the_hour_and_lately(
    engine: RoadEngine, databases: tuple[Database, Database]
) -> None:
    business, telemetry = databases
    clock = At(NOON_S + 3_500)
    learning = SpeedLearning(
        business=business, telemetry=telemetry, clock=clock,
        vans=lambda: [("main", "van-1")], zone=lambda: "America/Santiago",
        city=demo_city(), engine=lambda: engine.url,
    )  # fmt: skip
    segments = read_segments(demo_city())

    async def ask() -> None:
        async with RoadsClient(engine.url) as roads:
            await drive(roads, telemetry, 2.0, first_s=0)
            met = await learning.met(segments, roads, (NOON_S, NOON_S + 3_600), [("main", "van-1")])
        assert met.seconds.sum() / met.expected_s.sum() == pytest.approx(2.0, rel=0.35)
        assert learning.factors(segments, clock.now_s()) == []
        clock.at_s = NOON_S + 900
        await learning.look()
        usual, lately = learning.factors(segments, NOON_S + 900)
        driven = segments.find(met.tail, met.head)
        assert np.median(usual) == pytest.approx(1.0)
        assert (lately[driven] > 1.0).mean() > 0.2
        clock.at_s = NOON_S + 5_400
        await learning.look()
        usual, lately = learning.factors(segments, NOON_S + 86_400)
        assert np.median(usual[driven]) > 1.15
        assert np.median(lately[driven]) == pytest.approx(1.0, abs=0.1)

    asyncio.run(ask())

    def known() -> list[tuple[int, bool]]:
        with business.reading() as connection:
            return [(hour_s, is_final) for hour_s, _, is_final in store.hours(connection, 0)]

    assert known() == [(NOON_S, False)], "nothing from before anybody looked"
    clock.at_s = NOON_S + 28 * 3_600
    asyncio.run(learning.look())
    assert known()[0] == (NOON_S, True)
    assert len(known()) == 27


def test_of_a_large_fleet_some_vans_are_followed_after_the_others(
    databases: tuple[Database, Database],
) -> None:
    business, telemetry = databases
    fleet = [("main", f"van-{number}") for number in range(130)]
    learning = SpeedLearning(
        business=business, telemetry=telemetry, clock=At(NOON_S), vans=lambda: fleet,
        zone=lambda: "UTC", city=demo_city(), engine=lambda: "",
    )  # fmt: skip
    looks = [asyncio.run(learning.in_turn()) for _ in range(13)]
    assert {len(look) for look in looks} == {60}
    seen = Counter(van for look in looks for van in look)
    assert set(seen) == set(fleet)
    assert set(seen.values()) == {6}


def test_what_was_learned_fits_the_streets_of_a_city_that_is_imported_anew(
    databases: tuple[Database, Database],
) -> None:
    business, telemetry = databases
    learning = SpeedLearning(
        business=business, telemetry=telemetry, clock=At(NOON_S), vans=list,
        zone=lambda: "UTC", city=demo_city(), engine=lambda: "",
    )  # fmt: skip
    before = read_segments(demo_city())
    after = Segments(**{field.name: getattr(before, field.name)[1:] for field in fields(before)})
    met = Met(
        tail=after.tail[:1], head=after.head[:1], seconds=np.array([900.0]),
        expected_s=np.array([100.0]),
    )  # fmt: skip
    with business.writing() as connection:
        store.put_hour(connection, int(NOON_S) - 3_600, packed(met), is_final=True)
    assert len(learning.factors(before, NOON_S)[0]) == len(before)
    usual, _ = learning.factors(after, NOON_S)
    assert len(usual) == len(after)
    assert usual[0] > usual[1]
