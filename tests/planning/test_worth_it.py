"""A plan that nobody would notice is no revision, and one that hardly gains anything neither."""

import pytest

from cloud.planning.day import DayPlan, Diff, RouteChange
from cloud.planning.revising import NewRoutes
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
