"""Transactions over a store, by SQLAlchemy Core: SQLite by default, PostgreSQL by one URL.

Whatever the store, writers of a database take turns, so that what a use case has read is still
true when it writes, and readers see one consistent view.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, Connection, Engine, Integer, MetaData, Table, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from cloud.foundation import sqlite_store
from cloud.foundation.places import Place
from cloud.foundation.rows import Clash

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


ROW_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")
"""The type of a column that counts the rows of its table; SQLite counts in INTEGER columns only."""


class Seen(NamedTuple):
    """What a view of a database shows: views that are equal show the same.

    ``by`` is the one connection whose words can be compared, where those of others cannot.
    """

    by: object
    word: str


class Database:
    """Transactions on one store; ``reading`` from any process, ``writing`` from one at a time.

    Args:
        place: a file of SQLite, or a schema of PostgreSQL.
        before_commit: called at the end of each writing transaction, inside it.
    """

    def __init__(
        self, place: Place, before_commit: Callable[[Connection], None] | None = None
    ) -> None:
        self.place = place
        self._store = _store_at(place)
        self._before_commit = before_commit
        self._reader: Engine | None = None
        self._writer: Engine | None = None
        self._viewer: Engine | None = None
        self._viewing = threading.Lock()
        self._opening = threading.Lock()
        self._writing = threading.Lock()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction on the one writing connection; commits at the end, or rolls back.

        Raises:
            DBAPIError: the store does not take it; nothing may be taken as written.
        """
        with self._opening:
            if self._writer is None:
                self._writer = self._store.writer(self.place)
        try:
            with self._writing, self._store.turn(self.place), self._writer.begin() as connection:
                yield connection
                if self._before_commit is not None:
                    self._before_commit(connection)
        except self._store.DRIVER_ERROR as error:  # of `put_rows`, which speaks to the driver
            raise DBAPIError("rows in bulk", None, error) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view; never blocks a writer and is never blocked.

        Raises:
            DBAPIError: the store does not answer.
        """
        with self._opening:
            if self._reader is None:
                self._reader = self._store.reader(self.place)
        with self._reader.begin() as connection:
            yield connection

    @contextmanager
    def seeing(self) -> Iterator[tuple[Connection, Seen]]:
        """As `reading`, and by what to tell later whether anything has changed; one at a time.

        Raises:
            DBAPIError: the store does not answer.
        """
        viewer = self._viewing_engine()
        with self._viewing, viewer.begin() as connection:
            yield connection, self._seen(connection)

    def is_as(self, seen: Seen) -> bool:
        """Whether nobody has changed anything since then; in `writing`, before it writes, it holds.

        It may be false though nothing has changed, and is never true when something has.

        Raises:
            DBAPIError: the store does not answer.
        """
        if not self._viewing.acquire(blocking=False):
            return False  # somebody reads a whole day by it, and all who write would wait for that
        try:
            with self._viewing_engine().begin() as connection:
                return self._seen(connection) == seen
        finally:
            self._viewing.release()

    def _viewing_engine(self) -> Engine:
        with self._opening:
            if self._viewer is None:
                self._viewer = self._store.viewer(self.place)
            return self._viewer

    def _seen(self, connection: Connection) -> Seen:
        word = str(connection.scalar(text(self._store.SEEN)))
        if not self._store.IS_SEEN_BY_ONE:
            return Seen(None, word)
        return Seen(connection.connection.driver_connection, word)

    def set_patience(self, wait_s: float) -> None:
        """How long writing waits for a lock of another process before it fails, seconds."""
        with self.writing() as connection:
            self._store.set_patience(connection, wait_s)

    def close(self) -> None:
        """End every connection; a closed database opens again when it is used.

        One that a thread still reads by ends with its transaction.
        """
        for engine in (self._reader, self._writer, self._viewer):
            if engine is not None:
                event.listen(engine.pool, "checkin", _end)
                engine.dispose()
        self._reader = self._writer = self._viewer = None


def _end(_driver: object, record: ConnectionPoolEntry) -> None:
    record.invalidate()


def prepare(place: Place) -> None:
    """Make what the store needs before the first migration.

    Raises:
        Invalid: the store cannot be used as it is; says how it must be made.
        DBAPIError: it cannot be reached.
    """
    if not isinstance(place, Path):
        _store_at(place).prepare(place)


def put_rows(
    connection: Connection,
    table: Table,
    rows: Sequence[Sequence[Any]],
    *,
    columns: Sequence[str] = (),
    clash: Clash,
) -> None:
    """Write rows past SQLAlchemy's own machinery: this is the hot path.

    Args:
        connection: of a writing transaction.
        table: where to.
        rows: values in the order of ``columns``, or of all columns of the table.
        columns: names; all when empty.
        clash: what becomes of a row whose key is known already.

    Raises:
        Exception: the driver's own, which `Database.writing` turns into a DBAPIError.
    """
    if rows:
        wanted = tuple(columns) or tuple(table.c.keys())
        _store_of(connection).put_rows(connection, table, wanted, rows, clash)


def divide(connection: Connection, table: str, by: str) -> None:
    """Keep a plain table in parts by time from now on, where the store can; for migrations.

    Its unique indexes take ``by`` in, as PostgreSQL wants it: a row is no more refused for standing
    in another part too, so its writer has to look, in its own transaction.
    """
    _store_of(connection).divide(connection, table, by)


def unite(connection: Connection, table: str, by: str) -> None:
    """Undo `divide`."""
    _store_of(connection).unite(connection, table, by)


def make_parts(connection: Connection, table: Table, now_ms: int) -> list[str]:
    """Make the parts of a table that soon will be written to, and those that rows wait for.

    Whatever has no part of its own yet lies in one for all the rest, so it is never too late.

    Returns:
        The names of the new ones; none on a store that keeps a table as one.
    """
    made: list[str] = _store_of(connection).make_parts(connection, table, now_ms)
    return made


def drop_parts(connection: Connection, table: Table, before_ms: int) -> list[str]:
    """Drop the parts of a table that tell of nothing from ``before_ms`` on, in one piece each.

    What is as old beside them (in the part that holds the moment, or in the one for all the rest)
    stays: delete it as rows.

    Returns:
        The names of those dropped; none on a store that keeps a table as one.
    """
    dropped: list[str] = _store_of(connection).drop_parts(connection, table, before_ms)
    return dropped


def table_names(connection: Connection) -> list[str]:
    """The tables of a database, as it is; see the store for what counts as one."""
    found: list[str] = _store_of(connection).table_names(connection)
    return found


def exists(place: Place) -> bool:
    """Whether there is something at a place, which may be damaged."""
    found: bool = _store_at(place).exists(place)
    return found


def beside(place: Place, word: str) -> Place:
    """The place of another database, named by ``word``, beside this one."""
    found: Place = _store_at(place).beside(place, word)
    return found


def remove(place: Place) -> None:
    """Delete what is at a place, if anything."""
    _store_at(place).remove(place)


def put_in_place(moves: Sequence[tuple[Place, Place, Place]]) -> None:
    """Put each second database in the place of the first, which stays as the third."""
    _store_at(moves[0][0]).put_in_place(moves)


def last_numbers(connection: Connection) -> dict[str, int]:
    """The last number that was given in each table that counts its rows and uses none twice."""
    found: dict[str, int] = _store_of(connection).last_numbers(connection)
    return found


def set_last_numbers(connection: Connection, numbers: Mapping[str, int]) -> None:
    """Go on after these numbers: a consumer may stand at one whose row is gone."""
    _store_of(connection).set_last_numbers(connection, numbers)


def require_sound(database: Database) -> None:
    """Have the store look at what it keeps.

    Raises:
        Invalid: it finds damage.
    """
    with database.reading() as connection:
        _store_of(connection).require_sound(connection)


def _store_at(place: Place) -> ModuleType:
    return sqlite_store if isinstance(place, Path) else _postgres()


def _store_of(connection: Connection) -> ModuleType:
    return sqlite_store if connection.dialect.name == "sqlite" else _postgres()


def _postgres() -> ModuleType:
    from cloud.foundation import postgres_store  # its driver is loaded only where it is used

    return postgres_store
