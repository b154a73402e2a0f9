"""The table of geofences."""

from typing import Any

import msgspec
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    RowMapping,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from cloud.foundation.database import BUSINESS
from cloud.foundation.identity.reach import EVERYTHING, Reach
from cloud.foundation.identity.within import within_or_of_all
from cloud.geofences.model import Fence
from cloud.geofences.presence import Presence, Stay
from cloud.tracking.erasing import Erasure

geofence = Table(
    "geofence",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("points", Text, nullable=False),
    Column("radius_m", Float),
    Column("width_m", Float),
    Column("depot_id", String),
    Column("dwell_after_s", Integer),
    Column("is_for_vans", Boolean, nullable=False),
    Column("changed_at", Float, nullable=False),
)

fence_presence = Table(
    "fence_presence",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("vehicle_id", String, primary_key=True),
    Column("inside", Text, nullable=False),
)


def fences_within(reach: Reach) -> ColumnElement[bool]:
    """Fences within reach: a depot's people see its own, and those of all depots."""
    return within_or_of_all(reach, geofence.c.depot_id)


def fences(connection: Connection, tenant: str, reach: Reach = EVERYTHING) -> list[Fence]:
    """Every fence within reach, by id."""
    rows = connection.execute(
        select(geofence)
        .where(geofence.c.tenant == tenant, fences_within(reach))
        .order_by(geofence.c.id)
    )
    return [_fence(row) for row in rows.mappings()]


def ids(connection: Connection, tenant: str) -> set[str]:
    """The ids of all fences of a tenant."""
    return set(connection.scalars(select(geofence.c.id).where(geofence.c.tenant == tenant)))


def find(connection: Connection, tenant: str, fence_id: str) -> Fence | None:
    """One fence."""
    row = connection.execute(select(geofence).where(*_of(tenant, fence_id))).mappings().first()
    return None if row is None else _fence(row)


def count(connection: Connection, tenant: str) -> int:
    """How many there are."""
    return connection.scalar(select(func.count()).where(geofence.c.tenant == tenant)) or 0


def tenants(connection: Connection) -> list[str]:
    """Who has fences."""
    return list(connection.scalars(select(geofence.c.tenant).distinct().order_by("tenant")))


def add(connection: Connection, tenant: str, fence: Fence) -> None:
    """Add a fence."""
    connection.execute(insert(geofence), {"tenant": tenant, "id": fence.id} | _values(fence))


def change(connection: Connection, tenant: str, fence: Fence) -> None:
    """Put a fence in the place of the one of its id."""
    connection.execute(update(geofence).where(*_of(tenant, fence.id)), _values(fence))


def remove(connection: Connection, tenant: str, fence_id: str) -> None:
    """Take a fence away."""
    connection.execute(delete(geofence).where(*_of(tenant, fence_id)))


def presences(connection: Connection) -> dict[str, dict[str, Presence]]:
    """By tenant and van: which fences each van is in that was ever looked at."""
    found: dict[str, dict[str, Presence]] = {}
    for row in connection.execute(select(fence_presence)):
        stays = msgspec.json.decode(row.inside, type=tuple[Stay, ...])
        found.setdefault(row.tenant, {})[row.vehicle_id] = stays
    return found


def put_presence(connection: Connection, tenant: str, vehicle_id: str, stays: Presence) -> None:
    """Keep which fences a van is in now."""
    of = fence_presence.c.tenant == tenant, fence_presence.c.vehicle_id == vehicle_id
    inside = msgspec.json.encode(stays).decode()
    if not connection.execute(update(fence_presence).where(*of).values(inside=inside)).rowcount:
        connection.execute(
            insert(fence_presence).values(tenant=tenant, vehicle_id=vehicle_id, inside=inside)
        )


def forget_presence(connection: Connection, erasure: Erasure) -> None:
    """A van that came into a fence in a time that is erased is as one that was never looked at."""
    of = fence_presence.c.tenant == erasure.tenant, fence_presence.c.vehicle_id == erasure.van
    inside = connection.scalar(select(fence_presence.c.inside).where(*of))
    stays = () if inside is None else msgspec.json.decode(inside, type=tuple[Stay, ...])
    if any(erasure.from_ms <= one.since_ms < erasure.to_ms for one in stays):
        connection.execute(delete(fence_presence).where(*of))


def _of(tenant: str, fence_id: str) -> tuple[ColumnElement[bool], ...]:
    return geofence.c.tenant == tenant, geofence.c.id == fence_id


_PLAIN = ("name", "radius_m", "width_m", "depot_id", "dwell_after_s", "is_for_vans", "changed_at")


def _values(fence: Fence) -> dict[str, Any]:
    points = msgspec.json.encode(fence.points).decode()
    return {name: getattr(fence, name) for name in _PLAIN} | {"points": points}


def _fence(row: RowMapping) -> Fence:
    points = msgspec.json.decode(row["points"], type=tuple[tuple[int, int], ...])
    return Fence(id=row["id"], points=points, **{name: row[name] for name in _PLAIN})
