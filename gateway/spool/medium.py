"""The one SQLite connection, which outlives the file behind it, and the medium it lies on."""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from gateway.durable import is_there
from gateway.spool import schema
from gateway.spool.checking import (
    SMALL_BYTES,
    Malformed,
    code_of,
    is_damage,
    problem_of,
    readable,
    was_cut,
)

logger = logging.getLogger(__name__)

CHECKPOINT_PAGES: Final = 2000
"""A checkpoint every few hours at 1 Hz: a page that changed often is written to the file once."""

_TICK_STEPS: Final = 1_000_000
_MAX_TICKS: Final = 300
"""No statement on a sound file takes so many steps; deleting all of 200 MB takes a tenth."""

_WAL_BYTES: Final = 4_000_000


class Medium:
    """A connection that can be opened anew while others hold on to this object.

    When the file cannot be opened because the medium fails, an empty stand-in takes its place: it
    answers every question with nothing and takes no row.

    Args:
        path: a file made by ``gateway prepare``, or here once a medium that took none takes it.
        free_bytes: what the file system of a folder has left for us; None asks the system.

    Attributes:
        is_standin: whether the stand-in is in use.
        damage: what is wrong with the file, which is then not in use; None for a sound one.
        was_cut: whether the file was last left without being closed.

    """

    def __init__(self, path: Path, free_bytes: Callable[[Path], int] | None = None) -> None:
        self.path = path
        # One that was there and is gone is waited for: its partition may be away for a while.
        self._was_there = is_there(path)
        self.is_standin = True
        self.damage: str | None = None
        self.was_cut = was_cut(path)
        self._free_bytes = free_bytes or _free_bytes
        self._ticks = 0
        self._connection = _standin()
        try:
            self.reopen()
        except sqlite3.Error:
            logger.exception("the spool cannot be opened")

    def execute(self, statement: str, values: Iterable[Any] = ()) -> sqlite3.Cursor:
        """As of `sqlite3.Connection`."""
        self._ticks = 0
        try:
            return self._connection.execute(statement, tuple(values))
        except UnicodeDecodeError as error:
            raise Malformed(str(error)) from error

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

    def pages(self) -> int:
        """Pages of the file as it is once its log is folded in."""
        (pages,) = self.execute("PRAGMA page_count").fetchone()
        return int(pages)

    def used_pages(self) -> int:
        """Pages that hold something."""
        (free,) = self.execute("PRAGMA freelist_count").fetchone()
        return self.pages() - int(free)

    def reopen(self) -> None:
        """Take the file at the path as it is now; without success all stays as it was.

        Raises:
            sqlite3.Error: the medium fails.
        """
        if not (self._was_there or is_there(self.path)):
            _begin(self.path)
        self._was_there = True
        # A first look closes the file and takes its log away: what was cut stays cut.
        self.was_cut = self.was_cut or was_cut(self.path)
        connection, self.damage = _opened(self.path, was_cut=self.was_cut)
        if connection is not None:
            self.close()
            connection.set_progress_handler(self._tick, _TICK_STEPS)
            self._connection, self.is_standin = connection, False

    def _tick(self) -> bool:
        """Whether to break a statement off: in a damaged tree it may go round for ever."""
        self._ticks += 1
        return self._ticks > _MAX_TICKS

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


def _begin(path: Path) -> None:
    """Make the file that could not be made at the start."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise sqlite3.OperationalError(f"{path.parent}: {error.strerror}") from error
    schema.make(path)


def _free_bytes(folder: Path) -> int:
    try:
        told = os.statvfs(folder)
    except OSError:
        return 0
    return told.f_bavail * told.f_frsize


def _standin() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.create(connection)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _opened(path: Path, *, was_cut: bool) -> tuple[sqlite3.Connection | None, str | None]:
    """The connection, or what is wrong with the file."""
    is_to_check = was_cut and path.stat().st_size <= SMALL_BYTES
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode=rw", uri=True, isolation_level=None
    )
    connection.text_factory = readable
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -1024")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}").fetchone()
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        problem: str | None
        if version != schema.SCHEMA_VERSION:
            problem = f"a spool of version {version}, this program reads {schema.SCHEMA_VERSION}"
        else:
            for probe in schema.PROBES:
                connection.execute(probe)
            problem = problem_of(connection) if is_to_check else None
    except UnicodeDecodeError as error:
        connection.close()
        return None, str(error)
    except sqlite3.Error as error:
        connection.close()
        if is_damage(error) or code_of(error) == sqlite3.SQLITE_ERROR:
            return None, str(error)
        raise
    if problem is None:
        return connection, None
    connection.close()
    return None, problem
