"""Rules of the fleet: service days, shifts across midnight and clock changes. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cloud.foundation.errors import Invalid
from wire.topics import TopicError, require_name

OWN: Final = "own"
"""The carrier that is the tenant itself; there from the first day, and never retired."""
_LOCAL_TIME: Final = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Depot:
    """Where parcels wait and rounds begin.

    Attributes:
        zone: IANA name; a plan belongs to a depot and a date in this zone.
        lat: of the gate, degrees. lon: of the gate, degrees.
        shift_start: usual local start, HH:MM. shift_end: usual local end; not later than the
            start means on the next day.
    """

    tenant: str
    id: str
    name: str
    zone: str
    lat: float
    lon: float
    shift_start: str
    shift_end: str

    def service_date(self, instant_s: float) -> date:
        """The date at the depot, at an instant in seconds since 1970."""
        return datetime.fromtimestamp(instant_s, ZoneInfo(self.zone)).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """Who runs vans: the tenant itself, or a subcontractor.

    Attributes:
        retired_at: since when nothing new is given to it, seconds since 1970.
        version: counts changes from 1.
    """

    tenant: str
    id: str
    name: str
    retired_at: float | None = None
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """One van; ``capacity_parcels`` may be aboard at once, ``carrier_id`` says who runs it."""

    tenant: str
    id: str
    name: str
    depot_id: str
    capacity_parcels: int
    carrier_id: str = OWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """One person who drives."""

    tenant: str
    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A driver with a vehicle on one service date; instants are seconds since 1970."""

    tenant: str
    id: str
    vehicle_id: str
    driver_id: str
    depot_id: str
    service_date: date
    starts_at: float
    ends_at: float


def require_id(field: str, value: str) -> str:
    """``value`` when it may name a thing in topics and addresses.

    Raises:
        Invalid: it holds other characters or is too long.
    """
    try:
        return require_name(field, value)
    except TopicError as error:
        raise Invalid.field(
            field, f"{value[:80]!r} is not a name", "use 1 to 64 of a-z 0-9 - _"
        ) from error


def require_zone(value: str) -> str:
    """``value`` when it names a time zone.

    Raises:
        Invalid: no such IANA zone.
    """
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid.field(
            "zone", f"{value[:80]!r} is no time zone", "use an IANA name such as America/Santiago"
        ) from error
    return value


def require_not_past(service_date: date, depot: Depot, now: float) -> None:
    """A service date may be yesterday's, for a night shift and what is told late; no earlier one.

    Raises:
        Invalid: it is earlier, by the depot's clock at ``now``, seconds since 1970.
    """
    today = depot.service_date(now)
    if service_date < today - timedelta(days=1):
        raise Invalid.field(
            "service_date",
            f"{service_date} is past; today is {today} at the depot",
            "give today or a later date",
        )


def local_instant(service_date: date, local_time: str, zone: str) -> float:
    """When a local time comes on a date, in seconds since 1970.

    A time that a clock change skips means as long after midnight as the clocks before the change
    would say; a time that comes twice means the first (PEP 495, fold 0).

    Raises:
        Invalid: ``local_time`` is not HH:MM.
    """
    if _LOCAL_TIME.fullmatch(local_time) is None:
        raise Invalid.field("time", f"{local_time[:20]!r} is not HH:MM", "use 00:00 to 23:59")
    local = datetime.combine(service_date, time.fromisoformat(local_time), tzinfo=ZoneInfo(zone))
    return local.astimezone(UTC).timestamp()


def shift_span(service_date: date, start: str, end: str, zone: str) -> tuple[float, float]:
    """Begin and end of a shift in seconds since 1970.

    An end that is not later than the start, by the wall clock, lies on the next day. A shift over
    a clock change is as much longer or shorter as the night is.

    Raises:
        Invalid: a time is not HH:MM.
    """
    starts_at = local_instant(service_date, start, zone)
    last_day = service_date if end > start else service_date + timedelta(days=1)
    return starts_at, local_instant(last_day, end, zone)
