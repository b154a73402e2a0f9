"""A shift is what the wall clock at the depot says, over midnight and over clock changes."""

from datetime import UTC, date, datetime

import pytest

from cloud.fleet.hours import local_instant, shift_span
from cloud.fleet.model import Depot, require_zone
from cloud.foundation.errors import Invalid

SANTIAGO = "America/Santiago"
SPRING_FORWARD = date(2026, 9, 6)  # Santiago's clocks go from 00:00 to 01:00
FALL_BACK = date(2026, 4, 5)  # Santiago's clocks went from 24:00 on the 4th back to 23:00


def at(text: str) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


def hours(span: tuple[float, float]) -> float:
    return (span[1] - span[0]) / 3600


def test_a_day_shift_begins_and_ends_by_the_depots_clock() -> None:
    span = shift_span(date(2026, 11, 22), "08:00", "18:00", SANTIAGO)
    assert span == (at("2026-11-22T08:00:00-03:00"), at("2026-11-22T18:00:00-03:00"))


def test_an_end_not_later_than_the_start_lies_on_the_next_day() -> None:
    span = shift_span(date(2026, 11, 22), "22:00", "06:00", SANTIAGO)
    assert span == (at("2026-11-22T22:00:00-03:00"), at("2026-11-23T06:00:00-03:00"))
    assert hours(shift_span(date(2026, 11, 22), "08:00", "08:00", SANTIAGO)) == 24


def test_a_night_shift_is_an_hour_shorter_when_the_clocks_go_forward() -> None:
    assert hours(shift_span(date(2026, 9, 5), "22:00", "06:00", SANTIAGO)) == 7


def test_a_night_shift_is_an_hour_longer_when_the_clocks_go_back() -> None:
    assert hours(shift_span(date(2026, 4, 4), "22:00", "06:00", SANTIAGO)) == 9


def test_a_time_that_a_clock_change_skips_is_taken_as_before_the_change() -> None:
    skipped = local_instant(SPRING_FORWARD, "00:30", SANTIAGO)
    assert skipped == at("2026-09-06T00:30:00-04:00")


def test_a_time_that_comes_twice_means_the_first() -> None:
    twice = local_instant(date(2026, 4, 4), "23:30", SANTIAGO)
    assert twice == at("2026-04-04T23:30:00-03:00")


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-11-22T02:59:59+00:00", date(2026, 11, 21)),
        ("2026-11-22T03:00:00+00:00", date(2026, 11, 22)),
        ("2026-04-05T03:59:59+00:00", date(2026, 4, 4)),
        ("2026-04-05T04:00:00+00:00", FALL_BACK),
        ("2026-09-06T03:59:59+00:00", date(2026, 9, 5)),
        ("2026-09-06T04:00:00+00:00", SPRING_FORWARD),
    ],
)
def test_the_service_date_is_the_date_at_the_depot(instant: str, day: date) -> None:
    depot = Depot(
        tenant="main",
        id="la-serena",
        name="La Serena",
        zone=SANTIAGO,
        lat=-29.9,
        lon=-71.25,
        shift_start="08:00",
        shift_end="18:00",
    )
    assert depot.service_date(at(instant)) == day


@pytest.mark.parametrize("text", ["8:00", "24:00", "08:60", "", "08:00:00", "noon"])
def test_a_time_that_is_not_hours_and_minutes_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="not HH:MM"):
        local_instant(date(2026, 1, 1), text, SANTIAGO)


@pytest.mark.parametrize("zone", ["Chile", "", "../etc/passwd", "America/santiago2", "\x00"])
def test_a_zone_that_does_not_exist_is_refused_with_an_example(zone: str) -> None:
    if zone == "Chile":
        zone = "Chile/Nowhere"
    with pytest.raises(Invalid, match="America/Santiago"):
        require_zone(zone)
