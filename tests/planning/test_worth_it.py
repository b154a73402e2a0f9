"""A plan that nobody would notice is no revision, and one that hardly gains anything neither."""

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.planning.day_plan import DayPlan, Stop
from cloud.planning.diff import Diff, RouteChange
from cloud.planning.revising import NewRoutes
from cloud.planning.revision import Trigger
from cloud.planning.worth_it import LEAST_GAIN_S, is_worth_it
from tests.planning import days

MOVED = (RouteChange(order_id="a", from_vehicle="van-1", to_vehicle="van-2"),)
ROUTES = (days.route("van-1", days.stop("first", days.order("a"))),)
BEFORE = DayPlan(
    tenant="main", depot_id=days.DEPOT.id, service_date=days.DATE, revision=1, routes=ROUTES
)
NEW = NewRoutes(routes=ROUTES, promises={}, sacrificed=(), unserved=())


def diff(*, added: tuple[str, ...] = (), moved: tuple[RouteChange, ...] = ()) -> Diff:
    return Diff(added=added, removed=(), moved=moved, drive_s=0, distance_m=0, promises_moved=())


def test_what_changes_nothing_is_no_revision_unless_a_person_asked_for_it() -> None:
    assert not is_worth_it("cancellation", BEFORE, ROUTES, NEW, diff(), 0.0)
    assert is_worth_it("optimize", BEFORE, ROUTES, NEW, diff(), 0.0)


@pytest.mark.parametrize(
    ("gain_s", "is_worth"), [(None, True), (LEAST_GAIN_S, True), (LEAST_GAIN_S - 1, False)]
)
def test_moving_orders_about_has_to_gain_something(gain_s: float | None, *, is_worth: bool) -> None:
    found = is_worth_it("promise_at_risk", BEFORE, ROUTES, NEW, diff(moved=MOVED), gain_s)
    assert found is is_worth


def test_an_order_that_is_served_now_is_always_worth_it() -> None:
    assert is_worth_it("urgent_order", BEFORE, ROUTES, NEW, diff(added=("b",)), -900.0)


@pytest.mark.parametrize("trigger", sorted(get_args(Trigger.__value__)))
def test_news_that_comes_again_makes_a_revision_only_when_a_person_asked(trigger: Trigger) -> None:
    found = is_worth_it(trigger, BEFORE, ROUTES, NEW, diff(), 0.0)
    assert found is (trigger in {"optimize", "undo", "accepted"})


def test_what_a_driver_would_notice_is_told() -> None:
    first, second = days.stop("first", days.order("a")), days.stop("second", days.order("b"))
    before = replace(BEFORE, routes=(days.route("van-1", first, second),))

    def told(*stops: Stop) -> bool:
        return is_worth_it(
            "driver_reordered", before, (days.route("van-1", *stops),), NEW, diff(), 0.0
        )

    assert not told(first, second)
    assert told(second, first)
    assert told(first)
    assert told(first, replace(second, planned_arrival=second.planned_arrival + 600))
    assert not told(first, replace(second, planned_arrival=second.planned_arrival + 60))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, unique=True), st.data())
def test_a_path_that_begins_farther_on_is_no_other_one(
    path: list[tuple[float, float]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(path) - 3))

    def told(trigger: Trigger, drawn: list[tuple[float, float]]) -> bool:
        known, anew = (replace(ROUTES[0], geometry=tuple(one)) for one in (path, drawn))
        return is_worth_it(trigger, replace(BEFORE, routes=(known,)), (anew,), NEW, diff(), 0.0)

    assert not told("road_changed", [(2.0, 2.0), *path[at + 1 :]])
    assert told("road_changed", [path[0], (2.0, 2.0), *path[2:]])
    assert told("van_off_route", [(2.0, 2.0), *path[at + 1 :]])
