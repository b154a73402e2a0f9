"""Reading new orders: one, or a CSV in which each bad row is told and the rest is kept. Pure."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from cloud.fleet.hours import local_instant
from cloud.fleet.model import Depot, require_words
from cloud.foundation.errors import FieldProblem, Invalid
from cloud.foundation.given import (
    MAX_LINE,
    MAX_REFERENCE,
    Unacceptable,
    require_date,
    require_instant,
    require_line,
    require_note,
)
from cloud.orders.model import OrderKind, Pickup, Priority, Span, WindowKind
from cloud.orders.waiting import require_wait_until

MAX_ROWS: Final = 10_000
MAX_PARCELS: Final = 1_000
MAX_SERVICE_MINUTES: Final = 600
MAX_FILE_PARCELS: Final = 100_000
MAX_WEIGHT_KG: Final = 100_000.0
MAX_VOLUME_LITRES: Final = 100_000.0
REQUIRED: Final = ("address", "lat", "lon")
COLUMNS: Final = (
    "reference",
    *REQUIRED,
    "window_from",
    "window_to",
    "window_kind",
    "service_minutes",
    "parcels",
    "weight_kg",
    "volume_litres",
    "needs",
    "priority",
    "kind",
    "ready_from",
    "wait_until",
    "pickup_address",
    "pickup_lat",
    "pickup_lon",
    "pickup_from",
    "pickup_to",
    "recipient_name",
    "recipient_phone",
    "note",
)


_PICKUP_CELLS: Final = (
    "pickup_address",
    "pickup_lat",
    "pickup_lon",
    "pickup_from",
    "pickup_to",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order that somebody asks for; ``reference`` is the sender's own name for it, or empty.

    ``service_s``: time at the door; None takes what is learned of it.
    """

    reference: str
    depot_id: str
    service_date: date
    address: str
    lat: float
    lon: float
    window: Span | None
    service_s: int | None
    parcels: int
    priority: Priority
    recipient_name: str | None
    recipient_phone: str | None
    note: str | None
    weight_kg: float | None = None
    volume_litres: float | None = None
    needs: tuple[str, ...] = ()
    kind: OrderKind = "delivery"
    pickup: Pickup | None = None
    ready_from: float | None = None
    window_kind: WindowKind = "hard"
    wait_until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A row of an import that was not taken. ``row`` counts lines of the file, the header as 1."""

    row: int
    field: str
    value: str
    problem: str
    remedy: str


def require_window_on_day(window: Span, service_date: date, zone: str) -> None:
    """A window must begin on the service date, or in the night after it, by the depot's clock.

    Raises:
        Invalid: it lies on another day.
    """
    require_on_day("window", window.begin, service_date, zone)


def require_on_day(field: str, instant: float, service_date: date, zone: str) -> None:
    """An instant must lie on the service date, or the day after it, by the depot's clock.

    Raises:
        Invalid: it lies on another day.
    """
    begins = datetime.fromtimestamp(instant, ZoneInfo(zone)).date()
    if not service_date <= begins <= service_date + timedelta(days=1):
        raise Invalid.field(
            field,
            f"begins on {begins} at the depot, the service date is {service_date}",
            "give a time of that day, or another service_date",
        )


def require_fetchable(new: NewOrder, zone: str) -> None:
    """Where and when the parcels are to be fetched makes sense, by the depot's clock.

    Raises:
        Invalid: a return names a pickup place or a ready time, or a time lies on another day.
    """
    if new.kind == "return" and new.pickup is not None:
        raise Invalid.field("pickup", "is given for a return", "a return is fetched at its address")
    if new.kind == "return" and new.ready_from is not None:
        raise Invalid.field("ready_from", "is given for a return", "give a window instead")
    if new.ready_from is not None:
        require_on_day("ready_from", new.ready_from, new.service_date, zone)
    if new.pickup is not None and new.pickup.window is not None:
        require_on_day("pickup.window", new.pickup.window.begin, new.service_date, zone)


def require_window_kind(kind: WindowKind, window: Span | None, order_kind: OrderKind) -> None:
    """Only a window that is there can be soft, and only at the door of a delivery.

    Raises:
        Invalid: there is none, or it is that of a return.
    """
    if kind == "soft" and window is None:
        raise Invalid.field("window_kind", "is soft and there is no window", "give a window")
    if kind == "soft" and order_kind == "return":
        raise Invalid.field("window_kind", "is soft for a return", "a return's window is hard")


def read_csv(
    text: str, depot: Depot, service_date: date
) -> Iterator[tuple[int, NewOrder | RefusedRow]]:
    """The rows of an import in order, each with its line in the file, taken or refused.

    Raises:
        Invalid: the file as a whole cannot be read: no header, unknown or missing columns,
            more than `MAX_ROWS` rows or than `MAX_FILE_PARCELS` parcels.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    _require_header(reader)
    parcels = 0
    try:
        for count, row in enumerate(reader):
            if count >= MAX_ROWS:
                raise Invalid.field("file", f"more than {MAX_ROWS} rows", "split the file")
            read = _read_row(reader.line_num, row, depot, service_date)
            parcels += read.parcels if isinstance(read, NewOrder) else 0
            if parcels > MAX_FILE_PARCELS:
                raise Invalid.field(
                    "file", f"more than {MAX_FILE_PARCELS} parcels", "split the file"
                )
            yield reader.line_num, read
    except csv.Error as error:
        raise Invalid.field(
            "file", f"line {reader.line_num}: {error}", "save it as comma-separated UTF-8"
        ) from error


def _require_header(reader: "csv.DictReader[str]") -> None:
    try:
        header = list(reader.fieldnames or ())
    except csv.Error as error:
        raise Invalid.field("file", str(error), "save it as comma-separated UTF-8") from error
    missing = [name for name in REQUIRED if name not in header]
    unknown = [name for name in header if name not in COLUMNS]
    if missing or unknown or len(set(header)) != len(header):
        what = (
            f"column {missing[0]!r} is missing"
            if missing
            else f"column {unknown[0][:40]!r} is not known"
            if unknown
            else "a column stands twice"
        )
        raise Invalid.field("file", what, f"the first line names columns of: {', '.join(COLUMNS)}")


def _read_row(
    line: int, row: dict[str | None, str | list[str] | None], depot: Depot, service_date: date
) -> NewOrder | RefusedRow:
    cells = {name: value.strip() for name, value in row.items() if name and isinstance(value, str)}
    if None in row:
        return RefusedRow(
            row=line,
            field="row",
            value=str(row[None])[:80],
            problem="has more cells than the header",
            remedy="put text with commas in quotes",
        )
    try:
        return _new_order(cells, depot, service_date)
    except Invalid as error:
        found: FieldProblem = error.problems[0]
        return RefusedRow(
            row=line,
            field=found.field,
            value=cells.get(found.field, "")[:80],
            problem=found.problem,
            remedy=found.remedy,
        )


def _new_order(cells: dict[str, str], depot: Depot, service_date: date) -> NewOrder:
    priority = cells.get("priority") or "normal"
    if priority not in {"normal", "urgent"}:
        raise Invalid.field("priority", "is neither normal nor urgent", "use one of the two")
    kind = cells.get("kind") or "delivery"
    if kind not in {"delivery", "return"}:
        raise Invalid.field("kind", "is neither delivery nor return", "use one of the two")
    window_kind = cells.get("window_kind") or "hard"
    if window_kind not in {"hard", "soft"}:
        raise Invalid.field("window_kind", "is neither hard nor soft", "use one of the two")
    ready = cells.get("ready_from", "")
    new = NewOrder(
        reference=_text(cells, "reference", most=MAX_REFERENCE),
        depot_id=depot.id,
        service_date=service_date,
        address=_text(cells, "address", needed=True),
        lat=_number(cells, "lat", -90, 90),
        lon=_number(cells, "lon", -180, 180),
        window=_window(cells, depot, service_date, "window"),
        service_s=round(60 * _number(cells, "service_minutes", 0, MAX_SERVICE_MINUTES))
        if cells.get("service_minutes")
        else None,
        parcels=_whole(cells, "parcels", 1, MAX_PARCELS, 1),
        priority="urgent" if priority == "urgent" else "normal",
        recipient_name=_text(cells, "recipient_name") or None,
        recipient_phone=_text(cells, "recipient_phone") or None,
        note=_text(cells, "note", require=require_note) or None,
        weight_kg=_load(cells, "weight_kg", MAX_WEIGHT_KG),
        volume_litres=_load(cells, "volume_litres", MAX_VOLUME_LITRES),
        needs=require_words(
            "needs",
            tuple(word for part in cells.get("needs", "").split(";") if (word := part.strip())),
        ),
        kind="return" if kind == "return" else "delivery",
        pickup=_pickup(cells, depot, service_date),
        ready_from=_instant("ready_from", ready, depot, service_date) if ready else None,
        window_kind="soft" if window_kind == "soft" else "hard",
        wait_until=_date(cells, "wait_until"),
    )
    require_fetchable(new, depot.zone)
    require_window_kind(new.window_kind, new.window, new.kind)
    require_wait_until(new.wait_until, service_date, new.priority)
    return new


def _pickup(cells: dict[str, str], depot: Depot, service_date: date) -> Pickup | None:
    given = [name for name in _PICKUP_CELLS if cells.get(name)]
    if not given:
        return None
    return Pickup(
        address=_text(cells, "pickup_address", needed=True),
        lat=_number(cells, "pickup_lat", -90, 90),
        lon=_number(cells, "pickup_lon", -180, 180),
        window=_window(cells, depot, service_date, "pickup"),
    )


def _date(cells: dict[str, str], field: str) -> date | None:
    text = cells.get(field, "")
    if not text:
        return None
    try:
        return require_date(date.fromisoformat(text))
    except ValueError as error:
        raise Invalid.field(field, f"{text[:40]!r} is no date", "use YYYY-MM-DD") from error


def _load(cells: dict[str, str], field: str, most: float) -> float | None:
    return _number(cells, field, 0, most) if cells.get(field) else None


def _text(
    cells: dict[str, str],
    field: str,
    *,
    needed: bool = False,
    most: int = MAX_LINE,
    require: Callable[[str], str] = require_line,
) -> str:
    value = cells.get(field, "")
    if needed and not value:
        raise Invalid.field(field, "is empty", "fill it in")
    if len(value) > most:
        raise Invalid.field(field, f"has {len(value)} characters", f"use at most {most}")
    try:
        return require(value)
    except Unacceptable as error:
        raise error.invalid(field) from error


def _number(
    cells: dict[str, str], field: str, least: float, most: float, default: float | None = None
) -> float:
    text = cells.get(field, "")
    if not text and default is not None:
        return default
    try:
        value = float(text)
    except ValueError:
        raise Invalid.field(field, "is not a number", "use digits and a decimal point") from None
    if not least <= value <= most:
        raise Invalid.field(field, f"is not within {least:g} to {most:g}", "check the value")
    return value


def _whole(cells: dict[str, str], field: str, least: int, most: int, default: int) -> int:
    value = _number(cells, field, least, most, default)
    if value != int(value):
        raise Invalid.field(field, "is not a whole number", "use digits only")
    return int(value)


def _window(
    cells: dict[str, str], depot: Depot, service_date: date, name: Literal["window", "pickup"]
) -> Span | None:
    first, last = f"{name}_from", f"{name}_to"
    begin, end = cells.get(first, ""), cells.get(last, "")
    if not begin and not end:
        return None
    begin_at = _instant(first, begin, depot, service_date)
    end_at = _instant(last, end, depot, service_date)
    if end_at <= begin_at:
        raise Invalid.field(last, f"{end!r} is not after {first} {begin!r}", "swap or mend them")
    window = Span(begin_at, end_at)
    try:
        require_window_on_day(window, service_date, depot.zone)
    except Invalid as error:
        found = error.problems[0]
        raise Invalid.field(first, found.problem, found.remedy) from error
    return window


def _instant(field: str, text: str, depot: Depot, service_date: date) -> float:
    if not text:
        raise Invalid.field(field, "is empty", "give both its _from and its _to, or neither")
    try:
        if len(text) == 5:
            return local_instant(service_date, text, depot.zone)
        return require_instant(datetime.fromisoformat(text)).astimezone(UTC).timestamp()
    except Unacceptable as error:
        raise error.invalid(field) from error
    except (ValueError, Invalid) as error:
        raise Invalid.field(
            field, f"{text[:40]!r} is no time", "use HH:MM at the depot, or RFC 3339 with an offset"
        ) from error
