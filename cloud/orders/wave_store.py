"""The table of depots' waves."""

from sqlalchemy import Column, Connection, String, Table, insert, select, update

from cloud.fleet.columns import AsJson
from cloud.foundation.database import BUSINESS
from cloud.orders.waves import Wave

depot_waves = Table(
    "depot_waves",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("depot_id", String, primary_key=True),
    Column("waves", AsJson(tuple[Wave, ...]), nullable=False),
)


def waves_of(connection: Connection, tenant: str, depot_id: str) -> tuple[Wave, ...]:
    """A depot's waves, the first one first; none when its parcels are always ready."""
    found: tuple[Wave, ...] | None = connection.scalar(
        select(depot_waves.c.waves).where(
            depot_waves.c.tenant == tenant, depot_waves.c.depot_id == depot_id
        )
    )
    return found or ()


def put_waves(connection: Connection, tenant: str, depot_id: str, waves: tuple[Wave, ...]) -> None:
    """Write a depot's waves in the place of those it had."""
    same = depot_waves.c.tenant == tenant, depot_waves.c.depot_id == depot_id
    if not connection.execute(update(depot_waves).where(*same).values(waves=waves)).rowcount:
        connection.execute(
            insert(depot_waves).values(tenant=tenant, depot_id=depot_id, waves=waves)
        )
