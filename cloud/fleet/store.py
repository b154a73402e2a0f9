"""Depots, carriers, vans and drivers in their tables."""

from collections.abc import Sequence

from sqlalchemy import Connection, Table, insert, or_, select

from cloud.fleet.model import OWN, Carrier, Depot, Driver, Shift, Vehicle
from cloud.fleet.tables import carrier, depot, driver, vehicle
from cloud.fleet.within import carriers_within, depots_within, drivers_within, vehicles_within
from cloud.foundation.identity.reach import EVERYTHING, Reach


def add(connection: Connection, table: Table, row: dict[str, object]) -> None:
    """Store one new row of the fleet."""
    connection.execute(insert(table).values(**row))


def carriers(connection: Connection, tenant: str, reach: Reach = EVERYTHING) -> list[Carrier]:
    """Every carrier within reach, by id."""
    rows = connection.execute(
        select(carrier)
        .where(carrier.c.tenant == tenant, carriers_within(reach))
        .order_by(carrier.c.id)
    ).mappings()
    return [Carrier(**row) for row in rows]


def put_own_carrier(connection: Connection, tenant: str) -> None:
    """Make the tenant's own carrier unless it is there."""
    own = select(carrier.c.id).where(carrier.c.tenant == tenant, carrier.c.id == OWN)
    if connection.scalar(own) is None:
        add(connection, carrier, {"tenant": tenant, "id": OWN, "name": "Own fleet"})


def carriers_of_vans(connection: Connection) -> dict[tuple[str, str], str]:
    """The carrier of each (tenant, van) in use, of all tenants: whose topics tell of it."""
    rows = connection.execute(
        select(vehicle.c.tenant, vehicle.c.id, vehicle.c.carrier_id).where(
            vehicle.c.is_active, vehicle.c.retired_at.is_(None)
        )
    )
    return {(row.tenant, row.id): row.carrier_id for row in rows}


def depots(connection: Connection, tenant: str, reach: Reach = EVERYTHING) -> list[Depot]:
    """Every depot within reach, by id."""
    rows = connection.execute(
        select(depot).where(depot.c.tenant == tenant, depots_within(reach)).order_by(depot.c.id)
    ).mappings()
    return [Depot(**row) for row in rows]


def every_vehicle(connection: Connection) -> list[tuple[str, str, str]]:
    """(tenant, van, depot) of every van of every tenant."""
    columns = (vehicle.c.tenant, vehicle.c.id, vehicle.c.depot_id)
    rows = connection.execute(select(*columns).order_by(vehicle.c.tenant, vehicle.c.id))
    return [(row.tenant, row.id, row.depot_id) for row in rows]


def vehicles(connection: Connection, tenant: str, reach: Reach = EVERYTHING) -> list[Vehicle]:
    """Every vehicle there ever was within reach, by id."""
    rows = connection.execute(
        select(vehicle)
        .where(vehicle.c.tenant == tenant, vehicles_within(reach))
        .order_by(vehicle.c.id)
    ).mappings()
    return [Vehicle(**row) for row in rows]


def drivers(connection: Connection, tenant: str, reach: Reach = EVERYTHING) -> list[Driver]:
    """Every driver there ever was within reach, by id."""
    rows = connection.execute(
        select(driver).where(driver.c.tenant == tenant, drivers_within(reach)).order_by(driver.c.id)
    ).mappings()
    return [Driver(**row) for row in rows]


def drivers_of_shifts(connection: Connection, shifts: Sequence[Shift]) -> list[Driver]:
    """Who is planned on some shifts of one tenant, driving or going along."""
    if not shifts:
        return []
    people = {person for one in shifts for person in one.people}
    rows = connection.execute(
        select(driver).where(driver.c.tenant == shifts[0].tenant, driver.c.id.in_(sorted(people)))
    ).mappings()
    return [Driver(**row) for row in rows]


def vans_out_of_use(
    connection: Connection, tenant: str | None = None, vehicle_id: str | None = None
) -> set[tuple[str, str]]:
    """Tenant and id of each van that is disabled or retired: nobody is let in as its gateway.

    Of every tenant, or whether one van is among them.
    """
    wanted = [or_(vehicle.c.is_active.is_(False), vehicle.c.retired_at.is_not(None))]
    if tenant is not None:
        wanted.append(vehicle.c.tenant == tenant)
    if vehicle_id is not None:
        wanted.append(vehicle.c.id == vehicle_id)
    rows = connection.execute(select(vehicle.c.tenant, vehicle.c.id).where(*wanted))
    return {(row.tenant, row.id) for row in rows}


def is_out_of_use(connection: Connection, tenant: str, vehicle_id: str) -> bool:
    """Whether one van is disabled or retired."""
    return bool(vans_out_of_use(connection, tenant, vehicle_id))
