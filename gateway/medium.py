"""The one SQLite connection, which outlives the file behind it, and the medium it lies on."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from gateway.errors import SpoolError
from gateway.schema import SCHEMA_VERSION

CHECKPOINT_PAGES: Final = 500
"""A checkpoint an hour at 1 Hz: each page is written to the file once, however often it changed."""

_WAL_BYTES: Final = 4_000_000


class Medium:
    """A connection that can be opened anew while others hold on to this object.

    Args:
        path: a file made by ``gateway prepare``.
        free_bytes: what the file system of a folder has left for us.

    Raises:
        SpoolError: there is no spool, or it is of another version.
        sqlite3.DatabaseError: it is damaged.
    """

    def __init__(self, path: Path, free_bytes: Callable[[Path], int] | None = None) -> None:
        self.path = path
        self._free_bytes = free_bytes or _free_bytes
        self._connection = _open(path)

    def execute(self, statement: str, values: Iterable[Any] = ()) -> sqlite3.Cursor:
        """As of `sqlite3.Connection`."""
        return self._connection.execute(statement, tuple(values))

    def executemany(self, statement: str, rows: Iterable[Any]) -> sqlite3.Cursor:
        """As of `sqlite3.Connection`."""
        return self._connection.executemany(statement, rows)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._connection.in_transaction

    def free_bytes(self) -> int:
        """What the medium has left."""
        return self._free_bytes(self.path.parent)

    def taken_bytes(self) -> int:
        """What the file has taken of the medium, without its log."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def used_pages(self) -> int:
        """Pages that hold something."""
        (pages,) = self.execute("PRAGMA page_count").fetchone()
        (free,) = self.execute("PRAGMA freelist_count").fetchone()
        return int(pages - free)

    def reopen(self) -> None:
        """Take the file at the path as it is now; without success the old connection stays.

        Raises:
            SpoolError: there is no spool, or it is of another version.
        """
        connection = _open(self.path)
        self.close()
        self._connection = connection

    def close(self) -> None:
        """Let go of the file."""
        with suppress(sqlite3.Error):
            self._connection.close()


type Connected = sqlite3.Connection | Medium


@contextmanager
def transaction[C: (sqlite3.Connection, Medium)](connection: C) -> Iterator[C]:
    """All or nothing; the write lock is taken at once."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


def _free_bytes(folder: Path) -> int:
    try:
        told = os.statvfs(folder)
    except OSError:
        return 0
    return told.f_bavail * told.f_frsize


def _open(path: Path) -> sqlite3.Connection:
    connection = None
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode=rw", uri=True, isolation_level=None
        )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -1024")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}").fetchone()
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise SpoolError(f"{path}: {error}; run gateway prepare, or move the file aside") from error
    if version == SCHEMA_VERSION:
        return connection
    connection.close()
    raise SpoolError(
        f"{path}: a spool of version {version}, this program reads {SCHEMA_VERSION}; "
        "use the program that wrote it until it is empty, or move it aside"
    )
