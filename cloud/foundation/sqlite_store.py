"""SQLite: one file, one writer and many readers. The only place that knows its dialect.

Each file is written by one process through one connection, and in turns by the command line beside
it. Every writing transaction starts with BEGIN IMMEDIATE: a deferred one that first reads and then
writes fails at once with SQLITE_BUSY_SNAPSHOT, whatever the timeout. Readers open the file
read-only, so they never checkpoint.
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Engine, Table, create_engine, event, inspect, text
from sqlalchemy.pool import QueuePool, StaticPool

from cloud.foundation.errors import Invalid
from cloud.foundation.files import sync_folder
from cloud.foundation.rows import Clash

DRIVER_ERROR: Final = sqlite3.Error
SEEN: Final = "PRAGMA data_version"
IS_SEEN_BY_ONE: Final = True
_LOGS: Final = ("-wal", "-shm")
_VERBS: Final[dict[Clash, str]] = {
    "fail": "INSERT",
    "ignore": "INSERT OR IGNORE",
    "replace": "INSERT OR REPLACE",
}


_to_json: Final = partial(json.dumps, allow_nan=False)
"""What the reader could not take, it does not write."""


def writer(path: Path) -> Engine:
    """The one connection that writes a file."""
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=StaticPool,
        connect_args={"check_same_thread": False},
        json_deserializer=msgspec.json.decode,
        json_serializer=_to_json,
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA secure_delete=ON")  # what is deleted leaves the file, too
        connection.execute("PRAGMA busy_timeout=5000")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def reader(path: Path) -> Engine:
    """Connections that read a file, each transaction one consistent view."""
    return _reader(path, poolclass=QueuePool, pool_size=4, max_overflow=40)


def viewer(path: Path) -> Engine:
    """One connection that reads; `SEEN` tells how often it has found a change by another."""
    return _reader(path, poolclass=StaticPool)


def _reader(path: Path, **pool: Any) -> Engine:
    engine = create_engine(
        f"sqlite:///file:{path}?mode=ro&uri=true",
        **pool,
        connect_args={"check_same_thread": False},
        json_deserializer=msgspec.json.decode,
        json_serializer=_to_json,
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


@contextmanager
def turn(path: Path) -> Iterator[None]:
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


def set_patience(connection: Connection, wait_s: float) -> None:
    """How long the writer waits for a lock before it fails, until told otherwise."""
    connection.exec_driver_sql(f"PRAGMA busy_timeout={round(wait_s * 1000)}")


def put_rows(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    clash: Clash,
) -> None:
    """See `cloud.foundation.database.put_rows`; by the driver itself, which is the fastest."""
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - the connection is checked out
    quoted = ",".join(f'"{one}"' for one in columns)
    marks = ",".join("?" * len(columns))
    sql = f'{_VERBS[clash]} INTO "{table.name}" ({quoted}) VALUES ({marks})'
    with closing(driver.cursor()) as cursor:
        cursor.executemany(sql, rows)


def table_names(connection: Connection) -> list[str]:
    """The tables that are there."""
    return inspect(connection).get_table_names()


def exists(path: Path) -> bool:
    """Whether there is a file, sound or not."""
    return path.exists()


def beside(path: Path, word: str) -> Path:
    """Where another database lies beside this one."""
    return path.with_name(f"{path.stem}.{word}{path.suffix}")


def remove(path: Path) -> None:
    """Delete a file and what belongs to it."""
    for kind in ("", *_LOGS, "-turn"):
        path.with_name(f"{path.name}{kind}").unlink(missing_ok=True)


def put_in_place(moves: Sequence[tuple[Path, Path, Path]]) -> None:
    """Put each second file in the place of the first, which stays as the third.

    At every moment there is a whole file in each place.
    """
    for place, fresh, aside in moves:
        _settle_log(place)
        for kind in _LOGS:  # one that could not be settled must never meet another's database
            log = place.with_name(f"{place.name}{kind}")
            if log.exists():
                log.rename(aside.with_name(f"{aside.name}{kind}"))
        if place.exists():
            os.link(place, aside)
        fresh.rename(place)
        sync_folder(place.parent)


def _settle_log(path: Path) -> None:
    """Bring what stands in the write-ahead log into the database, unless that is damaged."""
    if not path.exists():
        return
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def last_numbers(connection: Connection) -> dict[str, int]:
    """See `cloud.foundation.database.last_numbers`."""
    is_there = text("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'")
    if connection.scalar(is_there) is None:
        return {}
    return {row.name: row.seq for row in connection.execute(text("SELECT * FROM sqlite_sequence"))}


def set_last_numbers(connection: Connection, numbers: Mapping[str, int]) -> None:
    """See `cloud.foundation.database.set_last_numbers`."""
    for table, last in numbers.items():
        named = {"table": table, "last": last}
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :table"), named)
        connection.execute(text("INSERT INTO sqlite_sequence VALUES (:table, :last)"), named)


def require_sound(connection: Connection) -> None:
    """Have SQLite look at every page.

    Raises:
        Invalid: it finds damage.
    """
    found = connection.scalar(text("PRAGMA integrity_check(1)"))
    if found != "ok":
        raise Invalid.field("database", str(found), "restore it from a backup")


def divide(connection: Connection, table: str, by: str) -> None:
    """SQLite keeps a table as one."""


def unite(connection: Connection, table: str, by: str) -> None:
    """SQLite keeps a table as one."""


def make_parts(connection: Connection, table: Table, now_ms: int) -> list[str]:
    """SQLite keeps a table as one: there is nothing to make."""
    return []


def drop_parts(connection: Connection, table: Table, before_ms: int) -> list[str]:
    """SQLite keeps a table as one: there is nothing to drop."""
    return []
