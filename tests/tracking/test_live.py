"""The live memory never goes back, and a client of the stream sees each change once and in time."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cloud.foundation.broker import BrokerAccess
from cloud.foundation.database import Database
from cloud.foundation.layout import DataFolder
from cloud.foundation.settings import OwnBroker, Settings
from cloud.tracking import store
from cloud.tracking.halts import Halt, Standing, later, standing
from cloud.tracking.live import Live
from cloud.tracking.memory import LiveMemory, LivePosition
from cloud.tracking.store import LiveRow, Writes
from tests.parts.migrated import upgrade
from tests.tracking.vans import NOON_MS, fix
from wire import codec, topics
from wire.messages import Fix, Position, State

NOON_S = NOON_MS / 1000


class NoonClock:
    """Domain time that stands ten seconds after noon."""

    speed = 1.0

    def now_s(self) -> float:
        return NOON_S + 10

    async def sleep_until(self, instant_s: float) -> None:
        raise AssertionError(instant_s)


def at(second: float, van: str = "van-1", lat: float = -29.9) -> LivePosition:
    return LivePosition(
        van=van,
        lat=lat,
        lon=-71.25,
        speed_mps=10.0,
        course_deg=90.0,
        fix_time_s=NOON_S + second,
        received_at_s=NOON_S + second + 0.2,
        age_s=0.0,
        presence="unknown",
    )


@given(st.permutations(range(8)))
def test_memory_keeps_the_newest_in_whatever_order_they_come(order: list[int]) -> None:
    memory = LiveMemory()
    for second in order:
        memory.move("main", at(second))
    found = memory.positions("main", NOON_S + 10)["van-1"]
    assert found.fix_time_s == NOON_S + 7
    assert found.age_s == 3.0


def test_presence_stays_with_the_van_as_it_moves() -> None:
    memory = LiveMemory()
    memory.set_presence("main", "van-1", "online")
    assert memory.positions("main", NOON_S) == {}
    memory.move("main", at(1))
    memory.set_presence("main", "van-1", "offline")
    assert memory.positions("main", NOON_S)["van-1"].presence == "offline"
    assert memory.presence("main") == {"van-1": "offline"}
    assert memory.presence("other") == {}


def test_changed_gives_each_change_once_and_only_of_the_tenant() -> None:
    memory = LiveMemory()
    for van in ("van-1", "van-2", "van-3"):
        memory.move("main", at(1, van))
    seen, all_of_them = _changed(memory, -1)
    assert set(all_of_them) == {"van-1", "van-2", "van-3"}
    memory.move("main", at(2, "van-2"))
    memory.move("main", at(1, "van-3"))
    memory.move("other", at(5, "van-9"))
    seen, moved = _changed(memory, seen)
    assert moved == ["van-2"]
    assert _changed(memory, seen)[1] == []


def _changed(memory: LiveMemory, after: int) -> tuple[int, list[str]]:
    changes = memory.changed("main", after)
    return changes.upto, [van for van, _ in changes.vans]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    data = DataFolder(tmp_path)
    database = Database(data.telemetry)
    upgrade(database, "telemetry")
    nobody = OwnBroker(host="127.0.0.1", port=9, username="u", password="p")
    yield Live(database, BrokerAccess(data, Settings(broker=nobody)), NoonClock())
    database.close()


def write_live(live: Live, *rows: LiveRow) -> None:
    with live._telemetry.writing() as connection:
        store.write(connection, Writes(live=[store.live_values(row) for row in rows]))


def row(van: str, second: int, change: int, *, is_online: bool | None = None) -> LiveRow:
    return LiveRow(
        tenant="main",
        van=van,
        fix=fix(second),
        received_at_ms=NOON_MS + second * 1000,
        is_online=is_online,
        change=change,
    )


def test_web_begins_with_what_ingest_has_written_and_then_follows(live: Live) -> None:
    write_live(live, row("van-1", 1, 1, is_online=True), row("van-2", 2, 2))
    live._look_once()
    assert live.positions("main")["van-1"].age_s == 9.0
    assert live.presence("main") == {"van-1": "online", "van-2": "unknown"}
    write_live(live, row("van-1", 3, 3, is_online=False))
    live._look_once()
    assert live.positions("main")["van-1"].fix_time_s == NOON_S + 3
    assert live.positions("main")["van-1"].presence == "offline"


def test_a_stored_fix_whose_time_cannot_be_true_spoils_no_other(live: Live) -> None:
    absurd = Fix(recorded_at_ms=-(2**53), lat_e7=0, lon_e7=0, mode=2)
    stored = LiveRow(tenant="main", van="van-1", fix=absurd, received_at_ms=NOON_MS, change=1)
    unborn = LiveRow(tenant="main", van="van-3", fix=fix(1), received_at_ms=2**60, change=3)
    write_live(live, stored, row("van-2", 2, 2), unborn)
    live._look_once()
    assert [van for van, _ in live.changes("main", -1).vans] == ["van-2"]
    write_live(live, row("van-1", 3, 4))
    live._look_once()
    assert set(live.positions("main")) == {"van-1", "van-2"}


@pytest.mark.parametrize("told", ["0001-01-01T00:00:00", "1969-07-20T20:17:40.000Z", "9999", "x"])
def test_a_feed_that_tells_a_time_that_cannot_be_true_is_passed_over(live: Live, told: str) -> None:
    position = Position(van="van-1", lat=1.0, lon=2.0, fix_time=told, received_at=told)
    live.hear(topics.feed_position("main", "own", "van-1"), codec.encode(position))
    assert live.positions("main") == {}


def halt_row(seq: int, kind: str, stop: str, at_ms: int) -> tuple[Any, ...]:
    body = f'{{"route":"route-1","revision":1,"stop":"{stop}","at_ms":{at_ms}}}'
    return ("main", "van-1", 9, seq, at_ms, 3, kind, body, NOON_MS + seq, at_ms)


@given(st.permutations(range(4)))
def test_the_van_s_newest_word_on_a_stop_counts_in_whatever_order_it_comes(
    order: list[int],
) -> None:
    told = [
        Halt(route="route-1", stop=stop, since_ms=at_ms, is_there=is_there)
        for stop, at_ms, is_there in (("s1", 1, True), ("s1", 5, False), ("s2", 5, True))
    ]
    found: Halt | None = None
    for place in order:
        found = later(found, told[place % 3])
    assert found == told[2]


def test_the_live_state_knows_the_stop_that_the_van_is_at(live: Live) -> None:
    write_live(live, row("van-1", 1, 1))
    came, left = halt_row(0, "stop_arrived", "s1", NOON_MS), halt_row(2, "stop_departed", "s0", 5)
    with live._telemetry.writing() as connection:
        store.write(connection, Writes(events=[came, left]))
    live._look_once()
    halt = live.known("main")["van-1"].halt
    assert halt == Halt(route="route-1", stop="s1", since_ms=NOON_MS, is_there=True)


def test_what_ingest_held_while_its_database_failed_is_seen_within_a_minute(live: Live) -> None:
    live._look_once()
    held = ("main", "van-1", 5, 0, NOON_MS, 3, "ignition_switched", '{"is_on":true}')
    with live._telemetry.writing() as connection:
        store.write(connection, Writes(events=[(*held, NOON_MS - 600_000, NOON_MS - 600_000)]))
    for _ in range(60):
        live._look_once()
    assert live.known("main")["van-1"].is_ignited


def test_what_is_erased_of_a_van_is_not_known_any_more(live: Live) -> None:
    write_live(live, row("van-1", 1, 1))
    came = halt_row(0, "stop_arrived", "s1", NOON_MS)
    began = ("main", "van-1", 5, 1, NOON_MS, 3, "trip_started", "{}", NOON_MS, NOON_MS - 5)
    with live._telemetry.writing() as connection:
        store.write(connection, Writes(events=[came, began]))
    live._look_once()
    with live._telemetry.writing() as connection:
        connection.execute(store.EVENT.delete())
    live.forget_place("main", "van-1", NOON_MS, NOON_MS + 9_000)
    live._look_once()
    known = live.known("main")["van-1"]
    assert (known.halt, known.position, known.is_on_trip) == (None, None, True)


def test_the_van_s_word_wins_over_the_office_on_its_own_route_only() -> None:
    there = Halt(route="r", stop="s1", since_ms=7, is_there=True)
    left = Halt(route="r", stop="s1", since_ms=9, is_there=False)
    stops = ["s1", "s2"]
    assert standing(there, "r", stops, is_at_first=False) == Standing(stop="s1", since_ms=7)
    assert standing(left, "r", stops, is_at_first=True) == Standing(passed=1)
    assert standing(left, "r", ["s2"], is_at_first=False) == Standing()
    for other in (None, there):
        assert standing(other, "r2", stops, is_at_first=True) == Standing(stop="s1")
        assert standing(other, "r2", stops, is_at_first=False) == Standing()


def test_a_restart_finds_the_same_state(live: Live, tmp_path: Path) -> None:
    """All but the fixes of the last second, which the feed brings again, is stored by ingest."""
    state = codec.encode(State(version="1", boot=1, receiver="ok", spooled=0)).decode()
    stands = Fix(
        recorded_at_ms=NOON_MS + 9000, lat_e7=1, lon_e7=1, mode=3, speed_cmps=0, quality="gnss"
    )
    told = LiveRow(
        tenant="main",
        van="van-1",
        fix=stands,
        received_at_ms=NOON_MS + 9000,
        is_online=True,
        presence_at_ms=NOON_MS,
        state=state,
        state_at_ms=NOON_MS + 1,
        change=1,
    )
    write_live(live, told, row("van-2", 2, 2))
    switched = ("main", "van-1", 5, 0, NOON_MS, 3, "ignition_switched", '{"is_on":true}')
    began = ("main", "van-1", 5, 1, NOON_MS, 3, "trip_started", "{}")
    with live._telemetry.writing() as connection:
        keep = Writes(events=[(*one, NOON_MS + 2, NOON_MS + 2) for one in (switched, began)])
        store.write(connection, keep)
    live._look_once()
    before = live.known("main")
    assert (before["van-1"].motion, before["van-1"].presence) == ("idling", "online")
    assert (before["van-1"].is_ignited, before["van-1"].is_on_trip) == (True, True)
    nobody = OwnBroker(host="127.0.0.1", port=9, username="u", password="p")
    broker = BrokerAccess(DataFolder(tmp_path), Settings(broker=nobody))
    again = Live(live._telemetry, broker, NoonClock())
    again._look_once()
    assert {van: replace(one, change=0) for van, one in again.known("main").items()} == {
        van: replace(one, change=0) for van, one in before.items()
    }


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_breaks_is_no_silence(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks() -> None:
        raise ZeroDivisionError

    live.start()
    try:
        monkeypatch.setattr(live, "_look_once", breaks)
        with pytest.raises(RuntimeError, match="live-rows has ended"):
            asyncio.run(asyncio.wait_for(live.watch(), 30))
    finally:
        live.stop()
