"""100,000 messages while the cloud is killed three times: each fix is stored, and once.

Ingest and the broker are killed together, as by a power cut of their machine, and started again.
Vans send again what is not acknowledged by ``dn/ack``, as a gateway does. Both inboxes.
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
from tests.parts.broker import EmbeddedBroker, embedded_broker
from tests.tracking.test_ingest import IngestProcess
from tests.tracking.vans import Van, batch
from wire import codec
from wire.messages import Resume

NAME: Final = "kill"
MESSAGES: Final = int(os.environ.get("BENCH_KILL_MESSAGES", "100000"))
_VANS: Final = 5
_WINDOW: Final = 300
_KILLS: Final = 3
_STREAM: Final = 7
_AGAIN_AFTER_S: Final = 2.0
_WITHIN_S: Final = 600.0


def run() -> Iterator[Figure]:
    """Measure."""
    for inbox in ("mqtt", "jetstream"):
        lost, double, took_s = _killed(inbox, MESSAGES // _VANS)
        for what, value in (("lost", lost), ("stored twice", double)):
            yield Figure(
                bench=NAME, figure=f"{what} of {MESSAGES} messages, {_KILLS} kills, {inbox}",
                value=value, unit="fixes", goal=0,
            )  # fmt: skip
        yield Figure(bench=NAME, figure=f"time it took, {inbox}", value=round(took_s), unit="s")


def _killed(inbox: str, each: int) -> tuple[int, int, float]:
    chance = random.Random(7)
    with (
        tempfile.TemporaryDirectory(prefix="roundsman-kill-") as folder,
        embedded_broker(Path(folder) / "data") as broker,
    ):
        broker.data.settings.write_text(f'[ingest]\ninbox = "{inbox}"\n')
        credentials = broker.admit(*(f"van-{number}" for number in range(_VANS)))
        ingest = IngestProcess(broker).start()
        vans = [Van(broker.port, one) for one in credentials]
        began_s = time.monotonic()
        work = [threading.Thread(target=_send, args=(van, each), daemon=True) for van in vans]
        for one in work:
            one.start()
        for number in range(_KILLS):
            _wait_for_share(vans, each, (number + chance.uniform(0.3, 0.9)) / (_KILLS + 1))
            _kill(broker, ingest)
        for one in work:
            one.join(_WITHIN_S)
        took_s = time.monotonic() - began_s
        stored = [ingest.stored(van.name) for van in vans]
        for van in vans:
            van.leave()
        ingest.stop()
        wanted = {(_STREAM, seq) for seq in range(each)}
        lost = sum(len(wanted - set(found)) for found in stored)
        return lost, sum(len(found) - len(set(found)) for found in stored), took_s


def _kill(broker: EmbeddedBroker, ingest: IngestProcess) -> None:
    ingest.kill()
    broker.kill()
    broker.start()
    ingest.start()


def _wait_for_share(vans: list[Van], each: int, share: float) -> None:
    end_s = time.monotonic() + _WITHIN_S
    while sum(max(0, van.upto(_STREAM)) for van in vans) < share * each * len(vans):
        if time.monotonic() > end_s:
            raise AssertionError("too little was committed for the next kill")
        time.sleep(0.01)


def _send(van: Van, each: int) -> None:
    """Send a fix a message within a window, and again what is not acknowledged in time."""
    said, upto, moved_s = 0, -1, time.monotonic()
    while upto < each - 1:
        end = min(each, upto + 1 + _WINDOW)
        for seq in range(said, end):
            van.say("batch", codec.encode_batch(batch(_STREAM, seq, 1)))
        said = max(said, end)
        time.sleep(0.005)
        told = van.upto(_STREAM)
        if told > upto:
            upto, moved_s = told, time.monotonic()
        elif time.monotonic() - moved_s > _AGAIN_AFTER_S:
            said, moved_s = upto + 1, time.monotonic()
            van.say("resume", Resume(streams=(str(_STREAM),)))
