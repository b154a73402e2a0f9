"""When a depot is open: hours by weekday, and dates that are different. Pure.

Everything is said in the depot's wall clock and turned into instants at the last moment, so that
a day over a clock change is as long as it really is.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Final, Literal, get_args

import msgspec

from cloud.fleet.hours import local_instant, require_local_time
from cloud.foundation.errors import Invalid
from cloud.foundation.given import MAX_NAME, Unacceptable, require_date, require_line

type Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: Final[tuple[Weekday, ...]] = get_args(Weekday.__value__)
MOST_SPANS: Final = 6
"""Opening hours of one day."""
MOST_SPECIAL_DAYS: Final = 400
_DAY_MINUTES: Final = 24 * 60


class Hours(msgspec.Struct, frozen=True, order=True):
    """From one local time to another, HH:MM; one that ends no later than it begins ends tomorrow.

    ``opens`` and ``closes`` that are equal mean twenty-four hours by the wall clock.
    """

    opens: str
    closes: str

    @classmethod
    def read(cls, field: str, text: str) -> "Hours":
        """``08:00-18:00`` as hours.

        Raises:
            Invalid: it is something else.
        """
        opens, dash, closes = text.strip().partition("-")
        if not dash:
            raise Invalid.field(field, f"{text[:40]!r} is no span of hours", "write 08:00-18:00")
        return cls(
            require_local_time(field, opens.strip()), require_local_time(field, closes.strip())
        )

    def __str__(self) -> str:
        return f"{self.opens}-{self.closes}"

    @property
    def begins_min(self) -> int:
        """Minutes after midnight by the wall clock, at which it opens."""
        return _minutes(self.opens)

    @property
    def ends_min(self) -> int:
        """Minutes after the same midnight at which it closes; beyond a day when tomorrow."""
        closes = _minutes(self.closes)
        return closes if closes > self.begins_min else closes + _DAY_MINUTES


class SpecialDay(msgspec.Struct, frozen=True):
    """A date whose hours are not those of its weekday; a holiday when it has none.

    ``day`` is YYYY-MM-DD.
    """

    day: str
    name: str = ""
    hours: tuple[Hours, ...] = ()


class Calendar(msgspec.Struct, frozen=True):
    """Opening hours of each weekday, Monday first, and the days that are different, by date."""

    week: tuple[tuple[Hours, ...], ...]
    special: tuple[SpecialDay, ...] = ()

    def special_on(self, day: date) -> SpecialDay | None:
        """What is different on a date, if anything."""
        text = day.isoformat()
        return next((one for one in self.special if one.day == text), None)

    def hours_on(self, day: date) -> tuple[Hours, ...]:
        """The hours that begin on a date; empty when it is closed."""
        special = self.special_on(day)
        return self.week[day.weekday()] if special is None else special.hours

    def is_open_on(self, day: date) -> bool:
        """Whether it opens at all on a date."""
        return bool(self.hours_on(day))


ALWAYS: Final = Calendar(((Hours("00:00", "00:00"),),) * 7)
"""Open day and night, every day."""


def calendar_of(
    week: Mapping[Weekday, Iterable[Hours]], special: Iterable[SpecialDay] = ()
) -> Calendar:
    """A calendar whose hours lie in order; a weekday that is left out is closed.

    Raises:
        Invalid: hours overlap, also into the next day, or a date is no date or stands twice.
    """
    days = tuple(
        _in_order(f"calendar.week.{name}", tuple(sorted(week.get(name, ())))) for name in WEEKDAYS
    )
    for name, hours, following in zip(WEEKDAYS, days, (*days[1:], days[0]), strict=True):
        _require_apart(f"calendar.week.{name}", hours, following)
    told = tuple(sorted((_special(one) for one in special), key=lambda one: one.day))
    if len(told) > MOST_SPECIAL_DAYS:
        raise Invalid.field(
            "calendar.special",
            f"{len(told)} days",
            f"give {MOST_SPECIAL_DAYS} at most; leave out what is past",
        )
    for one, after in itertools.pairwise(told):
        if one.day == after.day:
            raise Invalid.field("calendar.special", f"{one.day} stands twice", "leave one out")
    made = Calendar(days, told)
    for one in told:
        _require_apart_from_neighbours(made, date.fromisoformat(one.day))
    return made


def opening_spans(calendar: Calendar, day: date, zone: str) -> list[tuple[float, float]]:
    """The hours that begin on ``day`` as instants, seconds since 1970, in order.

    Hours that a clock change swallows are left out, and those it touches are as long as they
    really are.
    """
    spans = []
    for hours in calendar.hours_on(day):
        opens = local_instant(day, hours.opens, zone)
        last = day if hours.ends_min < _DAY_MINUTES else day + timedelta(days=1)
        closes = local_instant(last, hours.closes, zone)
        if closes > opens:
            spans.append((opens, closes))
    return spans


def is_open_at(calendar: Calendar, instant_s: float, day: date, zone: str) -> bool:
    """Whether it is open at an instant on the local date ``day``; yesterday's night counts."""
    return any(
        opens <= instant_s < closes
        for one in (day - timedelta(days=1), day)
        for opens, closes in opening_spans(calendar, one, zone)
    )


def open_days(calendar: Calendar | None, first: date, days: int) -> Iterator[date]:
    """The dates of ``days`` from ``first`` on that are open; every one without a calendar."""
    for ahead in range(days):
        day = first + timedelta(days=ahead)
        if calendar is None or calendar.is_open_on(day):
            yield day


def require_open_on(calendar: Calendar | None, day: date, depot_id: str) -> None:
    """Nothing is sent out on a day that the depot is closed.

    Raises:
        Invalid: it is closed then; says why.
    """
    if calendar is None or calendar.is_open_on(day):
        return
    special = calendar.special_on(day)
    why = WEEKDAYS[day.weekday()] if special is None else special.name or "holiday"
    raise Invalid.field(
        "service_date",
        f"depot {depot_id!r} is closed on {day} ({why})",
        "choose another date, or give the depot hours on it in calendar.special",
    )


def _minutes(text: str) -> int:
    return 60 * int(text[:2]) + int(text[3:])


def _in_order(field: str, hours: tuple[Hours, ...]) -> tuple[Hours, ...]:
    if len(hours) > MOST_SPANS:
        raise Invalid.field(field, f"{len(hours)} spans of hours", f"give {MOST_SPANS} at most")
    for one, after in itertools.pairwise(hours):
        if after.begins_min < one.ends_min:
            raise Invalid.field(field, f"{one} and {after} overlap", "join or part them")
    return hours


def _require_apart(field: str, hours: tuple[Hours, ...], following: tuple[Hours, ...]) -> None:
    """A night's hours end before those of the next day begin."""
    if hours and following and hours[-1].ends_min - _DAY_MINUTES > following[0].begins_min:
        raise Invalid.field(
            field,
            f"{hours[-1]} runs into the next day's {following[0]}",
            "close earlier, or open later on the next day",
        )


def _require_apart_from_neighbours(calendar: Calendar, day: date) -> None:
    field = f"calendar.special.{day}"
    for first in (day - timedelta(days=1), day):
        _require_apart(field, calendar.hours_on(first), calendar.hours_on(first + timedelta(1)))


def _special(one: SpecialDay) -> SpecialDay:
    field = "calendar.special"
    try:
        day = require_date(date.fromisoformat(one.day))
        name = require_line(one.name.strip())[:MAX_NAME]
    except Unacceptable as error:
        raise error.invalid(field) from error
    except ValueError as error:
        raise Invalid.field(field, f"{one.day[:40]!r} is no date", "write YYYY-MM-DD") from error
    hours = _in_order(f"{field}.{one.day}", tuple(sorted(one.hours)))
    return SpecialDay(day.isoformat(), name, hours)
