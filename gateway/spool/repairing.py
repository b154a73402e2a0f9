"""Carries a salvage on beside the recording, and keeps the account of what could not be read."""

import sqlite3
from collections.abc import Mapping

import msgspec

from gateway.spool import salvage, starts
from gateway.spool.book import Book, Lost
from gateway.spool.medium import Medium
from gateway.spool.notes import Notes
from gateway.spool.ranges import Span
from gateway.spool.rows import SEQS, Row, Stream, boot_of, unchecked
from gateway.spool.salvage import Progress, Salvage
from wire.events import SpoolRepaired

_NOTE = "/salvage"
_MAX_PROBLEM = 400
"""What is added to it fits into the event too."""


class Repair:
    """One file at a time, in the order in which they were set aside.

    Args:
        medium: the spool's file.
        notes: where the progress is kept.
    """

    def __init__(self, medium: Medium, notes: Notes) -> None:
        self._medium = medium
        self._notes = notes
        self._salvage: Salvage | None = None
        self._chunk: tuple[list[Row], int] = ([], -1)

    @property
    def is_under_way(self) -> bool:
        """Whether there are rows to be had."""
        return self._salvage is not None

    def restore(self) -> bool:
        """Go on with what an earlier start has begun; whether there is something."""
        if self._salvage is None:
            self._begin_next(_noted(self._notes.recall(_NOTE)))
        return self.is_under_way

    def _begin_next(self, queue: list[Progress]) -> None:
        if queue:
            self._salvage = Salvage(self._medium.path.parent, queue[0])
            self._chunk = ([], -1)

    @property
    def newest(self) -> int:
        """The newest start that has rows in a file which is not done; 0 without one."""
        return max((file.newest for file in self._queue(None)), default=0)

    def replace_file(
        self, problem: str, keep_free_bytes: int, extents: dict[int, Span], boot: int
    ) -> None:
        """Set the file aside and go on with an empty one that knows the same starts and commands.

        Args:
            problem: what is wrong with it.
            keep_free_bytes: what the medium keeps for others.
            extents: which rows it had, as far as that is known.
            boot: this start; 0 before it is one.

        Raises:
            sqlite3.Error: the medium takes nothing.
        """
        medium = self._medium
        medium.close()
        aside = salvage.name_aside(medium.path)
        ends = {base: last for base, (_, last) in extents.items()}
        queue: list[Progress] = []

        def joins(notes: dict[str, bytes]) -> dict[str, bytes]:
            entered = [start.boot for start in starts.noted(notes.get(starts.NOTE))]
            newest = max(boot, salvage.newest_boot(aside), *entered, *map(boot_of, ends))
            progress = Progress(
                name=aside.name, problem=problem[:_MAX_PROBLEM], newest=newest, ends=ends
            )
            queue[:] = [*self._queue(notes.get(_NOTE)), progress]
            return {_NOTE: msgspec.msgpack.encode(queue)}

        try:
            salvage.set_aside(medium.path, aside, joins, medium.free_bytes, keep_free_bytes)
        except OSError as error:
            raise sqlite3.OperationalError(f"the spool cannot be replaced: {error}") from error
        medium.reopen()
        self._notes.load(medium)
        self._remember(queue)
        if self._salvage is None:
            self._begin_next(queue)

    def _queue(self, noted: bytes | None) -> list[Progress]:
        """The files that are not done; of the first what is known to be committed."""
        queue = _noted(self._notes.recall(_NOTE) or noted)
        return queue if self._salvage is None else [self._salvage.progress, *queue[1:]]

    def _remember(self, queue: list[Progress]) -> None:
        self._notes.remember(_NOTE, msgspec.msgpack.encode(queue))

    def step(self) -> None:
        """Read a little more; the next `put` has it."""
        if self._salvage is not None and self._chunk[1] <= self._salvage.progress.at:
            self._chunk = self._salvage.read()

    def put(
        self, database: Medium, book: Book, streams: Mapping[int, Stream]
    ) -> tuple[list[Row], list[Lost]]:
        """Write what was read, inside the caller's transaction.

        Returns:
            The rows that are new, and the ranges that are damaged.
        """
        rows, at = self._chunk
        if self._salvage is None or at <= self._salvage.progress.at:
            return [], []
        before = self._salvage.progress
        whole = [row for row in rows if unchecked(row.body, row.id) is not None]
        good = [
            row
            for row in whole
            # A later start's streams bear the name of what nobody knows any more.
            if row.id - row.id % SEQS in streams and boot_of(row.id) <= before.newest
        ]
        holes = self._holes(before, good, at, book)
        lost = [hole for hole in holes if hole.first - hole.first % SEQS in streams]
        new = [row for row in good if row.id not in book.settled and book.count(row.id, row.id)]
        database.executemany("INSERT OR IGNORE INTO row VALUES (?, ?)", new)
        for row in new:
            book.take(row.id, row.id)
        for first, last, _ in lost:
            book.settle(first, last)
        last = good[-1].id if good else before.last
        self._remember(
            [before.went(at, last, len(new), len(whole) - len(good)), *self._queue(None)[1:]]
        )
        return new, lost

    def _holes(self, before: Progress, rows: list[Row], at: int, book: Book) -> list[Lost]:
        """The waiting rows that should have been there and were not."""
        holes: list[Span] = []
        last = before.last
        for row in rows:
            base = row.id - row.id % SEQS
            if last >= base:
                holes.append((last + 1, row.id - 1))
            else:
                holes += _tails(before.ends, last, base)
                if self._notes.recall("/settled") is not None:
                    holes.append((base, row.id - 1))
            last = row.id
        if at >= salvage.END:
            holes += _tails(before.ends, last, salvage.END)
        return [
            Lost(first, end, count)
            for hole in holes
            for first, end in book.settled.missing(*hole)
            if (count := book.count(first, end))
        ]

    def done(self) -> SpoolRepaired | None:
        """What was put is committed.

        Returns:
            What to tell when that was all of one file.
        """
        queue = _noted(self._notes.recall(_NOTE))
        if self._salvage is None or not queue:
            return None
        progress = self._salvage.progress = queue[0]
        if progress.at < salvage.END:
            return None
        self.close()
        self._remember(queue[1:])
        self._begin_next(queue[1:])
        problem = progress.problem
        if progress.strange:
            problem += f"; lost with their streams' ids: {progress.strange} rows"
        return SpoolRepaired(salvaged=progress.salvaged, problem=problem)

    def close(self) -> None:
        """Let go of the file that was set aside."""
        if self._salvage is not None:
            self._salvage.close()
            self._salvage = None


def _noted(body: bytes | None) -> list[Progress]:
    return [] if body is None else msgspec.msgpack.decode(body, type=list[Progress])


def _tails(ends: Mapping[int, int], after: int, before: int) -> list[Span]:
    """What is left of the streams that end beyond ``after`` and lie before ``before``."""
    return [
        (max(base, after + 1), end)
        for base, end in sorted(ends.items())
        if base < before and end > after
    ]
