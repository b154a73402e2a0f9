"""One writer and many readers over a SQLite file, by SQLAlchemy Core.

Each file is written by one process through one connection, and in turns by the command line beside
it. Every writing transaction starts with BEGIN IMMEDIATE: a deferred one that first reads and then
writes fails at once with SQLITE_BUSY_SNAPSHOT, whatever the timeout. Readers open the file
read-only, so they never checkpoint.
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, text
from sqlalchemy.pool import QueuePool, StaticPool

from cloud.foundation.errors import Invalid

_NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
BUSINESS: Final = MetaData(naming_convention=_NAMING)
"""Fleet, orders, plans, users: written by web alone."""
TELEMETRY: Final = MetaData(naming_convention=_NAMING)
"""Fixes and events of the vans: written by ingest alone."""


class Database:
    """Transactions on one SQLite file; ``reading`` from any process, ``writing`` from one.

    Args:
        path: the file.
        before_commit: called at the end of each writing transaction, inside it.
    """

    def __init__(
        self, path: Path, before_commit: Callable[[Connection], None] | None = None
    ) -> None:
        self.path = path
        self._before_commit = before_commit
        self._reader: Engine | None = None
        self._writer: Engine | None = None
        self._opening = threading.Lock()
        self._writing = threading.Lock()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction on the one writing connection; commits at the end, or rolls back."""
        with self._opening:
            if self._writer is None:
                self._writer = _writer_engine(self.path)
        with self._writing, _turn(self.path), self._writer.begin() as connection:
            yield connection
            if self._before_commit is not None:
                self._before_commit(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view; never blocks a writer and is never blocked."""
        with self._opening:
            if self._reader is None:
                self._reader = _reader_engine(self.path)
        with self._reader.begin() as connection:
            yield connection

    def close(self) -> None:
        """End every connection; a closed database opens again when it is used."""
        for engine in (self._reader, self._writer):
            if engine is not None:
                engine.dispose()
        self._reader = self._writer = None


def last_numbers(connection: Connection) -> dict[str, int]:
    """The last number that was given in each table that counts its rows and uses none twice."""
    is_there = text("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'")
    if connection.scalar(is_there) is None:
        return {}
    return {row.name: row.seq for row in connection.execute(text("SELECT * FROM sqlite_sequence"))}


def set_last_numbers(connection: Connection, numbers: Mapping[str, int]) -> None:
    """Go on after these numbers: a consumer may stand at one whose row is gone."""
    for table, last in numbers.items():
        named = {"table": table, "last": last}
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :table"), named)
        connection.execute(text("INSERT INTO sqlite_sequence VALUES (:table, :last)"), named)


def require_sound(database: Database) -> None:
    """Have the store look at every page.

    Raises:
        Invalid: it finds damage.
    """
    with database.reading() as connection:
        found = connection.scalar(text("PRAGMA integrity_check(1)"))
    if found != "ok":
        raise Invalid.field(str(database.path), str(found), "restore it from a backup")


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """A turn among the processes that write, the command line beside web: one at a time.

    Two connections that write or checkpoint at the same instant can corrupt a WAL database of this
    SQLite (the WAL-reset bug, 3.7.0 to 3.51.2); a checkpoint runs inside a commit, so in its turn.
    """
    descriptor = os.open(path.with_name(f"{path.name}-turn"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _writer_engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA busy_timeout=5000")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _reader_engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///file:{path}?mode=ro&uri=true",
        poolclass=QueuePool,
        pool_size=4,
        max_overflow=40,
        connect_args={"check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA busy_timeout=5000")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine
