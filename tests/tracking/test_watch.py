"""A silent van is told once and heard once; the nearest free van is found with or without roads."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.foundation.broker import BrokerAccess
from cloud.foundation.database import Database
from cloud.foundation.layout import DataFolder
from cloud.foundation.settings import OwnBroker, Settings
from cloud.roads.client import RoadsClient
from cloud.tracking.live import Live
from cloud.tracking.nearest import Candidate, soonest
from cloud.tracking.places import Circle, area_of
from cloud.tracking.stream import LiveStream
from cloud.tracking.watch import SilenceWatch
from tests.tracking.test_live import NOON_S, at


class HandClock:
    """Domain time that stands until it is set."""

    speed = 1.0

    def __init__(self) -> None:
        self.at_s = NOON_S

    def now_s(self) -> float:
        return self.at_s

    async def sleep_until(self, instant_s: float) -> None:
        raise AssertionError(instant_s)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    data = DataFolder(tmp_path)
    database = Database(data.telemetry)
    nobody = OwnBroker(host="127.0.0.1", port=9, username="u", password="p")
    yield Live(database, BrokerAccess(data, Settings(broker=nobody)), HandClock())
    database.close()


def test_a_silent_van_is_told_within_three_intervals_and_once(live: Live) -> None:
    clock = live.clock
    assert isinstance(clock, HandClock)
    stream = LiveStream()
    watch = SilenceWatch(
        live,
        stream,
        on_shift=lambda _: frozenset({"van-1", "van-3"}),
        intervals_s=lambda _: {"van-1": 5.0},
        clock=clock,
    )
    for van in ("van-1", "van-2"):  # van-2 has no shift, van-3 never spoke
        live.memory.move("main", at(0, van))
        live.memory.set_presence("main", van, "online")
    silent_from = None
    for second in range(40):
        clock.at_s = NOON_S + second
        watch.look()
        if live.known("main")["van-1"].is_silent and silent_from is None:
            silent_from = second
    assert silent_from is not None
    assert 15 <= silent_from <= 16
    live.memory.move("main", at(40, "van-1"))
    clock.at_s = NOON_S + 41
    watch.look()
    watch.look()
    told = stream.since("main", -1)
    assert told is not None
    assert [(one.name, one.payload["vehicle_id"]) for one in told[1]] == [
        ("van_silent", "van-1"),
        ("van_heard", "van-1"),
    ]
    assert not live.known("main")["van-1"].is_silent


def test_without_roads_the_nearest_by_the_straight_line_says_so() -> None:
    async def scenario() -> list[Candidate]:
        async with RoadsClient("http://127.0.0.1:9", limit_s=1.0) as roads:
            free = [Candidate(van=f"van-{far}", lat=0.01 * far, lon=0.0) for far in (3, 1, 2)]
            return await soonest(roads, free, 0.0, 0.0, 2)

    found = asyncio.run(scenario())
    assert [one.van for one in found] == ["van-1", "van-2"]
    assert all(one.is_straight_line for one in found)
    assert abs(found[0].metres - 1112) < 3


def test_areas_are_read_or_refused_by_their_field() -> None:
    circle = area_of(None, "60,10,1000")
    assert isinstance(circle, Circle)
    assert circle.contains(60.0, 10.017)
    assert not circle.contains(60.0, 10.019)
    assert circle.box.contains(60.0, 10.0179)
    for bbox, around in (
        ("1,2,3", None),
        ("9,0,1,1", None),
        (None, "nan,0,1"),
        ("0,0,1,1", "0,0,1"),
    ):
        with pytest.raises(Exception, match=r"bbox|around"):
            area_of(bbox, around)
