"""The crash-safe store of fixes and events: SQLite, one connection, committed in groups.

What is added waits in memory until `Spool.commit`; only what is committed can be read back, so
nothing is ever published as history that a power cut could take away again; only while the medium
takes nothing, rows leave out of memory, `Spool.held`. A row is done with when
the cloud has told that it committed it, or when it was refused, dropped or damaged, and these are
told as a ``gap`` event. What is acknowledged stays readable for a while, for `Spool.replay`. While
the medium takes nothing, rows are held in memory; a damaged file is set aside and a new one begun.
"""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from gateway.errors import SpoolError
from gateway.spool import evicting, starts
from gateway.spool.backfill import Correction, corrected
from gateway.spool.book import Book, GapReason, Lost
from gateway.spool.checking import SMALL_BYTES, Checker
from gateway.spool.medium import Medium, transaction
from gateway.spool.notes import Notes, stored
from gateway.spool.ranges import Ranges, Span
from gateway.spool.repairing import Repair
from gateway.spool.ring import Ring
from gateway.spool.rows import (
    KINDS,
    SEQS,
    Kind,
    Row,
    Told,
    base_id,
    checked,
    committed_ranges,
    event_body,
    fix_body,
    kind_of,
    spans,
)
from gateway.spool.schema import PAGE_BYTES
from gateway.spool.shelf import Shelf
from gateway.spool.starts import Start
from gateway.stamp import Stamp
from wire import codec
from wire.events import EventBody, Gap, GatewayStarted
from wire.messages import Ack, Event, Fix
from wire.values import ClockQuality

logger = logging.getLogger(__name__)

MAX_REFUSED: Final = 10_000

_BOOK_EVERY_MS: Final = 60_000
"""An acknowledgement that a power cut takes away is asked for again, so it may wait."""

_EXPIRE_EVERY_MS: Final = 900_000


class Spool(Shelf):
    """Fixes and events that wait for the cloud's acknowledgement.

    Args:
        path: a file made by ``gateway prepare``.
        max_bytes: bound of what the file holds; thinning.py says what goes first.
        keep_free_bytes: the file does not grow into the last bytes of the medium.
        keep_acknowledged_ms: how long acknowledged rows stay for `replay`, by their own time.
        free_bytes: what the medium of a folder has left; None asks the system.

    Attributes:
        condition: ``degraded`` while the medium takes nothing and rows are held in memory.

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
        super().__init__(Medium(path, free_bytes))
        self.condition: Literal["ok", "degraded"] = "ok"
        self._max_bytes = max_bytes
        self._keep_free_bytes = keep_free_bytes
        self._keep_acknowledged_ms = keep_acknowledged_ms
        self._ring = Ring()
        self._notes = Notes()
        self._repair = Repair(self.connection, self._notes)
        self._refused: list[Span] = []
        self._given_up: list[Span] = []
        self._lent: dict[Kind, int] = dict.fromkeys(KINDS, -1)
        self._unfit: list[tuple[Kind, int]] = []
        self._expired_at_ms: int | None = None
        self._own: dict[Kind, int] = {}
        self._started: tuple[str, Stamp, str | None] = ("", Stamp(0, "none"), None)
        self._is_loaded = False
        self._is_adopted = False
        self._is_entered = False
        self._checker: Checker | None = None
        with suppress(sqlite3.Error):
            self._reach()

    @property
    def is_repairing(self) -> bool:
        """Whether rows may still come out of a damaged file, or damage is being looked for."""
        is_looking = self._checker is not None
        return is_looking or self._damage is not None or self._repair.is_under_way

    @property
    def owner(self) -> str | None:
        """The van whose rows these are; None before the first `begin` with an owner."""
        owner = self._notes.recall("/owner")
        return None if owner is None else owner.decode()

    def begin(
        self, *, fixes: int, events: int, version: str, stamp: Stamp, owner: str | None = None
    ) -> None:
        """Open this start's two streams, and commit them with the event that tells of it.

        On a medium that takes nothing they wait in memory with all else.

        Args:
            fixes: random 63-bit id of the stream of fixes.
            events: random 63-bit id of the stream of events.
            version: of the gateway.
            stamp: now.
            owner: whose van this is; remembered at the first start.

        Raises:
            SpoolError: the rows are another van's; they may not be told as this one's.
        """
        self._own = {"event": events, "fix": fixes}
        self._started = (version, stamp, owner)
        self._ring.reserve("event")
        try:
            self.commit(stamp)
        except sqlite3.Error:
            logger.exception("the spool takes nothing; what is recorded is held in memory")
        if self.connection.was_cut and self.connection.taken_bytes() > SMALL_BYTES:
            self._checker = Checker(self.connection.path)

    def _reach(self) -> None:
        """Have a file that can be read, whatever has become of the last one."""
        if self._checker is not None and (self._damage or self.condition == "degraded"):
            self._checker.stop()
            self._checker = None
        if self.condition == "degraded" or self.connection.is_standin:
            self.connection.reopen()
        damage = self._damage or self.connection.damage
        if damage is not None:
            logger.error("the spool is damaged and set aside", extra={"problem": damage})
            self._repair.replace_file(damage, self._keep_free_bytes, self._book.extents, self.boot)
            self._damage, self._is_entered = None, False
            self._book.extents, self._book.kept = {}, Ranges()
        elif not self._is_loaded:
            self._notes.load(self.connection)
        self._is_loaded = True

    def _adopt(self) -> None:
        """Become the next start of the file's van."""
        version, stamp, owner = self._started
        if owner is not None:
            self._claim(owner)
        is_repairing = self._repair.restore()
        # All that may fail comes first: half an adoption would go on in an earlier start's stream.
        found = starts.read(self.connection, self._notes.recall(starts.NOTE))
        bases = [base for start in found for base in start.streams]
        extents = {base: evicting.extent_of(self.connection, base) for base in bases}
        book = Book()
        book.restore(self._notes.known)
        book.adopt({base: extent for base, extent in extents.items() if extent is not None})
        kept = [one for one in found if is_repairing or any(map(book.speaks_of, one.streams))]
        self.boot = 1 + max([self._repair.newest, *(start.boot for start in found)])
        kept.append(Start(self.boot, self._own["event"], self._own["fix"]))
        self._streams = {base: stream for one in kept for base, stream in one.streams.items()}
        for reason in book.know(self._streams.values()):
            logger.error("a gap of a forgotten start cannot be told", extra={"reason": reason})
        # What was corrected before this start had its ordinal is its own.
        own = self._corrections.pop(0, None)
        self._corrections = {one.boot: known for one in kept if (known := one.correction)}
        if own is not None:
            self._corrections[self.boot] = own
        if not is_repairing:
            book.prune(())
        self._book, self._is_adopted = book, True
        told = GatewayStarted(boot=self.boot, fixes=str(self._own["fix"]), version=version)
        self._ring.put("event", 0, event_body(self._event(0, told, stamp)))

    def _claim(self, owner: str) -> None:
        if self.owner is None:
            self.remember("/owner", owner.encode())
        elif self.owner != owner:
            raise SpoolError(
                f"van: the spool {self.connection.path} holds rows of {self.owner}, not of "
                f"{owner}; seal it under its own van, or correct the name"
            )

    @property
    def _is_incomplete(self) -> bool:
        return self._repair.is_under_way

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

        Rows with quality ``none`` or ``rtc`` are read with their times moved and with ``quality``.
        The correction goes with the next commit, the rows stay as they are.
        """
        known = self._corrections.get(self.boot, Correction(0, quality))
        self._corrections[self.boot] = known.and_then(by_ms, quality)
        self._is_entered = False

    def replay(self, from_ms: int, to_ms: int) -> int:
        """As of the shelf; the next commit has it, so that no restart forgets it."""
        count = super().replay(from_ms, to_ms)
        self._note_book(self._book, every_ms=0)
        return count

    def add_fix(self, fix: Fix) -> int:
        """Take a fix into the next group; returns its seq in this start's stream.

        One that breaks the wire is logged, and its seq told as a gap.
        """
        try:
            return self._ring.add("fix", fix_body(fix))
        except ValueError as error:
            return self._lack("fix", error)

    def add_event(self, body: EventBody, stamp: Stamp) -> int:
        """Take an event into the next group, which the caller commits at once; returns its seq.

        One that breaks the wire is logged, and its seq told as a gap.
        """
        event = self._event(self._ring.next_seq("event"), body, stamp)
        try:
            return self._ring.add("event", event_body(event))
        except ValueError as error:
            return self._lack("event", error)

    def _lack(self, kind: Kind, error: ValueError) -> int:
        """Leave a hole where a row would stop whoever reads it."""
        logger.error("what breaks the wire is not kept", extra={"kind": kind, "why": str(error)})
        seq = self._ring.reserve(kind)
        self._unfit.append((kind, seq))
        return seq

    def _event(self, seq: int, body: EventBody, stamp: Stamp) -> Event:
        return Event(
            stream=str(self._own["event"]),
            seq=seq,
            recorded_at_ms=stamp.now_ms,
            body=body,
            quality=stamp.quality,
        )

    def own_stream(self, kind: Kind) -> int:
        """The id of this start's stream."""
        return self._own[kind]

    def held(self, kind: Kind, seq: int, limit: int) -> list[Row]:
        """This start's rows beyond ``seq`` that the medium does not take, while it takes none.

        They may leave all the same, as no other start uses their streams; one that comes back
        acknowledged is not kept. Their ids tell kind and seq, and no start.
        """
        if self.condition == "ok":
            return []
        rows = [Row(base_id(kind, 0) + at, body) for at, body in self._ring.after(kind, seq, limit)]
        if rows:
            self._lent[kind] = max(self._lent[kind], rows[-1].seq)
        correction = self._corrections.get(self.boot)
        return rows if correction is None else [corrected(row, correction) for row in rows]

    def release(self, ack: Ack) -> Told | None:
        """As of the shelf; what was held in memory and lent from there is gone at once."""
        for kind, stream in self._own.items():
            if stream == int(ack.stream):
                covered = spans(committed_ranges(ack), 0, self._lent[kind])
                self._ring.free(kind, Ranges(covered))
        return super().release(ack)

    @property
    def is_urgent(self) -> bool:
        """Whether an event waits for its commit."""
        return bool(self._ring.rows["event"])

    def has_work(self) -> bool:
        """Whether a commit would change anything that may not wait."""
        is_releasing = self._keep_acknowledged_ms == 0 and len(self._book.kept) > 0
        return bool(
            any(self._ring.rows.values())
            or self.condition != "ok"
            or self._refused
            or self._given_up
            or self._unfit
            or len(self._unsound)
            or is_releasing
            or not self._is_entered
            or self._damage is not None
            or self._notes.is_due
            or self._book.to_tell()
        )

    def tend(self, stamp: Stamp) -> None:
        """Do a little of what is not urgent: check the file, take rows out of a damaged one.

        Raises:
            sqlite3.Error: the medium takes nothing.
        """
        if self._checker is not None and self._checker.is_done:
            self._damage = self._checker.take_problem() or self._damage
            self._checker = None
        if self._damage is not None or self._repair.is_under_way:
            self._repair.step()
            self.commit(stamp)

    def commit(self, stamp: Stamp) -> None:
        """Put what was added and released onto the medium, all or nothing, and keep the bounds.

        Raises:
            sqlite3.Error: the medium takes nothing; all of it is kept for the next attempt.
        """
        try:
            self._bound_memory(stamp)
            self._tell_unfit(stamp)
            self._reach()
            if not self._is_adopted:
                self._adopt()
            self._commit(stamp)
        except sqlite3.Error as error:
            self.condition = "degraded"
            self._fail(error)
            raise
        self.condition = "ok"
        repaired = self._repair.done()
        if repaired is not None:
            logger.warning("the spool is repaired", extra={"salvaged": repaired.salvaged})
            self.add_event(repaired, stamp)

    def _commit(self, stamp: Stamp) -> None:
        book, is_urgent = self._book.copy(), self.is_urgent
        mark = self._ring.mark()
        salvaged: list[Row] = []
        try:
            with transaction(self.connection) as database:
                if not self._is_entered:
                    self._enter(database)
                self._set_aside(database, book, stamp)
                self._give_up(database, book, stamp)
                self._free(database, book, stamp)
                salvaged, lost = self._repair.put(database, book, self._streams)
                for gap in lost:
                    self._tell_gap(book, gap, "damaged", stamp)
                for reason, gap in book.to_tell():
                    seq = self._tell_gap(book, gap, reason, stamp)
                    book.told(gap.first, reason, base_id("event", self.boot) + seq)
                for kind in KINDS:
                    self._insert(database, book, kind)
                written = self._write_notes(database, book, None if is_urgent else stamp.now_ms)
        except BaseException:
            # The rollback brings the evicted rows back, so their gaps may never be told.
            self._ring.undo(mark)
            raise
        self._book, self._is_entered = book, True
        self._refused.clear()
        self._given_up.clear()
        self._unsound = Ranges()
        self._notes.written(written, stamp.now_ms)
        for kind, rows in self._ring.rows.items():
            self._committed[kind] = rows[-1][0] if rows else self._committed[kind]
        self._ring.clear()
        for row in salvaged:
            self._come_back(kind_of(row.id), row.id)

    def _enter(self, database: Medium) -> None:
        known = starts.known(self._streams, self._corrections)
        starts.enter(database, known)
        self.remember(starts.NOTE, starts.note_of(known))

    def _insert(self, database: Medium, book: Book, kind: Kind) -> None:
        base, rows = base_id(kind, self.boot), self._ring.rows[kind]
        if not rows:
            return
        database.executemany(
            # A damaged row may pass for one of these.
            "INSERT OR REPLACE INTO row VALUES (?, ?)",
            ((base + seq, checked(body, base + seq)) for seq, body in rows),
        )
        book.take(base + rows[0][0], base + rows[-1][0])
        following = self._committed[kind] + 1
        for seq, _ in rows:
            if seq > following:  # what was given up while the medium took nothing
                book.settle(base + following, base + seq - 1)
            following = seq + 1

    def _write_notes(
        self, database: Medium, book: Book, now_ms: int | None
    ) -> list[tuple[str, bytes]]:
        # What is gone must be settled in the same transaction, or it would count as waiting.
        is_changed = book.extents.keys() != self._book.extents.keys() or any(
            first != self._book.extents[base][0] for base, (first, _) in book.extents.items()
        )
        self._note_book(book, every_ms=0 if is_changed else _BOOK_EVERY_MS)
        rows = self._notes.to_write(now_ms)
        database.executemany(
            "INSERT OR REPLACE INTO note VALUES (?, ?)", (stored(*row) for row in rows)
        )
        return rows

    def _note_book(self, book: Book, *, every_ms: int) -> None:
        for key, body in book.encode().items():
            self._notes.remember(key, body, every_ms)

    def _set_aside(self, database: Medium, book: Book, stamp: Stamp) -> None:
        """Take out rows that the cloud has refused, or that decode to nothing, and tell it."""
        reasons: list[tuple[GapReason, list[Span]]] = [
            ("refused", self._refused),
            ("damaged", list(self._unsound)),
        ]
        for reason, given_up in reasons:
            for first, last in given_up:
                lost = sum(book.count(*span) for span in book.settled.missing(first, last))
                if lost == 0:
                    continue
                database.execute(
                    "INSERT OR IGNORE INTO refused"
                    " SELECT id, body FROM row WHERE id BETWEEN ? AND ?",
                    (first, last),
                )
                self._tell_gap(book, Lost(first, last, lost), reason, stamp)
                book.settle(first, last)
                database.execute("DELETE FROM row WHERE id BETWEEN ? AND ?", (first, last))
                self._note_book(book, every_ms=0)
        if self._refused or len(self._unsound):
            database.execute(
                "DELETE FROM refused WHERE id NOT IN"
                " (SELECT id FROM refused ORDER BY id DESC LIMIT ?)",
                (MAX_REFUSED,),
            )

    def _give_up(self, database: Medium, book: Book, stamp: Stamp) -> None:
        for first, last in self._given_up:
            self._tell_gap(book, Lost(first, last, last - first + 1), "sealed", stamp)
            book.settle(first, last)
        if self._given_up:
            events = [span for span in self._given_up if kind_of(span[0]) == "event"]
            evicting.tell_again(database, book, events)
            self._note_book(book, every_ms=0)

    def _free(self, database: Medium, book: Book, stamp: Stamp) -> None:
        self._make_room(database, book)
        self._expire(database, book, stamp)
        # While rows come out of a damaged file, it says which of them nobody waits for.
        if book.extents.keys() < self._book.extents.keys() and not self._is_incomplete:
            book.prune(base_id(kind, self.boot) for kind in KINDS)

    def _make_room(self, database: Medium, book: Book) -> None:
        if self._keep_acknowledged_ms == 0:
            while evicting.drop_acknowledged(database, book, SEQS):
                pass
        added = sum(len(body) + 16 for rows in self._ring.rows.values() for _, body in rows)
        limit = evicting.page_limit(database, self._max_bytes, self._keep_free_bytes)
        evicting.make_room(database, book, limit - added // PAGE_BYTES)

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

    def _bound_memory(self, stamp: Stamp) -> None:
        for kind in KINDS:
            lost = self._ring.give_up(kind)
            if not lost:
                continue
            bodies = [body for _, body in lost] if kind == "event" else []
            gap = Lost(lost[0][0], lost[-1][0], len(lost))
            self.add_event(self._gap(self._own[kind], gap, "damaged"), stamp)
            for event in (codec.decode(body, Event) for body in bodies):
                # What an event told that is gone itself is told again.
                if isinstance(event.body, Gap):
                    self.add_event(event.body, stamp)

    def _tell_unfit(self, stamp: Stamp) -> None:
        for kind, seq in self._unfit:
            self.add_event(self._gap(self._own[kind], Lost(seq, seq, 1), "damaged"), stamp)
        self._unfit.clear()

    def _tell_gap(self, book: Book, gap: Lost, reason: GapReason, stamp: Stamp) -> int:
        stream = self.stream_of(gap.first)
        seq = self.add_event(self._gap(stream.id, gap, reason), stamp)
        book.tellers[base_id(stream.kind, stream.boot)] = base_id("event", self.boot) + seq
        return seq

    @staticmethod
    def _gap(stream: int, gap: Lost, reason: GapReason) -> Gap:
        return Gap(
            stream=str(stream),
            first=gap.first % SEQS,
            last=gap.last % SEQS,
            kept=gap.last - gap.first + 1 - gap.lost,
            reason=reason,
        )

    def refuse(self, first: int, last: int, stamp: Stamp) -> None:
        """Set rows aside that the cloud has refused again and again, and tell the gap.

        Raises:
            sqlite3.Error: the medium takes nothing; the same call again tells no second gap.
        """
        if (first, last) not in self._refused:
            self._refused.append((first, last))
        self.commit(stamp)

    def give_up(self, stamp: Stamp) -> None:
        """Tell what waits from earlier starts as gaps ``sealed``, in one commit; it is not sent.

        The rows stay where they are, so that a full medium takes this too.

        Raises:
            sqlite3.Error: the medium takes nothing; it is done with the next commit that it takes.
        """
        self._given_up = [span for kind in KINDS for span in self.earlier(kind)]
        self.commit(stamp)

    def close(self) -> None:
        """Let go of the file. What was not committed is lost, but for what is acknowledged."""
        if self._checker is not None:
            self._checker.stop()
        self._repair.close()
        if self._is_adopted:
            with suppress(sqlite3.Error), transaction(self.connection) as database:
                self._write_notes(database, self._book, None)
        self.connection.close()
