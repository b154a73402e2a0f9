"""Plans are timed, priced and checked with the speeds of the hour in which each leg is driven."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cloud.planning.check import check
from cloud.planning.problem import Problem
from cloud.planning.questions import SolverName
from cloud.planning.solvers.by_hour import search_matrix, tightened
from cloud.planning.solvers.port import Step
from cloud.planning.solvers.schedule import plan_of, timed
from cloud.roads.hours import TimedMatrix, Timetable, Travel, untimed
from cloud.roads.model import NO_WAY, Matrix
from tests.planning.streets import (
    MINUTE,
    at,
    between,
    day,
    deliveries,
    left,
    order,
    planned,
    route_of,
    street,
    van,
    van_under_way,
    visits,
)

ROADS = street(range(31))
DOORS = st.lists(st.integers(1, 30), min_size=1, max_size=6)


def by_hour(*factors: float, changes: tuple[float, ...]) -> TimedMatrix:
    """The street, at each change of hours so many times as slow as it is long."""
    return TimedMatrix(
        hours=Timetable(
            changes=tuple(at(one) for one in changes), classes=tuple(range(len(factors)))
        ),
        seconds=np.stack([np.rint(ROADS.seconds * one).astype(np.int32) for one in factors]),
        metres=ROADS.metres,
    )


RUSH = by_hour(1, 2, 1, changes=(0, 9, 10))


@st.composite
def travels(draw: st.DrawFn) -> TimedMatrix:
    changes = sorted(draw(st.sets(st.integers(450, 720), min_size=1, max_size=5)))
    factors = [draw(st.sampled_from((0.5, 1.0, 1.7, 2.3))) for _ in changes]
    return by_hour(*factors, changes=tuple(minute / 60 for minute in changes))


def through(doors: list[int]) -> tuple[Problem, tuple[Step, ...]]:
    problem = day([van(capacity=50)], [order(f"o{n}", one) for n, one in enumerate(doors)])
    return problem, tuple(Step(n, "delivery") for n in range(len(doors)))


def test_a_round_through_the_rush_takes_as_long_as_the_rush_does() -> None:
    plan = planned(
        day([van(available_from=at(9), loading_s=0)], [order("a", 30)]), "insertion", matrix=RUSH
    )
    fetched, there = visits(plan)
    assert (fetched.leg_s, there.leg_s) == (0, 2 * 30 * MINUTE)
    assert route_of(plan, "van-1").end_leg_s == 30 * MINUTE
    assert plan.cost.drive_s == 90 * MINUTE


@given(DOORS)
def test_hours_that_are_all_alike_change_nothing(doors: list[int]) -> None:
    problem, steps = through(doors)
    alike = by_hour(1, 1, 1, changes=(0, 8.5, 9))
    plans = [
        plan_of(problem, travel, (steps,), (), "") for travel in (ROADS, untimed(ROADS), alike)
    ]
    assert plans[0] == plans[1] == plans[2]


@given(travels(), DOORS, st.integers(0, 5_000))
def test_a_round_that_begins_later_ends_no_sooner(
    travel: TimedMatrix, doors: list[int], later_s: int
) -> None:
    problem, steps = through(doors)
    first = problem.vehicles[0]
    second = replace(first, available_from=first.available_from + later_s)
    ends = [timed(problem, travel, one, steps).route.ends_at for one in (first, second)]
    assert ends[0] <= ends[1]


@given(travels(), DOORS)
def test_the_checker_times_each_leg_as_the_plan_does(travel: TimedMatrix, doors: list[int]) -> None:
    problem, steps = through(doors)
    assert check(problem, travel, plan_of(problem, travel, (steps,), (), "")) == ()


@given(travels(), DOORS, st.floats(1.2, 3))
def test_the_checker_names_a_plan_that_is_timed_with_another_hour(
    travel: TimedMatrix, doors: list[int], factor: float
) -> None:
    problem, steps = through(doors)
    wrong = replace_seconds(travel, factor)
    found = check(problem, travel, plan_of(problem, wrong, (steps,), (), ""))
    assert "roads" in {each.rule for each in found}


def replace_seconds(travel: TimedMatrix, factor: float) -> TimedMatrix:
    seconds = np.rint(travel.seconds * factor).astype(np.int32)
    return TimedMatrix(hours=travel.hours, seconds=seconds, metres=travel.metres)


def test_the_checker_names_the_speeds_of_eight_at_nine() -> None:
    problem, steps = through([30])
    late = replace(problem, vehicles=(replace(problem.vehicles[0], available_from=at(9)),))
    told = plan_of(late, RUSH.at(at(8)), (steps,), (), "")
    assert [each.rule for each in check(late, RUSH, told)][:2] == ["roads", "time"]


def test_the_checker_names_a_leg_whose_kilometres_are_those_of_no_way() -> None:
    metres = ROADS.metres.copy()
    metres[0, 20] = NO_WAY
    problem, steps = through([20])
    travel = Matrix(ROADS.seconds, metres)
    broken = check(problem, travel, plan_of(problem, travel, (steps,), (), ""))
    assert "roads" in {one.rule for one in broken}


def test_what_only_the_rush_makes_late_is_left_with_a_reason() -> None:
    problem = day([van(available_from=at(9), loading_s=0)], [order("a", 30, between(9, 9.6))])
    assert deliveries(planned(problem, "insertion", matrix=ROADS)) == ["a"]
    assert left(planned(problem, "insertion", matrix=RUSH))["a"].constraint == "window"


@settings(max_examples=20, deadline=None)
@given(travels(), DOORS)
def test_every_plan_by_the_hour_passes_the_checker(travel: TimedMatrix, doors: list[int]) -> None:
    orders = [order(f"o{n}", one, between(8, 9 + n / 4)) for n, one in enumerate(doors)]
    planned(day([van(), van("van-2")], orders), "insertion", matrix=travel)


def test_a_search_weighs_the_hours_by_how_long_they_last() -> None:
    problem = day([van(available_from=at(8), shift_end=at(12))], [])
    found = search_matrix(problem, RUSH)
    assert int(found.seconds[0, 20]) == 20 * MINUTE * 5 / 4
    assert search_matrix(problem, ROADS) is ROADS


def test_a_street_that_is_closed_in_some_hours_is_searched_by_the_others() -> None:
    closed = np.full_like(ROADS.seconds, NO_WAY)
    travel: Travel = TimedMatrix(
        hours=RUSH.hours, seconds=np.stack([ROADS.seconds, closed, closed]), metres=ROADS.metres
    )
    found = search_matrix(day([van(shift_end=at(9.5))], []), travel)
    assert found.seconds.tolist() == ROADS.seconds.tolist()
    nowhere = Matrix(closed, ROADS.metres)
    assert search_matrix(day([van()], []), untimed(nowhere)).seconds.tolist() == closed.tolist()


def a_rush_that_the_matrix_hides() -> Problem:
    """The van beside the parcel is the cheaper one, and too late by the rush alone."""
    near = van_under_way("near", start=10, available_from=at(9))
    wanted = order("a", 20, between(9, 9.3), pickup=10)
    return day([near, van("far")], [wanted])


@pytest.mark.parametrize("solver", ["insertion", "pyvrp"])
def test_what_the_rush_would_make_late_goes_with_another_van(solver: SolverName) -> None:
    problem = a_rush_that_the_matrix_hides()
    assert deliveries(planned(problem, solver, matrix=ROADS), "near") == ["a"]
    hidden = search_matrix(problem, RUSH)
    assert deliveries(planned(problem, solver, matrix=hidden), "near") == ["a"]
    plan = planned(problem, solver, matrix=RUSH)
    assert deliveries(plan, "far") == ["a"]
    assert not plan.unserved


def test_what_the_hours_make_late_is_asked_for_earlier() -> None:
    problem = a_rush_that_the_matrix_hides()
    hidden = search_matrix(problem, RUSH)
    late = ((Step(0, "pickup"), Step(0, "delivery")), ())
    asked = tightened(problem, problem, RUSH, hidden, late)
    assert asked is not None
    assert asked.jobs[0].windows[0].closes < problem.jobs[0].windows[0].closes
    assert timed(asked, hidden, asked.vehicles[0], late[0]).broken_by == 0
    assert tightened(problem, problem, RUSH, hidden, late[::-1]) is None
    short = replace(problem, vehicles=(replace(problem.vehicles[0], shift_end=at(10)), van("far")))
    over = tightened(short, short, by_hour(2, changes=(0,)), ROADS, late)
    assert over is not None
    assert over.vehicles[0].shift_end < at(10)


@settings(max_examples=8, deadline=None)
@given(travels(), DOORS, st.booleans())
def test_a_search_by_the_hour_passes_the_checker(
    travel: TimedMatrix, doors: list[int], may_be_late: bool
) -> None:
    orders = [
        order(f"o{n}", one, between(8.2, 8.5 + n / 4), may_be_late=may_be_late)
        for n, one in enumerate(doors)
    ]
    plan = planned(day([van(), van("van-2")], orders), "pyvrp", matrix=travel, seconds=0.3)
    assert not (may_be_late and plan.unserved)


@pytest.mark.parametrize("solver", ["insertion", "pyvrp"])
def test_who_lives_behind_a_street_that_closes_at_two_is_served_before(solver: SolverName) -> None:
    """In the middle of the street it takes an hour and a half more from two to four."""
    is_behind = np.arange(31) >= 15
    through_it = is_behind[:, None] != is_behind[None, :]
    around = ROADS.seconds + through_it * 90 * MINUTE
    travel = TimedMatrix(
        hours=Timetable(changes=(0, at(14), at(16)), classes=(0, 1, 0)),
        seconds=np.stack([ROADS.seconds, around.astype(np.int32)]),
        metres=ROADS.metres,
    )
    near = order("near", 5, service_s=70 * MINUTE)
    far = order("far", 25, between(13, 15))
    problem = day([van(available_from=at(13))], [near, far])
    plan = planned(problem, solver, matrix=travel)
    assert deliveries(plan) == ["far", "near"]
    served = {one.job: one for one in visits(plan) if one.kind == "delivery"}
    assert served["far"].departure < at(14)
    near_first = tuple(Step(n, kind) for n in (0, 1) for kind in ("pickup", "delivery"))
    assert timed(problem, ROADS, problem.vehicles[0], near_first).broken_by is None
    assert timed(problem, travel, problem.vehicles[0], near_first).broken_by is not None
