"""Which starts of the gateway the spool knows, and the ids of the streams each has opened.

They lie in a table, which has no check, and once more in a note, which has one: without them rows
cannot be told as what they are.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from gateway.spool.backfill import Correction
from gateway.spool.medium import Medium
from gateway.spool.rows import BOOT_BIT, KIND_BIT, KINDS, Kind, Stream, base_id
from wire.values import ClockQuality

NOTE: Final = "/starts"
_MAX_BOOT: Final = (1 << (KIND_BIT - BOOT_BIT)) - 2


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


_decoder: Final = msgspec.msgpack.Decoder(list[Start])


def noted(note: bytes | None) -> list[Start]:
    """The starts that a note tells of; none without one."""
    return [] if note is None else _decoder.decode(note)


def read(medium: Medium, note: bytes | None) -> list[Start]:
    """All starts that are entered, oldest first; the table counts where there is no note.

    Raises:
        sqlite3.Error: they cannot be read.
    """
    if note is not None:
        return noted(note)
    rows = medium.execute("SELECT boot, events, fixes, by_ms, quality FROM stream ORDER BY boot")
    found = [Start(*row) for row in rows.fetchall()]
    return [start for start in found if 0 < start.boot <= _MAX_BOOT]


def known(streams: Mapping[int, Stream], corrections: Mapping[int, Correction]) -> list[Start]:
    """The starts of ``streams``, oldest first."""
    starts = []
    for boot in sorted({stream.boot for stream in streams.values()}):
        events, fixes = (streams[base_id(kind, boot)].id for kind in KINDS)
        by_ms, quality = corrections.get(boot, (None, None))
        starts.append(Start(boot, events, fixes, by_ms, quality))
    return starts


def enter(medium: Medium, starts: Iterable[Start]) -> None:
    """Write the table anew; seldom, and they are few."""
    medium.execute("DELETE FROM stream")
    medium.executemany(
        "INSERT INTO stream (boot, events, fixes, by_ms, quality) VALUES (?, ?, ?, ?, ?)", starts
    )


def note_of(starts: Iterable[Start]) -> bytes:
    """What `noted` reads."""
    return msgspec.msgpack.encode(list(starts))
