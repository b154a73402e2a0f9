"""The table of silences that are told and not over."""

from typing import NamedTuple

from sqlalchemy import Column, Connection, Float, String, Table, delete, insert, select

from cloud.foundation.database import BUSINESS

van_silence = Table(
    "van_silence",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("vehicle_id", String, primary_key=True),
    Column("id", String, nullable=False),
    Column("heard_at", Float, nullable=False),
)


class Silence(NamedTuple):
    """One silence: its id, and when the van's last word came, seconds since 1970."""

    id: str
    heard_at_s: float


def silences(connection: Connection) -> dict[tuple[str, str], Silence]:
    """Every silence that is not over, by (tenant, van)."""
    rows = connection.execute(select(van_silence))
    return {(row.tenant, row.vehicle_id): Silence(row.id, row.heard_at) for row in rows}


def begin(connection: Connection, tenant: str, vehicle_id: str, silence: Silence) -> None:
    """A van is silent."""
    connection.execute(
        insert(van_silence).values(
            tenant=tenant, vehicle_id=vehicle_id, id=silence.id, heard_at=silence.heard_at_s
        )
    )


def end(connection: Connection, tenant: str, vehicle_id: str) -> None:
    """A van is not silent any more."""
    connection.execute(
        delete(van_silence).where(
            van_silence.c.tenant == tenant, van_silence.c.vehicle_id == vehicle_id
        )
    )
