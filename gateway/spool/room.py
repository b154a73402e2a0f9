"""How much the spool may hold, and for how long: evicting and expiring, once a group."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from gateway.spool import evicting
from gateway.spool.book import Book
from gateway.spool.medium import Medium
from gateway.spool.ranges import Span
from gateway.spool.rows import SEQS
from gateway.spool.schema import PAGE_BYTES
from gateway.stamp import Stamp

_EXPIRE_EVERY_MS: Final = 900_000
_ROW_BYTES: Final = 16
"""What a row takes besides its body, at most."""


class Bounds(NamedTuple):
    """As the arguments of `Spool` say."""

    max_bytes: int
    keep_free_bytes: int
    keep_acknowledged_ms: int


class Room:
    """Keeps the bounds inside the transaction of a group.

    Attributes:
        bounds: to keep.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._expired_at_ms: int | None = None

    @property
    def keeps_acknowledged(self) -> bool:
        """Whether acknowledged rows stay for a while."""
        return self.bounds.keep_acknowledged_ms > 0

    def make(self, database: Medium, book: Book, rows: Iterable[tuple[int, bytes]]) -> None:
        """Have room for ``rows``, which are about to be put there."""
        if not self.keeps_acknowledged:
            while evicting.drop_acknowledged(database, book, SEQS):
                pass
        added = sum(len(body) + _ROW_BYTES for _, body in rows)
        limit = evicting.page_limit(database, self.bounds.max_bytes, self.bounds.keep_free_bytes)
        evicting.make_room(database, book, limit - added // PAGE_BYTES)

    def expire(
        self, database: Medium, book: Book, stamp: Stamp, first_at: Callable[[Span, int], int]
    ) -> None:
        """Drop the acknowledged rows that have been kept for long enough, now and then.

        Args:
            database: the file.
            book: what it holds.
            stamp: now; while nobody knows the time nothing expires.
            first_at: the first row within a stream's extent that was recorded at a time or later.
        """
        last_ms = self._expired_at_ms
        if stamp.quality == "none" or (
            last_ms is not None and abs(stamp.now_ms - last_ms) < _EXPIRE_EVERY_MS
        ):
            return
        self._expired_at_ms = stamp.now_ms
        before_ms = stamp.now_ms - self.bounds.keep_acknowledged_ms
        for base, extent in list(book.extents.items()):
            if any(book.kept.inside(*extent)):
                end = first_at(extent, before_ms) - 1
                while evicting.drop_acknowledged(database, book, SEQS, (base, end)):
                    pass


def is_gone_from(before: Mapping[int, Span], after: Mapping[int, Span]) -> bool:
    """Whether rows at the beginning of a stream, or all of a stream's, are no longer there."""
    return before.keys() != after.keys() or any(
        first != before[base][0] for base, (first, _) in after.items()
    )
