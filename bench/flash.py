"""Bytes that an hour of driving writes to the medium, told by the kernel's account of this process.

The spool is driven as the service drives it, with a clock told by hand: fixes at 1 Hz, a commit
every 10 s and at once on an event, the logbook's state and the clock remembered, an acknowledgement
a minute, and rows of two days ago deleted. ``wchar`` counts what was handed to write and pwrite;
``write_bytes`` counts whole 4 KiB pages made dirty in the page cache, which is what the medium sees
before its own controller. The peers write one row a commit, as SQLite does when nothing is said.
"""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bench.figure import Figure
from bench.wire_size import drive
from gateway.spool import schema
from gateway.spool.rows import write_fix
from gateway.spool.store import Spool
from gateway.stamp import Stamp
from wire.events import HarshDriving
from wire.messages import Ack, Fix

NAME: Final = "flash"
GOAL_MB: Final = 4.0
_HOUR_S: Final = 3600
_KEEP_H: Final = 48
_EVENTS_AN_HOUR: Final = 20
_STATE_BYTES: Final = 600
_MEGABYTE: Final = 1e6
_SCALE: Final = 6
"""The peers commit every row; ten minutes of them tell the hour."""


class Written(NamedTuple):
    """Megabytes handed over, and megabytes of pages made dirty."""

    handed_mb: float
    dirty_mb: float


def measured(work: Callable[[], None]) -> Written:
    """What ``work`` writes."""
    before = _account()
    work()
    after = _account()
    return Written(*((end - begin) / _MEGABYTE for begin, end in zip(before, after, strict=True)))


def _account() -> tuple[int, int]:
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    told = {key: int(value) for key, value in (line.split(": ") for line in lines)}
    return told["wchar"], told["write_bytes"]


class Journey:
    """A spool in the middle of its life: two days of acknowledged rows are in it.

    Args:
        folder: where it lies.
        rate_hz: fixes a second.
    """

    def __init__(self, folder: Path, rate_hz: int) -> None:
        path = folder / "spool.db"
        schema.prepare(path)
        self._rate_hz = rate_hz
        self._fixes = drive(1, _HOUR_S * rate_hz)
        self._now_ms = 1_795_345_200_000
        self._seq = 0
        self.spool = Spool(path, 200_000_000, keep_acknowledged_ms=_KEEP_H * _HOUR_S * 1000)
        self.spool.begin(fixes=1, events=2, version="bench", stamp=self._stamp())
        for _ in range(_KEEP_H):
            for fix in self._fixes:
                self._add(fix)
                if self._seq % 10_000 == 0:
                    self.spool.commit(self._stamp())
            self._acknowledge()
            self.spool.commit(self._stamp())
        self.spool.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _stamp(self) -> Stamp:
        return Stamp(self._now_ms, "gnss")

    def _add(self, fix: Fix) -> None:
        self._seq = self.spool.add_fix(
            msgspec.structs.replace(fix, recorded_at_ms=self._now_ms, fix_time_ms=self._now_ms)
        )
        self._now_ms += 1000 // self._rate_hz

    def _acknowledge(self) -> None:
        self.spool.release(Ack(stream="1", upto=self._seq))

    def hour(self) -> None:
        """One hour, connected."""
        for second in range(_HOUR_S):
            for fix in self._fixes[second * self._rate_hz : (second + 1) * self._rate_hz]:
                self._add(fix)
            if second % (_HOUR_S // _EVENTS_AN_HOUR) == 77:
                self._happen()
            if second % 10 == 9:
                self._remember(second)
                self.spool.commit(self._stamp())
            if second % 60 == 30:
                self._acknowledge()

    def _remember(self, second: int) -> None:
        state = b"%d" % second
        self.spool.remember("logbook", state.ljust(_STATE_BYTES), every_ms=120_000)
        self.spool.remember("clock", b"%d" % self._now_ms, every_ms=600_000)

    def _happen(self) -> None:
        event = HarshDriving(
            manoeuvre="braking", at_ms=self._now_ms, peak_cmps2=400, lasted_ms=900,
            speed_cmps=1200, is_estimate=True,
        )  # fmt: skip
        self.spool.add_event(event, self._stamp())
        self.spool.commit(self._stamp())


def journey(rate_hz: int) -> Written:
    """What an hour at ``rate_hz`` writes."""
    with tempfile.TemporaryDirectory() as folder:
        made = Journey(Path(folder), rate_hz)
        with closing(made.spool):
            return measured(made.hour)


def naive(*, is_marked: bool) -> Written:
    """What an hour of rows writes with SQLite as it comes, and with a mark on each row sent."""

    def work() -> None:
        for number, fix in enumerate(drive(1, _HOUR_S // _SCALE)):
            database.execute("INSERT INTO fix VALUES (?, ?, 0)", (number, write_fix(fix)))
            if is_marked:
                database.execute("UPDATE fix SET sent = 1 WHERE id = ?", (number,))

    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder) / "naive.db", isolation_level=None)) as database,
    ):
        database.execute("CREATE TABLE fix (id INTEGER PRIMARY KEY, body BLOB, sent INTEGER)")
        return Written(*(_SCALE * part for part in measured(work)))


def run() -> Iterator[Figure]:
    """Measure."""
    plain, marked = naive(is_marked=False), naive(is_marked=True)
    ours = journey(1)
    yield Figure(
        bench=NAME, figure="handed to the system in an hour at 1 Hz", unit="MB",
        value=round(ours.handed_mb, 2), goal=GOAL_MB,
        peer="SQLite default, a row a commit", peer_value=round(plain.handed_mb, 1),
    )  # fmt: skip
    yield Figure(
        bench=NAME, figure="the same, peers with an UPDATE sent", unit="MB",
        value=round(ours.handed_mb, 2), goal=GOAL_MB,
        peer="a row a commit, each updated", peer_value=round(marked.handed_mb, 1),
    )  # fmt: skip
    yield Figure(
        bench=NAME, figure="4 KiB pages made dirty in an hour at 1 Hz", unit="MB",
        value=round(ours.dirty_mb, 2),
        peer="SQLite default, a row a commit", peer_value=round(plain.dirty_mb, 1),
    )  # fmt: skip
    fast = journey(10)
    yield Figure(
        bench=NAME, figure="handed to the system in an hour at 10 Hz", unit="MB",
        value=round(fast.handed_mb, 2),
    )  # fmt: skip
