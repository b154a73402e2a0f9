"""The logbook at work: what it gives comes into the spool, whatever fails over it."""

import logging
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from gateway import configuration
from gateway.clock import Clock
from gateway.inbox import Taken
from gateway.recorder import Recorder
from gateway.spool import schema
from gateway.spool.rows import Kind, read_fix
from gateway.spool.store import Spool
from tests.gateway.test_arrival import route_of, stop_at
from tests.gateway.test_settings import GOOD, written
from tests.gateway.tracks import START_MS, Journey, epoch_of, fix_at
from wire import codec
from wire.events import EventBody, TripEnded, TripStarted
from wire.messages import Event, Fix, RouteStop


class Box:
    """A gateway's recorder with its clocks, which stand still until they are moved."""

    def __init__(self, folder: Path) -> None:
        schema.prepare(folder / "spool.db")
        self.spool = Spool(folder / "spool.db", 10_000_000)
        self.passed_s = 0.0
        self.is_synchronised = False
        self.clock = Clock(
            lambda: START_MS / 1000 + self.passed_s,
            lambda: self.passed_s,
            is_synchronised=lambda: self.is_synchronised,
        )
        self.spool.begin(fixes=1, events=2, version="test", stamp=self.clock.stamp())
        settings = configuration.load(written(folder, GOOD))
        self.live: list[Fix] = []
        self.recorder = Recorder(
            settings, self.spool, self.clock, lambda fix, _now_s: self.live.append(fix)
        )

    def hear(self, fix: Fix, receiver: str = "roof") -> bool:
        """The receiver says ``fix`` now; whether it is believed."""
        return self.take(Taken(receiver, epoch_of(fix), self.passed_s))

    def take(self, taken: Taken) -> bool:
        """The service comes to what was read, perhaps long ago."""
        judged = self.recorder.judge(taken, "serial")
        self.recorder.take(judged, self.passed_s)
        return judged.is_believed

    def _bodies(self, kind: Kind) -> list[bytes]:
        self.recorder.flush()
        self.spool.commit(self.clock.stamp())
        return [row.body for row in self.spool.rows_after(kind, -1, 10_000)]

    def kept(self) -> list[Fix]:
        return [read_fix(body) for body in self._bodies("fix")]

    def events(self) -> list[EventBody]:
        return [codec.decode(body, Event).body for body in self._bodies("event")]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path)
    yield box
    box.spool.close()


def a_trip() -> list[Fix]:
    journey = Journey()
    return list(
        chain(
            journey.stand(60),
            journey.change(12, 1.2),
            journey.drive(60, 12),
            journey.change(0, -1.5),
            journey.stand(300),
        )
    )


def test_a_rule_that_fails_takes_neither_the_fix_nor_the_word_of_the_others(
    box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = RouteStop(stop="x", kind="delivery", lat_e7=10**400, lon_e7=0, planned_arrival_ms=0)
    box.recorder.logbook.follow(route_of(stop_at("a", 0), nowhere))
    fixes = a_trip()
    with caplog.at_level(logging.ERROR):
        for box.passed_s, fix in enumerate(fixes):
            assert box.hear(fix)
    assert [fix.fix_time_ms for fix in box.live] == [fix.fix_time_ms for fix in fixes]
    trips = [one for one in box.events() if isinstance(one, TripStarted | TripEnded)]
    assert [type(one) for one in trips] == [TripStarted, TripEnded]
    assert box.kept()[-1].fix_time_ms == fixes[-1].fix_time_ms
    assert box.recorder.failed["arrival"] > 100
    (record,) = caplog.records
    assert (record.getMessage(), record.__dict__["rule"]) == (
        "a rule of the logbook fails",
        "arrival",
    )
    assert record.exc_info is not None
    assert record.exc_info[0] is OverflowError


def test_a_recorder_that_is_well_counts_no_failure(box: Box) -> None:
    for box.passed_s in range(60):
        box.hear(fix_at(box.passed_s))
    assert not box.recorder.failed


FIVE_YEARS_S = 5 * 365 * 86_400


def test_one_fix_of_another_year_moves_no_clock_that_time_servers_have_set(box: Box) -> None:
    box.is_synchronised = True
    box.recorder.correct(box.clock.look_around())
    assert not box.hear(fix_at(FIVE_YEARS_S))
    assert box.clock.stamp() == (START_MS, "ntp")
    assert box.recorder.logbook.refused == {"time_far": 1}
    for box.passed_s in range(1, 10):
        assert box.hear(fix_at(box.passed_s))
    assert box.clock.quality == "gnss"


def test_a_receiver_of_another_year_is_believed_once_it_has_said_so_for_long(box: Box) -> None:
    box.is_synchronised = True
    box.recorder.correct(box.clock.look_around())
    said = []
    for box.passed_s in range(5):
        said.append(box.hear(fix_at(FIVE_YEARS_S + box.passed_s)))
    assert said == [False, False, True, True, True]


@pytest.mark.parametrize("wrong", ["frozen", "absurd", "jump"])
def test_a_fix_that_is_wrong_in_more_than_its_date_is_no_witness(box: Box, wrong: str) -> None:
    for box.passed_s in range(30):
        box.hear(fix_at(box.passed_s, 10.0 * box.passed_s, speed_mps=10))
    for box.passed_s in range(30, 60):
        told_s = box.passed_s + 3
        match wrong:
            case "frozen":
                fix = fix_at(told_s, 290, speed_mps=60)
            case "absurd":
                fix = fix_at(told_s, 10.0 * box.passed_s, speed_mps=100)
            case _:
                fix = fix_at(told_s, 900_000.0 * (box.passed_s % 2 + 1), speed_mps=10)
        box.hear(fix)
    assert abs(box.clock.now_ms(0.0) - START_MS) <= 1000


def test_what_waited_through_a_stall_is_recorded_as_of_when_it_was_read(box: Box) -> None:
    for box.passed_s in range(6):
        box.hear(fix_at(box.passed_s))
    read = [Taken("roof", epoch_of(fix_at(s, 10.0 * s)), float(s)) for s in range(6, 14)]
    box.passed_s = 22.0
    for taken in read:
        assert box.take(taken)
    assert box.clock.now_ms(0.0) == START_MS
    assert [fix.recorded_at_ms - (fix.fix_time_ms or 0) for fix in box.live] == [0] * 14
