"""Tables that PostgreSQL keeps in parts by time, and one part for all the rest.

A part is made under a name of its own, takes over what waits for it in the rest, and is then
attached, all in the transaction of the caller: a kill in the middle leaves everything as it was.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, Table, text

from cloud.foundation.rows import PARTED, Parted

_AHEAD: Final = 4
"""So many parts after the one of this moment are there always."""
_BACK_MS: Final = 5 * 366 * 86_400_000
"""Older rows stay in the rest: a wild clock could ask for a part in any year."""
_MOST_AT_ONCE: Final = 20
_LOCK_WAIT_MS: Final = 2_000
_BOUNDS: Final = re.compile(r"FROM \('(-?\d+)'\) TO \('(-?\d+)'\)")
_LIKE: Final = "INCLUDING DEFAULTS INCLUDING STORAGE"
_STORAGE: Final = "toast_tuple_target = 8160"
"""A block stands in its row whole: out of line it takes more room and a second look."""


class _Part(NamedTuple):
    name: str
    begin_ms: int
    end_ms: int


def divide(connection: Connection, table: str, by: str) -> None:
    """See `cloud.foundation.database.divide`."""
    rest = _rest(table)
    _remake(
        connection,
        table,
        f"PARTITION BY RANGE ({by})",
        lambda told: re.sub(r"\)$", f", {by})", told) if "UNIQUE" in told else told,
        key=f"id, {by}",
        then=(
            f'CREATE TABLE "{rest}" (LIKE "{table}" {_LIKE}) WITH ({_STORAGE})',
            f'ALTER TABLE "{table}" ATTACH PARTITION "{rest}" DEFAULT',
        ),
    )


def unite(connection: Connection, table: str, by: str) -> None:
    """See `cloud.foundation.database.unite`."""
    _remake(
        connection,
        table,
        "",
        lambda told: told.replace(f", {by})", ")") if "UNIQUE" in told else told,
        key="id",
    )


def _remake(
    connection: Connection,
    table: str,
    kind: str,
    change: Callable[[str], str],
    *,
    key: str,
    then: tuple[str, ...] = (),
) -> None:
    """Make a table anew with its indexes, each as ``change`` has it, and move its rows."""
    indexes = connection.scalars(
        text(
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indrelid = to_regclass(:table) AND NOT indisprimary ORDER BY 1"
        ),
        {"table": table},
    ).all()
    sequence = connection.scalar(
        text("SELECT pg_get_serial_sequence(:table, 'id')"), {"table": table}
    )
    old = f"{table}_before"
    for one in (
        f'ALTER TABLE "{table}" RENAME TO "{old}"',
        f'CREATE TABLE "{table}" (LIKE "{old}" {_LIKE}) {kind}',
        *then,
        f'INSERT INTO "{table}" SELECT * FROM "{old}"',  # noqa: S608 - our own names
        f"ALTER SEQUENCE {sequence} OWNED BY NONE",
        f'DROP TABLE "{old}"',
        f'ALTER SEQUENCE {sequence} OWNED BY "{table}".id',
        f'ALTER TABLE "{table}" ADD CONSTRAINT "pk_{table}" PRIMARY KEY ({key})',
        *(change(told).replace(" ON ONLY ", " ON ") for told in indexes),
    ):
        connection.exec_driver_sql(one)


def make_parts(connection: Connection, table: Table, now_ms: int) -> list[str]:
    """See `cloud.foundation.database.make_parts`."""
    parted = _parted(table)
    span_ms = parted.span_ms
    there = {one.begin_ms for one in _parts(connection, table.name)}
    this = now_ms - now_ms % span_ms
    soon = [this + place * span_ms for place in range(_AHEAD + 1)]
    waiting = connection.scalars(
        text(
            f'SELECT DISTINCT {parted.by} - {parted.by} % :span FROM "{_rest(table.name)}"'  # noqa: S608 - our own names
            f" WHERE {parted.by} >= :low AND {parted.by} < :high ORDER BY 1 LIMIT :most"
        ),
        {
            "span": span_ms,
            "low": max(0, this - _BACK_MS),
            "high": soon[-1] + span_ms,
            "most": _MOST_AT_ONCE,
        },
    )
    wanted = sorted({*soon, *waiting} - there)
    if wanted:
        _wait_shortly(connection)
    return [_make(connection, table.name, parted, begin_ms) for begin_ms in wanted]


def _make(connection: Connection, table: str, parted: Parted, begin_ms: int) -> str:
    end_ms = begin_ms + parted.span_ms
    name = f"{table}_{datetime.fromtimestamp(begin_ms / 1000, UTC):%Y%m%d}"
    rest, bounds = _rest(table), f"FROM ({begin_ms}) TO ({end_ms})"
    within = f"{parted.by} >= {begin_ms} AND {parted.by} < {end_ms}"
    for one in (
        f'CREATE TABLE "{name}" (LIKE "{table}" {_LIKE}) WITH ({_STORAGE})',
        f'INSERT INTO "{name}" SELECT * FROM "{rest}" WHERE {within}',  # noqa: S608 - our own names
        f'DELETE FROM "{rest}" WHERE {within}',  # noqa: S608 - our own names
        f'ALTER TABLE "{table}" ATTACH PARTITION "{name}" FOR VALUES {bounds}',
    ):
        connection.exec_driver_sql(one)
    return name


def drop_parts(connection: Connection, table: Table, before_ms: int) -> list[str]:
    """See `cloud.foundation.database.drop_parts`."""
    reach_ms = _parted(table).reach_ms
    over = [
        one.name for one in _parts(connection, table.name) if one.end_ms + reach_ms <= before_ms
    ]
    if over:
        _wait_shortly(connection)
    for name in over:
        connection.exec_driver_sql(f'DROP TABLE "{name}"')
    return over


def _parts(connection: Connection, table: str) -> list[_Part]:
    """The parts there are, oldest first, without the rest."""
    rows = connection.execute(
        text(
            "SELECT relname, pg_get_expr(relpartbound, oid) FROM pg_class"
            " WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass(:table))"
        ),
        {"table": table},
    )
    found = [(name, _BOUNDS.search(told)) for name, told in rows]
    parts = [_Part(name, int(one[1]), int(one[2])) for name, one in found if one is not None]
    return sorted(parts, key=lambda one: one.begin_ms)


def _wait_shortly(connection: Connection) -> None:
    """Nobody may wait long behind us, while we wait for a slow reader: try again later instead."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LOCK_WAIT_MS}")


def _parted(table: Table) -> Parted:
    parted = table.info[PARTED]
    assert isinstance(parted, Parted)  # noqa: S101 - asked of such tables alone
    return parted


def _rest(table: str) -> str:
    return f"{table}_rest"
