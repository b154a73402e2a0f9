"""Taking what can still be read out of a damaged spool, a little at a time.

The damaged file is set aside under another name and a fresh one takes its place at once, so that
recording goes on. Rows are found by walking their ids; where a page cannot be read, the walk looks
for the next id that can.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.durable import sync_folder
from gateway.spool import schema
from gateway.spool.book import whole
from gateway.spool.checking import Malformed, readable
from gateway.spool.medium import transaction
from gateway.spool.notes import sound, stored
from gateway.spool.rows import KIND_BIT, KINDS, Row, boot_of, unchecked

KEPT_FILES: Final = 3
"""Damaged files that stay for whoever looks into it; older ones are removed."""

STEP_ROWS: Final = 500

_UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError)
_MAX_SMALL: Final = 10_000
_SMALL_TABLES: Final = {"stream": 5, "note": 2, "command": 2, "result": 2}
END: Final = (2 << KIND_BIT) - 1
"""The largest id there can be."""


def name_aside(path: Path) -> Path:
    """Where the spool would be set aside."""
    names = _names(path)
    number = _number(names[-1]) + 1 if names else 1
    return path.with_name(f"{path.stem}.damaged-{number}.db")


def set_aside(
    path: Path,
    aside: Path,
    notes: Callable[[dict[str, bytes]], dict[str, bytes]],
    free_bytes: Callable[[], int],
    keep_free_bytes: int,
) -> None:
    """Give the spool another name, with its log, and put an empty one in its place.

    The empty one knows the same starts, notes and commands, as far as they can be read.

    Args:
        path: the damaged spool.
        aside: where it goes.
        notes: given the notes that could be read, what the new file notes beside them.
        free_bytes: what the medium has left.
        keep_free_bytes: below this even the last damaged files are removed.

    Raises:
        OSError, sqlite3.Error: the medium takes nothing.
    """
    names = _names(path)
    for old in names[: max(0, len(names) + 1 - KEPT_FILES)]:
        _remove(old)
    while (names := [name for name in names if name.exists()]) and free_bytes() < keep_free_bytes:
        _remove(names[0])
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    schema.make(unfinished)
    # Both names at once, so that a power cut in between never parts the file from its log.
    for suffix in ("", "-wal"):
        with suppress(FileNotFoundError):
            os.link(f"{path}{suffix}", f"{aside}{suffix}")
    _copy_small_tables(aside, unfinished, notes)
    # A log beside another file than its own would be replayed into it.
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    unfinished.rename(path)
    sync_folder(path.parent)


def _names(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.stem}.damaged-*.db"), key=_number)


def _number(path: Path) -> int:
    digits = path.stem.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _copy_small_tables(
    aside: Path, fresh: Path, notes: Callable[[dict[str, bytes]], dict[str, bytes]]
) -> None:
    read = {table: _readable(aside, table, columns) for table, columns in _SMALL_TABLES.items()}
    known = sound(read["note"])
    read["note"] = [stored(key, body) for key, body in (known | notes(known)).items()]
    with (
        closing(sqlite3.connect(fresh, isolation_level=None)) as connection,
        transaction(connection) as database,
    ):
        for table, rows in read.items():
            marks = ", ".join("?" * _SMALL_TABLES[table])
            database.executemany(
                f"INSERT OR REPLACE INTO {table} VALUES ({marks})",  # noqa: S608 - our own names
                rows,
            )


def _readable(aside: Path, table: str, columns: int) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    with suppress(*_UNREADABLE), closing(_open(aside)) as damaged:
        found = damaged.execute(f"SELECT * FROM {table} LIMIT {_MAX_SMALL}")  # noqa: S608 - ours
        for row in found:
            if len(row) == columns and None not in row[:2]:
                rows.append(row)  # noqa: PERF401 - what was read before an error stays
    return rows


def newest_boot(aside: Path) -> int:
    """The newest start of which rows can be read out of the damaged file; 0 without any."""
    boots = [0]
    with suppress(*_UNREADABLE), closing(_open(aside)) as damaged:
        for first, last in map(whole, KINDS):
            with suppress(*_UNREADABLE):
                rows = damaged.execute(
                    "SELECT id, body FROM row WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT ?",
                    (first, last, STEP_ROWS),
                )
                boots += [boot_of(row_id) for row_id, body in rows if unchecked(body, row_id)]
    return max(boots)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a salvage is; kept as a note, so that a restart goes on with it.

    Attributes:
        name: of the file set aside. problem: what was found.
        at: ids up to this one are done. last: the last row that could be read.
        salvaged: rows that could be read and still waited.
        ends: the last row of each stream, by the id of its seq 0, where that is known.
        newest: the newest start that has rows in it; later ones are this file's own.
        strange: rows of starts whose streams nobody knows any more.
    """

    name: str
    problem: str
    newest: int
    at: int = -1
    last: int = -1
    salvaged: int = 0
    ends: dict[int, int] = {}
    strange: int = 0

    def went(self, at: int, last: int, salvaged: int, strange: int) -> "Progress":
        """Everything up to ``at`` is in the new file."""
        return msgspec.structs.replace(
            self,
            at=at,
            last=last,
            salvaged=self.salvaged + salvaged,
            strange=self.strange + strange,
        )


class Salvage:
    """Walks one file that was set aside.

    Args:
        folder: where it lies.
        progress: how far it is.
    """

    def __init__(self, folder: Path, progress: Progress) -> None:
        self.progress = progress
        self._damaged: sqlite3.Connection | None = None
        with suppress(*_UNREADABLE):
            self._damaged = _open(folder / progress.name)

    def read(self) -> tuple[list[Row], int]:
        """The next rows, and up to which id they are all there are to be had."""
        at = self.progress.at
        limit = STEP_ROWS
        while limit:
            try:
                rows, is_end = self._rows(at, limit)
            except _UNREADABLE:
                limit = max(limit // 8, 1) if limit > 1 else 0
                continue
            return rows, END if is_end else rows[-1].id
        return [], self._next_readable(at) - 1

    def close(self) -> None:
        """Let go of the damaged file."""
        if self._damaged is not None:
            with suppress(*_UNREADABLE):
                self._damaged.close()

    def _rows(self, at: int, limit: int) -> tuple[list[Row], bool]:
        """The next rows beyond ``at``, and whether there are no more."""
        if self._damaged is None:
            return [], True
        found = self._damaged.execute(
            "SELECT id, body FROM row WHERE typeof(id) = 'integer' AND id > ? ORDER BY id LIMIT ?",
            (at, limit),
        ).fetchall()
        rows: list[Row] = []
        for row_id, body in found:
            if row_id <= at:  # a page that was overwritten gives rows out of order
                break
            rows.append(Row(row_id, body))
            at = row_id
        if found and not rows:
            raise Malformed("rows are not where their ids belong")
        return rows, len(found) < limit and len(rows) == len(found)

    def _can_read_from(self, row_id: int) -> bool:
        try:
            self._rows(row_id - 1, 1)
        except _UNREADABLE:
            return False
        return True

    def _next_readable(self, at: int) -> int:
        """The lowest id beyond ``at`` from which rows can be read."""
        bad, step = at, 1
        while not self._can_read_from(bad + step):
            bad, step = bad + step, step * 2
            if bad + step > END:
                return END + 1
        good = bad + step
        while good - bad > 1:
            middle = (good + bad) // 2
            bad, good = (bad, middle) if self._can_read_from(middle) else (middle, good)
        return good


def _open(path: Path) -> sqlite3.Connection:
    damaged = sqlite3.connect(path, isolation_level=None)
    damaged.text_factory = readable
    try:
        damaged.execute("PRAGMA query_only = ON")
        damaged.execute("PRAGMA cache_size = -512")
    except _UNREADABLE:
        damaged.close()
        raise
    return damaged
