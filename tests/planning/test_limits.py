"""Limits and prices of vans, the same for every solver; each plan is passed by the checker."""

import pytest
from msgspec.structs import replace

from cloud.planning.check import check
from cloud.planning.problem import Policy, Problem
from cloud.planning.questions import SolverName
from cloud.planning.solvers.schedule import price_of
from cloud.planning.working import RULE_SETS, Worked, WorkRules
from tests.planning.streets import (
    HOUR,
    MINUTE,
    aboard,
    at,
    between,
    day,
    deliveries,
    delivery_of,
    left,
    order,
    planned,
    route_of,
    street,
    van,
    van_under_way,
    visits,
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


def test_a_van_that_is_too_small_comes_back_for_the_rest(solver: SolverName) -> None:
    """Six orders and room for three: loaded again in one go, which takes six minutes."""
    small = van(capacity=3, loads_at=0)
    orders = [order(f"o{k}", k, pickup_service_s=2 * MINUTE) for k in (5, 6, 7, 10, 11, 12)]
    plan = planned(day([small], orders), solver, seconds=0.5)
    assert not plan.unserved
    if solver == "insertion":  # it never moves an order that it has put somewhere
        return
    assert plan.cost.drive_s == (2 * 7 + 2 * 12) * MINUTE
    again = [one for one in visits(plan) if one.kind == "pickup"][3:]
    assert len({(one.arrival, one.start, one.departure) for one in again}) == 1
    assert again[0].departure - again[0].start == 6 * MINUTE


def test_loading_again_takes_no_longer_than_loading_at_first() -> None:
    small = van(capacity=3, loads_at=0, loading_s=5 * MINUTE)
    orders = [order(f"o{k}", 5, pickup_service_s=4 * MINUTE) for k in range(6)]
    plan = planned(day([small], orders), "pyvrp", seconds=0.5)
    again = [one for one in visits(plan) if one.kind == "pickup"][3:]
    assert not plan.unserved
    assert again[0].departure - again[0].start == 5 * MINUTE


def test_a_van_from_home_loads_at_the_depot_first_and_ends_at_home(solver: SolverName) -> None:
    home = van(start=12, end=12, loads_at_start=False, loads_at=0)
    plan = planned(day([home], [order(f"o{k}", k) for k in (5, 10, 20)]), solver, seconds=0.5)
    assert not plan.unserved
    assert plan.cost.drive_s == (12 + 20 + 8) * MINUTE
    fetched = [one for one in visits(plan) if one.kind == "pickup"]
    assert {one.departure - one.start for one in fetched} == {3 * MINUTE}
    assert [one.kind for one in visits(plan)] == ["pickup"] * 3 + ["delivery"] * 3


def test_a_wave_that_comes_later_is_a_further_trip(solver: SolverName) -> None:
    early = [order(f"e{k}", k, between(8, 10)) for k in (5, 6)]
    late = [order(f"l{k}", k, ready_from=at(12)) for k in (7, 8)]
    plan = planned(day([van(loads_at=0)], [*early, *late]), solver, seconds=0.5)
    assert not plan.unserved
    assert deliveries(plan)[:2] in (["e5", "e6"], ["e6", "e5"])
    fetched = [one for one in visits(plan) if one.kind == "pickup" and one.job[0] == "l"]
    assert all(one.start >= at(12) for one in fetched)
    assert fetched[0].departure - fetched[0].start == 2 * MINUTE


def test_the_checker_finds_a_loading_that_is_too_short() -> None:
    orders = [order(f"o{k}", k, pickup_service_s=2 * MINUTE) for k in (5, 6, 7, 10, 11, 12)]
    problem = day([van(capacity=3, loads_at=0)], orders)
    plan = planned(problem, "pyvrp")
    hasty = _with(problem, loads_at=None)
    rules = {each.rule for each in check(hasty, street(range(31)), plan)}
    assert rules & {"time", "service"}


def test_what_may_wait_is_served_only_where_it_is_cheap(solver: SolverName) -> None:
    """An order on the way costs nothing to bring; another takes twenty minutes there and back."""
    orders = [
        order("must", 20),
        order("near", 10, unserved=300.0),
        order("far", 30, unserved=300.0),
        order("often-put-off", 25, unserved=9_000.0),
    ]
    plan = planned(day([van()], orders), solver)
    assert set(deliveries(plan)) == {"must", "near", "often-put-off"}
    assert left(plan)["far"].constraint == "wait"
    assert "may wait" in left(plan)["far"].reason


def test_a_soft_window_is_missed_where_that_is_cheaper(solver: SolverName) -> None:
    """Both doors in time takes a second van; ten minutes of lateness cost less or more."""
    orders = [
        order("hard", 20, between(8, 8.51)),
        order("soft", 5, between(8, 8.6), may_be_late=True, late_s=0.1),
    ]
    vans = [van("van-1"), van("van-2")]
    cheap = planned(day(vans, orders, policy=Policy(vehicle=900.0)), solver, seconds=0.6)
    assert cheap.cost.late_s > 0
    assert len([route for route in cheap.routes if route.visits]) == 1
    firm = [orders[0], replace(orders[1], late_s=20.0)]
    kept = planned(day(vans, firm, policy=Policy(vehicle=900.0)), solver, seconds=0.6)
    assert kept.cost.late_s == 0


def test_zones_are_left_and_strangers_sent_where_that_is_worth_more(solver: SolverName) -> None:
    """Two vans from one depot, one of them for the zone behind; both doors on one way."""
    vans = [van("near", zones=("front",)), van("far", zones=("back",))]
    orders = [order("a", 10, zones=("front",)), order("b", 12, zones=("back",))]
    cheap = Policy(outside_zone=100.0)
    plan = planned(day(vans, orders, policy=cheap), solver, seconds=0.5)
    assert len([route for route in plan.routes if route.visits]) == 1
    assert plan.cost.preference == 100
    dear = planned(day(vans, orders, policy=Policy(outside_zone=9_000.0)), solver, seconds=0.5)
    assert [deliveries(dear, name) for name in ("near", "far")] == [["a"], ["b"]]
    assert dear.cost.preference == 0
    anywhere = [replace(one, zones=()) for one in vans]
    known = [replace(one, known=(("far", 800), ("near", 300))) for one in orders]
    policy = Policy(unfamiliar=100.0)
    by_friend = planned(day(anywhere, known, policy=policy), solver, seconds=0.5)
    assert deliveries(by_friend, "far") != []
    assert deliveries(by_friend, "near") == []
    assert by_friend.cost.preference == 0
    told = day(anywhere, known, policy=policy)
    wrong = replace(by_friend, cost=replace(by_friend.cost, preference=50))
    assert {one.rule for one in check(told, street(range(31)), wrong)} == {"cost"}
    bound = day(anywhere, [replace(one, only_vehicle="near") for one in known], policy=policy)
    assert planned(bound, solver).cost.preference == 2 * 50


def test_nothing_is_late_after_its_place_has_closed(solver: SolverName) -> None:
    """Late and before it closes where that goes, else left out with the reason."""
    soft = order("soft", 20, between(8, 8.25), may_be_late=True, late_until=at(8.6))
    there = at(8) + 30 * MINUTE
    assert visits(planned(day([van()], [soft]), solver))[-1].start == there
    closed = planned(day([van()], [replace(soft, late_until=at(8.4))]), solver)
    assert left(closed)["soft"].constraint == "window"
    beside = order("hard", 10, between(8, 8.4))
    both = planned(day([van()], [replace(soft, late_until=there + 60), beside]), solver)
    assert left(both).keys() == {"soft"}


FOUR_HOURS = WorkRules(work_s=4 * HOUR, break_s=30 * MINUTE)


def test_a_break_lies_in_the_waiting_when_there_is_any(solver: SolverName) -> None:
    """From half past nine to eleven there is nothing to do; no other break delays anybody."""
    orders = [order("a", 5), order("b", 6, between(11, 11.1)), order("c", 7, between(14, 14.1))]
    plan = planned(day([van(work_rules=FOUR_HOURS)], orders), solver)
    assert not plan.unserved
    assert delivery_of(plan, "b").start == at(11)
    assert delivery_of(plan, "c").start == at(14)
    for each in route_of(plan, "van-1").breaks:
        assert each.ends - each.begins >= 30 * MINUTE


def test_a_full_day_has_its_break_before_the_limit(solver: SolverName) -> None:
    orders = [order(f"o{k}", k, service_s=30 * MINUTE) for k in range(1, 11)]
    one = van(work_rules=FOUR_HOURS)
    plan = planned(day([one], orders), solver)
    assert not plan.unserved
    (only,) = route_of(plan, "van-1").breaks
    assert only.ends - only.begins == 30 * MINUTE
    assert one.available_from < only.begins <= one.available_from + 4 * HOUR
    assert route_of(plan, "van-1").ends_at == at(8) + (10 + 300 + 20 + 30) * MINUTE


def test_hours_worked_this_morning_bring_the_break_nearer(solver: SolverName) -> None:
    worked = Worked(work_s=3 * HOUR, day_s=3 * HOUR)
    out = van_under_way(start=5, work_rules=FOUR_HOURS, worked=worked)
    orders = [aboard(f"o{k}", k, "van-1", service_s=20 * MINUTE) for k in range(5, 11)]
    plan = planned(day([out], orders), solver)
    assert not plan.unserved
    (only,) = route_of(plan, "van-1").breaks
    assert only.begins <= at(13)


def test_nobody_works_longer_than_the_day_may_be(solver: SolverName) -> None:
    rules = WorkRules(work_s=6 * HOUR, day_s=8 * HOUR)
    worked = Worked(day_s=6 * HOUR)
    out = van_under_way(start=1, work_rules=rules, worked=worked)
    orders = [aboard(f"o{k}", k, "van-1", service_s=30 * MINUTE) for k in range(1, 7)]
    plan = planned(day([out], orders), solver)
    assert 0 < len(plan.unserved) < len(orders)
    assert "working time" in plan.unserved[0].reason
    assert route_of(plan, "van-1").ends_at <= at(14)


def test_a_planned_pause_is_kept(solver: SolverName) -> None:
    noon = van(pauses=((at(12), at(13)),))
    orders = [order(f"o{k}", k, service_s=40 * MINUTE) for k in range(1, 9)]
    plan = planned(day([noon], orders), solver)
    assert not plan.unserved
    (only,) = route_of(plan, "van-1").breaks
    assert (only.begins, only.ends) == (at(12), at(13))


def test_german_rules_ask_for_a_second_break_after_nine_hours() -> None:
    rules = RULE_SETS["de-van"].rules
    orders = [order(f"o{k}", k, service_s=35 * MINUTE) for k in range(1, 16)]
    long = van(work_rules=rules, shift_end=at(20))
    plan = planned(day([long], orders), "insertion")
    breaks = route_of(plan, "van-1").breaks
    assert sum(each.ends - each.begins for each in breaks) == 45 * MINUTE
    assert breaks[0].begins <= at(14)


def test_driving_is_broken_off_after_four_and_a_half_hours() -> None:
    rules = RULE_SETS["eu-lorry"].rules
    roads = street([60 * k for k in range(31)])
    far = van(work_rules=rules, shift_end=at(20))
    plan = planned(day([far], [order("a", 3), order("b", 4)]), "insertion", matrix=roads)
    (only,) = route_of(plan, "van-1").breaks
    assert only.ends - only.begins == 45 * MINUTE


def test_the_checker_finds_breaks_that_are_missing_or_in_the_way() -> None:
    orders = [order(f"o{k}", k, service_s=30 * MINUTE) for k in range(1, 11)]
    problem = day([van(work_rules=FOUR_HOURS)], orders)
    plan = planned(problem, "insertion")
    route = route_of(plan, "van-1")
    without = replace(plan, routes=(replace(route, breaks=()),))
    assert {each.rule for each in check(problem, street(range(31)), without)} == {"work"}
    (only,) = route.breaks
    early = replace(only, begins=only.begins - HOUR, ends=only.ends - HOUR)
    moved = replace(plan, routes=(replace(route, breaks=(early,)),))
    assert {each.rule for each in check(problem, street(range(31)), moved)} == {"break"}
    short = replace(only, ends=only.ends - 10 * MINUTE)
    cut = replace(plan, routes=(replace(route, breaks=(short,)),))
    assert "work" in {each.rule for each in check(problem, street(range(31)), cut)}


def _with(problem: Problem, **given: object) -> Problem:
    return replace(problem, vehicles=tuple(replace(one, **given) for one in problem.vehicles))


def test_the_checker_finds_a_van_that_drives_too_far() -> None:
    problem = day([van()], [order("a", 10)])
    plan = planned(problem, "insertion")
    found = check(_with(problem, range_m=9_999), street(range(31)), plan)
    assert {each.rule for each in found} == {"range"}
