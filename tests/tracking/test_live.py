"""The live memory never goes back, and a client of the stream sees each change once and in time."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.foundation.broker import BrokerAccess
from cloud.foundation.database import Database
from cloud.foundation.layout import DataFolder
from cloud.foundation.migrations import upgrade
from cloud.foundation.settings import OwnBroker, Settings
from cloud.tracking import store
from cloud.tracking.api import frames
from cloud.tracking.live import (
    MAX_WAITING_EVENTS,
    Listener,
    Live,
    LiveMemory,
    LivePosition,
    LiveStream,
    Telling,
)
from cloud.tracking.sight import Sight
from cloud.tracking.store import LiveRow, Writes
from tests.tracking.vans import NOON_MS, fix
from wire import codec, topics
from wire.messages import Fix, Position

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
    seen, all_of_them = memory.changed("main", -1, NOON_S)
    assert {one.van for one in all_of_them} == {"van-1", "van-2", "van-3"}
    memory.move("main", at(2, "van-2"))
    memory.move("main", at(1, "van-3"))
    memory.move("other", at(5, "van-9"))
    seen, moved = memory.changed("main", seen, NOON_S)
    assert [one.van for one in moved] == ["van-2"]
    assert memory.changed("main", seen, NOON_S)[1] == []


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    data = DataFolder(tmp_path)
    database = Database(data.telemetry)
    upgrade(database, "telemetry")
    nobody = OwnBroker(host="127.0.0.1", port=9, username="u", password="p")
    yield Live(database, BrokerAccess(data, Settings(broker=nobody)), NoonClock())
    database.close()


def always() -> bool:
    return True


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
    _, moved = live.changed("main", -1)
    assert [one.van for one in moved] == ["van-2"]
    write_live(live, row("van-1", 3, 4))
    live._look_once()
    assert set(live.positions("main")) == {"van-1", "van-2"}


@pytest.mark.parametrize("told", ["0001-01-01T00:00:00", "1969-07-20T20:17:40.000Z", "9999", "x"])
def test_a_feed_that_tells_a_time_that_cannot_be_true_is_passed_over(live: Live, told: str) -> None:
    message = paho.MQTTMessage(topic=topics.feed_position("main", "own", "van-1").encode())
    message.payload = codec.encode(
        Position(van="van-1", lat=1.0, lon=2.0, fix_time=told, received_at=told)
    )
    live._on_message(None, None, message)
    assert live.positions("main") == {}


class Client:
    """Reads one live stream frame by frame."""

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._source = source

    async def next(self, within_s: float = 2.0) -> tuple[str, Any]:
        """The next event and its data."""
        async with asyncio.timeout(within_s):
            while True:
                frame = await anext(self._source)
                if frame.startswith(b"event: "):
                    event, data = frame.removeprefix(b"event: ").split(b"\ndata: ")
                    return event.decode(), msgspec.json.decode(data)

    async def is_quiet(self, for_s: float) -> bool:
        """Whether nothing comes."""
        try:
            await self.next(for_s)
        except TimeoutError:
            return True
        return False


def test_a_client_sees_all_vans_first_and_then_what_changed(live: Live) -> None:
    async def scenario() -> None:
        client = Client(frames(live, LiveStream(), "main", always))
        event, first = await client.next()
        assert (event, first["items"]) == ("vehicles", [])
        live._memory.move("main", at(1))
        live._memory.set_presence("main", "van-1", "online")
        event, told = await client.next()
        assert event == "vehicles"
        assert told["now"] == "2024-06-03T12:00:10.000Z"
        assert told["items"] == [
            {
                "id": "van-1",
                "lat": -29.9,
                "lon": -71.25,
                "speed_mps": 10.0,
                "course_deg": 90.0,
                "fix_time": "2024-06-03T12:00:01.000Z",
                "age_s": 9.0,
                "presence": "online",
            }
        ]

    asyncio.run(scenario())


def test_at_most_four_frames_a_second_however_often_a_van_moves(live: Live) -> None:
    async def scenario() -> int:
        client = Client(frames(live, LiveStream(), "main", always))
        await client.next()
        loop = asyncio.get_running_loop()
        count, end_s = 0, loop.time() + 1.0
        mover = asyncio.create_task(_keep_moving(live, end_s))
        while loop.time() < end_s:
            try:
                await client.next(max(0.01, end_s - loop.time()))
            except TimeoutError:
                break
            count += 1
        await mover
        return count

    assert 1 <= asyncio.run(scenario()) <= 4


async def _keep_moving(live: Live, end_s: float) -> None:
    second = 0.0
    while asyncio.get_running_loop().time() < end_s:
        second += 0.01
        live._memory.move("main", at(second))
        await asyncio.sleep(0.01)


def test_what_the_office_is_told_reaches_its_clients_at_once_from_any_thread(live: Live) -> None:
    async def scenario() -> None:
        stream = LiveStream()
        client, stranger = (
            Client(frames(live, stream, tenant, always)) for tenant in ("main", "other")
        )
        await client.next()
        await stranger.next()
        news = {"order_id": "ord-1", "state": "planned"}
        teller = threading.Thread(target=stream.tell, args=("main", "order", news))
        teller.start()
        assert await client.next(1.0) == ("order", news)
        teller.join()
        assert await stranger.is_quiet(0.3)

    asyncio.run(scenario())


def test_a_limited_client_is_told_of_what_is_in_its_sight_only(live: Live) -> None:
    def shown(payload: Mapping[str, object]) -> Mapping[str, object] | None:
        return {"mine": True} if payload["order_id"] == "ord-1" else None

    async def scenario() -> None:
        stream = LiveStream()
        sight = Sight(vans=lambda: frozenset({"van-2"}), shown=shown)
        client = Client(frames(live, stream, "main", always, sight))
        live._memory.move("main", at(1))  # van-1
        assert (await client.next())[1]["items"] == []
        stream.tell("main", "order", {"order_id": "ord-2"})
        stream.tell("main", "order", {"order_id": "ord-1"})
        assert await client.next(1.0) == ("order", {"mine": True})
        live._memory.move("main", replace(at(2), van="van-2"))
        assert [one["id"] for one in (await client.next())[1]["items"]] == ["van-2"]

    asyncio.run(scenario())


def test_a_client_that_takes_nothing_is_let_go_and_its_queue_is_bounded() -> None:
    async def scenario() -> None:
        listener = Listener(asyncio.get_running_loop())
        for _ in range(MAX_WAITING_EVENTS + 5):
            listener.push(Telling("order", {}, b"x"))
        await asyncio.sleep(0)
        assert listener.is_overrun
        assert listener.take() == []

    asyncio.run(scenario())


@pytest.mark.parametrize("is_busy", [False, True])
def test_a_client_that_is_no_longer_signed_in_is_let_go(live: Live, *, is_busy: bool) -> None:
    async def scenario() -> None:
        stream = LiveStream()
        signed_in = [True]
        source = frames(live, stream, "main", lambda: signed_in[0], ask_every_s=0.2)
        await anext(source)
        loop = asyncio.get_running_loop()
        mover = asyncio.create_task(_keep_moving(live, loop.time() + (2.0 if is_busy else 0.0)))
        live._memory.move("main", at(1, "van-2"))
        await anext(source)
        signed_in[0] = False
        async with asyncio.timeout(1.0):
            assert len([frame async for frame in source]) <= 2
        assert stream._listeners["main"] == set()
        mover.cancel()

    asyncio.run(scenario())


def test_a_client_that_leaves_is_forgotten(live: Live) -> None:
    async def scenario() -> None:
        stream = LiveStream()
        source = frames(live, stream, "main", always)
        await anext(source)
        assert len(stream._listeners["main"]) == 1
        await source.aclose()  # type: ignore[attr-defined]
        assert len(stream._listeners["main"]) == 0

    asyncio.run(scenario())


def test_telling_after_the_loop_has_ended_is_no_error() -> None:
    stream = LiveStream()

    async def listen() -> None:
        stream._listeners["main"] = {Listener(asyncio.get_running_loop())}

    asyncio.run(listen())
    stream.tell("main", "order", {})
