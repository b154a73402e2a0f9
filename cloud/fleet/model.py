"""Values of the fleet and what each may be. Pure."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cloud.fleet.calendar import Calendar
from cloud.foundation.errors import Invalid
from wire.topics import TopicError, require_name

OWN: Final = "own"
"""The carrier that is the tenant itself; there from the first day, and never retired."""
MOST_SKILLS: Final = 20
MOST_HELPERS: Final = 4
MOST_BREAKS: Final = 6
_WORD: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """Who runs vans: the tenant itself, or a subcontractor.

    Attributes:
        retired_at: since when nothing new is given to it, seconds since 1970; of all that is
            registered.
        version: counts changes from 1; of all that is registered.
    """

    tenant: str
    id: str
    name: str
    retired_at: float | None = None
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Depot:
    """Where parcels wait and rounds begin.

    Attributes:
        zone: IANA name; a plan belongs to a depot and a date in this zone.
        lat: of the gate, degrees. lon: of the gate, degrees.
        shift_start: usual local start, HH:MM. shift_end: usual local end; not later than the
            start means on the next day.
        calendar: opening hours; None is open every day.
    """

    tenant: str
    id: str
    name: str
    zone: str
    lat: float
    lon: float
    shift_start: str
    shift_end: str
    calendar: Calendar | None = None
    retired_at: float | None = None
    version: int = 1

    def service_date(self, instant_s: float) -> date:
        """The date at the depot, at an instant in seconds since 1970."""
        return datetime.fromtimestamp(instant_s, ZoneInfo(self.zone)).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """One van.

    Attributes:
        capacity_parcels: may be aboard at once. capacity_kg: load it may carry, kilograms.
        capacity_litres: load it has room for, litres; None is not limited.
        skills: words that an order may ask for, such as ``fridge`` or ``tail_lift``.
        zones: geofences in which it would rather deliver, by id; none is anywhere.
        height_m: over the road, metres. weight_kg: full, kilograms; None is not known.
        range_km: how far it comes on a full battery, kilometres; None is not limited.
        price_km, price_hour, price_use: what a kilometre, an hour out and sending it out cost, in
            seconds of driving; None is what the tenant's planning policy says.
        start_lat, start_lon: where it stands before its shift, degrees; None is at its depot.
        end_lat, end_lon: where it goes after it; None is to its depot.
        carrier_id: who runs it.
        is_active: whether it may be sent out and its gateway is let in.
    """

    tenant: str
    id: str
    name: str
    depot_id: str
    capacity_parcels: int
    carrier_id: str = OWN
    capacity_kg: float | None = None
    capacity_litres: float | None = None
    skills: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    height_m: float | None = None
    weight_kg: float | None = None
    range_km: float | None = None
    price_km: float | None = None
    price_hour: float | None = None
    price_use: float | None = None
    start_lat: float | None = None
    start_lon: float | None = None
    end_lat: float | None = None
    end_lon: float | None = None
    is_active: bool = True
    retired_at: float | None = None
    version: int = 1

    @property
    def is_in_use(self) -> bool:
        """Whether it may be sent out."""
        return self.is_active and self.retired_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """One person who drives, or helps.

    Attributes:
        skills: words as those of a van. licences: classes such as ``b`` or ``c1``.
        zones: as those of a van, which they go before.
        depot_id: where the driver is at home; None is anywhere.
    """

    tenant: str
    id: str
    name: str
    carrier_id: str = OWN
    depot_id: str | None = None
    skills: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    is_active: bool = True
    retired_at: float | None = None
    version: int = 1

    @property
    def is_in_use(self) -> bool:
        """Whether the driver may be sent out."""
        return self.is_active and self.retired_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A gateway as a thing: the box that is put into a van, whatever van that is now.

    Attributes:
        serial: of the hardware, as it is written on it.
    """

    tenant: str
    id: str
    name: str
    serial: str = ""
    retired_at: float | None = None
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """A driver and helpers who go out together, for work that takes two."""

    tenant: str
    id: str
    name: str
    driver_id: str
    helper_ids: tuple[str, ...]
    retired_at: float | None = None
    version: int = 1


type Registered = Carrier | Depot | Vehicle | Driver | Box | Crew
type ShiftState = Literal["planned", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A van on one service date; instants are seconds since 1970.

    Attributes:
        driver_id: who is planned to drive; who drives at an instant is a dated assignment.
        helper_ids: who goes along. crew_id: the crew it was made of, if any.
        breaks: planned, from and to.
    """

    tenant: str
    id: str
    vehicle_id: str
    driver_id: str
    depot_id: str
    service_date: date
    starts_at: float
    ends_at: float
    crew_id: str | None = None
    helper_ids: tuple[str, ...] = ()
    breaks: tuple[tuple[float, float], ...] = ()
    state: ShiftState = "planned"
    version: int = 1

    @property
    def people(self) -> tuple[str, ...]:
        """The driver and the helpers."""
        return (self.driver_id, *self.helper_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftWarning:
    """What speaks against a shift as it was entered; it holds all the same.

    Attributes:
        rule: a word for it. shift_id: the shift that it takes something of, or one after it.
        text: who, which rule, its figures, and the remedy.
    """

    rule: str
    shift_id: str
    text: str


def require_words(field: str, values: tuple[str, ...]) -> tuple[str, ...]:
    """Words such as skills, in order and each once.

    Raises:
        Invalid: there are too many, or one is no word.
    """
    told = tuple(sorted(set(values)))
    if len(told) > MOST_SKILLS:
        raise Invalid.field(field, f"{len(told)} words", f"give {MOST_SKILLS} at most")
    for word in told:
        if _WORD.fullmatch(word) is None:
            raise Invalid.field(field, f"{word[:40]!r} is no word", "use 1 to 40 of a-z 0-9 - _")
    return told


def require_crew(driver_id: str, helper_ids: tuple[str, ...]) -> None:
    """A driver and other people, each once.

    Raises:
        Invalid: somebody stands twice, or there are too many.
    """
    if len(helper_ids) > MOST_HELPERS:
        raise Invalid.field(
            "helper_ids", f"{len(helper_ids)} helpers", f"give {MOST_HELPERS} at most"
        )
    if len({driver_id, *helper_ids}) != 1 + len(helper_ids):
        raise Invalid.field("helper_ids", "somebody stands twice", "name each person once")


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
