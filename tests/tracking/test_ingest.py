"""From a van's publish over a real broker into the database, and the answer back."""

import os
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from cloud.foundation.clock import to_rfc3339
from cloud.foundation.database import Database
from cloud.tracking import history, store
from cloud.tracking.status import forget_status, read_status
from cloud.tracking.store import LiveRow
from tests.parts.broker import EmbeddedBroker, embedded_broker, wait_for
from tests.tracking.vans import NOON_MS, Ears, Van, batch, fix, keep_for_ever
from wire import codec, topics
from wire.messages import Batch, Live, Position, Presence, Resume

pytestmark = pytest.mark.slow

WINDOW = 20
"""Batches in flight, as a gateway has."""


class IngestProcess:
    """``roundsman cloud serve --role ingest`` over a broker's data folder."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self.data = broker.data
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "IngestProcess":
        forget_status(self.data)
        keep_for_ever(self.data)
        root = self.data.root
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cloud.cli", "serve", "--role=ingest", f"--data={root}"],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        wait_for(lambda: self.state() == "ok", "ingest", 60)
        return self

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)
        self._process = None

    def stop(self) -> int | None:
        if self._process is None:
            return None
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(10)
        self._process = None
        return code

    def state(self) -> str:
        """What it says of itself."""
        status = read_status(self.data)
        return "silent" if status is None else status.state

    def stored(self, van: str) -> list[tuple[int, int]]:
        """(stream, seq) of every stored fix of ``van``, in order."""
        database = Database(self.data.telemetry)
        with database.reading() as connection:
            seqs = history.stored_seqs(connection, "main", van)
        database.close()
        return seqs


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    with embedded_broker(tmp_path_factory.mktemp("ingest") / "data") as broker:
        yield broker


@pytest.fixture(scope="module")
def ingest(broker: EmbeddedBroker) -> Iterator[IngestProcess]:
    process = IngestProcess(broker).start()
    yield process
    process.stop()


class Sender:
    """What a gateway's history lane does: sends each batch again until it is acknowledged."""

    def __init__(self, van: Van, stream: int, batches: int, size: int = 10) -> None:
        self.van = van
        self.stream = stream
        self.last = batches * size - 1
        self._batches = [batch(stream, place * size, size) for place in range(batches)]

    def send_until_committed(self, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while (upto := self.van.upto(self.stream)) < self.last or self._missing():
            assert time.monotonic() < deadline, f"only {upto} is committed"
            for one in self._open_window():
                self.van.say("batch", one)
            self._wait_for_more_than(upto)
            self.van.say("resume", Resume(streams=(str(self.stream),)))

    def _wait_for_more_than(self, upto: int) -> None:
        deadline = time.monotonic() + 1.0
        while self.van.upto(self.stream) <= upto and time.monotonic() < deadline:
            time.sleep(0.005)

    def _missing(self) -> tuple[tuple[int, int], ...]:
        ack = self.van.acks.get(str(self.stream))
        return () if ack is None else ack.missing

    def _open_window(self) -> list[Batch]:
        upto, missing = self.van.upto(self.stream), self._missing()
        return [
            one
            for one in self._batches
            if one.first + len(one.fixes) - 1 > upto
            or any(low < one.first + len(one.fixes) and one.first <= high for low, high in missing)
        ][:WINDOW]


def test_a_batch_is_stored_and_then_acknowledged(
    broker: EmbeddedBroker, ingest: IngestProcess
) -> None:
    (credential,) = broker.admit("van-stored")
    with Van(broker.port, credential) as van:
        van.say("batch", batch(stream=7, first=0, count=10))
        wait_for(lambda: van.upto(7) == 9, "the acknowledgement")
        assert ingest.stored("van-stored") == [(7, seq) for seq in range(10)]
        van.say("resume", Resume(streams=("7", "8")))
        wait_for(lambda: van.upto(8) == -1, "the answer about an unknown stream")
    assert ingest.stop() == 0
    ingest.start()


def test_what_is_sent_while_ingest_is_away_arrives_when_it_comes_back(
    broker: EmbeddedBroker, ingest: IngestProcess
) -> None:
    (credential,) = broker.admit("van-away")
    with Van(broker.port, credential) as van:
        connected = broker.connections()
        ingest.kill()
        # What is handed to a connection that is dying comes again only after the broker's wait.
        wait_for(lambda: broker.connections() < connected, "the broker to see that it is away")
        van.say("batch", batch(7, 0, 10))
        ingest.start()
        wait_for(lambda: van.upto(7) == 9, "the acknowledgement")
    assert len(ingest.stored("van-away")) == 10


@pytest.mark.parametrize("victim", ["ingest", "broker"])
def test_kill_9_at_any_moment_loses_nothing_and_doubles_nothing(
    broker: EmbeddedBroker, ingest: IngestProcess, victim: str
) -> None:
    (credential,) = broker.admit(f"van-killed-{victim}")
    moments = Random(7)
    with Van(broker.port, credential) as van:
        sender = Sender(van, stream=7, batches=1500)
        work = threading.Thread(target=sender.send_until_committed, args=(90,), daemon=True)
        work.start()
        for _ in range(3):
            time.sleep(moments.uniform(0.05, 0.6))
            assert work.is_alive(), "it is killed while there is something to lose"
            if victim == "ingest":
                ingest.kill()
                ingest.start()
            else:
                broker.kill()
                time.sleep(0.2)
                broker.start()
        work.join(100)
        assert van.upto(7) == sender.last
        assert van.acks["7"].missing == ()
    assert ingest.stored(van.name) == [(7, seq) for seq in range(sender.last + 1)]


def test_poison_and_garbage_topics_stop_nothing(
    broker: EmbeddedBroker, ingest: IngestProcess
) -> None:
    (credential,) = broker.admit("van-poison")
    with Van(broker.port, credential) as van:
        van.say("batch", struct.pack("!BBQQI", 1, 1, 7, 0, 10) + b"poison")
        van.say("batch", b"no envelope")
        van.say("event", b"{}")
        van.say("state", b"[]")
        van.say_on("fleet/v1/main/van-poison/up/unheard-of", b"x")
        van.say("batch", batch(7, 10, 10))
        wait_for(lambda: van.upto(7) == 19, "the batch behind the poison")
    assert len(ingest.stored("van-poison")) == 10
    with closing(sqlite3.connect(ingest.data.telemetry)) as reader:
        found = reader.execute("SELECT topic FROM set_aside WHERE topic GLOB '*van-poison*'")
        kinds = [topic.rsplit("/", 1)[1] for (topic,) in found]
    assert sorted(kinds) == ["batch", "batch", "event", "state"]


def test_a_locked_database_holds_everything_and_acknowledges_nothing(
    broker: EmbeddedBroker, ingest: IngestProcess
) -> None:
    (credential,) = broker.admit("van-locked")
    with Van(broker.port, credential) as van:
        with closing(sqlite3.connect(ingest.data.telemetry, isolation_level=None)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            for place in range(20):
                van.say("batch", batch(7, place * 10, 10))
            van.say("live", Live(fix=fix(3)), qos=0)
            wait_for(lambda: "database" in ingest.state(), "ingest to say what is wrong")
            assert van.acks == {}
            lock.execute("ROLLBACK")
        wait_for(lambda: van.upto(7) == 199, "everything to be committed after all")
        wait_for(lambda: ingest.state() == "ok", "ingest to be well again")
    assert len(ingest.stored("van-locked")) == 200


def test_a_van_that_lost_its_place_is_refused_though_the_broker_let_it_in(
    broker: EmbeddedBroker, ingest: IngestProcess
) -> None:
    first, second = broker.admit("van-known", "van-unknown")
    with Van(broker.port, first) as van, Van(broker.port, second) as unknown:
        broker.forget_quietly("van-unknown")
        unknown.say("batch", batch(8, 0, 1))
        van.say("batch", batch(7, 0, 1))
        wait_for(lambda: van.upto(7) == 0, "the known van's batch")
        assert unknown.acks == {}
    assert ingest.stored("van-unknown") == []


def test_the_feed_tells_the_newest_position_and_never_goes_back(
    broker: EmbeddedBroker, ingest: IngestProcess
) -> None:
    (credential,) = broker.admit("van-feed")
    web, topic = broker.access.login("web"), topics.feed_position("main", "own", "van-feed")
    with Van(broker.port, credential) as van:
        van.say("live", Live(fix=fix(100)), qos=0)
        with Ears(broker.port, web, topic) as ears:
            wait_for(lambda: len(ears.heard) > 0, "the retained position")
            van.say("batch", batch(7, 0, 50))
            van.say("presence", Presence(online=True), retain=True)
            wait_for(lambda: van.upto(7) == 49, "the late batch")
            van.say("live", Live(fix=fix(101)), qos=0)
            wait_for(lambda: len(ears.heard) > 1, "the next position")
    told = [codec.decode(payload, Position) for _, payload in ears.heard]
    assert [one.fix_time for one in told] == [
        to_rfc3339(NOON_MS / 1000 + second) for second in (100, 101)
    ]
    assert told[0].lat == pytest.approx(fix(100).lat_e7 / 1e7)
    database = Database(ingest.data.telemetry)

    def row() -> LiveRow:
        with database.reading() as connection:
            return store.live_rows(connection)[-1]

    wait_for(lambda: row().fix == fix(101) and row().is_online is True, "the live row")
    database.close()
