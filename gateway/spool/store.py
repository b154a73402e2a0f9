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

from gateway.spool import adopting, gaps, starts
from gateway.spool.backfill import Correction, corrected
from gateway.spool.book import Book, GapReason
from gateway.spool.checking import SMALL_BYTES, Checker
from gateway.spool.gaps import Teller
from gateway.spool.medium import Medium, transaction
from gateway.spool.notes import Notes, stored
from gateway.spool.pending import Pending
from gateway.spool.ranges import Ranges, Span
from gateway.spool.repairing import Repair
from gateway.spool.room import Bounds, Room, is_gone_from
from gateway.spool.rows import KINDS, Kind, Row, Told, base_id, kind_of
from gateway.spool.shelf import Shelf
from gateway.stamp import Stamp
from wire.events import EventBody
from wire.messages import Ack, Fix
from wire.values import ClockQuality

logger = logging.getLogger(__name__)

_BOOK_EVERY_MS: Final = 60_000
"""An acknowledgement that a power cut takes away is asked for again, so it may wait."""


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
        self._room = Room(Bounds(max_bytes, keep_free_bytes, keep_acknowledged_ms))
        self._pending = Pending()
        self._notes = Notes()
        self._repair = Repair(self.connection, self._notes)
        self._refused: list[Span] = []
        self._given_up: list[Span] = []
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
        return adopting.owner_in(self._notes)

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
        self._started = (version, stamp, owner)
        self._pending.begin(fixes=fixes, events=events)
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
            self._repair.replace_file(
                damage, self._room.bounds.keep_free_bytes, self._book.extents, self.boot
            )
            self._damage, self._is_entered = None, False
            self._book.extents, self._book.kept = {}, Ranges()
        elif not self._is_loaded:
            self._notes.load(self.connection)
        self._is_loaded = True

    def _adopt(self) -> None:
        """Become the next start of the file's van."""
        version, stamp, owner = self._started
        if owner is not None:
            adopting.claim(self.connection, self._notes, owner)
        adopted = adopting.adopt(self.connection, self._notes, self._repair, self._pending.own)
        # What was corrected before this start had its ordinal is its own.
        own = self._corrections.pop(0, None)
        self.boot, self._streams, self._corrections, self._book = adopted
        if own is not None:
            self._corrections[self.boot] = own
        self._is_adopted = True
        self._pending.tell_start(self.boot, version, stamp)

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
        return self._pending.add_fix(fix)

    def add_event(self, body: EventBody, stamp: Stamp) -> int:
        """Take an event into the next group, which the caller commits at once; returns its seq.

        One that breaks the wire is logged, and its seq told as a gap.
        """
        return self._pending.add_event(body, stamp)

    def own_stream(self, kind: Kind) -> int:
        """The id of this start's stream."""
        return self._pending.own[kind]

    def held(self, kind: Kind, seq: int, limit: int) -> list[Row]:
        """This start's rows beyond ``seq`` that the medium does not take, while it takes none.

        They may leave all the same, as no other start uses their streams; one that comes back
        acknowledged is not kept. Their ids tell kind and seq, and no start.
        """
        if self.condition == "ok":
            return []
        rows = self._pending.lend(kind, seq, limit)
        correction = self._corrections.get(self.boot)
        return rows if correction is None else [corrected(row, correction) for row in rows]

    def release(self, ack: Ack) -> Told | None:
        """As of the shelf; what was held in memory and lent from there is gone at once."""
        self._pending.free(ack)
        return super().release(ack)

    @property
    def is_urgent(self) -> bool:
        """Whether an event waits for its commit."""
        return bool(self._pending.ring.rows["event"])

    def has_work(self) -> bool:
        """Whether a commit would change anything that may not wait."""
        is_releasing = not self._room.keeps_acknowledged and len(self._book.kept) > 0
        return bool(
            self._pending.has_rows
            or self.condition != "ok"
            or self._refused
            or self._given_up
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
            self._pending.bound(stamp)
            self._pending.tell_unfit(stamp)
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
        ring = self._pending.ring
        mark = ring.mark()
        teller = Teller(self._pending, self._streams, self.boot, stamp)
        salvaged: list[Row] = []
        try:
            with transaction(self.connection) as database:
                if not self._is_entered:
                    self._enter(database)
                self._give_away(database, book, teller)
                self._free(database, book, stamp)
                salvaged, lost = self._repair.put(database, book, self._streams)
                for gap in lost:
                    teller.tell(book, gap, "damaged")
                gaps.tell_due(book, teller)
                self._pending.put(database, book, self.boot, self._committed)
                written = self._write_notes(database, book, None if is_urgent else stamp.now_ms)
        except BaseException:
            # The rollback brings the evicted rows back, so their gaps may never be told.
            ring.undo(mark)
            raise
        self._book, self._is_entered = book, True
        self._refused.clear()
        self._given_up.clear()
        self._unsound = Ranges()
        self._notes.written(written, stamp.now_ms)
        for kind, rows in ring.rows.items():
            self._committed[kind] = rows[-1][0] if rows else self._committed[kind]
        ring.clear()
        for row in salvaged:
            self._come_back(kind_of(row.id), row.id)

    def _enter(self, database: Medium) -> None:
        known = starts.known(self._streams, self._corrections)
        starts.enter(database, known)
        self.remember(starts.NOTE, starts.note_of(known))

    def _write_notes(
        self, database: Medium, book: Book, now_ms: int | None
    ) -> list[tuple[str, bytes]]:
        # What is gone must be settled in the same transaction, or it would count as waiting.
        is_changed = is_gone_from(self._book.extents, book.extents)
        self._note_book(book, every_ms=0 if is_changed else _BOOK_EVERY_MS)
        rows = self._notes.to_write(now_ms)
        database.executemany(
            "INSERT OR REPLACE INTO note VALUES (?, ?)", (stored(*row) for row in rows)
        )
        return rows

    def _note_book(self, book: Book, *, every_ms: int) -> None:
        for key, body in book.encode().items():
            self._notes.remember(key, body, every_ms)

    def _give_away(self, database: Medium, book: Book, teller: Teller) -> None:
        """Tell what was refused, found unsound or given up, and remember it with this commit."""
        reasons: list[tuple[GapReason, list[Span]]] = [
            ("refused", self._refused),
            ("damaged", list(self._unsound)),
        ]
        is_changed = bool(self._given_up)
        for reason, gone in reasons:
            is_changed |= gaps.set_aside(database, book, teller, reason, gone)
        if self._refused or len(self._unsound):
            gaps.bound_aside(database)
        gaps.seal(database, book, teller, self._given_up)
        if is_changed:
            self._note_book(book, every_ms=0)

    def _free(self, database: Medium, book: Book, stamp: Stamp) -> None:
        rows = [row for rows in self._pending.ring.rows.values() for row in rows]
        self._room.make(database, book, rows)
        self._room.expire(database, book, stamp, self._first_at)
        # While rows come out of a damaged file, it says which of them nobody waits for.
        if book.extents.keys() < self._book.extents.keys() and not self._is_incomplete:
            book.prune(base_id(kind, self.boot) for kind in KINDS)

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
