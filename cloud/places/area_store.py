"""The table of areas with access hours."""

from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    RowMapping,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)

from cloud.fleet.columns import CALENDAR, AsJson
from cloud.foundation.database import BUSINESS
from cloud.foundation.identity.reach import EVERYTHING, Reach
from cloud.foundation.identity.within import within_or_of_all
from cloud.places.areas import AccessArea

access_area = Table(
    "access_area",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("points", AsJson(tuple[tuple[float, float], ...]), nullable=False),
    Column("hours", CALENDAR, nullable=False),
    Column("depot_id", String),
    Column("changed_at", Float, nullable=False),
    Column("changed_by", String, nullable=False),
)
_PLAIN = ("name", "points", "hours", "depot_id", "changed_at", "changed_by")


def areas_within(reach: Reach) -> ColumnElement[bool]:
    """Areas within reach: a depot's people see its own, and those of all depots."""
    return within_or_of_all(reach, access_area.c.depot_id)


def areas(connection: Connection, tenant: str, reach: Reach = EVERYTHING) -> list[AccessArea]:
    """Every area within reach, by id."""
    rows = connection.execute(
        select(access_area)
        .where(access_area.c.tenant == tenant, areas_within(reach))
        .order_by(access_area.c.id)
    )
    return [_area(row) for row in rows.mappings()]


def of_depot(connection: Connection, tenant: str, depot_id: str) -> tuple[AccessArea, ...]:
    """The areas that bind a depot's vans, by id."""
    return tuple(areas(connection, tenant, Reach(depot_ids=frozenset({depot_id}))))


def find(connection: Connection, tenant: str, area_id: str) -> AccessArea | None:
    """One area."""
    row = connection.execute(select(access_area).where(*_of(tenant, area_id))).mappings().first()
    return None if row is None else _area(row)


def count(connection: Connection, tenant: str) -> int:
    """How many areas a tenant has."""
    return connection.scalar(select(func.count()).where(access_area.c.tenant == tenant)) or 0


def add(connection: Connection, tenant: str, area: AccessArea) -> None:
    """Add an area."""
    connection.execute(insert(access_area), {"tenant": tenant, "id": area.id} | _values(area))


def change(connection: Connection, tenant: str, area: AccessArea) -> None:
    """Put an area in the place of the one of its id."""
    connection.execute(update(access_area).where(*_of(tenant, area.id)), _values(area))


def remove(connection: Connection, tenant: str, area_id: str) -> None:
    """Take an area away."""
    connection.execute(delete(access_area).where(*_of(tenant, area_id)))


def _of(tenant: str, area_id: str) -> tuple[ColumnElement[bool], ...]:
    return access_area.c.tenant == tenant, access_area.c.id == area_id


def _values(area: AccessArea) -> dict[str, Any]:
    return {name: getattr(area, name) for name in _PLAIN}


def _area(row: RowMapping) -> AccessArea:
    return AccessArea(id=row["id"], **{name: row[name] for name in _PLAIN})
