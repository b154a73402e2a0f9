"""Tables of the fleet."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Literal

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    Row,
    RowMapping,
    String,
    Table,
    and_,
    delete,
    insert,
    or_,
    select,
    true,
    tuple_,
    type_coerce,
    update,
)

from cloud.fleet.assignments import Assignment
from cloud.fleet.columns import CALENDAR, SPANS, WORDS
from cloud.fleet.model import OWN, Carrier, Depot, Driver, Shift, Vehicle
from cloud.foundation.broker_config import GatewayCredential
from cloud.foundation.database import BUSINESS
from cloud.foundation.identity.reach import EVERYTHING, Reach
from cloud.foundation.identity.within import within

type AssignmentKind = Literal["driver", "gateway"]

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
    Column("calendar", CALENDAR),
    Column("retired_at", Float),
    Column("version", Integer, nullable=False, server_default="1"),
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
    Column("capacity_kg", Float),
    Column("capacity_litres", Float),
    Column("skills", WORDS, nullable=False, server_default="[]"),
    Column("height_m", Float),
    Column("weight_kg", Float),
    Column("range_km", Float),
    Column("price_km", Float),
    Column("price_hour", Float),
    Column("price_use", Float),
    Column("start_lat", Float),
    Column("start_lon", Float),
    Column("end_lat", Float),
    Column("end_lon", Float),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    Column("retired_at", Float),
    Column("version", Integer, nullable=False, server_default="1"),
)
driver = Table(
    "driver",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("carrier_id", String, nullable=False, server_default=OWN),
    Column("depot_id", String),
    Column("skills", WORDS, nullable=False, server_default="[]"),
    Column("licences", WORDS, nullable=False, server_default="[]"),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    Column("retired_at", Float),
    Column("version", Integer, nullable=False, server_default="1"),
)
box = Table(
    "gateway_box",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("serial", String, nullable=False),
    Column("retired_at", Float),
    Column("version", Integer, nullable=False, server_default="1"),
)
crew = Table(
    "crew",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("driver_id", String, nullable=False),
    Column("helper_ids", WORDS, nullable=False),
    Column("retired_at", Float),
    Column("version", Integer, nullable=False, server_default="1"),
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
    Column("crew_id", String),
    Column("helper_ids", WORDS, nullable=False, server_default="[]"),
    Column("breaks", SPANS, nullable=False, server_default="[]"),
    Column("state", String, nullable=False, server_default="planned"),
    Column("version", Integer, nullable=False, server_default="1"),
)
Index(
    "uq_shift_van_day",
    shift.c.tenant,
    shift.c.vehicle_id,
    shift.c.service_date,
    unique=True,
    sqlite_where=shift.c.state == "planned",
    postgresql_where=shift.c.state == "planned",
)
Index("ix_shift_time", shift.c.tenant, shift.c.starts_at)
assignment = Table(
    "assignment",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("vehicle_id", String, nullable=False),
    Column("holder_id", String, nullable=False),
    Column("begin_at", Float, nullable=False),
    Column("end_at", Float),
    Column("shift_id", String),
    Index("ix_assignment_vehicle", "tenant", "kind", "vehicle_id", "begin_at"),
    Index("ix_assignment_holder", "tenant", "kind", "holder_id", "begin_at"),
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
    """The carrier of each (tenant, van) in use, of all tenants: whose topics tell of it."""
    rows = connection.execute(
        select(vehicle.c.tenant, vehicle.c.id, vehicle.c.carrier_id).where(
            vehicle.c.is_active, vehicle.c.retired_at.is_(None)
        )
    )
    return {(row.tenant, row.id): row.carrier_id for row in rows}


def carriers_within(reach: Reach) -> ColumnElement[bool]:
    """Carriers within reach; a depot's people see those that run its vans."""
    if reach.depot_ids is None:
        return within(reach, carrier=carrier.c.id)
    mine = (vehicle.c.tenant == carrier.c.tenant) & vehicles_within(reach)
    return carrier.c.id.in_(select(vehicle.c.carrier_id).where(mine).correlate(carrier))


def drivers_within(reach: Reach) -> ColumnElement[bool]:
    """Drivers within reach, by the depot they are at home or their carrier."""
    return within(reach, depot=driver.c.depot_id, carrier=driver.c.carrier_id)


def crews_within(reach: Reach) -> ColumnElement[bool]:
    """Crews within reach: those whose driver is."""
    if reach.is_everything:
        return true()
    mine = (driver.c.tenant == crew.c.tenant) & drivers_within(reach)
    return crew.c.driver_id.in_(select(driver.c.id).where(mine).correlate(crew))


def boxes_within(reach: Reach) -> ColumnElement[bool]:
    """Gateways within reach: those that are, were or will be in one of its vans."""
    if reach.is_everything:
        return true()
    mine = (
        (assignment.c.tenant == box.c.tenant)
        & (assignment.c.kind == "gateway")
        & assignments_within(reach)
    )
    return box.c.id.in_(select(assignment.c.holder_id).where(mine).correlate(box))


def shifts_within(reach: Reach) -> ColumnElement[bool]:
    """Shifts within reach: of its depots, or of its carrier's vans."""
    if reach.carrier_id is None:
        return within(reach, depot=shift.c.depot_id)
    return _of_vans(shift, reach)


def assignments_within(reach: Reach) -> ColumnElement[bool]:
    """Assignments within reach: of its vans."""
    return true() if reach.is_everything else _of_vans(assignment, reach)


def _of_vans(table: Table, reach: Reach) -> ColumnElement[bool]:
    mine = (vehicle.c.tenant == table.c.tenant) & vehicles_within(reach)
    return table.c.vehicle_id.in_(select(vehicle.c.id).where(mine).correlate(table))


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


def drivers_of_shifts(connection: Connection, shifts: Sequence[Shift]) -> list[Driver]:
    """Who is planned on some shifts of one tenant, driving or going along."""
    if not shifts:
        return []
    people = {person for one in shifts for person in one.people}
    rows = connection.execute(
        select(driver).where(driver.c.tenant == shifts[0].tenant, driver.c.id.in_(sorted(people)))
    ).mappings()
    return [Driver(**row) for row in rows]


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
    """The shifts of a depot on one service date, by vehicle, cancelled ones included."""
    return _shifts(
        connection,
        [
            shift.c.tenant == tenant,
            shift.c.depot_id == depot_id,
            shift.c.service_date == service_date.isoformat(),
        ],
        [shift.c.vehicle_id, shift.c.id],
    )


def shifts_between(
    connection: Connection, tenant: str, begin: float, end: float, vehicle_id: str | None = None
) -> list[Shift]:
    """Shifts that hold and touch the time from ``begin`` to ``end``, the earliest first."""
    wanted = [*_holding(tenant), shift.c.ends_at > begin, shift.c.starts_at < end]
    if vehicle_id is not None:
        wanted.append(shift.c.vehicle_id == vehicle_id)
    return _shifts(connection, wanted, [shift.c.starts_at, shift.c.id])


def shifts_of_driver(
    connection: Connection, tenant: str, driver_id: str, begin: float, end: float
) -> list[Shift]:
    """Shifts whose van the driver drives between two instants, the one driven first first."""
    overlap = and_(
        assignment.c.tenant == shift.c.tenant,
        assignment.c.kind == "driver",
        assignment.c.vehicle_id == shift.c.vehicle_id,
        assignment.c.holder_id == driver_id,
        assignment.c.begin_at < shift.c.ends_at,
        _not_ended(shift.c.starts_at),
    )
    wanted = [
        *_holding(tenant),
        shift.c.ends_at > begin,
        shift.c.starts_at < end,
        assignment.c.begin_at < end,
        _not_ended(begin),
    ]
    rows = connection.execute(
        select(shift)
        .join(assignment, overlap)
        .where(*wanted)
        .order_by(assignment.c.begin_at, shift.c.starts_at, shift.c.id)
    ).mappings()
    return [shift_of(row) for row in rows]


def find_shift(connection: Connection, tenant: str, shift_id: str) -> Shift | None:
    """One shift."""
    found = _shifts(connection, [shift.c.tenant == tenant, shift.c.id == shift_id], [shift.c.id])
    return found[0] if found else None


def put_shift(connection: Connection, changed: Shift) -> None:
    """Write a shift again as it is now."""
    connection.execute(
        update(shift)
        .where(shift.c.tenant == changed.tenant, shift.c.id == changed.id)
        .values(**shift_row(changed))
    )


def shift_row(one: Shift) -> dict[str, Any]:
    """A shift by column."""
    row = {name: getattr(one, name) for name in shift.c.keys()}  # noqa: SIM118 - not a dict
    return row | {"service_date": one.service_date.isoformat()}


def shift_of(row: RowMapping) -> Shift:
    """A row of shifts as its value."""
    return Shift(**{**row, "service_date": date.fromisoformat(row["service_date"])})


def _holding(tenant: str) -> list[ColumnElement[bool]]:
    return [shift.c.tenant == tenant, shift.c.state == "planned"]


def _shifts(
    connection: Connection, wanted: Iterable[ColumnElement[bool]], by: Iterable[Column[Any]]
) -> list[Shift]:
    rows = connection.execute(select(shift).where(*wanted).order_by(*by)).mappings()
    return [shift_of(row) for row in rows]


def assignments(
    connection: Connection,
    tenant: str,
    kind: AssignmentKind,
    begin: float,
    end: float,
    *,
    vehicle_id: str | None = None,
    holder_id: str | None = None,
    reach: Reach = EVERYTHING,
) -> list[Assignment]:
    """Assignments in force at any instant from ``begin`` until ``end``, the earliest first.

    Given both, those of the van and those of the holder.
    """
    of = [
        column == value
        for column, value in (
            (assignment.c.vehicle_id, vehicle_id),
            (assignment.c.holder_id, holder_id),
        )
        if value is not None
    ]
    rows = connection.execute(
        select(assignment)
        .where(
            assignment.c.tenant == tenant,
            assignment.c.kind == kind,
            assignment.c.begin_at < end,
            _not_ended(begin),
            or_(*of) if of else true(),
            assignments_within(reach),
        )
        .order_by(assignment.c.begin_at, assignment.c.id)
    )
    return [assignment_of(row) for row in rows]


def assignment_of(row: Row[Any]) -> Assignment:
    """A row of assignments as its value."""
    return Assignment(
        id=row.id,
        vehicle_id=row.vehicle_id,
        holder_id=row.holder_id,
        begin=row.begin_at,
        end=row.end_at,
        shift_id=row.shift_id,
    )


def drop_assignments(
    connection: Connection, tenant: str, kind: AssignmentKind, ids: Iterable[str]
) -> None:
    """Take assignments out."""
    connection.execute(
        delete(assignment).where(
            assignment.c.tenant == tenant, assignment.c.kind == kind, assignment.c.id.in_(list(ids))
        )
    )


def add_assignments(
    connection: Connection, tenant: str, kind: AssignmentKind, made: Iterable[Assignment]
) -> None:
    """Store assignments."""
    rows = [
        {
            "tenant": tenant,
            "kind": kind,
            "id": one.id,
            "vehicle_id": one.vehicle_id,
            "holder_id": one.holder_id,
            "begin_at": one.begin,
            "end_at": one.end,
            "shift_id": one.shift_id,
        }
        for one in made
    ]
    if rows:
        connection.execute(insert(assignment), rows)


def _not_ended(instant: float | ColumnElement[float]) -> ColumnElement[bool]:
    return or_(assignment.c.end_at.is_(None), assignment.c.end_at > instant)


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


def shifts_of_any(
    connection: Connection,
    tenant: str,
    begin: float,
    end: float,
    vehicle_id: str | None,
    people: Iterable[str],
) -> list[Shift]:
    """Shifts that hold, touch a time, and are of this van or of one of these drivers or helpers."""
    wanted = tuple(people)
    helpers = type_coerce(shift.c.helper_ids, String)
    of: list[ColumnElement[bool]] = [shift.c.driver_id.in_(wanted)]
    of += [helpers.contains(f'"{one}"', autoescape=True) for one in wanted]
    if vehicle_id is not None:
        of.append(shift.c.vehicle_id == vehicle_id)
    return _shifts(
        connection,
        [*_holding(tenant), shift.c.ends_at > begin, shift.c.starts_at < end, or_(*of)],
        [shift.c.starts_at, shift.c.id],
    )


def assignments_of_shift(connection: Connection, tenant: str, shift_id: str) -> list[Assignment]:
    """Who drives in a shift, in order."""
    rows = connection.execute(
        select(assignment)
        .where(
            assignment.c.tenant == tenant,
            assignment.c.kind == "driver",
            assignment.c.shift_id == shift_id,
        )
        .order_by(assignment.c.begin_at)
    )
    return [assignment_of(row) for row in rows]


def page_of_shifts(
    connection: Connection,
    tenant: str,
    *,
    equal: dict[str, str],
    after: tuple[str, str] | None,
    limit: int,
    reach: Reach = EVERYTHING,
) -> list[Shift]:
    """Shifts by (service date, id) after a place in that order; ``equal`` filters by column."""
    wanted: list[ColumnElement[bool]] = [shift.c.tenant == tenant, shifts_within(reach)]
    wanted += [shift.c[name] == value for name, value in equal.items()]
    if after is not None:
        wanted.append(tuple_(shift.c.service_date, shift.c.id) > tuple_(*after))
    rows = connection.execute(
        select(shift).where(*wanted).order_by(shift.c.service_date, shift.c.id).limit(limit)
    ).mappings()
    return [shift_of(row) for row in rows]
