"""A client of the live stream sees each change once, in time, by its own view, and comes back."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloud.foundation.broker import BrokerAccess
from cloud.foundation.database import Database
from cloud.foundation.layout import DataFolder
from cloud.foundation.settings import OwnBroker, Settings
from cloud.tracking.live import Live
from cloud.tracking.places import Box
from cloud.tracking.stream import MAX_KEPT_EVENTS, Client, LiveStream, View, frames
from tests.tracking.test_live import NoonClock, at


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    data = DataFolder(tmp_path)
    database = Database(data.telemetry)
    nobody = OwnBroker(host="127.0.0.1", port=9, username="u", password="p")
    yield Live(database, BrokerAccess(data, Settings(broker=nobody)), NoonClock())
    database.close()


class Reader:
    """Reads one live stream event by event."""

    def __init__(
        self,
        live: Live,
        stream: LiveStream,
        *,
        tenant: str = "main",
        view: Callable[[], View | None] = View,
        last_id: str | None = None,
        ask_every_s: float = 15.0,
    ) -> None:
        client = Client(live, stream, tenant, last_id)
        self.source: AsyncIterator[bytes] = frames(
            client, stream, tenant, view, ask_every_s=ask_every_s
        )
        self._waiting: list[bytes] = []
        self.last_id: str | None = last_id

    async def next(self, within_s: float = 2.0) -> tuple[str, Any]:
        """The next event and its data."""
        async with asyncio.timeout(within_s):
            while not self._waiting:
                frame = await anext(self.source)
                self._waiting = [one for one in frame.split(b"\n\n") if one.startswith(b"id: ")]
        label, event, data = self._waiting.pop(0).split(b"\n")
        self.last_id = label.removeprefix(b"id: ").decode()
        name = event.removeprefix(b"event: ").decode()
        return name, msgspec.json.decode(data.removeprefix(b"data: "))

    async def vans(self) -> list[str]:
        """The vans of the next event."""
        return [row[0] for row in (await self.next())[1]["vans"]]

    async def is_quiet(self, for_s: float) -> bool:
        """Whether nothing comes."""
        try:
            await self.next(for_s)
        except TimeoutError:
            return True
        return False


def test_a_client_sees_all_vans_first_and_then_what_changed(live: Live) -> None:
    async def scenario() -> None:
        reader = Reader(live, LiveStream())
        event, first = await reader.next()
        assert (event, first["vans"]) == ("snapshot", [])
        live.memory.move("main", at(1))
        live.memory.set_presence("main", "van-1", "online", at(1).received_at_s)
        event, told = await reader.next()
        assert (event, told["now"]) == ("vans", "2024-06-03T12:00:10.000Z")
        (row,) = told["vans"]
        assert dict(zip(first["columns"], row, strict=True)) == {
            "id": "van-1",
            "lat": -29.9,
            "lon": -71.25,
            "speed_mps": 10.0,
            "course_deg": 90,
            "fix_time_ms": 1_717_416_001_000,
            "presence": "online",
            "motion": "moving",
            "is_silent": False,
        }

    asyncio.run(scenario())


def test_at_most_four_frames_a_second_however_often_a_van_moves(live: Live) -> None:
    async def scenario() -> int:
        reader = Reader(live, LiveStream())
        await reader.next()
        loop = asyncio.get_running_loop()
        count, end_s = 0, loop.time() + 1.0
        mover = asyncio.create_task(_keep_moving(live, end_s))
        while loop.time() < end_s:
            try:
                await reader.next(max(0.01, end_s - loop.time()))
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
        live.memory.move("main", at(second))
        await asyncio.sleep(0.01)


def test_what_the_office_is_told_reaches_its_clients_at_once_from_any_thread(live: Live) -> None:
    async def scenario() -> None:
        stream = LiveStream()
        reader, stranger = (Reader(live, stream, tenant=tenant) for tenant in ("main", "other"))
        await reader.next()
        await stranger.next()
        news = {"order_id": "ord-1", "state": "planned"}
        teller = threading.Thread(target=stream.tell, args=("main", "order", news))
        teller.start()
        assert await reader.next(1.0) == ("order", news)
        teller.join()
        assert await stranger.is_quiet(0.3)

    asyncio.run(scenario())


def test_a_client_that_comes_again_goes_on_where_it_was(live: Live) -> None:
    async def scenario() -> None:
        stream = LiveStream()
        live.memory.move("main", at(1, "van-1"))
        first = Reader(live, stream)
        assert await first.vans() == ["van-1"]
        stream.tell("main", "order", {"n": 1})
        assert await first.next() == ("order", {"n": 1})
        stream.tell("main", "order", {"n": 2})
        live.memory.move("main", at(1, "van-2"))
        again = Reader(live, stream, last_id=first.last_id)
        assert await again.next() == ("order", {"n": 2})
        event, told = await again.next()
        assert (event, [row[0] for row in told["vans"]]) == ("vans", ["van-2"])
        for number in range(MAX_KEPT_EVENTS + 1):
            stream.tell("main", "order", {"n": number})
        for label in (first.last_id, "0-0-0", "x", f"{stream.epoch}-9-", f"{stream.epoch}-1-99999"):
            late = Reader(live, stream, last_id=label)
            event, told = await late.next()
            assert (event, len(told["vans"])) == ("snapshot", 2)

    asyncio.run(scenario())


def test_a_client_that_reads_nothing_for_long_finds_the_newest_and_costs_no_queue(
    live: Live,
) -> None:
    async def scenario() -> None:
        stream = LiveStream()
        reader = Reader(live, stream)
        await reader.next()
        for second in range(MAX_KEPT_EVENTS + 10):
            stream.tell("main", "order", {"n": second})
            live.memory.move("main", at(second))
        event, told = await reader.next()
        assert (event, [row[5] for row in told["vans"]]) == (
            "snapshot",
            [round(at(MAX_KEPT_EVENTS + 9).fix_time_s * 1000)],
        )

    asyncio.run(scenario())


def test_a_client_sees_only_the_vans_it_asked_for_and_may_see(live: Live) -> None:
    async def scenario() -> None:
        stream = LiveStream()
        for number in (1, 2, 3):
            live.memory.move("main", at(1, f"van-{number}"))

        def shown(payload: Mapping[str, object]) -> Mapping[str, object] | None:
            return {"mine": payload["n"]} if payload["n"] != 0 else None

        limited = View(held={"van-1", "van-2"}, vans={"van-2", "van-3"}, shown=shown)
        reader = Reader(live, stream, view=lambda: limited)
        assert await reader.vans() == ["van-2"]
        stream.tell("main", "order", {"n": 0})
        stream.tell("main", "van_silent", {"n": 2, "vehicle_id": "van-1"})
        stream.tell("main", "van_silent", {"n": 3, "vehicle_id": "van-2"})
        stream.tell("main", "revision", {"n": 4})
        told = [await reader.next(), await reader.next()]
        assert told == [("van_silent", {"mine": 3}), ("revision", {"mine": 4})]

    asyncio.run(scenario())


def test_a_van_that_leaves_the_area_is_told_once(live: Live) -> None:
    async def scenario() -> None:
        view = View(box=Box(-72.0, -30.0, -71.0, -29.0))
        reader = Reader(live, LiveStream(), view=lambda: view)
        live.memory.move("main", at(1, "van-1"))
        live.memory.move("main", at(1, "van-2", lat=-31.0))
        assert await reader.vans() == ["van-1"]
        live.memory.move("main", at(2, "van-1", lat=-31.0))
        event, told = await reader.next()
        assert (event, told["gone"], told["vans"]) == ("vans", ["van-1"], [])
        live.memory.move("main", at(3, "van-1", lat=-31.0))
        assert await reader.is_quiet(0.6)

    asyncio.run(scenario())


@pytest.mark.parametrize("is_busy", [False, True])
def test_a_client_that_is_no_longer_signed_in_is_let_go(live: Live, *, is_busy: bool) -> None:
    async def scenario() -> None:
        signed_in: list[View | None] = [View()]
        stream = LiveStream()
        reader = Reader(live, stream, view=lambda: signed_in[0], ask_every_s=0.2)
        await anext(reader.source)
        loop = asyncio.get_running_loop()
        mover = asyncio.create_task(_keep_moving(live, loop.time() + (2.0 if is_busy else 0.0)))
        live.memory.move("main", at(1, "van-2"))
        await anext(reader.source)
        signed_in[0] = None
        async with asyncio.timeout(1.5):
            assert len([frame async for frame in reader.source]) <= 3
        assert stream._rings["main"].listeners == set()
        mover.cancel()

    asyncio.run(scenario())


def test_a_client_whose_reach_shrinks_begins_anew_with_less(live: Live) -> None:
    async def scenario() -> None:
        for number in (1, 2):
            live.memory.move("main", at(1, f"van-{number}"))
        view = [View(held={"van-1", "van-2"})]
        reader = Reader(live, LiveStream(), view=lambda: view[0], ask_every_s=0.1)
        assert len(await reader.vans()) == 2
        view[0] = replace(view[0], held={"van-2"})
        event, told = await reader.next()
        assert (event, [row[0] for row in told["vans"]]) == ("snapshot", ["van-2"])

    asyncio.run(scenario())


def test_a_client_that_leaves_is_forgotten(live: Live) -> None:
    async def scenario() -> None:
        stream = LiveStream()
        reader = Reader(live, stream)
        await anext(reader.source)
        assert len(stream._rings["main"].listeners) == 1
        await reader.source.aclose()  # type: ignore[attr-defined]
        assert stream._rings["main"].listeners == set()

    asyncio.run(scenario())


def test_telling_after_the_loop_has_ended_is_no_error() -> None:
    stream = LiveStream()

    async def listen() -> None:
        with stream.listening("main"):
            stream._rings["main"].listeners |= set()
            kept.extend(stream._rings["main"].listeners)

    kept: list[Any] = []
    asyncio.run(listen())
    stream._rings["main"].listeners.update(kept)
    stream.tell("main", "order", {})
