"""Legs whose speed changes on the way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.roads.hours import ALWAYS, TimedMatrix, Timetable, travel_s, untimed
from cloud.roads.model import NO_WAY, Matrix

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


def test_a_timetable_without_order_is_refused() -> None:
    with pytest.raises(ValueError, match="ascend"):
        Timetable(changes=(5, 5), classes=(0, 1))
    with pytest.raises(ValueError, match="a class for each"):
        Timetable(changes=(), classes=())
