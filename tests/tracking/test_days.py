"""Distance and hours by local day: they add up, whoever told of the trips and whenever it came."""

from collections.abc import Iterator
from datetime import date
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.foundation.database import Database
from cloud.tracking.days import Day, DayTold, days_between
from cloud.tracking.van_days import VanDays
from tests.gateway.tracks import START_MS, Journey
from tests.parts.migrated import upgrade
from tests.tracking.test_history import opened
from tests.tracking.test_past import as_batches, keep, tell
from wire.events import TripEnded, TripStarted
from wire.messages import Fix

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
LATER_MS = START_MS + 30 * DAY_MS


def a_day(begin_ms: int, end_ms: int) -> Day:
    return Day(date(2026, 11, 22), begin_ms, end_ms)


def errand() -> list[Fix]:
    """Two drives of 2 km and 1 km with a stand of ten minutes between."""
    van = Journey()
    return list(
        chain(
            *(van.stand(200), van.drive(200, 10.0), van.stand(600), van.drive(100, 10.0)),
            van.stand(400),
        )
    )


ERRAND = errand()
BATCHES = as_batches(ERRAND)
MORNING = a_day(START_MS - HOUR_MS, START_MS + HOUR_MS)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "telemetry.db")
    upgrade(database, "telemetry")
    yield database
    database.close()


def of(database: Database, *wanted: Day, now_ms: int = LATER_MS) -> list[DayTold]:
    found = VanDays(database).of_van("main", "van-1", wanted, now_ms)
    for one in found:
        parts = (one.moving_s, one.idling_s, one.stopped_s, one.parked_s, one.unknown_s)
        assert all(part >= 0 for part in parts)
        assert sum(parts) == pytest.approx((one.day.to_ms - one.day.from_ms) / 1000, abs=4)
    return found


def trip(begin_ms: int, end_ms: int, distance_m: int = 6_000, moving_s: int = 600,
         idling_s: int = 0) -> tuple[TripStarted, TripEnded]:  # fmt: skip
    return (
        TripStarted(at_ms=begin_ms, odometer_m=0, by="motion"),
        TripEnded(
            started_at_ms=begin_ms, at_ms=end_ms, odometer_m=distance_m, distance_m=distance_m,
            moving_s=moving_s, idling_s=idling_s, top_speed_cmps=1_500,
        ),
    )  # fmt: skip


def test_a_track_tells_distance_and_hours_and_where_it_is_silent_nothing(
    database: Database,
) -> None:
    keep(database, "van-1", BATCHES)
    (told,) = of(database, MORNING)
    assert told.told_by == "track"
    assert told.trips == 2
    assert told.distance_m == pytest.approx(3_000, abs=60)
    assert told.moving_s == pytest.approx(300, abs=15)
    assert told.parked_s == pytest.approx(1_200, abs=30)
    assert told.unknown_s == pytest.approx(7_200 - 1_500, abs=10)
    assert of(database, a_day(LATER_MS - 9, LATER_MS))[0].told_by is None


def test_a_day_cut_amid_a_trip_shares_it_as_the_track_tells(database: Database) -> None:
    keep(database, "van-1", BATCHES)
    (whole,) = of(database, MORNING)
    cut_ms = START_MS + 300_000
    parts = of(database, a_day(START_MS - HOUR_MS, cut_ms), a_day(cut_ms, START_MS + HOUR_MS))
    assert [one.trips for one in parts] == [1, 1]
    assert sum(one.distance_m for one in parts) == pytest.approx(whole.distance_m, abs=2)
    assert parts[0].distance_m == pytest.approx(1_000, abs=30)
    assert sum(one.moving_s for one in parts) == pytest.approx(whole.moving_s, abs=2)


def test_what_the_van_told_counts_and_the_rest_of_the_day_it_was_parked(
    database: Database,
) -> None:
    day = a_day(START_MS, START_MS + DAY_MS)
    tell(database, *trip(START_MS + HOUR_MS, START_MS + 2 * HOUR_MS, 20_000, 2_400, 600))
    (told,) = of(database, day)
    assert told.told_by == "van"
    assert (told.trips, told.distance_m) == (1, 20_000)
    assert (told.moving_s, told.idling_s, told.stopped_s) == (2_400, 600, 600)
    assert (told.parked_s, told.unknown_s) == (23 * 3_600, 0)
    assert (told.first_ms, told.last_ms) == (START_MS + HOUR_MS, START_MS + 2 * HOUR_MS)
    until_noon = of(database, day, now_ms=START_MS + 3 * HOUR_MS)[0]
    assert until_noon.parked_s == 2 * 3_600, "a day that is not over has only what is over"
    assert of(database, a_day(LATER_MS, LATER_MS + DAY_MS)) == [], "a day to come has nothing"


def test_a_told_trip_over_midnight_is_shared_by_its_track_or_by_time(database: Database) -> None:
    begin, cut = START_MS + 200_000, START_MS + 250_000
    tell(database, *trip(begin, START_MS + 400_000, 4_000, 200))
    before, after = a_day(START_MS, cut), a_day(cut, START_MS + HOUR_MS)
    by_time = of(database, before, after)
    assert [one.distance_m for one in by_time] == [1_000, 3_000]
    keep(database, "van-1", BATCHES)
    by_track = of(database, before, after)
    assert sum(one.distance_m for one in by_track) == 4_000
    assert by_track[0].distance_m == pytest.approx(1_000, abs=60)
    assert [one.trips for one in by_track] == [1, 0]


def test_a_trip_that_goes_on_counts_as_far_as_the_van_was_seen(database: Database) -> None:
    keep(database, "van-1", BATCHES[:6])
    tell(database, TripStarted(at_ms=START_MS + 200_000, odometer_m=0, by="motion"))
    (told,) = of(database, MORNING, now_ms=START_MS + HOUR_MS)
    assert told.distance_m == pytest.approx(1_590, abs=40)
    assert told.moving_s == pytest.approx(159, abs=5)
    assert told.unknown_s == pytest.approx(3_600 - 359, abs=5)


def test_days_are_local_and_as_long_as_they_are() -> None:
    days = days_between(date(2026, 3, 28), date(2026, 3, 30), "Europe/Berlin")
    assert [(one.to_ms - one.from_ms) // HOUR_MS for one in days] == [24, 23, 24]
    assert [one.date.day for one in days] == [28, 29, 30]


def test_a_day_is_the_same_whichever_others_are_asked_for_beside(database: Database) -> None:
    tell(
        database,
        *trip(START_MS - 4 * DAY_MS, START_MS - 4 * DAY_MS + HOUR_MS),
        *trip(START_MS, START_MS + HOUR_MS),
        *trip(START_MS + DAY_MS + HOUR_MS, START_MS + DAY_MS + 2 * HOUR_MS),
    )
    keep(database, "van-1", BATCHES)
    days = [a_day(START_MS + at * DAY_MS, START_MS + (at + 1) * DAY_MS) for at in range(-5, 6)]
    assert of(database, *days) == [one for day in days for one in of(database, day)]


@settings(max_examples=5, deadline=None)
@given(st.permutations(range(len(BATCHES))), st.lists(st.integers(0, 5), max_size=3))
def test_late_and_repeated_batches_tell_the_days_of_ordered_ones(
    order: list[int], again: list[int]
) -> None:
    days = (a_day(START_MS - HOUR_MS, START_MS + 300_000), a_day(START_MS + 300_000, LATER_MS))
    with TemporaryDirectory() as folder, opened(folder) as cloud:
        for number, place in enumerate([*order, *again]):
            cloud.hear(BATCHES[place])
            if number == len(order) // 2:
                cloud.fold()
        found = of(cloud.database, *days, now_ms=START_MS + DAY_MS)
    with TemporaryDirectory() as folder, opened(folder) as ordered:
        for one in BATCHES:
            ordered.hear(one)
        assert found == of(ordered.database, *days, now_ms=START_MS + DAY_MS)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(6)))
def test_events_in_any_order_tell_the_same_day(order: list[int]) -> None:
    told = [
        one
        for at in range(3)
        for one in trip(START_MS + at * HOUR_MS, START_MS + at * HOUR_MS + 600_000)
    ]
    with TemporaryDirectory() as folder, opened(folder) as cloud:
        tell(cloud.database, *(told[place] for place in order))
        (found,) = of(cloud.database, a_day(START_MS - HOUR_MS, START_MS + DAY_MS))
    assert (found.trips, found.distance_m, found.moving_s) == (3, 18_000, 1_800)
