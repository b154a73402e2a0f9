"""Tables of the fleet."""

from datetime import date

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    RowMapping,
    String,
    Table,
    UniqueConstraint,
    delete,
    insert,
    select,
    update,
)

from cloud.fleet.model import OWN, Carrier, Depot, Driver, Shift, Vehicle
from cloud.foundation.broker_config import GatewayCredential
from cloud.foundation.database import BUSINESS
from cloud.foundation.identity.reach import EVERYTHING, Reach
from cloud.foundation.identity.within import within

depot = Table(
    "depot",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("zone", String, nullable=False),
    Column("lat", Float, nullable=False),
    Column("lon", Float, nullable=False),
    Column("shift_start", String, nullable=False),
    Column("shift_end", String, nullable=False),
)
carrier = Table(
    "carrier",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("retired_at", Float),
    Column("version", Integer, nullable=False, server_default="1"),
)
vehicle = Table(
    "vehicle",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("depot_id", String, nullable=False),
    Column("capacity_parcels", Integer, nullable=False),
    Column("carrier_id", String, nullable=False, server_default=OWN),
)
driver = Table(
    "driver",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
)
shift = Table(
    "shift",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("vehicle_id", String, nullable=False),
    Column("driver_id", String, nullable=False),
    Column("depot_id", String, nullable=False, index=True),
    Column("service_date", String, nullable=False),
    Column("starts_at", Float, nullable=False),
    Column("ends_at", Float, nullable=False),
    UniqueConstraint("tenant", "vehicle_id", "service_date"),
    UniqueConstraint("tenant", "driver_id", "service_date"),
)
gateway = Table(
    "gateway",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("vehicle_id", String, primary_key=True),
    Column("client_id", String, nullable=False),
    Column("username", String, nullable=False),
    Column("password", String, nullable=False),
    Column("created_at", Float, nullable=False),
)


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


def find_carrier(connection: Connection, tenant: str, carrier_id: str) -> Carrier | None:
    """One carrier."""
    row = (
        connection.execute(
            select(carrier).where(carrier.c.tenant == tenant, carrier.c.id == carrier_id)
        )
        .mappings()
        .first()
    )
    return None if row is None else Carrier(**row)


def put_own_carrier(connection: Connection, tenant: str) -> None:
    """Make the tenant's own carrier unless it is there."""
    if find_carrier(connection, tenant, OWN) is None:
        add(connection, carrier, {"tenant": tenant, "id": OWN, "name": "Own fleet"})


def depots_within(reach: Reach) -> ColumnElement[bool]:
    """Depots within reach; a carrier reaches those that its vans are of."""
    if reach.carrier_id is None:
        return within(reach, depot=depot.c.id)
    mine = (vehicle.c.tenant == depot.c.tenant) & vehicles_within(reach)
    return depot.c.id.in_(select(vehicle.c.depot_id).where(mine).correlate(depot))


def vehicles_within(reach: Reach) -> ColumnElement[bool]:
    """Vans within reach, by the depot they are of or the carrier that runs them."""
    return within(reach, depot=vehicle.c.depot_id, carrier=vehicle.c.carrier_id)


def carriers_of_vans(connection: Connection) -> dict[tuple[str, str], str]:
    """The carrier of each (tenant, van), of all tenants: whose topics tell of it."""
    rows = connection.execute(select(vehicle.c.tenant, vehicle.c.id, vehicle.c.carrier_id))
    return {(row.tenant, row.id): row.carrier_id for row in rows}


def carriers_within(reach: Reach) -> ColumnElement[bool]:
    """Carriers within reach; a depot's people see those that run its vans."""
    if reach.depot_ids is None:
        return within(reach, carrier=carrier.c.id)
    mine = (vehicle.c.tenant == carrier.c.tenant) & vehicles_within(reach)
    return carrier.c.id.in_(select(vehicle.c.carrier_id).where(mine).correlate(carrier))


def depots(connection: Connection, tenant: str, reach: Reach = EVERYTHING) -> list[Depot]:
    """Every depot within reach, by id."""
    rows = connection.execute(
        select(depot).where(depot.c.tenant == tenant, depots_within(reach)).order_by(depot.c.id)
    ).mappings()
    return [Depot(**row) for row in rows]


def find_depot(
    connection: Connection, tenant: str, depot_id: str, reach: Reach = EVERYTHING
) -> Depot | None:
    """One depot, unless it is beyond reach."""
    row = (
        connection.execute(
            select(depot).where(
                depot.c.tenant == tenant, depot.c.id == depot_id, depots_within(reach)
            )
        )
        .mappings()
        .first()
    )
    return None if row is None else Depot(**row)


def vehicles(connection: Connection, tenant: str, reach: Reach = EVERYTHING) -> list[Vehicle]:
    """Every vehicle within reach, by id."""
    rows = connection.execute(
        select(vehicle)
        .where(vehicle.c.tenant == tenant, vehicles_within(reach))
        .order_by(vehicle.c.id)
    ).mappings()
    return [Vehicle(**row) for row in rows]


def find_vehicle(
    connection: Connection, tenant: str, vehicle_id: str, reach: Reach = EVERYTHING
) -> Vehicle | None:
    """One vehicle, unless it is beyond reach."""
    row = (
        connection.execute(
            select(vehicle).where(
                vehicle.c.tenant == tenant, vehicle.c.id == vehicle_id, vehicles_within(reach)
            )
        )
        .mappings()
        .first()
    )
    return None if row is None else Vehicle(**row)


def find_driver(connection: Connection, tenant: str, driver_id: str) -> Driver | None:
    """One driver."""
    row = (
        connection.execute(
            select(driver).where(driver.c.tenant == tenant, driver.c.id == driver_id)
        )
        .mappings()
        .first()
    )
    return None if row is None else Driver(**row)


def shifts_of_day(
    connection: Connection, tenant: str, depot_id: str, service_date: date
) -> list[Shift]:
    """The shifts of a depot on one service date, by vehicle."""
    rows = connection.execute(
        select(shift)
        .where(
            shift.c.tenant == tenant,
            shift.c.depot_id == depot_id,
            shift.c.service_date == service_date.isoformat(),
        )
        .order_by(shift.c.vehicle_id)
    ).mappings()
    return [_shift(row) for row in rows]


def shifts_between(
    connection: Connection, tenant: str, begin: float, end: float, driver_id: str | None = None
) -> list[Shift]:
    """Shifts that touch the time from ``begin`` to ``end``, the earliest first."""
    wanted = [shift.c.tenant == tenant, shift.c.ends_at > begin, shift.c.starts_at < end]
    if driver_id is not None:
        wanted.append(shift.c.driver_id == driver_id)
    rows = connection.execute(
        select(shift).where(*wanted).order_by(shift.c.starts_at, shift.c.id)
    ).mappings()
    return [_shift(row) for row in rows]


def put_gateway(connection: Connection, credential: GatewayCredential, created_at: float) -> None:
    """Store the credentials of a van's gateway in place of any earlier ones."""
    known = (gateway.c.tenant == credential.tenant) & (gateway.c.vehicle_id == credential.van)
    values = {
        "client_id": credential.client_id,
        "username": credential.username,
        "password": credential.password,
        "created_at": created_at,
    }
    if connection.execute(update(gateway).where(known).values(**values)).rowcount == 0:
        add(
            connection,
            gateway,
            {"tenant": credential.tenant, "vehicle_id": credential.van, **values},
        )


def drop_gateway(connection: Connection, tenant: str, vehicle_id: str) -> None:
    """Forget the password of a van's gateway."""
    connection.execute(
        delete(gateway).where(gateway.c.tenant == tenant, gateway.c.vehicle_id == vehicle_id)
    )


def session_by_password(connection: Connection, tenant: str, vehicle_id: str) -> str | None:
    """Client id of the gateway that has a password for this van; None when there is none."""
    known = (gateway.c.tenant == tenant) & (gateway.c.vehicle_id == vehicle_id)
    return connection.execute(select(gateway.c.client_id).where(known)).scalar()


def gateways(connection: Connection) -> list[GatewayCredential]:
    """What the broker must let in: every gateway of every tenant."""
    rows = connection.execute(select(gateway)).mappings()
    return [
        GatewayCredential(
            tenant=row["tenant"],
            van=row["vehicle_id"],
            client_id=row["client_id"],
            username=row["username"],
            password=row["password"],
        )
        for row in rows
    ]


def _shift(row: RowMapping) -> Shift:
    return Shift(**{**row, "service_date": date.fromisoformat(row["service_date"])})
