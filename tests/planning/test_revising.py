"""From a plan back to routes: what is fixed stays, what was planned keeps its ids."""

from dataclasses import replace
from itertools import count

import pytest

from cloud.orders.model import Order, Pickup, Promise, Span
from cloud.planning.diff import difference
from cloud.planning.meanwhile import outdated_by, with_progress
from cloud.planning.problem import VisitKind
from cloud.planning.revising import NewRoutes, routes_of
from cloud.planning.situation import Day
from cloud.planning.solution import Cost, Plan, PlannedBreak, PlannedRoute, Visit
from tests.planning.days import EIGHT, HOUR, aboard, day, order, route, rule, stop

NOON = EIGHT + 4 * HOUR


def solve(here: Day, **routes: list[tuple[str, VisitKind]]) -> NewRoutes:
    """As if the planner had answered with these visits, ten minutes apart, from now on."""
    planned = []
    for van in here.vehicles:
        visits = []
        for at, (name, kind) in enumerate(routes.get(van.replace("-", "_"), [])):
            arrival = int(here.now + 600 * (at + 1))
            visits.append(
                Visit(
                    job=name,
                    kind=kind,
                    location=0,
                    arrival=arrival,
                    start=arrival,
                    departure=arrival + 180,
                    leg_s=420,
                    leg_m=0 if kind == "pickup" and at else 3000,
                )
            )
        planned.append(
            PlannedRoute(
                vehicle=van,
                visits=tuple(visits),
                end_leg_s=300,
                end_leg_m=2000,
                ends_at=int(here.now),
            )
        )
    plan = Plan(
        routes=tuple(planned),
        unserved=(),
        cost=Cost(drive_s=0, distance_m=0, late_s=0),
        solver="test",
    )
    numbers = count(1)
    return routes_of(here, plan, lambda kind: f"{kind}-new-{next(numbers)}")


def under_way() -> Day:
    first, second, urgent = aboard("a", "van-1"), aboard("b", "van-1"), order("urgent")
    driven = route(
        "van-1",
        stop("s-0", first, second, kind="pickup", state="done"),
        stop("s-1", first),
        stop("s-2", second),
    )
    return day(first, second, urgent, now=NOON, routes=[driven], vans=["van-1"])


def test_pickups_at_one_place_become_one_stop_before_the_deliveries() -> None:
    new = solve(
        day(order("a"), order("b")),
        van_1=[("a", "pickup"), ("b", "pickup"), ("b", "delivery"), ("a", "delivery")],
    )
    (only,) = new.routes
    assert [(one.kind, one.order_ids) for one in only.stops] == [
        ("pickup", ("a", "b")),
        ("delivery", ("b",)),
        ("delivery", ("a",)),
    ]
    assert [one.position for one in only.stops] == [0, 1, 2]


_FETCHED_FIRST: list[tuple[str, VisitKind]] = [
    ("a", "pickup"),
    ("b", "pickup"),
    ("a", "delivery"),
    ("b", "delivery"),
]


def hours(begin: float, end: float) -> Span:
    return Span(EIGHT + begin * HOUR, EIGHT + end * HOUR)


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        (hours(0, 1), hours(2, 3), None),
        (hours(0, 2), hours(1, 3), hours(1, 2)),
        (hours(0, 1), None, hours(0, 1)),
        (None, hours(2, 3), hours(2, 3)),
    ],
)
def test_pickups_at_a_shop_are_one_stop_where_one_time_is_good_for_both(
    *, one: Span | None, other: Span | None, together: Span | None
) -> None:
    shop = Pickup(address="Bakery", lat=-29.9, lon=-71.25)
    a, b = (
        replace(order(name), pickup=replace(shop, window=window))
        for name, window in (("a", one), ("b", other))
    )
    (route_,) = solve(day(a, b), van_1=_FETCHED_FIRST).routes
    found = [(stop_.order_ids, stop_.window) for stop_ in route_.stops if stop_.kind == "pickup"]
    apart = [(("a",), one), (("b",), other)]
    assert found == (apart if together is None else [(("a", "b"), together)])


def test_shops_of_one_name_with_other_hours_are_two_stops() -> None:
    a = replace(order("a"), pickup=Pickup(address="Bakery", lat=-29.9, lon=-71.25,
                                          window=hours(0, 1)))  # fmt: skip
    b = replace(order("b"), pickup=Pickup(address="Bakery", lat=-29.8, lon=-71.25,
                                          window=hours(2, 3)))  # fmt: skip
    (route_,) = solve(day(a, b), van_1=_FETCHED_FIRST).routes
    assert [one.order_ids for one in route_.stops[:2]] == [("a",), ("b",)]


def test_a_van_without_work_gets_no_route() -> None:
    new = solve(day(order("a")), van_1=[("a", "pickup"), ("a", "delivery")])
    assert [one.vehicle_id for one in new.routes] == ["van-1"]


def test_done_and_frozen_stops_stay_in_front_and_known_stops_keep_their_ids() -> None:
    here = under_way()
    new = solve(here, van_1=[("urgent", "pickup"), ("urgent", "delivery"), ("b", "delivery")])
    (only,) = new.routes
    assert only.id == "route-van-1"
    assert [one.id for one in only.stops][:2] == ["s-0", "s-1"]
    assert only.stops[-1].id == "s-2"
    assert [one.kind for one in only.stops[2:4]] == ["pickup", "delivery"]
    assert only.revision == 2


def test_the_first_plan_promises_and_stays_within_the_window_asked_for() -> None:
    window = Span(EIGHT, EIGHT + 3600)
    new = solve(
        day(order("a"), order("b", window=window), now=EIGHT),
        van_1=[("a", "pickup"), ("a", "delivery"), ("b", "delivery")],
    )
    free, kept = new.promises["a"].original, new.promises["b"].original
    assert free.begin <= EIGHT + 1200 <= free.end
    assert 2 * HOUR <= free.end - free.begin <= 2.5 * HOUR
    assert (kept.begin, kept.end) == (EIGHT, EIGHT + 3600)
    assert not new.sacrificed


def test_a_van_that_waits_for_a_window_promises_what_comes_after_the_wait() -> None:
    window = Span(EIGHT + 5 * HOUR, EIGHT + 10 * HOUR)
    new = solve(
        day(order("a", window=window), now=EIGHT), van_1=[("a", "pickup"), ("a", "delivery")]
    )
    told = new.promises["a"].original
    assert (told.begin, told.end) == (window.begin, window.begin + HOUR)
    assert [one.window for one in new.routes[0].stops if one.kind == "delivery"] == [told]


def test_a_promise_is_moved_only_when_the_van_comes_too_late_and_the_original_stays() -> None:
    told = Span(EIGHT, EIGHT + HOUR)
    late = order("a", "planned", promise=Promise(told, told))
    new = solve(day(late, now=NOON), van_1=[("a", "pickup"), ("a", "delivery")])
    assert [one.order_id for one in new.sacrificed] == ["a"]
    assert new.promises["a"].original == told
    assert new.promises["a"].current.end > NOON
    in_time = solve(day(late, now=EIGHT), van_1=[("a", "pickup"), ("a", "delivery")])
    assert not in_time.promises


def test_nothing_is_outdated_while_the_day_stands_still() -> None:
    here = under_way()
    new = solve(here, van_1=[("urgent", "pickup"), ("urgent", "delivery"), ("b", "delivery")])
    assert outdated_by(here, here, new.routes) is None


def served_first(here: Day) -> Day:
    """The driver has delivered the frozen stop and drives on."""
    (driven,) = here.plan.routes
    stops = tuple(
        replace(one, state="done", done_at=NOON) if one.id == "s-1" else one for one in driven.stops
    )
    orders = {**here.orders, "a": replace(here.orders["a"], state="delivered")}
    return replace(
        here, plan=replace(here.plan, routes=(replace(driven, stops=stops),)), orders=orders
    )


def test_a_van_that_drove_on_to_what_the_plan_says_next_is_no_hindrance() -> None:
    here = under_way()
    new = solve(here, van_1=[("b", "delivery"), ("urgent", "pickup"), ("urgent", "delivery")])
    later = served_first(here)
    assert outdated_by(here, later, new.routes) is None
    (kept,) = with_progress(new.routes, later.plan)
    assert [one.state for one in kept.stops][:3] == ["done", "done", "open"]


def test_a_van_that_drove_on_to_something_else_makes_the_plan_outdated() -> None:
    here = under_way()
    new = solve(here, van_1=[("urgent", "pickup"), ("urgent", "delivery"), ("b", "delivery")])
    assert outdated_by(here, served_first(here), new.routes) == "van-1 has driven on"


@pytest.mark.parametrize(
    ("change", "news"),
    [
        (order("urgent", "cancelled"), "order urgent is cancelled"),
        (aboard("urgent", "van-2", "loaded"), "order urgent was loaded into van-2"),
        (order("urgent", window=Span(NOON, NOON + HOUR)), "order urgent was changed"),
    ],
)
def test_an_order_that_went_another_way_makes_the_plan_outdated(change: Order, news: str) -> None:
    here = under_way()
    new = solve(here, van_1=[("urgent", "pickup"), ("urgent", "delivery"), ("b", "delivery")])
    later = replace(here, orders={**here.orders, "urgent": change})
    assert outdated_by(here, later, new.routes) == news


def test_a_rule_laid_down_meanwhile_makes_the_plan_outdated() -> None:
    """A route is locked as the dispatcher saw it, not as a plan in the making would have it."""
    here = under_way()
    new = solve(here, van_1=[("urgent", "pickup"), ("urgent", "delivery"), ("b", "delivery")])
    locked = replace(here, rules=(rule("lock", "van-1"),))
    assert outdated_by(here, locked, new.routes) == "a rule was laid down or lifted"


def test_a_newer_revision_makes_the_plan_outdated() -> None:
    here = under_way()
    new = solve(here, van_1=[("b", "delivery")])
    later = replace(here, plan=replace(here.plan, revision=2))
    assert outdated_by(here, later, new.routes) == "revision 2 was published"


def test_a_difference_tells_what_was_added_and_what_moved() -> None:
    here = under_way()
    new = solve(here, van_1=[("urgent", "pickup"), ("urgent", "delivery"), ("b", "delivery")])
    found = difference(here.plan, new.routes, ())
    assert (found.added, found.removed, found.moved) == (("urgent",), (), ())
    assert found.drive_s == 300 + 3 * 420 - (2 * 300 + 600) + 300


def test_orders_that_swap_places_are_told_as_moved_once() -> None:
    one, two, three = (aboard(name, "van-1") for name in ("a", "b", "c"))
    before = day(one, two, three, now=NOON, vans=["van-1"], routes=[
        route("van-1", stop("s-1", one), stop("s-2", two), stop("s-3", three))
    ])  # fmt: skip
    after = route("van-1", stop("s-3", three), stop("s-1", one), stop("s-2", two))
    assert [moved.order_id for moved in difference(before.plan, [after], ()).moved] == ["c"]


@pytest.mark.parametrize(("ends_s", "is_lost"), [(60, False), (240, True)])
def test_a_break_at_the_door_may_cost_a_promise_and_that_is_told(
    *, ends_s: int, is_lost: bool
) -> None:
    """The van is there in time, and its driver rests before the service."""
    until = NOON + 720
    told = Promise(Span(NOON, until), Span(NOON, until))
    promised = replace(order("a", "planned"), promise=told)
    here = day(promised, now=NOON, vans=("van-1",))
    arrival, ends = int(NOON + 600), int(until - 120 + ends_s)
    visit = Visit(
        job="a", kind="delivery", location=1, arrival=arrival, start=ends, departure=ends + 180,
        leg_s=600, leg_m=3_000,
    )  # fmt: skip
    rest = PlannedBreak(before=0, location=1, begins=arrival, ends=ends)
    planned = PlannedRoute(
        vehicle="van-1", visits=(visit,), end_leg_s=300, end_leg_m=2_000, ends_at=ends + 480,
        breaks=(rest,),
    )  # fmt: skip
    cost = Cost(drive_s=900, distance_m=5_000, late_s=0)
    plan = Plan(routes=(planned,), unserved=(), cost=cost, solver="test")
    new = routes_of(here, plan, lambda kind: f"{kind}-new")
    assert [one.served_at for one in new.sacrificed] == ([float(ends)] if is_lost else [])
