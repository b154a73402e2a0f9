"""The crash-safe store of fixes and events: SQLite, one connection, committed in groups.

What is added waits in memory until `Spool.commit`; only what is committed can be read back, so
nothing is ever published as history that a power cut could take away again. A row is done with when
the cloud has told that it committed it, or when it was refused, dropped or damaged, and these are
told as a ``gap`` event. What is acknowledged stays readable for a while, for `Spool.replay`.
"""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from gateway import evicting
from gateway.backfill import Correction, corrected
from gateway.book import Book, GapReason, Lost
from gateway.errors import SpoolError
from gateway.medium import Medium, transaction
from gateway.notes import Notes
from gateway.ranges import Span
from gateway.rows import (
    KINDS,
    SEQS,
    Kind,
    Row,
    Stream,
    Told,
    base_id,
    boot_of,
    committed_ranges,
    kind_of,
    read_fix,
    spans,
    write_fix,
)
from gateway.schema import PAGE_BYTES
from gateway.stamp import Stamp
from wire import codec
from wire.events import EventBody, Gap, GatewayStarted
from wire.messages import Ack, Event, Fix
from wire.values import ClockQuality

__all__ = ["MAX_ADDED", "MAX_REFUSED", "Spool", "transaction"]

MAX_ADDED: Final = 20_000
MAX_ADDED_EVENTS: Final = 5_000
"""Rows held in memory while the medium takes none; then the oldest of them are given up."""

MAX_REFUSED: Final = 10_000

_ROW_BYTES: Final = 64
_BOOK_EVERY_MS: Final = 60_000
"""An acknowledgement that a power cut takes away is asked for again, so it may wait."""

_EXPIRE_EVERY_MS: Final = 900_000


class Spool:
    """Fixes and events that wait for the cloud's acknowledgement.

    Args:
        path: a file made by ``gateway prepare``.
        max_bytes: bound of what the file holds; thinning.py says what goes first.
        keep_free_bytes: the file does not grow into the last bytes of the medium.
        keep_acknowledged_ms: how long acknowledged rows stay for `replay`, by their own time.
        free_bytes: what the medium of a folder has left; None asks the system.

    Attributes:
        connection: the file, for other tables in it. It outlives a change of the file.
        boot: ordinal of this start. owner: the van whose rows these are.
        condition: ``degraded`` while the medium takes nothing and rows are held in memory.

    Raises:
        SpoolError: there is no spool, or it is of another version.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        *,
        keep_free_bytes: int = 0,
        keep_acknowledged_ms: int = 0,
        free_bytes: Callable[[Path], int] | None = None,
    ) -> None:
        self.connection = Medium(path, free_bytes)
        self.boot = 0
        self.condition: Literal["ok", "degraded"] = "ok"
        self._max_bytes = max_bytes
        self._keep_free_bytes = keep_free_bytes
        self._keep_acknowledged_ms = keep_acknowledged_ms
        self._streams: dict[int, Stream] = {}
        self._corrections: dict[int, Correction] = {}
        self._book = Book()
        self._notes = Notes(self.connection.execute("SELECT key, body FROM note"))
        self._next: dict[Kind, int] = {"event": 0, "fix": 0}
        self._committed: dict[Kind, int] = {"event": -1, "fix": -1}
        self._added: dict[Kind, list[tuple[int, bytes]]] = {"event": [], "fix": []}
        self._refused: list[Span] = []
        self._is_corrected = False
        self._expired_at_ms: int | None = None
        self._returned: dict[Kind, int] = {}

    @property
    def owner(self) -> str | None:
        """The van whose rows these are; None before the first `begin` with an owner."""
        owner = self._notes.recall("/owner")
        return None if owner is None else owner.decode()

    def begin(
        self, *, fixes: int, events: int, version: str, stamp: Stamp, owner: str | None = None
    ) -> None:
        """Open this start's two streams, and commit them with the event that tells of it.

        Args:
            fixes: random 63-bit id of the stream of fixes.
            events: random 63-bit id of the stream of events.
            version: of the gateway.
            stamp: now.
            owner: whose van this is; remembered at the first start.

        Raises:
            SpoolError: the rows are another van's; they may not be told as this one's.
        """
        if owner is not None:
            self._claim(owner)
        with transaction(self.connection) as database:
            for (boot,) in database.execute("SELECT boot FROM stream").fetchall():
                self.boot = max(self.boot, boot)
                if not any(evicting.extent_of(database, base_id(kind, boot)) for kind in KINDS):
                    database.execute("DELETE FROM stream WHERE boot = ?", (boot,))
            self.boot += 1
            database.execute(
                "INSERT INTO stream (boot, fixes, events) VALUES (?, ?, ?)",
                (self.boot, fixes, events),
            )
        self._book.restore(self._notes.known)
        for boot, events_id, fixes_id, by_ms, quality in self.connection.execute(
            "SELECT boot, events, fixes, by_ms, quality FROM stream"
        ).fetchall():
            for kind, stream in zip(KINDS, (events_id, fixes_id), strict=True):
                self._know(Stream(kind, boot, stream))
            if by_ms is not None:
                self._corrections[boot] = Correction(by_ms, quality)
        started = GatewayStarted(boot=self.boot, fixes=str(fixes), version=version)
        self.add_event(started, stamp)
        self.commit(stamp)

    def _claim(self, owner: str) -> None:
        known = self.owner
        if known is None:
            self.remember("/owner", owner.encode())
        elif known != owner:
            raise SpoolError(
                f"van: the spool {self.connection.path} holds rows of {known}, not of {owner}; "
                "seal it under its own van, or correct the name"
            )

    def _know(self, stream: Stream) -> None:
        base = base_id(stream.kind, stream.boot)
        self._streams[base] = stream
        self._book.bases[stream.id] = base
        extent = evicting.extent_of(self.connection, base)
        if extent is not None:
            self._book.extents[base] = extent
            for span in self._book.settled.inside(*extent):
                self._book.kept = self._book.kept.with_span(*span)

    def remember(self, key: str, body: bytes, *, every_ms: int = 0) -> None:
        """Keep a small value; it goes with the next commit.

        Args:
            key: of the caller; one that begins with a slash is the spool's own.
            body: at most a page, or more is written than need be.
            every_ms: go with a commit so often at most, and with each that carries an event.
        """
        self._notes.remember(key, body, every_ms)

    def recall(self, key: str) -> bytes | None:
        """What was last remembered under ``key``, at this start or an earlier one."""
        return self._notes.recall(key)

    def back_fill(self, by_ms: int, quality: ClockQuality) -> None:
        """The clock was trusted just now: what this start recorded before was off by ``by_ms``.

        Rows with quality ``none`` are read with their times moved by it and with ``quality``.

        The correction goes with the next commit, the rows stay as they are.
        """
        known = self._corrections.get(self.boot, Correction(0, quality))
        self._corrections[self.boot] = known.and_then(by_ms, quality)
        self._is_corrected = True

    def add_fix(self, fix: Fix) -> int:
        """Take a fix into the next group; returns its seq in this start's stream."""
        return self._add("fix", write_fix(fix))

    def add_event(self, body: EventBody, stamp: Stamp) -> int:
        """Take an event into the next group, which the caller commits at once; returns its seq."""
        event = Event(
            stream=str(self._streams[base_id("event", self.boot)].id),
            seq=self._next["event"],
            recorded_at_ms=stamp.now_ms,
            body=body,
            quality=stamp.quality,
        )
        return self._add("event", codec.encode(event))

    def _add(self, kind: Kind, body: bytes) -> int:
        seq = self._next[kind]
        self._next[kind] = seq + 1
        self._added[kind].append((seq, body))
        return seq

    @property
    def is_urgent(self) -> bool:
        """Whether an event waits for its commit."""
        return bool(self._added["event"])

    def has_work(self) -> bool:
        """Whether a commit would change anything that may not wait."""
        is_releasing = self._keep_acknowledged_ms == 0 and len(self._book.kept) > 0
        return bool(
            any(self._added.values())
            or self._refused
            or is_releasing
            or self._is_corrected
            or self._notes.is_due
            or self._book.to_tell()
        )

    def commit(self, stamp: Stamp) -> None:
        """Put what was added and released onto the medium, all or nothing, and keep the bounds.

        Raises:
            sqlite3.Error: the medium takes nothing; all of it is kept for the next attempt.
        """
        self._bound_memory(stamp)
        book, is_urgent = self._book.copy(), self.is_urgent
        events, next_event = len(self._added["event"]), self._next["event"]
        try:
            with transaction(self.connection) as database:
                self._refuse(database, book, stamp)
                self._make_room(database, book, stamp)
                self._tell_gaps(book, stamp)
                for kind in KINDS:
                    self._insert(database, book, kind)
                written = self._write_notes(database, book, None if is_urgent else stamp.now_ms)
        except BaseException:
            # The rollback brings the evicted rows back, so their gaps may never be told.
            del self._added["event"][events:]
            self._next["event"] = next_event
            self.condition = "degraded"
            raise
        self.condition = "ok"
        self._book = book
        self._is_corrected = False
        self._refused.clear()
        self._notes.written(written, stamp.now_ms)
        for kind, added in self._added.items():
            self._committed[kind] = self._next[kind] - 1
            added.clear()

    def _insert(self, database: Medium, book: Book, kind: Kind) -> None:
        base, added = base_id(kind, self.boot), self._added[kind]
        if added:
            rows = ((base + seq, body) for seq, body in added)
            database.executemany("INSERT INTO row VALUES (?, ?)", rows)
            book.take(base + added[0][0], base + added[-1][0])

    def _write_notes(
        self, database: Medium, book: Book, now_ms: int | None
    ) -> list[tuple[str, bytes]]:
        if self._is_corrected:
            by_ms, quality = self._corrections[self.boot]
            database.execute(
                "UPDATE stream SET by_ms = ?, quality = ? WHERE boot = ?",
                (by_ms, quality, self.boot),
            )
        self._note_book(book, every_ms=_BOOK_EVERY_MS)
        rows = self._notes.to_write(now_ms)
        database.executemany("INSERT OR REPLACE INTO note VALUES (?, ?)", rows)
        return rows

    def _note_book(self, book: Book, *, every_ms: int) -> None:
        for key, body in book.encode().items():
            self._notes.remember(key, body, every_ms=every_ms)

    def _refuse(self, database: Medium, book: Book, stamp: Stamp) -> None:
        for first, last in self._refused:
            lost = sum(book.count(*span) for span in book.settled.missing(first, last))
            copied = database.execute(
                "INSERT OR IGNORE INTO refused SELECT id, body FROM row WHERE id BETWEEN ? AND ?",
                (first, last),
            )
            if copied.rowcount == 0 or lost == 0:
                continue
            database.execute(
                "DELETE FROM refused WHERE id NOT IN"
                " (SELECT id FROM refused ORDER BY id DESC LIMIT ?)",
                (MAX_REFUSED,),
            )
            self._tell_gap(Lost(first, last, lost), "refused", stamp)
            book.settle(first, last)
            evicting.delete(database, book, first, last)

    def _make_room(self, database: Medium, book: Book, stamp: Stamp) -> None:
        before = book.extents.copy()
        if self._keep_acknowledged_ms == 0:
            while evicting.drop_acknowledged(database, book, SEQS):
                pass
        else:
            self._expire(database, book, stamp)
        added = sum(len(body) + 16 for rows in self._added.values() for _, body in rows)
        limit = evicting.page_limit(database, self._max_bytes, self._keep_free_bytes)
        evicting.make_room(database, book, limit - added // PAGE_BYTES)
        if book.extents != before:
            # What is gone must be settled in the same transaction, or it would count as waiting.
            self._note_book(book, every_ms=0)

    def _expire(self, database: Medium, book: Book, stamp: Stamp) -> None:
        last_ms = self._expired_at_ms
        if stamp.quality == "none" or (
            last_ms is not None and abs(stamp.now_ms - last_ms) < _EXPIRE_EVERY_MS
        ):
            return
        self._expired_at_ms = stamp.now_ms
        before_ms = stamp.now_ms - self._keep_acknowledged_ms
        for base, extent in list(book.extents.items()):
            if any(book.kept.inside(*extent)):
                end = self._first_at(extent, before_ms) - 1
                while evicting.drop_acknowledged(database, book, SEQS, (base, end)):
                    pass

    def _first_at(self, extent: Span, at_ms: int) -> int:
        """The first row of a stream that was recorded at ``at_ms`` or later."""
        first, end = extent[0], extent[1] + 1
        while first < end:
            row = self._read(middle := (first + end) // 2, end - 1, 1)
            if row and self._recorded_ms(row[0]) < at_ms:
                first = row[0].id + 1
            else:
                end = middle
        return first

    def _bound_memory(self, stamp: Stamp) -> None:
        limits: tuple[tuple[Kind, int], ...] = (("event", MAX_ADDED_EVENTS), ("fix", MAX_ADDED))
        for kind, limit in limits:
            added = self._added[kind]
            if len(added) > limit:
                base, lost = base_id(kind, self.boot), added[: limit // 10]
                del added[: limit // 10]
                first, last = base + lost[0][0], base + lost[-1][0]
                self._book.settle(first, last)
                self._tell_gap(Lost(first, last, len(lost)), "damaged", stamp)
                for body in (body for _, body in lost if kind == "event"):
                    event = codec.decode(body, Event)
                    if isinstance(event.body, Gap):
                        self._book.untell(event.body)

    def _tell_gaps(self, book: Book, stamp: Stamp) -> None:
        for reason, lost in book.to_tell():
            seq = self._tell_gap(lost, reason, stamp)
            book.told(lost.first, reason, base_id("event", self.boot) + seq)

    def _tell_gap(self, gap: Lost, reason: GapReason, stamp: Stamp) -> int:
        told = Gap(
            stream=str(self.stream_of(gap.first).id),
            first=gap.first % SEQS,
            last=gap.last % SEQS,
            kept=gap.last - gap.first + 1 - gap.lost,
            reason=reason,
        )
        return self.add_event(told, stamp)

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

    def rows_after(self, kind: Kind, row_id: int, limit: int) -> list[Row]:
        """The oldest waiting rows newer than ``row_id``, of all starts."""
        found: list[Row] = []
        for first, last in list(self._book.unsettled(kind, row_id)):
            found += self._read(first, last, limit - len(found))
            if len(found) >= limit:
                break
        return self._as_read(found)

    def rows(self, first: int, last: int) -> list[Row]:
        """What still waits of the rows from id ``first`` to ``last``."""
        left = self._book.settled.missing(first, last)
        return self._as_read([row for span in left for row in self._read(*span, SEQS)])

    def _as_read(self, rows: list[Row]) -> list[Row]:
        if self._book.replayed:
            for row in rows:
                self._book.replayed = self._book.replayed.without_span(row.id, row.id)
        return rows

    def _read(self, first: int, last: int, limit: int) -> list[Row]:
        found = self.connection.execute(
            "SELECT id, body FROM row WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
            (first, last, limit),
        )
        rows = [Row(*row) for row in found]
        correction = self._corrections.get(boot_of(first))
        return rows if correction is None else [corrected(row, correction) for row in rows]

    def _recorded_ms(self, row: Row) -> int:
        if kind_of(row.id) == "fix":
            return read_fix(row.body).recorded_at_ms
        return codec.decode(row.body, Event).recorded_at_ms

    def streams_left(self) -> list[int]:
        """The streams that still have waiting rows, oldest first: the cloud is asked about them."""
        left = [stream for base, stream in self._streams.items() if self._book.has_waiting(base)]
        return [stream.id for stream in sorted(left, key=lambda stream: stream.boot)]

    def release(self, ack: Ack) -> Told | None:
        """Note what the cloud has committed.

        Returns:
            What it says in row ids; None for a stream that is not ours.
        """
        base = self._book.bases.get(int(ack.stream))
        if base is None:
            return None
        end = base + SEQS - 1
        if boot_of(base) == self.boot:
            end = base + self._committed[kind_of(base)]
        committed = spans(committed_ranges(ack), base, end)
        self._book.acknowledge(committed)
        return Told(kind_of(base), committed, spans(ack.missing, base, end))

    def refuse(self, first: int, last: int, stamp: Stamp) -> None:
        """Set rows aside that the cloud has refused again and again, and tell the gap.

        Raises:
            sqlite3.Error: the medium takes nothing; the same call again tells no second gap.
        """
        if (first, last) not in self._refused:
            self._refused.append((first, last))
        self.commit(stamp)

    def replay(self, from_ms: int, to_ms: int) -> int:
        """Let acknowledged rows that were recorded in ``from_ms`` to ``to_ms`` wait again.

        They wait until they were read once more and then acknowledged once more.

        Returns:
            How many.
        """
        count = 0
        for base, extent in self._book.extents.items():
            part = self._first_at(extent, from_ms), self._first_at(extent, to_ms + 1) - 1
            for first, last in list(self._book.kept.inside(*part)):
                (found,) = self.connection.execute(
                    "SELECT count(*) FROM row WHERE id BETWEEN ? AND ?", (first, last)
                ).fetchone()
                count += found
                self._book.wait_again(first, last)
                self._come_back(kind_of(base), first)
        self._note_book(self._book, every_ms=0)
        return count

    def _come_back(self, kind: Kind, row_id: int) -> None:
        self._returned[kind] = min(row_id, self._returned.get(kind, row_id))

    def returned(self, kind: Kind) -> int | None:
        """The oldest row that waits again since the last call; a reader has to go back to it."""
        return self._returned.pop(kind, None)

    def close(self) -> None:
        """Let go of the file. What was not committed is lost, but for what is acknowledged."""
        with suppress(sqlite3.Error), transaction(self.connection) as database:
            self._write_notes(database, self._book, None)
        self.connection.close()
