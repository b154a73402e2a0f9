"""A silent van is told once and heard once; the nearest free van is found with or without roads."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from cloud.foundation import outbox
from cloud.foundation.broker import BrokerAccess
from cloud.foundation.database import Database
from cloud.foundation.ids import random_id
from cloud.foundation.layout import DataFolder
from cloud.foundation.outbox import Outbox
from cloud.foundation.settings import OwnBroker, Settings
from cloud.roads.client import RoadsClient
from cloud.tracking.live import Live
from cloud.tracking.nearest import Candidate, soonest
from cloud.tracking.places import Circle, area_of
from cloud.tracking.silence import SilenceChanged
from cloud.tracking.watch import SilenceWatch
from tests.parts.migrated import upgrade
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


@dataclass
class Watched:
    """A live state, and the watch over it, which a test stops and starts again."""

    live: Live
    business: Database
    clock: HandClock
    can_hear: bool = True
    due: frozenset[str] = frozenset({"van-1", "van-3"})
    shut_out: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """As the process after this one begins."""
        self.watch = SilenceWatch(
            self.live,
            self.business,
            Outbox(self.business),
            on_shift=lambda _: self.due,
            out_of_use=lambda _: self.shut_out,
            intervals_s=lambda _: {"van-1": 5.0},
            can_hear=lambda: self.can_hear,
            clock=self.clock,
            new_id=random_id,
        )

    def pass_seconds(self, count: int) -> None:
        """Look each second."""
        for _ in range(count):
            self.clock.at_s += 1
            self.watch.look()

    def told(self) -> list[tuple[str, str, float]]:
        """What the outbox tells: what, of which van, how long after noon."""
        with self.business.reading() as connection:
            rows = connection.execute(select(outbox.outbox).order_by(outbox.outbox.c.position))
            found = [
                (msgspec.json.decode(row.payload, type=SilenceChanged), row.at) for row in rows
            ]
        return [(one.change, one.vehicle_id, at - NOON_S) for one, at in found]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    data, clock = DataFolder(tmp_path), HandClock()
    telemetry, business = Database(data.telemetry), Database(data.business)
    upgrade(business, "business")
    nobody = OwnBroker(host="127.0.0.1", port=9, username="u", password="p")
    live = Live(telemetry, BrokerAccess(data, Settings(broker=nobody)), clock)
    for van in ("van-1", "van-2"):  # van-2 has no shift, van-3 never spoke
        live.memory.move("main", at(0, van))
        live.memory.set_presence("main", van, "online")
    yield Watched(live, business, clock)
    telemetry.close()
    business.close()


def test_a_silent_van_is_told_within_three_intervals_and_once(watched: Watched) -> None:
    watched.pass_seconds(40)
    assert watched.live.known("main")["van-1"].is_silent
    [(what, van, after_s)] = watched.told()
    assert (what, van) == ("van_silent", "van-1")
    assert 10 < after_s <= 15
    watched.live.memory.move("main", at(40, "van-1"))
    watched.pass_seconds(2)
    assert [one[:2] for one in watched.told()] == [("van_silent", "van-1"), ("van_heard", "van-1")]
    assert not watched.live.known("main")["van-1"].is_silent


def test_over_a_restart_a_silence_is_told_once_and_its_end_once(watched: Watched) -> None:
    watched.pass_seconds(20)
    watched.restart()
    watched.pass_seconds(20)
    assert [one[0] for one in watched.told()] == ["van_silent"]
    assert watched.live.known("main")["van-1"].is_silent
    watched.live.memory.move("main", at(40, "van-1"))
    watched.restart()
    watched.pass_seconds(3)
    watched.restart()
    watched.pass_seconds(3)
    assert [one[0] for one in watched.told()] == ["van_silent", "van_heard"]


def test_a_new_process_tells_at_first_that_a_silent_van_still_is(watched: Watched) -> None:
    watched.pass_seconds(20)
    watched.live.set_silent("main", "van-1", is_silent=False)  # a new memory knows nothing
    watched.restart()
    watched.can_hear = False
    watched.pass_seconds(1)
    assert watched.live.known("main")["van-1"].is_silent


def test_a_silence_ends_when_the_van_need_not_report_any_more(watched: Watched) -> None:
    watched.pass_seconds(20)
    watched.due = frozenset()
    watched.pass_seconds(5)
    assert [one[0] for one in watched.told()] == ["van_silent", "van_excused"]


def test_a_van_that_is_shut_out_is_not_silent_though_its_engine_was_on(watched: Watched) -> None:
    watched.pass_seconds(20)
    watched.live.memory.take_signs("main", "van-2", is_ignited=True, is_on_trip=True, halt=None)
    watched.shut_out = frozenset({"van-1", "van-2"})
    watched.pass_seconds(40)
    assert [one[:2] for one in watched.told()] == [
        ("van_silent", "van-1"),
        ("van_excused", "van-1"),
    ]


def test_while_nobody_can_be_heard_no_van_is_called_silent(watched: Watched) -> None:
    watched.pass_seconds(5)
    watched.can_hear = False
    watched.pass_seconds(600)
    watched.can_hear = True
    watched.pass_seconds(4)
    assert watched.told() == [], "ten minutes of ours are no silence of the vans"
    watched.pass_seconds(10)
    assert [one[0] for one in watched.told()] == ["van_silent"]


def test_a_look_that_comes_late_counts_no_silence(watched: Watched) -> None:
    watched.pass_seconds(5)
    watched.clock.at_s += 60
    watched.watch.look()
    assert watched.told() == []


def test_what_cannot_be_written_is_told_when_it_can(watched: Watched) -> None:
    watched.pass_seconds(5)
    with watched.business.writing() as connection:
        connection.execute(text("ALTER TABLE van_silence RENAME TO gone"))
    with pytest.raises(DBAPIError):
        watched.pass_seconds(20)
    with watched.business.writing() as connection:
        connection.execute(text("ALTER TABLE gone RENAME TO van_silence"))
    watched.pass_seconds(2)
    assert [one[0] for one in watched.told()] == ["van_silent"]


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
