"""The kinds of things in the register: what each may be, what it names, and what needs it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection

from cloud.fleet import register_store, tables, within
from cloud.fleet.hours import require_local_time
from cloud.fleet.model import (
    OWN,
    Box,
    Carrier,
    Crew,
    Depot,
    Driver,
    Vehicle,
    require_crew,
    require_words,
    require_zone,
)
from cloud.fleet.register import Kind, require_in_use
from cloud.foundation.errors import Invalid


def _depot(depot: Depot) -> Depot:
    require_zone(depot.zone)
    for field in ("shift_start", "shift_end"):
        require_local_time(field, getattr(depot, field))
    return depot


def _vehicle(vehicle: Vehicle) -> Vehicle:
    for field in ("start", "end"):
        lat, lon = getattr(vehicle, f"{field}_lat"), getattr(vehicle, f"{field}_lon")
        if (lat is None) != (lon is None):
            missing = "lat" if lat is None else "lon"
            raise Invalid.field(
                f"{field}_{missing}", "is missing", f"give {field}_lat and {field}_lon, or none"
            )
    return replace(
        vehicle,
        skills=require_words("skills", vehicle.skills),
        zones=require_words("zones", vehicle.zones),
    )


def _driver(driver: Driver) -> Driver:
    return replace(
        driver,
        skills=require_words("skills", driver.skills),
        licences=require_words("licences", driver.licences),
        zones=require_words("zones", driver.zones),
    )


def _crew(crew: Crew) -> Crew:
    require_crew(crew.driver_id, crew.helper_ids)
    return crew


def _check_nothing(_: Connection, __: object) -> None:
    return


def _check_vehicle(connection: Connection, vehicle: Vehicle) -> None:
    require_in_use(connection, DEPOTS, vehicle.tenant, "depot_id", vehicle.depot_id)
    require_in_use(connection, CARRIERS, vehicle.tenant, "carrier_id", vehicle.carrier_id)


def _check_driver(connection: Connection, driver: Driver) -> None:
    require_in_use(connection, CARRIERS, driver.tenant, "carrier_id", driver.carrier_id)
    if driver.depot_id is not None:
        require_in_use(connection, DEPOTS, driver.tenant, "depot_id", driver.depot_id)


def _check_crew(connection: Connection, crew: Crew) -> None:
    require_in_use(connection, DRIVERS, crew.tenant, "driver_id", crew.driver_id)
    for helper_id in crew.helper_ids:
        require_in_use(connection, DRIVERS, crew.tenant, "helper_ids", helper_id)


def _carrier_needed(connection: Connection, carrier: Carrier, _: float) -> str | None:
    if carrier.id == OWN:
        return "it is the fleet itself"
    found = register_store.naming(
        connection, (tables.vehicle, tables.driver), carrier.tenant, "carrier_id", carrier.id
    )
    return found and f"{found} is its; give that to another carrier first"


def _depot_needed(connection: Connection, depot: Depot, now: float) -> str | None:
    found = register_store.naming(
        connection, (tables.vehicle, tables.driver), depot.tenant, "depot_id", depot.id
    )
    if found is None:
        found = register_store.shift_ahead(
            connection, depot.tenant, now, lambda shift: shift.depot_id == depot.id
        )
    return found and f"{found} is there; move or cancel that first"


def _vehicle_needed(connection: Connection, vehicle: Vehicle, now: float) -> str | None:
    found = register_store.shift_ahead(
        connection, vehicle.tenant, now, lambda shift: shift.vehicle_id == vehicle.id
    )
    return found and f"{found} is to be driven with it; cancel that first"


def _driver_needed(connection: Connection, driver: Driver, now: float) -> str | None:
    found = register_store.shift_ahead(
        connection, driver.tenant, now, lambda shift: driver.id in shift.people
    )
    return found and f"{found} is the driver's; cancel or change that first"


def _needed_by_nothing(_: Connection, __: object, ___: float) -> None:
    return None


def _same[T](thing: T) -> T:
    return thing


CARRIERS: Final = Kind(
    name="carrier",
    listed_at="/api/v1/carriers",
    table=tables.carrier,
    type=Carrier,
    prepared=_same,
    check=_check_nothing,
    needed_by=_carrier_needed,
    within=within.carriers_within,
)
DEPOTS: Final = Kind(
    name="depot",
    listed_at="/api/v1/depots",
    table=tables.depot,
    type=Depot,
    prepared=_depot,
    check=_check_nothing,
    needed_by=_depot_needed,
    within=within.depots_within,
)
VEHICLES: Final = Kind(
    name="vehicle",
    listed_at="/api/v1/vehicles",
    table=tables.vehicle,
    type=Vehicle,
    prepared=_vehicle,
    check=_check_vehicle,
    needed_by=_vehicle_needed,
    within=within.vehicles_within,
)
DRIVERS: Final = Kind(
    name="driver",
    listed_at="/api/v1/drivers",
    table=tables.driver,
    type=Driver,
    prepared=_driver,
    check=_check_driver,
    needed_by=_driver_needed,
    within=within.drivers_within,
)
BOXES: Final = Kind(
    name="gateway",
    listed_at="/api/v1/gateways",
    table=tables.box,
    type=Box,
    prepared=_same,
    check=_check_nothing,
    needed_by=_needed_by_nothing,
    within=within.boxes_within,
)
CREWS: Final = Kind(
    name="crew",
    listed_at="/api/v1/crews",
    table=tables.crew,
    type=Crew,
    prepared=_crew,
    check=_check_crew,
    needed_by=_needed_by_nothing,
    within=within.crews_within,
)
KINDS: Final[Sequence[Kind[Any]]] = (CARRIERS, DEPOTS, VEHICLES, DRIVERS, BOXES, CREWS)
