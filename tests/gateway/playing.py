"""A recording played through a whole gateway: what of it the cloud has committed."""

import fcntl
import random
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.receivers.replay import recorded_epochs
from tests.gateway.recordings import Position, pieces
from tests.gateway.rig import Broker, Cloud, Line, Van, wait_until
from wire import codec
from wire.messages import Fix

_SETTLED_S = 2.0
_RATE_HZ = 10
"""Not faster: where a receiver tells no time, ours counts, and no van moves so far at once."""
_BYTES_A_SECOND = 8000
_PACE = {"batch_wait_s": 0.2, "live_every_s": 1.0}


def played(
    folder: Path, broker: Broker, cloud: Cloud, recording: Path, chance: random.Random | None
) -> set[Position]:
    """The committed positions of a recording.

    By the replay receiver; with ``chance`` through a serial line instead, in pieces of any size.
    """
    if chance is None:
        return _replayed(folder, broker, cloud, recording)
    found: set[Position] = set()
    for number, piece in enumerate(pieces(recording)):
        found |= _told_on_a_line(folder / str(number), broker, cloud, piece, chance)
    return found


def _replayed(folder: Path, broker: Broker, cloud: Cloud, recording: Path) -> set[Position]:
    table = f'kind = "replay"\nfile = "{recording}"\nrate_hz = {_RATE_HZ}'
    with _driving(folder, broker, cloud, table) as found:
        time.sleep(len(list(recorded_epochs(recording))) / _RATE_HZ)
    return found


def _told_on_a_line(
    folder: Path, broker: Broker, cloud: Cloud, data: bytes, chance: random.Random
) -> set[Position]:
    folder.mkdir(parents=True, exist_ok=True)
    line = Line(folder / "receiver")
    table = f'kind = "serial"\ndevice = "{line.device}"\nbaud = 9600'
    try:
        with _driving(folder, broker, cloud, table) as found:
            _send(line, data, chance)
        return found
    finally:
        line.unplug()


@contextmanager
def _driving(folder: Path, broker: Broker, cloud: Cloud, receiver: str) -> Iterator[set[Position]]:
    """A van that reads; at the end what of it is committed, in the set that is given."""
    folder.mkdir(parents=True, exist_ok=True)
    before = {stream for stream, _ in cloud.committed()}
    van = Van(folder / "van", broker.port, receiver, _PACE)
    found: set[Position] = set()
    try:
        van.start()
        wait_until(lambda: "receiver ok" in van.log.read_text(), "it reads", 60)
        yield found
        found |= _settled(cloud, before)
        van.stop()
    finally:
        van.kill()


def _send(line: Line, data: bytes, chance: random.Random) -> None:
    at, begin_s = 0, time.monotonic()
    while at < len(data):
        size = chance.choice((1, 7, 82, 333))
        line.write(data[at : at + size])
        at += size
        while _unread(line) > 1000 or time.monotonic() < begin_s + at / _BYTES_A_SECOND:
            time.sleep(0.002)


def _unread(line: Line) -> int:
    count = fcntl.ioctl(line._slave, termios.FIONREAD, b"\0" * 4)
    unread: int = struct.unpack("i", count)[0]
    return unread


def _settled(cloud: Cloud, before: set[str]) -> set[Position]:
    """What is committed of the new streams once nothing more comes."""
    rows: list[bytes] = []
    count, since_s = -1, time.monotonic()
    while time.monotonic() - since_s < _SETTLED_S:
        time.sleep(0.1)
        rows = [body for stream, _, body in cloud.stored() if stream not in before]
        if len(rows) != count:
            count, since_s = len(rows), time.monotonic()
    fixes = [
        codec.decode(body, Fix) for body in rows if b'"lat_e7"' in body and b'"body"' not in body
    ]
    return {(fix.lat_e7 / 1e7, fix.lon_e7 / 1e7) for fix in fixes}
