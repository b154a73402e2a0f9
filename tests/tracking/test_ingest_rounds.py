"""Ingest round by round over a real database, its broker played by a list of letters."""

import sqlite3
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from cloud.foundation.broker import BrokerAccess
from cloud.foundation.clock import RealClock
from cloud.foundation.database import Database
from cloud.foundation.layout import DataFolder
from cloud.foundation.settings import OwnBroker, Settings
from cloud.tracking import store
from cloud.tracking.inbox import MqttInbox
from cloud.tracking.ingest import Ingest
from cloud.tracking.intake import Arrived
from cloud.tracking.shelf import MAX_BYTES
from cloud.tracking.store import LiveRow, Writes
from tests.parts.migrated import upgrade
from tests.tracking.vans import KEPT, NOON_MS, batch, fix
from wire import codec, topics
from wire.messages import Ack, Fix, Live, Position

ABSURD = Fix(recorded_at_ms=-(2**53), lat_e7=0, lon_e7=0, mode=2)
VANS = ("van-1", "van-2")


class Letters(MqttInbox):
    """What a test lays in arrives at the next round; what is published is kept."""

    def __init__(self, broker: BrokerAccess) -> None:
        super().__init__(broker.address(), broker.login("ingest"), lambda: NOON_MS)
        self.state = "ok"
        self.coming: list[Arrived] = []
        self.acknowledged: list[Arrived] = []
        self.published: list[tuple[str, bytes]] = []

    def receive(
        self, timeout_s: float, at_most: int = 1_000, gather_s: float = 0.0
    ) -> list[Arrived]:
        arrived, self.coming = self.coming[:at_most], self.coming[at_most:]
        return arrived

    def is_current(self, arrived: Arrived) -> bool:
        return True

    def acknowledge(self, messages: list[Arrived]) -> None:
        self.acknowledged += messages

    def publish(self, messages: Sequence[tuple[str, bytes]], *, retain: bool = False) -> bool:
        self.published += messages
        return True


class Desk:
    """Ingest over a data folder, and its letters."""

    def __init__(self, root: Path) -> None:
        data = DataFolder(root)
        data.running.mkdir(parents=True)
        settings = Settings(broker=OwnBroker(host="127.0.0.1", port=9, username="u", password="p"))
        self.broker = BrokerAccess(data, settings)
        self.broker.set_gateways(self.broker.new_credential("main", van) for van in VANS)
        self.data = data
        self.database = Database(data.telemetry)
        upgrade(self.database, "telemetry")
        self.open()

    def open(self) -> None:
        """Begin anew with what is stored."""
        self.letters = Letters(self.broker)
        self.ingest = Ingest(self.data, self.database, self.broker, RealClock(), kept=KEPT)
        self.ingest._inbox = self.letters

    def hear(self, van: str, kind: str, payload: bytes, *, at_ms: int = NOON_MS) -> None:
        self.letters.coming.append(
            Arrived(
                topic=topics.up("main", van, kind),
                payload=payload,
                received_at_ms=at_ms,
            )
        )

    def rounds(self, count: int = 3) -> None:
        for _ in range(count):
            self.ingest._waiting_since_s = self.ingest._retry_at_s = 0.0
            self.ingest._due_s = dict.fromkeys(self.ingest._due_s, 0.0)
            self.ingest.step(0.01)

    def positions(self) -> list[Position]:
        return [
            codec.decode(payload, Position)
            for topic, payload in self.letters.published
            if topic.startswith("feed/")
        ]

    def upto(self, van: str) -> int:
        down = topics.down("main", van, "ack")
        return [
            codec.decode(payload, Ack).upto
            for topic, payload in self.letters.published
            if topic == down
        ][-1]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.database.close()


def test_a_van_that_floods_costs_the_others_nothing_and_loses_nothing_that_it_has_still(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now_s = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    said = 0
    for turn in range(6):
        now_s[0] += 0.1
        for _ in range(990):
            desk.hear("van-1", "batch", codec.encode_batch(batch(7, said, 1)))
            said += 1
        for place in range(10):
            desk.hear("van-2", "batch", codec.encode_batch(batch(7, turn * 10 + place, 1)))
        desk.rounds(1)
        assert desk.upto("van-2") == turn * 10 + 9
    assert len(desk.letters.acknowledged) == 6_000
    assert desk.upto("van-1") < said - 1
    assert "held back a van that floods" in caplog.text
    now_s[0] += 60
    for seq in range(desk.upto("van-1") + 1, said):
        desk.hear("van-1", "batch", codec.encode_batch(batch(7, seq, 1)))
        if seq % 900 == 0:
            desk.rounds(2)
    desk.rounds()
    assert desk.upto("van-1") == said - 1


def test_under_a_load_that_lasts_the_feed_follows_what_is_committed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.letters, "has_news", lambda: True)  # it never has time to look back
    desk.hear("van-1", "live", codec.encode_live(Live(fix=fix(0))))
    desk.rounds(1)
    for late_s in (10, 5, 20):
        sent = codec.encode_batch(batch(7, late_s, 5))
        desk.hear("van-1", "batch", sent, at_ms=NOON_MS + late_s * 1_000)
        desk.rounds(2)
    told = [datetime.fromisoformat(one.fix_time).timestamp() for one in desk.positions()]
    assert [moment - told[0] for moment in told] == [0, 14, 24], "forward, and never back"


def test_a_fix_at_an_absurd_time_ends_nothing_and_moves_no_marker(desk: Desk) -> None:
    desk.hear("van-1", "live", codec.encode_live(Live(fix=ABSURD)))
    desk.hear("van-2", "live", codec.encode_live(Live(fix=fix(0))))
    desk.rounds()
    assert [one.van for one in desk.positions()] == ["van-2"]


def test_a_live_row_with_an_absurd_time_from_an_earlier_release_is_passed(desk: Desk) -> None:
    before = LiveRow(tenant="main", van="van-1", fix=ABSURD, received_at_ms=NOON_MS, change=9)
    with desk.database.writing() as connection:
        store.write(connection, Writes(live=[store.live_values(before)]))
    desk.open()
    desk.rounds()
    desk.hear("van-1", "live", codec.encode_live(Live(fix=fix(0))))
    desk.rounds()
    assert [one.van for one in desk.positions()] == ["van-1"]


def test_a_position_that_cannot_be_told_silences_no_other(desk: Desk) -> None:
    far = msgspec.structs.replace(fix(0), fix_time_ms=2**53 - 1)
    desk.hear("van-1", "live", codec.encode_live(Live(fix=far)), at_ms=2**53)
    desk.hear("van-2", "live", codec.encode_live(Live(fix=fix(0))))
    desk.rounds()
    assert [one.van for one in desk.positions()] == ["van-2"]


def test_a_shelf_that_cannot_be_counted_for_a_moment_holds_the_message_and_ends_nothing(
    desk: Desk,
) -> None:
    poison = struct.pack("!BBQQI", 1, 1, 7, 0, 10) + b"poison"
    with closing(sqlite3.connect(desk.data.telemetry)) as raw:
        raw.execute("ALTER TABLE set_aside RENAME TO away")
        desk.hear("van-1", "live", b"unreadable")
        desk.hear("van-1", "batch", poison)
        desk.rounds()
        assert desk.letters.acknowledged == []
        raw.execute("ALTER TABLE away RENAME TO set_aside")
    desk.rounds()
    assert len(desk.letters.acknowledged) == 1
    assert desk.upto("van-1") == 9


def test_however_much_a_van_spoils_its_history_flows_on_within_bounds(desk: Desk) -> None:
    for place in range(12):
        desk.hear("van-1", "live", b"x" * 1_000_000)
        envelope = struct.pack("!BBQQI", 1, 1, 7, place * 10, 10)
        desk.hear("van-1", "batch", envelope + bytes([place]) * 1_000_000)
        desk.rounds(1)
    desk.hear("van-1", "batch", codec.encode_batch(batch(7, 120, 10)))
    desk.rounds()
    assert desk.upto("van-1") == 129
    with desk.database.reading() as connection:
        rows, payload_bytes = store.set_aside_of(connection, "main", "van-1")
    assert rows == 12
    assert MAX_BYTES * 0.8 < payload_bytes <= MAX_BYTES
