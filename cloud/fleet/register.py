"""The register: what each kind of thing may be, and taking on, changing and retiring it.

Nothing is ever deleted: history names it. What is retired is kept, is not listed unless asked for,
and nothing new may name it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, select
from sqlalchemy.exc import IntegrityError

from cloud.fleet import register_store, store, tables, within
from cloud.fleet.hours import require_local_time
from cloud.fleet.model import (
    OWN,
    Box,
    Carrier,
    Crew,
    Depot,
    Driver,
    Registered,
    Vehicle,
    require_crew,
    require_id,
    require_words,
    require_zone,
)
from cloud.foundation.errors import Conflict, Invalid, NotFound
from cloud.foundation.identity import EVERYTHING, Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind[T: Registered]:
    """One kind of thing in the register.

    Attributes:
        name: in sentences. listed_at: where all of them are listed.
        prepared: the same thing with its values in order; raises Invalid. Pure.
        check: raises Invalid when it names something that is not there or is retired.
        needed_by: what would be left without it if it were retired at an instant, or None.
        within: rows within a reach.
    """

    name: str
    listed_at: str
    table: Table
    type: type[T]
    prepared: Callable[[T], T]
    check: Callable[[Connection, T], None]
    needed_by: Callable[[Connection, T, float], str | None]
    within: Callable[[Reach], ColumnElement[bool]]


def find[T: Registered](
    connection: Connection, kind: Kind[T], tenant: str, thing_id: str, reach: Reach = EVERYTHING
) -> T | None:
    """One thing, retired or not, unless it is beyond reach."""
    row = register_store.find(connection, kind.table, tenant, thing_id, kind.within(reach))
    return None if row is None else kind.type(**row)


def require[T: Registered](
    connection: Connection, kind: Kind[T], tenant: str, thing_id: str, reach: Reach = EVERYTHING
) -> T:
    """One thing, retired or not.

    Raises:
        NotFound: there is none of that id within reach.
    """
    found = find(connection, kind, tenant, thing_id, reach)
    if found is None:
        raise NotFound(
            f"{kind.name} {thing_id[:80]!r} is not known; GET {kind.listed_at} lists them"
        )
    return found


def page[T: Registered](
    connection: Connection,
    kind: Kind[T],
    tenant: str,
    *,
    equal: dict[str, object],
    after: str,
    limit: int,
    with_retired: bool,
    reach: Reach,
) -> tuple[list[T], str | None]:
    """Some things within reach by id, and the id to go on after when there are more."""
    rows = register_store.page(
        connection,
        kind.table,
        tenant,
        equal=equal,
        after=after,
        limit=limit + 1,
        with_retired=with_retired,
        held=kind.within(reach),
    )
    found = [kind.type(**row) for row in rows[:limit]]
    return found, found[-1].id if len(rows) > limit else None


def every[T: Registered](connection: Connection, kind: Kind[T], tenant: str) -> list[T]:
    """Everything of one kind, retired or not."""
    rows = connection.execute(select(kind.table).where(kind.table.c.tenant == tenant)).mappings()
    return [kind.type(**row) for row in rows]


def add[T: Registered](connection: Connection, kind: Kind[T], thing: T) -> T:
    """Take a new thing on.

    Raises:
        Invalid: a value is not acceptable. Conflict: the id is taken.
    """
    require_id("id", thing.id)
    made = kind.prepared(thing)
    store.put_own_carrier(connection, thing.tenant)
    kind.check(connection, made)
    row: dict[str, Any] = {column.name: getattr(made, column.name) for column in kind.table.c}
    try:
        with connection.begin_nested():
            store.add(connection, kind.table, row)
    except IntegrityError as error:
        raise Conflict(
            f"there is a {kind.name} {thing.id!r} already; choose another id, or change that one"
        ) from error
    return made


def change[T: Registered](
    connection: Connection, kind: Kind[T], before: T, values: dict[str, Any]
) -> T:
    """Change some values of a thing.

    Raises:
        Invalid: a value is not acceptable. Conflict: somebody else has changed it meanwhile.
    """
    after = kind.prepared(replace(before, **values, version=before.version + 1))
    if before.retired_at is not None and after.retired_at is not None:
        raise Conflict(
            f"{kind.name} {before.id!r} is retired; send is_retired false to take it back first"
        )
    if after.retired_at is None:
        kind.check(connection, after)
    columns = {name: getattr(after, name) for name in values}
    if not register_store.change(connection, kind.table, before, columns):
        raise stale(kind.name, before.id)
    return after


def retire[T: Registered](connection: Connection, kind: Kind[T], before: T, now: float) -> T:
    """Take a thing out of use; doing it again changes nothing.

    Raises:
        Conflict: something that is in use still needs it.
    """
    if before.retired_at is not None:
        return before
    needed_by = kind.needed_by(connection, before, now)
    if needed_by is not None:
        raise Conflict(f"{kind.name} {before.id!r} cannot be retired: {needed_by}")
    return change(connection, kind, before, {"retired_at": now})


def require_version(name: str, thing_id: str, known: int, given: int) -> None:
    """A change is made to what its author has seen.

    Raises:
        Conflict: it has changed since.
    """
    if known != given:
        raise stale(name, thing_id, f"it has version {known}, not {given}")


def stale(name: str, thing_id: str, why: str = "it has changed meanwhile") -> Conflict:
    """Somebody else was faster."""
    return Conflict(f"{name} {thing_id!r}: {why}; read it again and send its version")


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


def require_in_use[T: Registered](
    connection: Connection,
    kind: Kind[T],
    tenant: str,
    field: str,
    thing_id: str,
    reach: Reach = EVERYTHING,
) -> T:
    """One thing that something new may name.

    Raises:
        Invalid: there is none, or it is retired or disabled.
    """
    found = find(connection, kind, tenant, thing_id, reach)
    if found is None:
        raise Invalid.field(
            field, f"no {kind.name} {thing_id[:80]!r}", f"add the {kind.name} first"
        )
    if found.retired_at is not None:
        raise Invalid.field(field, f"{kind.name} {thing_id!r} is retired", "choose another")
    if not getattr(found, "is_active", True):
        raise Invalid.field(
            field, f"{kind.name} {thing_id!r} is disabled", "choose another, or enable it"
        )
    return found


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
