"""The independent checker: a good plan passes, and each way of breaking it is named."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec.structs import replace

from cloud.planning.check import check
from cloud.planning.problem import Problem, RouteStep, VisitKind
from cloud.planning.solution import Cost, Plan, PlannedRoute, Unserved, Visit
from tests.planning.streets import (
    MINUTE,
    aboard,
    at,
    between,
    day,
    deliveries,
    order,
    planned,
    route_of,
    street,
    van,
    van_under_way,
)

ROADS = street(range(31))
PROBLEM: Problem = day(
    [
        van("home", available_from=at(12), capacity=3),
        van_under_way("away", start=10, capacity=2),
    ],
    [
        order("a", 5, between(12, 14), previous_vehicle="home"),
        order("b", 8, previous_vehicle="home"),
        aboard("c", 12, "away"),
        aboard("d", 14, "away", between(11, 11.5), may_be_late=True),
        order("e", 2, ready_from=at(12.5), only_vehicle="away"),
        order("f", 30, between(8, 9)),
    ],
)
GOOD: Plan = planned(PROBLEM, "pyvrp", seconds=0.5)


def rules(plan: Plan, problem: Problem = PROBLEM) -> set[str]:
    return {violation.rule for violation in check(problem, ROADS, plan)}


def with_route(name: str, change: Callable[[PlannedRoute], PlannedRoute]) -> Plan:
    routes = [change(route) if route.vehicle == name else route for route in GOOD.routes]
    return replace(GOOD, routes=tuple(routes))


def with_visit(job: str, kind: str, change: Callable[[Visit], Visit]) -> Plan:
    def changed(route: PlannedRoute) -> PlannedRoute:
        visits = [
            change(visit) if (visit.job, visit.kind) == (job, kind) else visit
            for visit in route.visits
        ]
        return replace(route, visits=tuple(visits))

    return replace(GOOD, routes=tuple(changed(route) for route in GOOD.routes))


def without(job: str, kind: str) -> Plan:
    def changed(route: PlannedRoute) -> PlannedRoute:
        kept = [visit for visit in route.visits if (visit.job, visit.kind) != (job, kind)]
        return replace(route, visits=tuple(kept))

    return replace(GOOD, routes=tuple(changed(route) for route in GOOD.routes))


def moved(job: str, kind: str, to: str) -> Plan:
    visit = next(
        visit
        for route in GOOD.routes
        for visit in route.visits
        if (visit.job, visit.kind) == (job, kind)
    )
    routes = [
        replace(route, visits=(*route.visits, visit)) if route.vehicle == to else route
        for route in without(job, kind).routes
    ]
    return replace(GOOD, routes=tuple(routes))


def test_the_good_plan_is_what_the_mutations_start_from() -> None:
    assert check(PROBLEM, ROADS, GOOD) == ()
    assert set(deliveries(GOOD, "home")) == {"a", "b"}
    assert set(deliveries(GOOD, "away")) == {"c", "d", "e"}
    assert [left.job for left in GOOD.unserved] == ["f"]
    assert GOOD.cost.late_s > 0


@pytest.mark.parametrize(
    ("plan", "rule"),
    [
        (without("a", "delivery"), "once"),
        (replace(GOOD, unserved=()), "once"),
        (
            replace(
                GOOD,
                unserved=(*GOOD.unserved, Unserved(job="a", constraint="time", reason="x")),
            ),
            "once",
        ),
        (
            replace(GOOD, unserved=(Unserved(job="f", constraint="time", reason=" "),)),
            "reason",
        ),
        (
            replace(
                GOOD,
                unserved=(*GOOD.unserved, Unserved(job="z", constraint="time", reason="x")),
            ),
            "known",
        ),
        (with_visit("a", "delivery", lambda visit: replace(visit, job="z")), "known"),
        (with_route("home", lambda route: replace(route, vehicle="ghost")), "known"),
        (replace(GOOD, routes=GOOD.routes[:1]), "once"),
        (replace(GOOD, routes=(*GOOD.routes, replace(GOOD.routes[0], visits=()))), "vehicle"),
        (without("e", "pickup"), "pickup"),
        (
            with_route("away", lambda route: replace(route, visits=tuple(reversed(route.visits)))),
            "pickup",
        ),
        (moved("e", "pickup", "home"), "pickup"),
        (moved("c", "delivery", "home"), "locked"),
        (with_visit("b", "delivery", lambda visit: replace(visit, location=9)), "place"),
        (with_visit("b", "delivery", lambda visit: replace(visit, leg_s=1)), "roads"),
        (with_visit("b", "delivery", lambda visit: replace(visit, leg_m=1)), "roads"),
        (with_route("home", lambda route: replace(route, end_leg_s=1)), "roads"),
        (
            with_visit("b", "delivery", lambda visit: replace(visit, arrival=at(12))),
            "time",
        ),
        (
            with_visit("b", "delivery", lambda visit: replace(visit, start=visit.arrival - 1)),
            "time",
        ),
        (with_visit("b", "delivery", lambda visit: replace(visit, departure=at(12))), "service"),
        (with_visit("b", "pickup", lambda visit: replace(visit, departure=at(12))), "service"),
        (with_visit("b", "pickup", lambda visit: replace(visit, departure=at(13))), "service"),
        (with_visit("a", "delivery", lambda visit: replace(visit, start=at(14.1))), "window"),
        (with_visit("e", "pickup", lambda visit: replace(visit, start=at(12.4))), "ready"),
        (with_route("home", lambda route: replace(route, ends_at=at(12))), "time"),
        (with_route("home", lambda route: replace(route, ends_at=at(18.1))), "shift"),
        (replace(GOOD, cost=Cost(drive_s=0, distance_m=0, late_s=0)), "cost"),
        (replace(GOOD, cost=replace(GOOD.cost, late_s=0)), "cost"),
    ],
)
def test_a_broken_rule_is_named(plan: Plan, rule: str) -> None:
    assert rule in rules(plan)


def test_a_violation_names_the_order_and_the_van() -> None:
    late = with_visit("a", "delivery", lambda visit: replace(visit, start=at(14.1)))
    (found,) = [each for each in check(PROBLEM, ROADS, late) if each.rule == "window"]
    assert (found.job, found.vehicle) == ("a", "home")
    assert "a (delivery) on home" in found.text


def test_more_aboard_than_fits_is_named() -> None:
    jobs = tuple(replace(job, size=2) if job.id in {"a", "b"} else job for job in PROBLEM.jobs)
    assert "capacity" in rules(GOOD, replace(PROBLEM, jobs=jobs))


@pytest.mark.parametrize("limit", [{"capacity_g": 1_500}, {"capacity_ml": 15_000}])
def test_more_weight_or_volume_than_fits_is_named(limit: dict[str, Any]) -> None:
    jobs = [replace(job, weight_g=1_000, volume_ml=10_000) for job in PROBLEM.jobs]
    small = [replace(each, **limit) if each.id == "home" else each for each in PROBLEM.vehicles]
    heavy = replace(PROBLEM, jobs=tuple(jobs), vehicles=tuple(small))
    assert rules(GOOD, heavy) == {"capacity"}
    light = [replace(job, weight_g=0, volume_ml=0) for job in jobs]
    assert rules(GOOD, replace(heavy, jobs=tuple(light))) == set()


def test_a_skill_that_the_van_lacks_is_named_unless_the_parcels_are_aboard() -> None:
    jobs = [replace(job, needs=("fridge", "two_man")) for job in PROBLEM.jobs]
    found = check(replace(PROBLEM, jobs=tuple(jobs)), ROADS, GOOD)
    assert {each.rule for each in found} == {"skill"}
    assert {each.job for each in found} == {"a", "b", "e"}
    able = [replace(each, skills=("fridge", "two_man", "x")) for each in PROBLEM.vehicles]
    assert rules(GOOD, replace(PROBLEM, jobs=tuple(jobs), vehicles=tuple(able))) == set()


def test_a_van_from_which_an_order_is_banned_is_named_unless_the_parcels_are_aboard() -> None:
    jobs = [replace(job, banned_vehicles=("home", "away")) for job in PROBLEM.jobs]
    found = check(replace(PROBLEM, jobs=tuple(jobs)), ROADS, GOOD)
    assert {(each.rule, each.job) for each in found} == {
        ("banned", "a"),
        ("banned", "b"),
        ("banned", "e"),
    }


def locked(*steps: tuple[str, VisitKind], van: str = "away") -> Problem:
    jobs = [replace(job, only_vehicle=van) if job.id == "e" else job for job in PROBLEM.jobs]
    told = tuple(RouteStep(job=job, kind=kind) for job, kind in steps)
    vans = [replace(each, locked=told) if each.id == van else each for each in PROBLEM.vehicles]
    return replace(PROBLEM, vehicles=tuple(vans), jobs=tuple(jobs))


def test_a_locked_route_is_driven_as_it_stands_and_gets_nothing_more() -> None:
    driven: list[tuple[str, VisitKind]] = [
        (visit.job, visit.kind) for visit in route_of(GOOD, "away").visits
    ]
    assert rules(GOOD, locked(*driven)) == set()
    assert rules(GOOD, locked(*reversed(driven))) == {"sequence"}
    assert rules(GOOD, locked(*driven[1:])) == {"sequence"}
    assert rules(GOOD, locked()) == {"sequence"}


def test_what_does_not_fit_a_locked_route_any_more_may_be_left_out_of_it() -> None:
    driven: list[tuple[str, VisitKind]] = [
        (visit.job, visit.kind) for visit in route_of(GOOD, "away").visits
    ]
    jobs = [
        replace(job, only_vehicle="away") if job.id in {"e", "f"} else job for job in PROBLEM.jobs
    ]
    steps = (*driven[:2], ("f", "pickup"), *driven[2:], ("f", "delivery"))
    told = tuple(RouteStep(job=job, kind=kind) for job, kind in steps)
    vans = [replace(each, locked=told) if each.id == "away" else each for each in PROBLEM.vehicles]
    assert rules(GOOD, replace(PROBLEM, vehicles=tuple(vans), jobs=tuple(jobs))) == set()


def test_a_lock_names_jobs_of_its_van_alone_and_each_visit_once() -> None:
    with pytest.raises(ValueError, match=r"vehicles\[1\].locked: 'a' is no job of this van alone"):
        locked(("a", "delivery"))
    with pytest.raises(ValueError, match="stands twice"):
        locked(("c", "delivery"), ("c", "delivery"))


def test_parcels_that_stay_aboard_take_their_room() -> None:
    """Left unserved is not unloaded: what is fetched must still fit beside it."""
    stays = Unserved(job="c", constraint="time", reason="x")
    plan = replace(without("c", "delivery"), unserved=(*GOOD.unserved, stays))
    small = [replace(each, capacity=1) if each.id == "away" else each for each in PROBLEM.vehicles]
    assert "capacity" in rules(plan, replace(PROBLEM, vehicles=tuple(small)))


def test_what_is_aboard_at_first_is_a_fact_and_no_fault() -> None:
    small = [replace(each, capacity=1) if each.id == "away" else each for each in PROBLEM.vehicles]
    problem = day(small, [job for job in PROBLEM.jobs if job.id in {"c", "d"}])
    plan = planned(problem, "pyvrp")
    assert not plan.unserved


def test_lateness_is_allowed_only_where_the_problem_allows_it() -> None:
    jobs = tuple(replace(job, may_be_late=False) for job in PROBLEM.jobs)
    assert rules(GOOD, replace(PROBLEM, jobs=jobs)) == {"window"}


def test_waiting_is_allowed() -> None:
    """A plan that lets a van stand is a worse plan, not a wrong one."""
    hour = 60 * MINUTE

    def wait(route: PlannedRoute) -> PlannedRoute:
        last = route.visits[-1]
        later = replace(last, start=last.start + hour, departure=last.departure + hour)
        return replace(route, visits=(*route.visits[:-1], later), ends_at=route.ends_at + hour)

    name = "home" if deliveries(GOOD, "home")[-1] == "b" else "away"
    assert rules(with_route(name, wait)) <= {"cost"}


@given(seconds=some.integers(min_value=1, max_value=7_200), data=some.data())
def test_no_visit_can_be_earlier_than_the_roads_allow(seconds: int, data: some.DataObject) -> None:
    route = data.draw(some.sampled_from([each for each in GOOD.routes if each.visits]))
    number = data.draw(some.integers(min_value=0, max_value=len(route.visits) - 1))
    field = data.draw(some.sampled_from(["arrival", "departure"]))
    visit = route.visits[number]
    earlier = replace(visit, **{field: getattr(visit, field) - seconds})
    changed = [*route.visits[:number], earlier, *route.visits[number + 1 :]]
    plan = with_route(route.vehicle, lambda each: replace(each, visits=tuple(changed)))
    assert rules(plan)


@given(data=some.data())
def test_no_two_visits_of_a_van_can_be_swapped_unseen(data: some.DataObject) -> None:
    route = route_of(GOOD, data.draw(some.sampled_from(["home", "away"])))
    last = len(route.visits) - 1
    one = data.draw(some.integers(min_value=0, max_value=last))
    other = data.draw(some.integers(min_value=0, max_value=last))
    visits = list(route.visits)
    visits[one], visits[other] = visits[other], visits[one]
    if {(visits[one].job, visits[other].job)} & {("a", "b"), ("b", "a")} and visits[one].kind == (
        visits[other].kind
    ) == "pickup":
        return  # what is loaded at once has no order
    plan = with_route(route.vehicle, lambda each: replace(each, visits=tuple(visits)))
    assert bool(rules(plan)) == (one != other)
