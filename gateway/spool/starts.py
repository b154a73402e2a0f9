"""Which starts of the gateway the spool knows, and the ids of the streams each has opened."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gateway.spool.backfill import Correction
from gateway.spool.medium import Medium
from gateway.spool.rows import KINDS, Kind, Stream, base_id
from wire.values import ClockQuality


class Start(NamedTuple):
    """One start: its ordinal, the ids of its streams, and how far its clock was off at first."""

    boot: int
    events: int
    fixes: int
    by_ms: int | None = None
    quality: ClockQuality | None = None

    @property
    def streams(self) -> dict[int, Stream]:
        """Its two streams, by the id of their seq 0."""
        ids: dict[Kind, int] = {"event": self.events, "fix": self.fixes}
        return {base_id(kind, self.boot): Stream(kind, self.boot, ids[kind]) for kind in KINDS}

    @property
    def correction(self) -> Correction | None:
        """What its rows need that were recorded before the clock was trusted."""
        if self.by_ms is None or self.quality is None:
            return None
        return Correction(self.by_ms, self.quality)


def read(medium: Medium) -> list[Start]:
    """All starts that are entered, oldest first.

    Raises:
        sqlite3.Error: they cannot be read.
    """
    found = medium.execute("SELECT boot, events, fixes, by_ms, quality FROM stream ORDER BY boot")
    return [Start(*row) for row in found.fetchall()]


def known(streams: Mapping[int, Stream], corrections: Mapping[int, Correction]) -> list[Start]:
    """The starts of ``streams``, oldest first."""
    starts = []
    for boot in sorted({stream.boot for stream in streams.values()}):
        events, fixes = (streams[base_id(kind, boot)].id for kind in KINDS)
        by_ms, quality = corrections.get(boot, (None, None))
        starts.append(Start(boot, events, fixes, by_ms, quality))
    return starts


def enter(medium: Medium, starts: Iterable[Start]) -> None:
    """Write anew which starts there are; seldom, and they are few."""
    medium.execute("DELETE FROM stream")
    medium.executemany(
        "INSERT INTO stream (boot, events, fixes, by_ms, quality) VALUES (?, ?, ?, ?, ?)", starts
    )
