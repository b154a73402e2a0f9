"""Shifts and assignments in their tables."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    RowMapping,
    String,
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

from cloud.fleet.assignments import Assignment, AssignmentKind
from cloud.fleet.model import Shift
from cloud.fleet.tables import assignment, shift
from cloud.fleet.within import assignments_within, shifts_within
from cloud.foundation.identity.reach import EVERYTHING, Reach


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


def dates_with_shifts(
    connection: Connection, tenant: str, depot_id: str, first: date, last: date
) -> list[date]:
    """The service dates from ``first`` to ``last`` for which a depot has a shift that holds."""
    rows = connection.execute(
        select(shift.c.service_date)
        .where(
            *_holding(tenant),
            shift.c.depot_id == depot_id,
            shift.c.service_date >= first.isoformat(),
            shift.c.service_date <= last.isoformat(),
        )
        .distinct()
        .order_by(shift.c.service_date)
    ).scalars()
    return [date.fromisoformat(day) for day in rows]


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


def within_reach(
    connection: Connection, tenant: str, ids: Iterable[str], reach: Reach
) -> frozenset[str]:
    """Which of some shifts are within reach."""
    wanted = shift.c.tenant == tenant, shift.c.id.in_(sorted(ids)), shifts_within(reach)
    return frozenset(connection.execute(select(shift.c.id).where(*wanted)).scalars())


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
