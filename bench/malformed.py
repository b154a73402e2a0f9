"""100,000 mutated messages on every topic that vans publish: nothing stops, neighbours barely wait.

One van sends what its gateway would never send; another sends a good batch each 50 ms, and the
time until its ``dn/ack`` is taken, first alone and then beside the malformed ones.
"""

import os
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.figure import Figure
from tests.parts.broker import embedded_broker, wait_for
from tests.tracking.test_ingest import IngestProcess
from tests.tracking.vans import Van, batch, encoded, fix
from wire import topics
from wire.events import TripStarted
from wire.messages import Event, Live, Presence, Result, Resume, State

NAME: Final = "malformed"
MESSAGES: Final = int(os.environ.get("BENCH_MALFORMED_MESSAGES", "100000"))
_EVERY_S: Final = 0.05
_ALONE: Final = 60
_STREAM: Final = 7


def run() -> Iterator[Figure]:
    """Measure."""
    with (
        tempfile.TemporaryDirectory(prefix="roundsman-malformed-") as folder,
        embedded_broker(Path(folder) / "data") as broker,
    ):
        bad, good = broker.admit("van-bad", "van-good")
        ingest = IngestProcess(broker).start()
        pid = ingest.pid
        with Van(broker.port, bad) as liar, Van(broker.port, good) as neighbour:
            waits = Waits(neighbour)
            waits.take(_ALONE)
            alone_s = max(waits.took_s)
            waits.took_s.clear()
            work = threading.Thread(target=_lie, args=(liar, random.Random(11)), daemon=True)
            began_s = time.monotonic()
            work.start()
            while work.is_alive():
                waits.take(1)
            liar.say("resume", Resume(streams=("99",)))
            wait_for(lambda: liar.upto(99) == -1, "the last of them", 120)
            took_s = time.monotonic() - began_s
            waits.take(5)
            is_alive = Path(f"/proc/{pid}").exists() and ingest.state() == "ok"
        ingest.stop()
    yield Figure(
        bench=NAME, figure=f"stops of ingest in {MESSAGES} messages, {took_s:.0f} s",
        value=0 if is_alive else 1, unit="stops", goal=0,
    )  # fmt: skip
    worst_s = max(waits.took_s)
    yield Figure(
        bench=NAME, figure="a neighbour's longest wait for its acknowledgement",
        value=round(worst_s * 1000), unit="ms", goal=1000 + round(alone_s * 1000),
        peer="the same alone", peer_value=round(alone_s * 1000),
    )  # fmt: skip


class Waits:
    """A van that sends a good batch now and then, and how long each was not acknowledged."""

    def __init__(self, van: Van) -> None:
        self.took_s: list[float] = []
        self._van = van
        self._sent = 0

    def take(self, count: int) -> None:
        """Send so many, each when the one before it is acknowledged."""
        for _ in range(count):
            self._van.say("batch", batch(_STREAM, self._sent, 1))
            began_s = time.monotonic()
            while self._van.upto(_STREAM) < self._sent:
                if time.monotonic() - began_s > 60:
                    raise AssertionError("a neighbour is not acknowledged")
                time.sleep(0.001)
            self.took_s.append(time.monotonic() - began_s)
            self._sent += 1
            time.sleep(_EVERY_S)


def _lie(van: Van, chance: random.Random) -> None:
    good = {
        "batch": [encoded(batch(8, first * 10)) for first in range(20)],
        "live": [encoded(Live(fix=fix(second))) for second in range(20)],
        "event": [encoded(_event(seq)) for seq in range(20)],
        "resume": [encoded(Resume(streams=("8", "9")))],
        "presence": [encoded(Presence(online=True))],
        "result": [encoded(Result(command="c", status="done", detail=""))],
        "state": [encoded(State(version="1", boot=1, receiver="ok", spooled=0))],
    }
    for number in range(MESSAGES):
        kind = topics.UP_KINDS[number % len(topics.UP_KINDS)]
        van.say(kind, mutated(chance.choice(good[kind]), chance), qos=0 if kind == "live" else 1)
        if number % 500 == 499:
            while len(van.client._out_messages) > 1_000:  # noqa: SLF001 - no public length
                time.sleep(0.01)


def _event(seq: int) -> Event:
    return Event(
        stream="8", seq=seq, recorded_at_ms=fix(seq).recorded_at_ms, quality="gnss",
        body=TripStarted(at_ms=fix(seq).recorded_at_ms, odometer_m=0, by="motion"),
    )  # fmt: skip


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Bits turned, a piece cut out, doubled, or put in the place of another."""
    told = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(told) + 1)
        match chance.randrange(5):
            case 0:
                told[at:at] = chance.randbytes(chance.randint(1, 9))
            case 1:
                del told[at : at + chance.randint(1, 20)]
            case 2:
                told[at:at] = told[: chance.randint(0, 40)]
            case 3 if told:
                told[at % len(told)] ^= 1 << chance.randrange(8)
            case _:
                told[at : at + 8] = b"\xff" * chance.randint(1, 8)
    return bytes(told)
