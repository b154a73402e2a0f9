"""PostgreSQL: a schema for each tree of tables. The only place that knows its dialect.

Writers of one schema take turns by an advisory lock, as they do on SQLite: what a use case has read
is still true when it writes. Readers see one snapshot.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

import psycopg
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Engine,
    Float,
    Integer,
    LargeBinary,
    String,
    Table,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.pool import QueuePool

from cloud.foundation.errors import Invalid
from cloud.foundation.forms import CONNECT_WITHIN_S, revision
from cloud.foundation.places import PostgresPlace
from cloud.foundation.postgres_parts import divide, drop_parts, make_parts, unite
from cloud.foundation.rows import Clash

__all__ = [
    "DRIVER_ERROR",
    "IS_SEEN_BY_ONE",
    "SEEN",
    "divide",
    "drop_parts",
    "last_numbers",
    "make_parts",
    "prepare",
    "put_rows",
    "reader",
    "require_sound",
    "set_last_numbers",
    "set_patience",
    "unite",
    "viewer",
    "writer",
]

DRIVER_ERROR: Final = psycopg.Error
SEEN: Final = "SELECT pg_current_snapshot()::text"
IS_SEEN_BY_ONE: Final = False
_COPY_FROM_ROWS: Final = 1_000
"""From so many rows on COPY costs less than arrays."""
_READERS: Final = 4
_MORE_READERS: Final = 40
_COLLATIONS: Final = frozenset({"C", "POSIX", "C.UTF-8", "C.utf8"})
_NUL: Final = "\0"
_TYPES: Final[tuple[tuple[type, str], ...]] = (
    (BigInteger, "int8"),
    (Integer, "int4"),
    (Boolean, "bool"),
    (Float, "float8"),
    (LargeBinary, "bytea"),
    (String, "text"),
)


def writer(place: PostgresPlace) -> Engine:
    """A connection that writes; a transaction begins when no other of this schema is writing."""
    engine = _engine(place, pool_size=1, max_overflow=0)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(
            "SELECT pg_advisory_xact_lock(hashtext(%s))", (f"roundsman.{place.schema}",)
        )

    return engine


def reader(place: PostgresPlace) -> Engine:
    """Connections that read, each transaction one consistent view."""
    engine = _engine(
        place,
        pool_size=_READERS,
        max_overflow=_MORE_READERS,
        isolation_level="REPEATABLE READ",
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")

    return engine


def viewer(place: PostgresPlace) -> Engine:
    """The same; two snapshots that are equal show what the same transactions have written."""
    return reader(place)


def _engine(place: PostgresPlace, **options: Any) -> Engine:
    url = make_url(place.url).set(drivername="postgresql+psycopg")
    return create_engine(
        url,
        poolclass=QueuePool,
        pool_pre_ping=True,
        connect_args={
            "options": f"-csearch_path={place.schema} -ctimezone=UTC",
            "connect_timeout": CONNECT_WITHIN_S,
            "application_name": f"roundsman {place.schema}",
        },
        **options,
    )


def prepare(place: PostgresPlace) -> None:
    """Make the schema when it is not there, in a database that orders text as programs do.

    Raises:
        Invalid: the database orders or encodes text in another way.
        DBAPIError: it cannot be reached.
    """
    engine = _engine(place, pool_size=1, max_overflow=0)
    try:
        with engine.begin() as connection:
            told = connection.exec_driver_sql(
                "SELECT pg_encoding_to_char(encoding), datcollate,"
                " to_jsonb(d) ->> 'datlocprovider',"
                " coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale')"
                " FROM pg_database d WHERE datname = current_database()"
            ).one()
            encoding, collation, provider, locale = told
            order = collation if provider in {None, "c"} else locale
            if encoding != "UTF8" or order not in _COLLATIONS:
                raise Invalid.field(
                    "database.url",
                    f"names a database with encoding {encoding} and collation {order}",
                    "make it by: createdb --template=template0 --encoding=UTF8 --locale=C NAME",
                )
            connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{place.schema}"')
    finally:
        engine.dispose()


def turn(_place: PostgresPlace) -> AbstractContextManager[None]:
    """Nothing: the lock that `writer` takes in the database is the turn, for every machine."""
    return nullcontext()


def set_patience(connection: Connection, wait_s: float) -> None:
    """How long the writer waits for a lock before it fails, until told otherwise."""
    connection.exec_driver_sql(f"SET lock_timeout = {round(wait_s * 1000)}")


def put_rows(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    clash: Clash,
) -> None:
    """See `cloud.foundation.database.put_rows`."""
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - the connection is checked out
    statements = _statements(table, tuple(columns), clash)
    told = [_without_nul(row) for row in rows] if statements.has_text else rows
    with driver.cursor() as cursor:
        if len(rows) < _COPY_FROM_ROWS:
            by_column = zip(statements.types, zip(*told, strict=True), strict=True)
            cursor.execute(statements.by_arrays, [_array(kind, one) for kind, one in by_column])
            return
        if statements.staging is not None:
            cursor.execute(statements.staging)
        with cursor.copy(statements.copy) as copy:
            copy.set_types(statements.types)
            for row in told:
                copy.write_row(row)
        if statements.from_staging is not None:
            cursor.execute(statements.from_staging)


class _Statements:
    """The SQL by which rows of some columns of a table are written."""

    def __init__(self, table: Table, columns: tuple[str, ...], clash: Clash) -> None:
        self.types = [_type(table, one) for one in columns]
        self.has_text = "text" in self.types
        quoted = ",".join(f'"{one}"' for one in columns)
        arrays = ",".join(f"%b::{one}[]" for one in self.types)
        after = _on_conflict(table, columns, clash)
        into = f'INSERT INTO "{table.name}" ({quoted})'
        self.by_arrays = f"{into} SELECT * FROM unnest({arrays}){after}"
        self.staging: str | None = None
        self.from_staging: str | None = None
        copied = table.name
        if clash != "fail":
            copied = f"staged_{table.name}"
            self.staging = (  # no value of anybody's: names of our own tables
                f'CREATE TEMPORARY TABLE IF NOT EXISTS "{copied}" ON COMMIT DELETE ROWS'
                f' AS SELECT {quoted} FROM "{table.name}" WITH NO DATA'
            )
            self.from_staging = f'{into} SELECT {quoted} FROM "{copied}"{after}'
        self.copy = f'COPY "{copied}" ({quoted}) FROM STDIN (FORMAT BINARY)'


@lru_cache(64)
def _statements(table: Table, columns: tuple[str, ...], clash: Clash) -> _Statements:
    return _Statements(table, columns, clash)


def _on_conflict(table: Table, columns: tuple[str, ...], clash: Clash) -> str:
    if clash == "fail":
        return ""
    if clash == "ignore":
        return " ON CONFLICT DO NOTHING"
    key = [column.name for column in table.primary_key]
    changed = ",".join(f'"{one}" = EXCLUDED."{one}"' for one in columns if one not in key)
    quoted = ",".join(f'"{one}"' for one in key)
    return f" ON CONFLICT ({quoted}) DO UPDATE SET {changed}"


def _type(table: Table, column: str) -> str:
    kind = table.c[column].type
    return next(name for known, name in _TYPES if isinstance(kind, known))


def _array(kind: str, values: Sequence[Any]) -> list[Any]:
    """The values of one column; whole numbers among others are told like those."""
    if kind != "float8":
        return list(values)
    return [None if one is None else float(one) for one in values]


def _without_nul(row: Sequence[Any]) -> Sequence[Any]:
    """PostgreSQL's text holds no NUL; what a van says may, and must not stop the others."""
    if any(isinstance(one, str) and _NUL in one for one in row):
        return [one.replace(_NUL, "\ufffd") if isinstance(one, str) else one for one in row]
    return row


def table_names(connection: Connection) -> list[str]:
    """The tables that are there; the parts of one that is divided are no tables of their own."""
    rows = connection.execute(
        text(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = current_schema()::regnamespace ORDER BY 1"
        )
    )
    return [name for (name,) in rows]


def exists(place: PostgresPlace) -> bool:
    """Whether the schema is there with anything in it."""
    return revision(place) is not None


def beside(place: PostgresPlace, word: str) -> PostgresPlace:
    """Another schema in the same database."""
    name = re.sub(r"[^a-z0-9_]", "_", f"{place.schema}_{word}".lower())
    return replace(place, schema=name)


def remove(place: PostgresPlace) -> None:
    """Drop a schema with all that is in it."""
    _at_once(place, f'DROP SCHEMA IF EXISTS "{place.schema}" CASCADE')


def put_in_place(moves: Sequence[tuple[PostgresPlace, PostgresPlace, PostgresPlace]]) -> None:
    """Put each second schema in the place of the first, which stays as the third; all at once."""
    told: list[str] = []
    for place, fresh, aside in moves:
        if exists(place):
            told.append(f'ALTER SCHEMA "{place.schema}" RENAME TO "{aside.schema}"')
        else:
            told.append(f'DROP SCHEMA IF EXISTS "{place.schema}"')
        told.append(f'ALTER SCHEMA "{fresh.schema}" RENAME TO "{place.schema}"')
    _at_once(moves[0][0], *told)


def _at_once(place: PostgresPlace, *told: str) -> None:
    engine = _engine(place, pool_size=1, max_overflow=0)
    try:
        with engine.begin() as connection:
            for one in told:
                connection.execute(text(one))
    finally:
        engine.dispose()


class _Counter(NamedTuple):
    """A column that counts the rows of its table, and what counts."""

    table: str
    column: str
    sequence: str


def last_numbers(connection: Connection) -> dict[str, int]:
    """See `cloud.foundation.database.last_numbers`."""
    found: dict[str, int] = {}
    for table, _, sequence in _counters(connection):
        last = connection.scalar(
            text(f"SELECT CASE WHEN is_called THEN last_value END FROM {sequence}")
        )
        if last is not None:
            found[table] = int(last)
    return found


def set_last_numbers(connection: Connection, numbers: Mapping[str, int]) -> None:
    """See `cloud.foundation.database.set_last_numbers`; never below a number that is used."""
    for table, column, sequence in _counters(connection):
        used = connection.scalar(text(f'SELECT max("{column}") FROM "{table}"'))
        last = max(numbers.get(table, 0), used or 0)
        if last:
            connection.execute(
                text("SELECT setval(:sequence, :last)"), {"sequence": sequence, "last": last}
            )


def _counters(connection: Connection) -> list[_Counter]:
    names = table_names(connection)
    rows = connection.execute(
        text(
            "SELECT table_name, column_name,"
            " substring(column_default from 'nextval\\(''(.+)''::regclass')"
            " FROM information_schema.columns WHERE table_schema = current_schema()"
            " AND column_default LIKE 'nextval(%'"
        )
    )
    return [_Counter(*row) for row in rows if row[0] in names]


def require_sound(connection: Connection) -> None:
    """PostgreSQL checks its pages as it reads them; nothing to look at here."""
    connection.execute(text("SELECT 1"))
