"""The newest of 1,000 vans, in the server: as REST answers it, and as the live stream tells it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from bench.figure import Figure, median_s
from cloud.foundation.broker import BrokerAccess
from cloud.foundation.clock import RealClock
from cloud.foundation.database import Database
from cloud.foundation.layout import DataFolder
from cloud.foundation.settings import OwnBroker, Settings
from cloud.tracking.live import Live
from cloud.tracking.memory import LiveMemory, LivePosition
from cloud.tracking.stream import Client, LiveStream, View

NAME: Final = "live"
_VANS: Final = 1_000
_TENANT: Final = "main"


def run() -> Iterator[Figure]:
    """Measure."""
    with tempfile.TemporaryDirectory(prefix="roundsman-bench-") as folder:
        data = DataFolder(Path(folder))
        database = Database(data.telemetry)
        nobody = OwnBroker(host="127.0.0.1", port=9, username="u", password="p")  # noqa: S106 - nobody answers there
        live = Live(database, BrokerAccess(data, Settings(broker=nobody)), RealClock())
        now_s = live.clock.now_s()
        _move_all(live.memory, now_s)
        yield Figure(
            bench=NAME, figure=f"newest position of {_VANS} vans, as JSON",
            value=round(median_s(lambda: _positions(live)) * 1000, 2), unit="ms", goal=5,
        )  # fmt: skip
        frame = _snapshot(live)
        yield Figure(
            bench=NAME, figure=f"the same as a snapshot of the live stream, {len(frame)} bytes",
            value=round(median_s(lambda: _snapshot(live)) * 1000, 2), unit="ms", goal=5,
        )  # fmt: skip
        yield Figure(
            bench=NAME, figure="bytes a van in a frame", value=round(len(frame) / _VANS, 1),
            unit="bytes", peer="as an object with names", peer_value=_named_bytes(live),
        )  # fmt: skip
        moved = iter(range(1, 1_000_000))
        spent_s = median_s(lambda: _move_all(live.memory, now_s + next(moved)))
        yield Figure(
            bench=NAME, figure="taking a fix of a van", value=round(spent_s / _VANS * 1e6, 1),
            unit="µs",
        )  # fmt: skip
        database.close()


def _move_all(memory: LiveMemory, now_s: float) -> None:
    for number in range(_VANS):
        memory.move(
            _TENANT,
            LivePosition(
                van=f"van-{number}", lat=-29.9 + number * 1.7e-5, lon=-71.25 + number * 1.3e-5,
                speed_mps=8.31, course_deg=73.4, fix_time_s=now_s, received_at_s=now_s,
                age_s=0.0, presence="unknown",
            ),
        )  # fmt: skip


def _positions(live: Live) -> bytes:
    return msgspec.json.encode(list(live.positions(_TENANT).values()))


def _snapshot(live: Live) -> bytes:
    client = Client(live, LiveStream(), _TENANT, None)
    client.look_by(View())
    frame = client.vans()
    assert frame is not None  # noqa: S101 - the first one always comes
    return frame


def _named_bytes(live: Live) -> float:
    return round(len(_positions(live)) / _VANS, 1)
