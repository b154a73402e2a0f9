"""The table of vans that cannot drive on; a row goes when its van goes out again."""

from sqlalchemy import Column, Connection, Float, String, Table, delete, insert, select

from cloud.fleet.tables import vehicle
from cloud.fleet.within import vehicles_within
from cloud.foundation.database import BUSINESS
from cloud.foundation.identity.reach import EVERYTHING, Reach
from cloud.planning.breakdowns.model import Breakdown

van_breakdown = Table(
    "van_breakdown",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("vehicle_id", String, primary_key=True),
    Column("lat", Float, nullable=False),
    Column("lon", Float, nullable=False),
    Column("note", String, nullable=False),
    Column("reported_by", String, nullable=False),
    Column("reported_at", Float, nullable=False),
)


def broken_vans(
    connection: Connection, tenant: str, reach: Reach = EVERYTHING
) -> dict[str, Breakdown]:
    """The vans within reach that stand now, by id."""
    held = select(vehicle.c.id).where(vehicle.c.tenant == tenant, vehicles_within(reach))
    rows = connection.execute(
        select(van_breakdown).where(
            van_breakdown.c.tenant == tenant, van_breakdown.c.vehicle_id.in_(held)
        )
    )
    return {row["vehicle_id"]: Breakdown(**row) for row in rows.mappings()}


def put(connection: Connection, breakdown: Breakdown) -> None:
    """A van stands, or is reported again."""
    end(connection, breakdown.tenant, breakdown.vehicle_id)
    names = Breakdown.__dataclass_fields__
    connection.execute(
        insert(van_breakdown).values(**{name: getattr(breakdown, name) for name in names})
    )


def end(connection: Connection, tenant: str, vehicle_id: str) -> bool:
    """Whether the van stood; it does not any more."""
    gone = connection.execute(
        delete(van_breakdown).where(
            van_breakdown.c.tenant == tenant, van_breakdown.c.vehicle_id == vehicle_id
        )
    )
    return gone.rowcount > 0
