"""The database is down for long: nothing is lost and nothing is doubled, and live state goes on.

Real ingest, broker and store. The ten minutes are shortened together with the bounds that they
would cross: what the broker gives out before it is acknowledged, after how long it gives it out
again, and how much ingest holds before it reads no more.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from cloud import roles
from cloud.foundation import broker_config
from cloud.foundation.clock import RealClock
from cloud.foundation.database import Database
from cloud.foundation.places import place_of
from cloud.foundation.settings import Settings
from cloud.tracking import history, ingest, store
from cloud.tracking.ingest import Ingest
from cloud.tracking.status import read_status
from tests.parts.broker import EmbeddedBroker, embedded_broker, wait_for
from tests.parts.postgres import Postgres
from tests.tracking.vans import NOON_MS, Ears, Van, batch, fix
from wire import codec, topics
from wire.events import StopArrived
from wire.messages import Event, Live, Position

pytestmark = pytest.mark.slow

GIVEN_OUT = 40
"""Messages that the broker gives out before the first is acknowledged, of all kinds together."""
AGAIN_AFTER_S = 1
HELD = 30
BATCHES = 300
LOCK = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1], isolation_level=None) as lock:
    lock.execute("PRAGMA busy_timeout=20000")
    lock.execute("BEGIN EXCLUSIVE")
    print("locked", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def locked_by_another(file: Path) -> Iterator[None]:
    """Another process writes and does not come to an end."""
    with subprocess.Popen(
        [sys.executable, "-c", LOCK, str(file)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "locked\n"
        try:
            yield
        finally:
            other.stdin.close()


@contextmanager
def stopped(server: Postgres) -> Iterator[None]:
    """The server is gone."""
    server.stop()
    try:
        yield
    finally:
        server.start()


class Place:
    """Ingest at work over a broker and a store; ``outage`` takes the store away."""

    def __init__(self, broker: EmbeddedBroker, settings: Settings) -> None:
        self.broker = broker
        self.store = place_of("telemetry", broker.data, settings)
        self._is_over = threading.Event()
        self._work = threading.Thread(target=self._run)

    def _run(self) -> None:
        database = Database(self.store)
        Ingest(self.broker.data, database, self.broker.access, RealClock()).run(
            self._is_over.is_set
        )
        database.close()

    def __enter__(self) -> "Place":
        self._work.start()
        wait_for(lambda: self.state() == "ok", "ingest")
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        self._work.join(20)
        assert not self._work.is_alive()

    def state(self) -> str:
        status = read_status(self.broker.data)
        return "silent" if status is None else status.state

    def stored(self, van: str) -> tuple[list[tuple[int, int]], list[int]]:
        """(stream, seq) of every fix of a van, and the seq of every event."""
        database = Database(self.store)
        with database.reading() as connection:
            fixes = history.stored_seqs(connection, "main", van)
            known = select(store.EVENT.c.seq).where(store.EVENT.c.van == van)
            events = sorted(connection.scalars(known))
        database.close()
        return fixes, events


@pytest.fixture
def place(kept_in: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(broker_config, "MAX_UNACKNOWLEDGED", GIVEN_OUT)
    monkeypatch.setattr(broker_config, "ACK_WAIT_S", AGAIN_AFTER_S)
    with embedded_broker(tmp_path / "data") as broker:
        roles.migrate(broker.data, "telemetry", settings=kept_in)
        with Place(broker, kept_in) as place:
            yield place


@pytest.fixture
def outage(
    place: Place, request: pytest.FixtureRequest
) -> Callable[[], AbstractContextManager[None]]:
    """Begins an outage of the store."""
    if isinstance(place.store, Path):
        return partial(locked_by_another, place.store)
    return partial(stopped, request.getfixturevalue("postgres_server"))


def event(seq: int) -> Event:
    body = StopArrived(route="r", revision=1, stop=f"s-{seq}", at_ms=NOON_MS + seq * 1000)
    return Event(stream="9", seq=seq, recorded_at_ms=NOON_MS + seq * 1000, body=body)


def has_all(van: Van, stream: int, last: int) -> bool:
    """Whether a van was told that all is committed."""
    return van.upto(stream) == last and van.acks[str(stream)].missing == ()


def test_a_long_outage_loses_nothing_doubles_nothing_and_live_goes_on(
    place: Place,
    outage: Callable[[], AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = place.broker
    first, second = broker.admit("van-1", "van-2")
    positions = topics.feed_position("main", "own", "van-2")
    with (
        Van(broker.port, first) as van,
        Van(broker.port, second) as other,
        Ears(broker.port, broker.access.login("web"), positions) as ears,
    ):
        van.say("batch", batch(7, 0))
        van.say("event", event(0))
        wait_for(lambda: (van.upto(7), van.upto(9)) == (9, 0), "what is said before it")

        def heard(second: int) -> bool:
            told = [codec.decode(payload, Position).lat for _, payload in ears.heard]
            return fix(second).lat_e7 / 1e7 in told

        with outage():
            for place_of in range(1, BATCHES):  # each once: a van may be gone by the end
                van.say("batch", batch(7, place_of * 10))
                van.say("event", event(place_of))
            other.say("batch", batch(8, 0))
            wait_for(lambda: "database" in place.state(), "ingest to say what is wrong")
            for round_of in range(1, 5):
                other.say("live", Live(fix=fix(round_of * 100)), qos=0)
                wait_for(partial(heard, round_of * 100), "the newest position")
                time.sleep(AGAIN_AFTER_S)
            monkeypatch.setattr(ingest, "_MAX_HELD_MESSAGES", HELD)
            wait_for(lambda: "full" in place.state(), "ingest to read no more")
            van.say("batch", batch(7, BATCHES * 10))
            time.sleep(2 * AGAIN_AFTER_S)
            assert (van.upto(7), van.upto(9), other.upto(8)) == (9, 0, -2)
        last = BATCHES * 10 + 9
        wait_for(lambda: has_all(van, 7, last), "every fix", 60)
        wait_for(lambda: has_all(van, 9, BATCHES - 1), "every event", 60)
        wait_for(lambda: has_all(other, 8, 9), "the other van's batch")
        wait_for(lambda: place.state() == "ok", "ingest to be well again")
        other.say("live", Live(fix=fix(900)), qos=0)
        wait_for(partial(heard, 900), "live state afterwards")
    fixes, events = place.stored("van-1")
    assert fixes == [(7, seq) for seq in range(last + 1)]
    assert events == list(range(BATCHES))
    assert place.stored("van-2")[0] == [(8, seq) for seq in range(10)]
