"""Pure: what was added and is not yet on the medium, bounded while the medium takes nothing."""

from bisect import bisect_right
from typing import Final

from gateway.spool.ranges import Ranges
from gateway.spool.rows import KINDS, Kind

MAX_ADDED: Final = 20_000
MAX_ADDED_EVENTS: Final = 5_000
"""Rows held in memory while the medium takes none; then the oldest of them are given up."""

_LIMITS: Final[dict[Kind, int]] = {"event": MAX_ADDED_EVENTS, "fix": MAX_ADDED}


class Ring:
    """Rows of this start, numbered as they come in."""

    def __init__(self) -> None:
        self._next: dict[Kind, int] = dict.fromkeys(KINDS, 0)
        self.rows: dict[Kind, list[tuple[int, bytes]]] = {kind: [] for kind in KINDS}

    def next_seq(self, kind: Kind) -> int:
        """What the next row's place in its stream will be."""
        return self._next[kind]

    def reserve(self, kind: Kind) -> int:
        """A place in the stream for a row that is added later by `put`."""
        seq = self._next[kind]
        self._next[kind] = seq + 1
        return seq

    def put(self, kind: Kind, seq: int, body: bytes) -> None:
        """Add the row whose place was reserved, before all others."""
        self.rows[kind].insert(0, (seq, body))

    def add(self, kind: Kind, body: bytes) -> int:
        """Add a row; returns its place in its stream."""
        seq = self.reserve(kind)
        self.rows[kind].append((seq, body))
        return seq

    def give_up(self, kind: Kind) -> list[tuple[int, bytes]]:
        """When there are too many rows of a kind, the oldest tenth of them, which is gone now."""
        rows, limit = self.rows[kind], _LIMITS[kind]
        if len(rows) <= limit:
            return []
        lost = rows[: limit // 10]
        del rows[: limit // 10]
        return lost

    def after(self, kind: Kind, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """The oldest rows beyond a place in their stream."""
        rows = self.rows[kind]
        at = bisect_right(rows, seq, key=lambda row: row[0])
        return rows[at : at + limit]

    def free(self, kind: Kind, places: Ranges) -> None:
        """Nobody waits any more for the rows at these places."""
        self.rows[kind] = [row for row in self.rows[kind] if row[0] not in places]

    def mark(self) -> tuple[int, int]:
        """Where the events are now, for `undo`."""
        return len(self.rows["event"]), self._next["event"]

    def undo(self, mark: tuple[int, int]) -> None:
        """Forget the events that were added after the mark; their places were never told."""
        del self.rows["event"][mark[0] :]
        self._next["event"] = mark[1]

    def clear(self) -> None:
        """All of it is on the medium."""
        for rows in self.rows.values():
            rows.clear()
