"""A depot opens by its own wall clock, on every date of every zone, over every clock change."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.fleet.calendar import (
    WEEKDAYS,
    Calendar,
    Hours,
    SpecialDay,
    Weekday,
    calendar_of,
    is_open_at,
    open_days,
    opening_spans,
    require_open_on,
)
from cloud.foundation.errors import Invalid

SANTIAGO = "America/Santiago"
ZONES = [SANTIAGO, "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]
WORKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri")
OFFICE = {day: [Hours("08:00", "18:00")] for day in WORKDAYS}

minutes = st.integers(0, 24 * 60 - 1)
dates = st.dates(date(2020, 1, 1), date(2035, 12, 31))


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@st.composite
def day_hours(draw: st.DrawFn) -> list[Hours]:
    marks = sorted(draw(st.sets(minutes, max_size=6)))
    pairs = zip(marks[::2], marks[1::2], strict=False)
    return [Hours(clock(begin), clock(end)) for begin, end in pairs]


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    week = {name: draw(day_hours()) for name in WEEKDAYS}
    days = draw(st.sets(dates, max_size=5))
    return calendar_of(week, [SpecialDay(f"{day}", "", tuple(draw(day_hours()))) for day in days])


def test_a_holiday_closes_and_a_special_day_has_its_own_hours() -> None:
    calendar = calendar_of(
        OFFICE,
        [
            SpecialDay("2026-12-25", "Navidad"),
            SpecialDay("2026-12-24", "", (Hours("08:00", "12:00"),)),
        ],
    )
    week = list(open_days(calendar, date(2026, 12, 21), 7))
    assert week == [date(2026, 12, day) for day in (21, 22, 23, 24)]
    with pytest.raises(Invalid, match=r"closed on 2026-12-25 \(Navidad\)"):
        require_open_on(calendar, date(2026, 12, 25), "north")
    opens, closes = opening_spans(calendar, date(2026, 12, 24), SANTIAGO)[0]
    assert closes - opens == 4 * 3600


def test_without_a_calendar_it_is_open_every_day() -> None:
    require_open_on(None, date(2026, 12, 25), "north")
    assert len(list(open_days(None, date(2026, 12, 21), 7))) == 7


@pytest.mark.parametrize(
    ("week", "said"),
    [
        ({"mon": [Hours("08:00", "12:00"), Hours("11:59", "13:00")]}, "overlap"),
        ({"mon": [Hours("22:00", "06:00")], "tue": [Hours("05:00", "09:00")]}, "runs into"),
        ({"sun": [Hours("22:00", "06:00")], "mon": [Hours("05:59", "09:00")]}, "runs into"),
        ({"mon": [Hours(clock(i), clock(i + 1)) for i in range(0, 20, 2)]}, "at most"),
    ],
)
def test_hours_that_cannot_be_are_refused(week: dict[Weekday, list[Hours]], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        calendar_of(week)


def test_a_special_day_may_not_run_into_its_neighbours() -> None:
    with pytest.raises(Invalid, match="runs into"):
        calendar_of(OFFICE, [SpecialDay("2026-11-24", "", (Hours("22:00", "09:00"),))])


@given(calendars(), dates, st.sampled_from(ZONES))
def test_openings_lie_in_order_and_apart_whatever_the_clocks_do(
    calendar: Calendar, day: date, zone: str
) -> None:
    spans = [
        span for ahead in range(3) for span in opening_spans(calendar, day + timedelta(ahead), zone)
    ]
    assert all(opens < closes for opens, closes in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


@given(calendars(), dates, st.integers(0, 86_399), st.sampled_from(ZONES))
def test_it_is_open_exactly_when_the_wall_clock_says_so(
    calendar: Calendar, day: date, second: int, zone: str
) -> None:
    """Away from clock changes: there the same wall clock may come twice or never."""
    local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    instant = local.astimezone(UTC).timestamp() + second
    at = datetime.fromtimestamp(instant, ZoneInfo(zone))
    offsets = {(at + timedelta(hours=ahead)).utcoffset() for ahead in range(-30, 31, 3)}
    if len(offsets) > 1:
        return
    minute = 60 * at.hour + at.minute
    today = calendar.hours_on(at.date())
    expected = any(one.begins_min <= minute < one.ends_min for one in today)
    assert is_open_at(calendar, instant, at.date(), zone) == expected


@given(st.sampled_from(ZONES), dates)
def test_a_whole_day_is_as_long_as_the_day_really_is(zone: str, day: date) -> None:
    whole = calendar_of({name: [Hours("00:00", "00:00")] for name in WEEKDAYS})
    [(opens, closes)] = opening_spans(whole, day, zone)
    midnights = [
        datetime.combine(one, datetime.min.time(), ZoneInfo(zone)).astimezone(UTC).timestamp()
        for one in (day, day + timedelta(1))
    ]
    assert [opens, closes] == midnights
