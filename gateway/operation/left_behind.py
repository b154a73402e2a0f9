"""What a gateway that does not run has left in its spool, read without writing a byte."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

import msgspec

from gateway.durable import is_there
from gateway.spool.book import Book
from gateway.spool.notes import sound
from gateway.spool.rows import KINDS, SEQS, base_id


class LeftBehind(msgspec.Struct, frozen=True, kw_only=True):
    """The spool on disk; ``problem`` says why it cannot be read."""

    fixes: int = 0
    events: int = 0
    bytes: int = 0
    boot: int = 0
    problem: str | None = None


def look(path: Path) -> LeftBehind:
    """Read the spool at ``path``; beside a running gateway it may be a moment old."""
    if not is_there(path):
        return LeftBehind(problem=f"{path} is not there; has this gateway ever run?")
    # Read-only: a second connection that wrote or checkpointed could damage the file (WAL reset).
    # Without a log beside it, it is as it was closed, and needs no shared memory to be read.
    log = path.with_name(f"{path.name}-wal")
    mode = "mode=ro" if is_there(log) else "mode=ro&immutable=1"
    try:
        database = sqlite3.connect(f"file:{quote(str(path.absolute()))}?{mode}", uri=True)
        try:
            return _read(database, path)
        finally:
            database.close()
    except sqlite3.Error as error:
        return LeftBehind(problem=f"{path} cannot be read: {error}")


def _read(database: sqlite3.Connection, path: Path) -> LeftBehind:
    book = Book()
    boots = [boot for (boot,) in database.execute("SELECT boot FROM stream")]
    for kind in KINDS:
        for boot in boots:
            base = base_id(kind, boot)
            first, last = database.execute(
                "SELECT min(id), max(id) FROM row WHERE id BETWEEN ? AND ?", (base, base + SEQS - 1)
            ).fetchone()
            if first is not None:
                book.take(first, last)
    book.restore(sound(database.execute("SELECT key, body FROM note")))
    return LeftBehind(
        fixes=book.waiting("fix"),
        events=book.waiting("event"),
        bytes=path.stat().st_size,
        boot=max(boots, default=0),
    )
