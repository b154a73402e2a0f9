"""The committed rows: reading those that wait, and what an acknowledgement does to them."""

import sqlite3
from typing import Final, Literal, NamedTuple

from gateway.spool.backfill import Correction, corrected
from gateway.spool.book import Book
from gateway.spool.checking import code_of, is_damage
from gateway.spool.medium import Medium
from gateway.spool.ranges import Ranges, Span
from gateway.spool.rows import (
    KINDS,
    SEQS,
    Kind,
    Row,
    Stream,
    Told,
    boot_of,
    committed_ranges,
    is_readable,
    kind_of,
    read_fix,
    spans,
    unchecked,
)
from gateway.spool.thinning import STEPS
from wire import codec
from wire.messages import Ack, Event

_MAX_UNREAD: Final = 20
"""Reads in a row that fail with an error of the medium; a bad block never gets better."""


class Backlog(NamedTuple):
    """What waits from earlier starts; ``from_ms`` and ``to_ms`` as its own rows tell."""

    fixes: int
    events: int
    from_ms: int | None
    to_ms: int | None


class Shelf:
    """What was committed, at this start and earlier ones.

    Attributes:
        connection: the file, for other tables in it. It outlives a change of the file.
        boot: ordinal of this start.
    """

    def __init__(self, medium: Medium) -> None:
        self.connection = medium
        self.boot = 0
        self._streams: dict[int, Stream] = {}
        self._corrections: dict[int, Correction] = {}
        self._book = Book()
        self._committed: dict[Kind, int] = dict.fromkeys(KINDS, -1)
        self._returned: dict[Kind, int] = {}
        self._unsound = Ranges()
        self._damage: str | None = None
        self._unread = 0

    @property
    def waiting(self) -> dict[Kind, int]:
        """How many committed rows wait for an acknowledgement."""
        return {kind: self._book.waiting(kind) for kind in KINDS}

    def last(self, kind: Kind) -> int:
        """The id of the newest committed row that waits, or -1."""
        return self._book.last(kind)

    def stream_of(self, row_id: int) -> Stream:
        """The stream that a row belongs to."""
        return self._streams[row_id - row_id % SEQS]

    def step_of(self, row_id: int) -> Literal[1, 2, 4, 8]:
        """How far apart the rows around this one are, where positions are thinned."""
        if kind_of(row_id) == "event":
            return 1
        return STEPS[self._book.thinned.level_of(row_id)]

    def streams_left(self) -> list[int]:
        """The streams that still have waiting rows, oldest first: the cloud is asked about them."""
        left = [stream for base, stream in self._streams.items() if self._book.has_waiting(base)]
        return [stream.id for stream in sorted(left, key=lambda stream: stream.boot)]

    def rows_after(self, kind: Kind, row_id: int, limit: int) -> list[Row]:
        """The oldest waiting rows newer than ``row_id``, of all starts.

        Raises:
            sqlite3.Error: they cannot be read.
        """
        found: list[Row] = []
        for first, last in list(self._book.unsettled(kind, row_id)):
            following = first
            # What is unsound hides nothing that lies behind it.
            while following <= last and len(found) < limit:
                wanted = limit - len(found)
                rows = self._read(following, last, wanted)
                end = last if len(rows) < wanted else rows[-1].id
                self._miss(following, end, rows)
                found += self._sound(rows)
                following = end + 1
            if len(found) == limit:
                break
        return found

    def _miss(self, first: int, last: int, rows: list[Row]) -> None:
        """Rows that should lie between ``first`` and ``last`` and do not are told as damaged."""
        is_known = self._is_incomplete or self._damage is not None
        if is_known or self._book.count(first, last) == len(rows):
            return
        there = Ranges((row.id, row.id) for row in rows)
        self._unsound = self._unsound.with_spans(there.missing(first, last)).bounded()

    def rows(self, first: int, last: int) -> list[Row]:
        """What still waits of the rows from id ``first`` to ``last``.

        Raises:
            sqlite3.Error: they cannot be read.
        """
        found: list[Row] = []
        for begin, end in self._book.settled.missing(first, last):
            rows = self._read(begin, end, SEQS)
            self._miss(begin, end, rows)
            found += self._sound(rows)
        return found

    def _sound(self, rows: list[Row]) -> list[Row]:
        """What was written, with its true times; not what has changed or decodes to nothing."""
        sound = [
            Row(row_id, bare)
            for row_id, body in rows
            if (bare := unchecked(body, row_id)) is not None and is_readable(Row(row_id, bare))
        ]
        if len(sound) < len(rows):
            good = {row.id for row in sound}
            bad = [(row.id, row.id) for row in rows if row.id not in good]
            self._unsound = self._unsound.with_spans(bad).bounded()
        correction = self._corrections.get(boot_of(sound[0].id)) if sound else None
        return sound if correction is None else [corrected(row, correction) for row in sound]

    def _read(self, first: int, last: int, limit: int) -> list[Row]:
        try:
            found = self.connection.execute(
                "SELECT id, body FROM row WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
                (first, last, limit),
            )
            rows: list[Row] = []
            for row_id, body in found:
                if not first <= row_id <= last:
                    # The page it lies on was overwritten; there may be no end to such rows.
                    self._damage = "rows are not where their ids belong"
                    break
                rows.append(Row(row_id, body))
                first = row_id + 1
        except sqlite3.Error as error:
            self._fail(error)
            raise
        self._unread = 0
        return rows

    def _fail(self, error: sqlite3.Error) -> None:
        """Note whether the file is to be given up: damaged, or part of it unreadable for long."""
        if code_of(error) == sqlite3.SQLITE_IOERR_READ:
            self._unread += 1
        if is_damage(error) or self._unread >= _MAX_UNREAD:
            self._damage, self._unread = str(error), 0

    def earlier(self, kind: Kind) -> list[Span]:
        """The spans of rows that wait from earlier starts."""
        return [span for span in self._book.unsettled(kind) if boot_of(span[0]) < self.boot]

    def backlog(self) -> Backlog:
        """How much waits from earlier starts, and from when to when it was recorded.

        Raises:
            sqlite3.Error: it cannot be read.
        """
        spans = {kind: self.earlier(kind) for kind in KINDS}
        fixes, events = (
            sum(self._book.count(*span) for span in spans[kind]) for kind in ("fix", "event")
        )
        told = [at_ms for kind in KINDS for span in spans[kind] for at_ms in self._ends_ms(span)]
        return Backlog(fixes, events, min(told, default=None), max(told, default=None))

    def _ends_ms(self, span: Span) -> list[int]:
        ends = self.connection.execute(
            "SELECT min(id), max(id) FROM row WHERE id BETWEEN ? AND ?", span
        ).fetchone()
        rows = [row for end in ends if end is not None for row in self.rows(end, end)]
        return [_recorded_ms(row) for row in rows]

    def release(self, ack: Ack) -> Told | None:
        """Note what the cloud has committed.

        Returns:
            What it says in row ids, but for what it was asked to take again and has not been
            sent since; None for a stream that is not ours.
        """
        base = self._book.bases.get(int(ack.stream))
        if base is None:
            return None
        end = base + SEQS - 1
        if boot_of(base) == self.boot:
            end = base + self._committed[kind_of(base)]
        committed = spans(committed_ranges(ack), base, end)
        committed = self._book.acknowledge(committed)
        return Told(kind_of(base), committed, spans(ack.missing, base, end))

    def delivered(self, first: int, last: int) -> None:
        """The broker has the rows ``first`` to ``last``: the next acknowledgement counts again."""
        self._book.replayed = self._book.replayed.without_span(first, last)

    def replay(self, from_ms: int, to_ms: int) -> int:
        """Let acknowledged rows that were recorded in ``from_ms`` to ``to_ms`` wait again.

        They wait until they were `delivered` once more and then acknowledged once more.

        Returns:
            How many.

        Raises:
            sqlite3.Error: they cannot be read.
        """
        count = 0
        for base, extent in self._book.extents.items():
            part = self._first_at(extent, from_ms), self._first_at(extent, to_ms + 1) - 1
            for first, last in list(self._book.kept.inside(*part)):
                found = self.connection.execute(
                    "SELECT id FROM row WHERE id BETWEEN ? AND ?", (first, last)
                )
                there = Ranges((row_id, row_id) for (row_id,) in found)
                for begin, end in there:
                    count += end - begin + 1
                    self._book.wait_again(begin, end)
                    self._come_back(kind_of(base), begin)
        return count

    @property
    def _is_incomplete(self) -> bool:
        """Whether rows may still come that lie before others."""
        return False

    def _come_back(self, kind: Kind, row_id: int) -> None:
        self._returned[kind] = min(row_id, self._returned.get(kind, row_id))

    def returned(self, kind: Kind) -> int | None:
        """The oldest row that waits again since the last call; a reader has to go back to it."""
        return self._returned.pop(kind, None)

    def _first_at(self, extent: Span, at_ms: int) -> int:
        """The first row of a stream that was recorded at ``at_ms`` or later."""
        first, end = extent[0], extent[1] + 1
        while first < end:
            middle = (first + end) // 2
            row = self._sound(self._read(middle, end - 1, 1))
            if row and _recorded_ms(row[0]) < at_ms:
                first = row[0].id + 1
            else:
                end = middle
        return first


def _recorded_ms(row: Row) -> int:
    if kind_of(row.id) == "fix":
        return read_fix(row.body).recorded_at_ms
    return codec.decode(row.body, Event).recorded_at_ms
