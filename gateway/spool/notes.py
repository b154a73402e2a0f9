"""Small values that survive a restart; those that have changed go with a group commit."""

import zlib
from collections.abc import Iterable

from gateway.spool.medium import Medium
from gateway.spool.rows import checked, unchecked


def stored(key: str, body: bytes) -> tuple[str, bytes]:
    """A note as it lies on the medium: with a check over it and its key."""
    return key, checked(body, _place(key))


def sound(rows: Iterable[tuple[object, object]]) -> dict[str, bytes]:
    """The notes of which no bit has changed since they were `stored`."""
    found = {}
    for key, body in rows:
        bare = unchecked(body, _place(key)) if isinstance(key, str) else None
        if isinstance(key, str) and bare is not None:
            found[key] = bare
    return found


def _place(key: str) -> int:
    return zlib.crc32(key.encode(errors="replace"))


class Notes:
    """Keys and values as they are in the spool's ``note`` table, and what is not yet there."""

    def __init__(self) -> None:
        self.known: dict[str, bytes] = {}
        self._changed: set[str] = set()
        self._every_ms: dict[str, int] = {}
        self._written_at_ms: dict[str, int] = {}

    def load(self, medium: Medium) -> None:
        """Take what is in a file; what was remembered at this start goes there in its place.

        A note of which a bit has changed counts as never written.

        Raises:
            sqlite3.Error: it cannot be read.
        """
        found = sound(medium.execute("SELECT key, body FROM note").fetchall())
        self._changed.update(key for key, body in self.known.items() if found.get(key) != body)
        for key in self._changed:
            self._every_ms.setdefault(key, 0)
        self.known = found | self.known
        self._written_at_ms.clear()

    def recall(self, key: str) -> bytes | None:
        """The value of ``key``, written or not."""
        return self.known.get(key)

    def remember(self, key: str, body: bytes, every_ms: int = 0) -> None:
        """Change a value; with ``every_ms`` it may wait so long since it was last written."""
        if self.known.get(key) != body:
            waits_ms = self._every_ms[key] if key in self._changed else every_ms
            self.known[key] = body
            self._changed.add(key)
            self._every_ms[key] = min(waits_ms, every_ms)

    @property
    def is_due(self) -> bool:
        """Whether a value waits that asks for a commit of its own."""
        return any(self._every_ms[key] == 0 for key in self._changed)

    def to_write(self, now_ms: int | None) -> list[tuple[str, bytes]]:
        """What goes with a commit at ``now_ms``; everything when that is None."""
        return [
            (key, self.known[key]) for key in sorted(self._changed) if self._may_go(key, now_ms)
        ]

    def _may_go(self, key: str, now_ms: int | None) -> bool:
        written_ms = self._written_at_ms.get(key)
        if now_ms is None or written_ms is None:
            return True
        # The clock may have been set in between, so that a difference tells, not an order.
        return abs(now_ms - written_ms) >= self._every_ms[key]

    def written(self, rows: Iterable[tuple[str, bytes]], now_ms: int) -> None:
        """``rows`` are on the medium."""
        for key, _ in rows:
            self._changed.discard(key)
            self._written_at_ms[key] = now_ms
