"""Table of places. The same address at the same point is one place, so that it can be learned."""

from dataclasses import fields
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Select,
    String,
    Table,
    UniqueConstraint,
    insert,
    select,
    update,
)

from cloud.fleet.columns import CALENDAR
from cloud.foundation.database import BUSINESS
from cloud.foundation.ids import NewId
from cloud.places.model import Place

place = Table(
    "place",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("address", String, nullable=False),
    Column("lat", Float, nullable=False),
    Column("lon", Float, nullable=False),
    Column("street", String, nullable=False),
    Column("street_distance_m", Float, nullable=False),
    Column("kind", String),
    Column("hours", CALENDAR),
    UniqueConstraint("tenant", "address", "lat", "lon"),
)
_NAMES: Final = tuple(one.name for one in fields(Place))


def known_or_new(
    connection: Connection,
    *,
    tenant: str,
    address: str,
    lat: float,
    lon: float,
    street: str,
    street_distance_m: float,
    new_id: NewId,
) -> str:
    """The id of the place with this address and point, stored now when it is new."""
    found = connection.execute(
        select(place.c.id).where(
            place.c.tenant == tenant,
            place.c.address == address,
            place.c.lat == lat,
            place.c.lon == lon,
        )
    ).scalar()
    if found is not None:
        return str(found)
    made = Place(
        tenant=tenant,
        id=new_id("place"),
        address=address,
        lat=lat,
        lon=lon,
        street=street,
        street_distance_m=street_distance_m,
    )
    row = {name: getattr(made, name) for name in place.c.keys()}  # noqa: SIM118 - not a dict
    connection.execute(insert(place).values(**row))
    return made.id


def find(connection: Connection, tenant: str, place_id: str) -> Place | None:
    """One place."""
    found = among(connection, tenant, select(place.c.id).where(place.c.id == place_id))
    return found.get(place_id)


def among(connection: Connection, tenant: str, chosen: Select[Any]) -> dict[str, Place]:
    """The places whose ids a query gives, by id."""
    wanted = select(*(place.c[name] for name in _NAMES))
    rows = connection.execute(wanted.where(place.c.tenant == tenant, place.c.id.in_(chosen)))
    return {row.id: Place(**dict(zip(_NAMES, row, strict=True))) for row in rows}


def change(connection: Connection, tenant: str, place_id: str, **values: Any) -> None:
    """Write what is known of a place."""
    connection.execute(
        update(place).where(place.c.tenant == tenant, place.c.id == place_id).values(**values)
    )
