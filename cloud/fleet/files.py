"""Files of the fleet: one kind of CSV for each kind of thing, read and written alike.

A list in a cell is parted by ``;``. An empty cell is what a field is when nobody says. A depot's
calendar has a column for each weekday and one for special days.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from cloud.fleet.calendar import WEEKDAYS
from cloud.fleet.register_bodies import NewBox, NewCarrier, NewCrew, NewDepot, NewDriver, NewVehicle
from cloud.fleet.shift_bodies import NewShiftBody
from cloud.foundation.errors import FieldProblem, Invalid
from cloud.foundation.given import Unacceptable

MAX_ROWS: Final = 5_000
_LISTS: Final = frozenset({"skills", "licences", "zones", "helper_ids", "breaks"})
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
_SPECIAL: Final = "special_days"
_REMEDY: Final = "see the columns and examples in docs/fleet.md"

COLUMNS: Final[Mapping[str, tuple[type[BaseModel], tuple[str, ...]]]] = {
    "carriers": (NewCarrier, ("id", "name")),
    "depots": (
        NewDepot,
        ("id", "name", "zone", "lat", "lon", "shift_start", "shift_end", *WEEKDAYS, _SPECIAL),
    ),
    "vehicles": (NewVehicle, tuple(NewVehicle.model_fields)),
    "drivers": (NewDriver, tuple(NewDriver.model_fields)),
    "gateways": (NewBox, tuple(NewBox.model_fields)),
    "crews": (NewCrew, tuple(NewCrew.model_fields)),
    "shifts": (NewShiftBody, tuple(NewShiftBody.model_fields)),
}
"""What each kind of file holds, and in which columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A row that was not taken; ``row`` counts lines of the file, the header as 1."""

    row: int
    field: str
    value: str
    problem: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row that was read; ``cells`` are what stood in it."""

    line: int
    body: BaseModel
    cells: Mapping[str, str]

    def refused(self, problem: FieldProblem) -> Refused:
        """The same, not taken after all."""
        return _refused(self.line, self.cells, problem)


def read(kind: str, text: str) -> Iterator[Row | Refused]:
    """The rows of a file in order, taken or refused.

    Raises:
        Invalid: the file as a whole cannot be read.
    """
    body, columns = COLUMNS[kind]
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    seen: dict[str, int] = {}
    try:
        _require_header(reader.fieldnames or (), body, columns)
        for count, row in enumerate(reader):
            if count >= MAX_ROWS:
                raise Invalid.field("file", f"more than {MAX_ROWS} rows", "split the file")
            yield _row(reader.line_num, row, body, seen)
    except csv.Error as error:
        raise Invalid.field(
            "file", f"line {reader.line_num}: {error}", "save it as comma-separated UTF-8"
        ) from error


def write(kind: str, things: Iterable[BaseModel]) -> str:
    """A file that `read` takes for the same things."""
    _, columns = COLUMNS[kind]
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\r\n")
    writer.writeheader()
    for thing in things:
        cells = _cells(thing.model_dump(mode="json"), columns)
        writer.writerow({name: guarded(str(cell)) for name, cell in cells.items()})
    return out.getvalue()


def guarded(text: str) -> str:
    """``text`` so that no spreadsheet takes it for a formula; a number stays one."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def unguarded(text: str) -> str:
    """What `guarded` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text


def _require_header(header: Sequence[str], body: type[BaseModel], columns: Sequence[str]) -> None:
    required = [name for name, told in body.model_fields.items() if told.is_required()]
    missing = [name for name in required if name not in header]
    unknown = [name for name in header if name not in columns]
    if not missing and not unknown and len(set(header)) == len(header):
        return
    what = (
        f"column {missing[0]!r} is missing"
        if missing
        else f"column {unknown[0][:40]!r} is not known"
        if unknown
        else "a column stands twice"
    )
    raise Invalid.field("file", what, f"the first line names columns of: {', '.join(columns)}")


def _row(
    line: int, row: Mapping[Any, Any], body: type[BaseModel], seen: dict[str, int]
) -> Row | Refused:
    cells = {
        name: unguarded(value.strip())
        for name, value in row.items()
        if name and isinstance(value, str)
    }
    if None in row:
        problem = FieldProblem(
            "row", "has more cells than the header", "put text with commas in quotes"
        )
        return _refused(line, cells, problem)
    thing_id = cells.get("id", "")
    if thing_id and seen.setdefault(thing_id, line) != line:
        problem = FieldProblem("id", f"stands in line {seen[thing_id]} already", "leave one out")
        return _refused(line, cells, problem)
    try:
        return Row(line=line, body=body.model_validate(_values(cells)), cells=cells)
    except ValidationError as error:
        return _refused(line, cells, _problem(error))
    except Invalid as error:
        return _refused(line, cells, error.problems[0])


def _values(cells: Mapping[str, str]) -> dict[str, Any]:
    """What the cells say: an empty one says nothing."""
    values: dict[str, Any] = {
        name: _list(text) if name in _LISTS else text
        for name, text in cells.items()
        if text and name not in WEEKDAYS and name != _SPECIAL
    }
    days: tuple[str, ...] = WEEKDAYS
    week = {name: _list(cells[name]) for name in days if cells.get(name)}
    special = [_special(one) for one in _list(cells.get(_SPECIAL, ""))]
    if week or special:
        values["calendar"] = {"week": week, "special": special}
    return values


def _list(text: str) -> list[str]:
    return [one.strip() for one in text.split(";") if one.strip()]


def _special(text: str) -> dict[str, Any]:
    """``2026-12-24 Christmas Eve=08:00-12:00 13:00-15:00``; without hours it is closed."""
    told, _, hours = text.partition("=")
    day, _, name = told.strip().partition(" ")
    return {"day": day, "name": name.strip(), "hours": hours.split()}


def _cells(values: Mapping[str, Any], columns: Sequence[str]) -> dict[str, str]:
    calendar = values.get("calendar") or {"week": {}, "special": []}
    days: tuple[str, ...] = WEEKDAYS
    cells = {name: ";".join(calendar["week"].get(name, ())) for name in days}
    cells[_SPECIAL] = ";".join(
        f"{one['day']} {one['name']}".strip()
        + (f"={' '.join(one['hours'])}" if one["hours"] else "")
        for one in calendar["special"]
    )
    cells |= {name: _cell(value) for name, value in values.items()}
    return {name: cells.get(name, "") for name in columns}


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list():
            return ";".join(str(one) for one in value)
        case _:
            return str(value)


def _problem(error: ValidationError) -> FieldProblem:
    found = error.errors(include_url=False)[0]
    field = _field(found["loc"])
    reason = found.get("ctx", {}).get("error")
    if isinstance(reason, Unacceptable):
        return reason.of(field)
    return FieldProblem(field, found["msg"], _REMEDY)


def _field(place: tuple[int | str, ...]) -> str:
    """The column a value came from."""
    if place[0] == "calendar":
        return _SPECIAL if place[1] == "special" else str(place[2])
    return str(place[0])


def _refused(line: int, cells: Mapping[str, str], problem: FieldProblem) -> Refused:
    field = problem.field
    if field.startswith("calendar.week."):
        field = field.removeprefix("calendar.week.")
    elif field.startswith("calendar.special"):
        field = _SPECIAL
    return Refused(
        row=line,
        field=field,
        value=cells.get(field, "")[:80],
        problem=problem.problem,
        remedy=problem.remedy,
    )
