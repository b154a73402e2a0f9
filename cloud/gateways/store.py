"""Tables of what is desired of gateways and of the commands they were sent."""

from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    RowMapping,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from cloud.foundation.database import BUSINESS
from cloud.gateways.model import Asked, Wanted
from wire.desired import Shift

wanted = Table(
    "gateway_settings",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("vehicle_id", String, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
    Column("is_following_shifts", Boolean, nullable=False),
    Column("shifts", Text, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("changed_by", String, nullable=False),
)
command = Table(
    "gateway_command",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("vehicle_id", String, nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("sent_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("sent_by", String, nullable=False),
    Column("box", String, nullable=True),
)


def find_wanted(connection: Connection, tenant: str, vehicle_id: str) -> Wanted | None:
    """What is desired of one gateway; None when nothing ever was."""
    row = connection.execute(select(wanted).where(_of(wanted, tenant, vehicle_id))).mappings()
    found = row.first()
    return None if found is None else _wanted(found)


def followers(connection: Connection) -> list[tuple[str, str, Wanted]]:
    """(tenant, vehicle, what is desired) of each that follows its shifts."""
    rows = connection.execute(select(wanted).where(wanted.c.is_following_shifts)).mappings()
    return [(row["tenant"], row["vehicle_id"], _wanted(row)) for row in rows]


def every_wanted(connection: Connection) -> list[tuple[str, str]]:
    """(tenant, vehicle) of each gateway of which something is desired."""
    rows = connection.execute(select(wanted.c.tenant, wanted.c.vehicle_id))
    return [(tenant, vehicle_id) for tenant, vehicle_id in rows]


def wanted_of(connection: Connection, tenant: str) -> list[tuple[str, Wanted]]:
    """What is desired of each gateway of a tenant, by van."""
    rows = connection.execute(select(wanted).where(wanted.c.tenant == tenant)).mappings()
    return [(row["vehicle_id"], _wanted(row)) for row in rows]


def put_wanted(connection: Connection, tenant: str, vehicle_id: str, what: Wanted) -> None:
    """Put ``what`` in the place of what was desired before."""
    values = {
        "version": what.version,
        "content": msgspec.json.encode(what.values).decode(),
        "is_following_shifts": what.is_following_shifts,
        "shifts": msgspec.json.encode(what.shifts).decode(),
        "changed_at": what.changed_at,
        "changed_by": what.changed_by,
    }
    known = _of(wanted, tenant, vehicle_id)
    if connection.execute(update(wanted).where(known).values(**values)).rowcount == 0:
        connection.execute(insert(wanted).values(tenant=tenant, vehicle_id=vehicle_id, **values))


def add_command(connection: Connection, tenant: str, asked: Asked, keep: int) -> None:
    """Store a command; of this van's, only the newest ``keep`` stay."""
    row = msgspec.structs.asdict(asked)
    row["arguments"] = msgspec.json.encode(asked.arguments).decode()
    connection.execute(insert(command).values(tenant=tenant, **row))
    newest = (
        select(command.c.id)
        .where(_of(command, tenant, asked.vehicle_id))
        .order_by(command.c.sent_at.desc(), command.c.id)
        .limit(keep)
    )
    connection.execute(
        delete(command).where(_of(command, tenant, asked.vehicle_id), command.c.id.not_in(newest))
    )


def find_command(
    connection: Connection, tenant: str, vehicle_id: str, command_id: str
) -> Asked | None:
    """One command; None when there is none of that id for this van."""
    rows = connection.execute(
        select(command).where(_of(command, tenant, vehicle_id), command.c.id == command_id)
    ).mappings()
    found = rows.first()
    return None if found is None else _asked(found)


def commands(connection: Connection, tenant: str, vehicle_id: str, limit: int) -> list[Asked]:
    """The newest commands of one van, the newest first."""
    rows = connection.execute(
        select(command)
        .where(_of(command, tenant, vehicle_id))
        .order_by(command.c.sent_at.desc(), command.c.id)
        .limit(limit)
    ).mappings()
    return [_asked(row) for row in rows]


def _of(table: Table, tenant: str, vehicle_id: str) -> Any:
    return (table.c.tenant == tenant) & (table.c.vehicle_id == vehicle_id)


def _wanted(row: RowMapping) -> Wanted:
    return Wanted(
        version=row["version"],
        values=msgspec.json.decode(row["content"], type=dict[str, Any]),
        is_following_shifts=row["is_following_shifts"],
        shifts=msgspec.json.decode(row["shifts"], type=tuple[Shift, ...]),
        changed_at=row["changed_at"],
        changed_by=row["changed_by"],
    )


def _asked(row: RowMapping) -> Asked:
    return Asked(
        id=row["id"],
        vehicle_id=row["vehicle_id"],
        name=row["name"],
        arguments=msgspec.json.decode(row["arguments"], type=dict[str, Any]),
        sent_at=row["sent_at"],
        expires_at=row["expires_at"],
        sent_by=row["sent_by"],
        box=row["box"],
    )
