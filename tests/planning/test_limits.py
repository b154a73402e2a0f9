"""Limits and prices of vans, the same for every solver; each plan is passed by the checker."""

import pytest
from msgspec.structs import replace

from cloud.planning.check import check
from cloud.planning.model import Policy, Problem, SolverName
from cloud.planning.solvers.schedule import price_of
from tests.planning.streets import (
    MINUTE,
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
)

OR_TOOLS = pytest.param("ortools", marks=[pytest.mark.slow, pytest.mark.alone])


@pytest.fixture(params=["pyvrp", "insertion", OR_TOOLS])
def solver(request: pytest.FixtureRequest) -> SolverName:
    name: SolverName = request.param
    return name


def test_a_van_drives_no_further_than_it_reaches(solver: SolverName) -> None:
    """There and back to 20 are 20 km; the small one reaches 12."""
    vans = [van("small", range_m=12_000), van("large", use=3_000.0)]
    plan = planned(day(vans, [order("near", 10), order("far", 20)]), solver)
    assert not plan.unserved
    assert "far" in deliveries(plan, "large")
    alone = planned(day(vans[:1], [order("near", 10), order("far", 20)]), solver)
    assert deliveries(alone, "small") == ["near"]
    assert left(alone)["far"].constraint == "range"
    assert "20.0 km there and back" in left(alone)["far"].reason


def test_what_is_left_of_a_range_is_shared_by_orders_that_reach_it_alone(
    solver: SolverName,
) -> None:
    """Each of the two is reached, both are not: the street goes on behind the van."""
    problem = day(
        [van_under_way(start=15, end=15, range_m=11_000)],
        [order("left", 5, pickup=15), order("right", 25, pickup=15)],
    )
    plan = planned(problem, solver)
    (over,) = plan.unserved
    assert "range" in over.reason


def test_the_cheaper_van_goes(solver: SolverName) -> None:
    orders = [order("a", 5), order("b", 10)]
    for dear in ({"km": 600.0}, {"hour": 36_000.0}, {"use": 9_000.0}):
        plan = planned(day([replace(van("dear"), **dear), van("cheap")], orders), solver)
        assert set(deliveries(plan, "cheap")) == {"a", "b"}, dear


def test_an_hour_that_costs_is_not_waited_away(solver: SolverName) -> None:
    """One van would wait four hours between the two; sending a second one costs less."""
    orders = [order("early", 5, between(8, 9)), order("late", 6, between(12.5, 13))]
    vans = [van("day"), van("noon", available_from=van_under_way().available_from)]
    free = planned(day(vans, orders, policy=Policy(vehicle=700.0)), solver)
    assert len([route for route in free.routes if route.visits]) == 1
    paid = planned(day(vans, orders, policy=Policy(vehicle=700.0, hour=3_600.0)), solver)
    assert deliveries(paid, "day") == ["early"]
    assert deliveries(paid, "noon") == ["late"]


def test_a_price_is_the_sum_of_what_it_is_made_of() -> None:
    policy = Policy(km=0.0, hour=1_800.0, vehicle=500.0)
    one = van(km=120.0, hour=360.0, use=40.0)
    problem = day([one, van("idle")], [order("a", 10)], policy=policy)
    plan = planned(problem, "insertion")
    route = route_of(plan, "van-1")
    hours = (route.ends_at - one.available_from) / 3_600
    assert hours == pytest.approx((10 + 20 + 2) / 60)
    assert price_of(problem, plan) == pytest.approx(20 * MINUTE + 10 * 120 + hours * 360 + 40)
    usual = _with(problem, km=None, hour=None, use=None)
    assert price_of(usual, plan) == pytest.approx(20 * MINUTE + hours * 1_800 + 500)


def _with(problem: Problem, **given: object) -> Problem:
    return replace(problem, vehicles=tuple(replace(one, **given) for one in problem.vehicles))


def test_the_checker_finds_a_van_that_drives_too_far() -> None:
    problem = day([van()], [order("a", 10)])
    plan = planned(problem, "insertion")
    found = check(_with(problem, range_m=9_999), street(range(31)), plan)
    assert {each.rule for each in found} == {"range"}
