"""Bringing a fleet in from files, and out again.

A row whose id is known changes that thing to what the row says; another is taken on. A bad row is
told with its field and the remedy, and the rest is kept. A dry run does everything and keeps
nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import batched
from typing import Any, Final

from pydantic import BaseModel
from sqlalchemy import Connection

from cloud.fleet import kinds, register, shift_store, shifts
from cloud.fleet.files import Refused, Row, read, write
from cloud.fleet.model import Driver, Registered, Shift
from cloud.fleet.register_api import SHAPES, Shape
from cloud.fleet.register_bodies import body_of, values_of
from cloud.fleet.roster import Roster
from cloud.fleet.service import Fleet
from cloud.fleet.shift_bodies import NewShiftBody
from cloud.foundation.errors import CloudError, FieldProblem

_AT_ONCE: Final = 100
"""Rows of one transaction, so that another writer waits for these at most."""
_PAGE: Final = 1_000
_SHAPES: Final[Mapping[str, Shape]] = {shape.plural: shape for shape in SHAPES}


@dataclass(slots=True, kw_only=True)
class Report:
    """What became of each row of a file; ids in the order of the rows.

    Attributes:
        tokens: of the apps of drivers that were taken on, by driver; told this once.
    """

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: int = 0
    tokens: dict[str, str] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)


def import_file(
    fleet: Fleet, roster: Roster, tenant: str, kind: str, text: str, *, is_dry: bool
) -> Report:
    """Take every good row of a file and tell of every bad one.

    Raises:
        Invalid: the file as a whole cannot be read; nothing is stored.
    """
    report = Report()
    rows: list[Row] = []
    for one in read(kind, text):
        if isinstance(one, Row):
            rows.append(one)
        else:
            report.refused.append(one)
    take = _taker(fleet, roster, tenant, kind)
    if is_dry:
        _try_all(fleet, rows, take, report)
        report.tokens.clear()
    else:
        is_told = False
        for part in batched(rows, _AT_ONCE):
            with fleet.writing() as connection:
                for row in part:
                    is_told |= _take_one(connection, row, take, report)
        if is_told:
            fleet.tell_broker()
    report.refused.sort(key=lambda one: one.row)
    return report


type _Take = Callable[[Connection, BaseModel, Report], bool]


def _try_all(fleet: Fleet, rows: list[Row], take: _Take, report: Report) -> None:
    with fleet.writing() as connection:
        tried = connection.begin_nested()
        for row in rows:
            _take_one(connection, row, take, report)
        tried.rollback()


def _take_one(connection: Connection, row: Row, take: _Take, report: Report) -> bool:
    """Take one row or refuse it, whole; whether the broker is to be told."""
    try:
        with connection.begin_nested():
            return take(connection, row.body, report)
    except CloudError as error:
        problem = (
            error.problems[0]
            if error.problems
            else FieldProblem("id", error.detail, "mend the row as the problem says")
        )
        report.refused.append(row.refused(problem))
        return False


def _taker(fleet: Fleet, roster: Roster, tenant: str, kind: str) -> _Take:
    if kind == "shifts":
        return lambda connection, body, report: _take_shift(
            roster, tenant, connection, body, report
        )
    shape = _SHAPES[kind]

    def take(connection: Connection, body: BaseModel, report: Report) -> bool:
        wanted = shape.thing(tenant, body)
        before = register.find(connection, shape.kind, tenant, wanted.id)
        if before is None:
            if isinstance(wanted, Driver):
                _, report.tokens[wanted.id] = fleet.add_driver_in(connection, wanted)
            else:
                fleet.add_in(connection, shape.kind, wanted)
            report.added.append(wanted.id)
            return False
        return _change(fleet, shape, connection, before, body, report)

    return take


def _change(
    fleet: Fleet,
    shape: Shape,
    connection: Connection,
    before: Registered,
    body: BaseModel,
    report: Report,
) -> bool:
    """Only the columns that the file has are changed, so a file of two changes nothing else."""
    values = {
        name: value for name, value in values_of(body).items() if getattr(before, name) != value
    }
    if not values:
        report.unchanged += 1
        return False
    _, is_told = fleet.change_in(connection, shape.kind, before, values)
    report.changed.append(before.id)
    return is_told


def _take_shift(
    roster: Roster, tenant: str, connection: Connection, body: BaseModel, report: Report
) -> bool:
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in body.model_dump().items()
    }
    new = shifts.NewShift(**given)
    known = None if new.id is None else shift_store.find_shift(connection, tenant, new.id)
    if known is None:
        report.added.append(roster.add_shift_in(connection, tenant, new).id)
        return False
    if (known.vehicle_id, known.service_date) != (new.vehicle_id, new.service_date):
        raise shifts.other_shift(known)
    change = shifts.ShiftChange(
        driver_id=new.driver_id,
        helper_ids=new.helper_ids,
        start=new.start,
        end=new.end,
        breaks=new.breaks if "breaks" in body.model_fields_set else None,
    )
    if roster.change_shift_in(connection, known, change):
        report.changed.append(known.id)
    else:
        report.unchanged += 1
    return False


def export_file(fleet: Fleet, roster: Roster, tenant: str, kind: str) -> str:
    """Everything of one kind that is not retired; of shifts, those that hold and are not over."""
    if kind == "shifts":
        return write(kind, _shifts(fleet, roster, tenant))
    return write(kind, _things(fleet, tenant, _SHAPES[kind]))


def _things(fleet: Fleet, tenant: str, shape: Shape) -> Iterator[BaseModel]:
    after: str | None = ""
    while after is not None:
        found, after = fleet.page(
            shape.kind, tenant, equal={}, after=after, limit=_PAGE, with_retired=False
        )
        for thing in found:
            yield body_of(shape.body, thing)


def _shifts(fleet: Fleet, roster: Roster, tenant: str) -> Iterator[BaseModel]:
    zones = {depot.id: depot.zone for depot in fleet.every(kinds.DEPOTS, tenant)}
    for shift in roster.shifts_ahead(tenant):
        yield _shift_body(shift, zones[shift.depot_id])


def _shift_body(shift: Shift, zone: str) -> BaseModel:
    values: dict[str, Any] = {
        "id": shift.id,
        "vehicle_id": shift.vehicle_id,
        "driver_id": shift.driver_id,
        "service_date": shift.service_date,
        "start": shifts.local_time(shift.starts_at, zone),
        "end": shifts.local_time(shift.ends_at, zone),
        "breaks": [
            f"{shifts.local_time(begin, zone)}-{shifts.local_time(end, zone)}"
            for begin, end in shift.breaks
        ],
        "crew_id": shift.crew_id,
        "helper_ids": list(shift.helper_ids),
    }
    return NewShiftBody.model_validate(values)
