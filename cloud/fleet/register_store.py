"""What the tables of everything registered have in common: an id, a version, and an end."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, select, update

from cloud.fleet import shift_store
from cloud.fleet.model import Registered, Shift


def find(
    connection: Connection, table: Table, tenant: str, thing_id: str, held: ColumnElement[bool]
) -> RowMapping | None:
    """One row, retired or not, unless it is not ``held``."""
    wanted = select(table).where(table.c.tenant == tenant, table.c.id == thing_id, held)
    return connection.execute(wanted).mappings().first()


def page(
    connection: Connection,
    table: Table,
    tenant: str,
    *,
    equal: Mapping[str, object],
    after: str,
    limit: int,
    with_retired: bool,
    held: ColumnElement[bool],
) -> Sequence[RowMapping]:
    """Rows by id after one that are ``held``; ``equal`` filters by column."""
    wanted = select(table).where(table.c.tenant == tenant, table.c.id > after, held)
    for name, value in equal.items():
        wanted = wanted.where(table.c[name] == value)
    if not with_retired:
        wanted = wanted.where(table.c.retired_at.is_(None))
    return connection.execute(wanted.order_by(table.c.id).limit(limit)).mappings().all()


def change(
    connection: Connection, table: Table, before: Registered, values: Mapping[str, Any]
) -> bool:
    """Write values, and count the version up; whether it was still that of ``before``."""
    found = connection.execute(
        update(table)
        .where(
            table.c.tenant == before.tenant,
            table.c.id == before.id,
            table.c.version == before.version,
        )
        .values(**values, version=before.version + 1)
    )
    return found.rowcount == 1


def naming(
    connection: Connection, tables: Iterable[Table], tenant: str, column: str, thing_id: str
) -> str | None:
    """The first thing in use of some tables that names another in a column."""
    for table in tables:
        found = connection.execute(
            select(table.c.id)
            .where(
                table.c.tenant == tenant, table.c[column] == thing_id, table.c.retired_at.is_(None)
            )
            .order_by(table.c.id)
            .limit(1)
        ).scalar()
        if found is not None:
            return f"{table.name} {found!r}"
    return None


def shift_ahead(
    connection: Connection, tenant: str, now: float, is_meant: Callable[[Shift], bool]
) -> str | None:
    """The first shift that is on or to come and that is meant."""
    ahead = shift_store.shifts_between(connection, tenant, now, float("inf"))
    found = next((shift for shift in ahead if is_meant(shift)), None)
    return None if found is None else f"shift {found.id!r} on {found.service_date}"
