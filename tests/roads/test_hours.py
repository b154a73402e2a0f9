"""Legs whose speed changes on the way."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.roads.hours import (
    ALWAYS,
    NEWEST_S,
    TimedMatrix,
    Timetable,
    Week,
    of_classes,
    travel_s,
    untimed,
    with_newest,
)
from cloud.roads.keeper import ENGINES, NOW, ports_in_force
from cloud.roads.model import NO_WAY, Ints, Matrix, NoStreetNear, Point
from cloud.roads.timed import TimedRoads, data_set, hours_missing
from tests.parts.ports import free_port
from tests.roads.test_keeper import HARBOUR, PLAZA, everywhere, roads_process

EIGHT, NINE, TEN = 28_800, 32_400, 36_000
RUSH = Timetable(changes=(0, EIGHT, NINE), classes=(0, 1, 0))


@st.composite
def timetables(draw: st.DrawFn) -> Timetable:
    changes = sorted(draw(st.sets(st.integers(0, 20_000), min_size=1, max_size=6)))
    classes = [draw(st.integers(0, 2)) for _ in changes]
    return Timetable(changes=tuple(changes), classes=tuple(classes))


seconds = st.one_of(st.integers(0, 9_000), st.just(NO_WAY))


@given(
    timetables(), st.tuples(seconds, seconds, seconds), st.integers(0, 25_000), st.integers(0, 900)
)
def test_who_leaves_later_arrives_no_sooner(
    hours: Timetable, by_class: tuple[int, int, int], departs_s: int, later_s: int
) -> None:
    first = departs_s + travel_s(by_class, hours, departs_s)
    second = departs_s + later_s + travel_s(by_class, hours, departs_s + later_s)
    assert first <= second


@given(timetables(), st.tuples(st.integers(1, 900), st.integers(1, 900), st.integers(1, 900)))
def test_a_leg_takes_no_less_and_no_more_than_its_classes_say(
    hours: Timetable, by_class: tuple[int, int, int]
) -> None:
    assert min(by_class) <= travel_s(by_class, hours, 10_000) <= max(by_class)


def test_a_leg_over_the_end_of_the_rush_is_driven_at_both_rates() -> None:
    assert travel_s([600, 1_200], RUSH, NINE - 600) == 600 + 300
    assert travel_s([600, 1_200], RUSH, EIGHT - 300) == 300 + 600
    assert travel_s([600, 1_200], RUSH, TEN) == 600


def test_a_street_that_is_closed_for_an_hour_is_waited_for() -> None:
    assert travel_s([600, NO_WAY], RUSH, NINE - 60) == 660
    assert travel_s([NO_WAY, 600], RUSH, TEN) == NO_WAY


def test_a_matrix_without_hours_is_the_same_at_all() -> None:
    matrix = Matrix(np.array([[0, 5], [7, 0]], np.int32), np.array([[0, 50], [70, 0]], np.int32))
    timed = untimed(matrix)
    assert timed.hours == ALWAYS
    assert timed.travel_s(1, 0, EIGHT) == 7
    assert timed.at(EIGHT).seconds.tolist() == matrix.seconds.tolist()
    both = np.stack([matrix.seconds, matrix.seconds * 2])
    rush = TimedMatrix(hours=RUSH, seconds=both, metres=matrix.metres)
    assert (rush.travel_s(0, 1, EIGHT), rush.travel_s(0, 1, TEN)) == (10, 5)


@given(
    timetables(),
    st.lists(seconds, min_size=4, max_size=4),
    st.integers(0, 20_000),
    st.lists(st.integers(0, 25_000), min_size=2, max_size=2),
)
def test_the_newest_speeds_give_way_to_the_usual_ones(
    hours: Timetable, by_class: list[int], now_s: int, departs: list[int]
) -> None:
    usual = TimedMatrix(hours=hours, seconds=leg(*by_class[:3]), metres=leg(1)[0])
    mixed = with_newest(usual, Matrix(leg(by_class[3])[0], leg(1)[0]), now_s)
    first, second = (at + mixed.travel_s(0, 1, at) for at in sorted(departs))
    assert first <= second
    over = now_s + NEWEST_S
    assert mixed.travel_s(0, 1, over) == usual.travel_s(0, 1, over)
    if by_class[3] <= 900:
        assert mixed.travel_s(0, 1, now_s) == by_class[3]


def test_what_is_closed_now_has_the_kilometres_of_the_hours_in_which_it_is_open() -> None:
    usual = TimedMatrix(hours=ALWAYS, seconds=leg(60), metres=leg(500)[0])
    mixed = with_newest(usual, Matrix(leg(NO_WAY)[0], leg(NO_WAY)[0]), EIGHT)
    assert mixed.leg(0, 1, TEN) == (60, 500)
    closed, free = (Matrix(leg(one)[0], leg(far)[0]) for one, far in ((NO_WAY, NO_WAY), (60, 500)))
    hours = Timetable(changes=(EIGHT, NINE), classes=(0, 1))
    assert of_classes(hours, [closed, free]).leg(0, 1, TEN) == (60, 500)


def test_a_range_is_judged_by_the_longest_way_of_any_hour() -> None:
    free, around = (Matrix(leg(one)[0], leg(far)[0]) for one, far in ((600, 9_000), (900, 14_000)))
    hours = Timetable(changes=(EIGHT, NINE), classes=(1, 0))
    assert of_classes(hours, [free, around]).leg(0, 1, NINE) == (600, 14_000)
    usual = TimedMatrix(hours=ALWAYS, seconds=free.seconds[None], metres=free.metres)
    assert with_newest(usual, around, EIGHT).leg(0, 1, TEN) == (600, 14_000)


def leg(*seconds: int) -> Ints:
    """Matrices of two places, for each class."""
    return np.array([[[0, one], [one, 0]] for one in seconds], dtype=np.int32)


def test_a_timetable_without_order_is_refused() -> None:
    with pytest.raises(ValueError, match="ascend"):
        Timetable(changes=(5, 5), classes=(0, 1))
    with pytest.raises(ValueError, match="a class for each"):
        Timetable(changes=(), classes=())


def test_a_week_is_told_as_instants_over_the_end_of_summer_time() -> None:
    classes = tuple(int(hour == 8) for hour in range(24)) + (0,) * 48
    week = Week(zone="Europe/Berlin", classes=classes)
    monday = int(datetime(2026, 10, 26, 0, 0, tzinfo=UTC).timestamp())
    hours = week.timetable(monday - 3 * 86_400, monday + 86_400)
    rush = [at for at, one in zip(hours.changes, hours.classes, strict=True) if one == 1]
    # Friday in summer time, no weekend, Monday in winter time.
    assert rush == [monday - 3 * 86_400 + 6 * 3_600, monday + 7 * 3_600]


@pytest.mark.slow
def test_legs_are_priced_by_the_hour_they_are_driven_in(tmp_path: Path) -> None:
    classes = tuple(int(hour == 8) for hour in range(24)) * 3
    monday = 1_790_553_600  # 2026-09-28

    async def ask() -> None:
        async with TimedRoads(roads.folder / "roads", roads.client().url) as timed:
            await priced(timed)
            await without_one(timed)

    async def without_one(timed: TimedRoads) -> None:
        """An engine is dead, then not even known of: the newest hold, and it says so."""
        known = roads.folder / "roads" / ENGINES
        served = ports_in_force(roads.folder / "roads")
        for others, reason in ((served | {data_set(1): free_port()}, "answer"), ({}, "not served")):
            known.write_bytes(msgspec.json.encode(others))
            found = await timed.table([PLAZA, HARBOUR], monday, monday + 86_400, monday)
            assert found.hours == ALWAYS
            assert reason in timed.problem
            assert ("hours-" in hours_missing(roads.folder / "roads")) == bool(others)
        known.write_bytes(msgspec.json.encode(served))
        found = await timed.table([PLAZA, HARBOUR], monday, monday + 86_400)
        assert (len(found.seconds), timed.problem) == (2, "")
        assert hours_missing(roads.folder / "roads") == ""

    async def priced(timed: TimedRoads) -> None:
        plain = await timed.table([PLAZA, HARBOUR], monday, monday + 86_400)
        assert plain.hours == ALWAYS
        for number, kmh in enumerate((40, 10)):
            await roads.desk.publish(data_set(number), everywhere(kmh))
        roads.desk.write_week(Week(zone="UTC", classes=classes))
        found = await timed.table([PLAZA, HARBOUR], monday, monday + 86_400)
        free, rush = found.travel_s(0, 1, monday + 43_200), found.travel_s(0, 1, monday + 28_800)
        assert 2 * free < rush < 4 * free
        assert free < found.travel_s(0, 1, monday + 28_800 - free // 2) < rush
        await roads.desk.publish(NOW, everywhere(5))
        begins = monday + 43_200
        found = await timed.table([PLAZA, HARBOUR], begins, monday + 86_400, begins)
        soon, later = (found.travel_s(0, 1, at) for at in (begins, begins + NEWEST_S))
        assert later == free
        assert soon > 1.5 * free
        for asked_at in (begins - NEWEST_S, None):
            found = await timed.table([PLAZA, HARBOUR], begins, monday + 86_400, asked_at)
            assert found.travel_s(0, 1, begins) == free

    with roads_process(tmp_path) as roads:
        asyncio.run(ask())


class Street:
    """Travel times of one data set, in which some places are far from any street."""

    def __init__(self, lasts_s: int, *far: Point) -> None:
        self._lasts_s = lasts_s
        self._far = far

    async def table(
        self, points: Sequence[Point], *, is_quick: bool, ends: Sequence[int]
    ) -> Matrix:
        assert is_quick
        assert [points[at] for at in ends] == [HOME]
        far = {at: 300.0 for at, point in enumerate(points) if point in self._far}
        if far:
            raise NoStreetNear(points, far, 250.0)
        seconds = self._lasts_s * (1 - np.eye(len(points), dtype=np.int32))
        return Matrix(seconds, 10 * seconds)


HOME, DOOR, FARM = Point(-29.9, -71.2), Point(-29.91, -71.2), Point(-29.92, -71.2)


def test_a_door_that_is_cut_off_for_an_hour_has_no_way_then_and_is_far_from_none() -> None:
    async def ask(*sets: Street) -> list[Matrix]:
        roads = TimedRoads(None, "http://127.0.0.1:9")
        told = cast("Any", sets)
        return await roads._tables([FARM, HOME, DOOR], told, is_quick=True, ends=[1])

    usual, then = asyncio.run(ask(Street(60), Street(90, DOOR)))
    assert usual.seconds.tolist() == [[0, 60, 60], [60, 0, 60], [60, 60, 0]]
    assert then.seconds.tolist() == [[0, 90, NO_WAY], [90, 0, NO_WAY], [NO_WAY, NO_WAY, 0]]
    assert then.metres.tolist() == [[0, 900, NO_WAY], [900, 0, NO_WAY], [NO_WAY, NO_WAY, 0]]
    with pytest.raises(NoStreetNear) as far:
        asyncio.run(ask(Street(60, FARM), Street(90, DOOR, FARM)))
    assert far.value.far_m == {0: 300.0}
