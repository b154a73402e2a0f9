"""Orders that are fetched in a shop, returns, and parcels that are ready later."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from msgspec.structs import replace as changed

from cloud.orders.model import Pickup, Span, Whereabouts
from cloud.planning.check import check
from cloud.planning.posing import problem_of
from cloud.planning.questions import SolverName
from cloud.planning.revising import NewRoutes, routes_of
from cloud.planning.situation import Day
from cloud.roads.model import Matrix
from cloud.tracking.places import distance_m
from tests.planning import days
from tests.planning.days import DEPOT, EIGHT, HOUR, stop
from tests.planning.streets import (
    MINUTE,
    aboard,
    at,
    between,
    day,
    delivery_of,
    left,
    order,
    planned,
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


def test_a_shop_is_visited_on_the_way_before_the_door(solver: SolverName) -> None:
    plan = planned(
        day([van()], [order("near", 5), order("from-shop", 20, pickup=10, priority="urgent")]),
        solver,
    )
    made = [(one.job, one.kind) for one in visits(plan)]
    assert made.index(("from-shop", "pickup")) < made.index(("from-shop", "delivery"))
    assert made[0] == ("near", "pickup")
    assert plan.cost.drive_s == 40 * MINUTE


def test_a_shop_is_visited_while_it_is_open(solver: SolverName) -> None:
    opening = (between(9, 9.25), between(11, 12))
    plan = planned(
        day([van()], [order("a", 20, pickup=10, pickup_windows=opening)]), solver, seconds=0.4
    )
    fetched = next(one for one in visits(plan) if one.kind == "pickup")
    assert any(one.opens <= fetched.start <= one.closes for one in opening)


def test_a_shop_that_closes_too_soon_is_named(solver: SolverName) -> None:
    early = order("a", 20, pickup=10, pickup_windows=(between(7, 8),))
    plan = planned(day([van()], [early, order("b", 5)]), solver)
    assert left(plan)["a"].constraint == "window"
    assert "fetched until" in left(plan)["a"].reason
    assert delivery_of(plan, "b").start >= at(8)


def test_what_is_ready_later_is_fetched_on_a_second_visit(solver: SolverName) -> None:
    first = [order(f"early-{k}", 5 + k, between(8, 10)) for k in range(3)]
    later = [order(f"late-{k}", 8 + k, ready_from=at(13)) for k in range(3)]
    plan = planned(day([van()], [*first, *later]), solver, seconds=0.4)
    assert not plan.unserved
    for job in later:
        fetched = next(one for one in visits(plan) if one.job == job.id and one.kind == "pickup")
        assert fetched.start >= at(13)
        assert fetched.location == 0


def test_a_return_is_fetched_at_its_door_and_brought_to_the_depot(solver: SolverName) -> None:
    back = order("back", 0, pickup=12, pickup_windows=(between(10, 12),), pickup_service_s=180)
    plan = planned(day([van()], [order("out", 20), back]), solver)
    assert not plan.unserved
    fetched = next(one for one in visits(plan) if one.job == "back" and one.kind == "pickup")
    assert at(10) <= fetched.start <= at(12)
    assert visits(plan)[-1].job == "back"
    assert visits(plan)[-1].location == 0


def test_a_return_takes_room_on_the_way(solver: SolverName) -> None:
    full = van(capacity=2)
    out = [order(f"out-{k}", 20) for k in range(2)]
    back = order("back", 0, pickup=10, size=2)
    plan = planned(day([full], [*out, back]), solver)
    made = [(one.job, one.kind) for one in visits(plan)]
    assert not plan.unserved
    for one in out:
        assert made.index((one.id, "delivery")) < made.index(("back", "pickup"))


def test_the_checker_finds_a_visit_to_a_closed_shop() -> None:
    roads = street(range(31))
    problem = day([van_under_way()], [order("a", 20, pickup=10), aboard("b", 5, "van-1")])
    plan = planned(problem, "insertion")
    jobs = tuple(changed(one, pickup_windows=(between(8, 9),)) for one in problem.jobs[:1])
    closed = changed(problem, jobs=(*jobs, *problem.jobs[1:]))
    assert [one.rule for one in check(closed, roads, plan)] == ["window"]


SHOP = Pickup(address="Bakery", lat=-29.95, lon=-71.30, window=Span(EIGHT + HOUR, EIGHT + 3 * HOUR))
IN_SHOP = Whereabouts("shop", "place-bakery")


def routes_by_plan(here: Day) -> NewRoutes:
    """The routes of a plan that the checker has passed, at eight metres a second."""
    problem = problem_of(here, {})
    metres = np.array(
        [
            [distance_m(one.lat, one.lon, other.lat, other.lon) for other in problem.locations]
            for one in problem.locations
        ]
    )
    roads = Matrix((metres / 8).astype(np.int32), metres.astype(np.int32))
    ids = count(1)
    return routes_of(here, planned(problem, "pyvrp", matrix=roads), lambda of: f"{of}-{next(ids)}")


def test_several_orders_of_one_shop_are_one_halt_on_the_route() -> None:
    orders = [replace(days.order(name, where=IN_SHOP), pickup=SHOP) for name in ("a", "b")]
    (route,) = routes_by_plan(days.day(*orders, vans=["van-1"])).routes
    assert [one.kind for one in route.stops] == ["pickup", "delivery", "delivery"]
    halt = route.stops[0]
    assert set(halt.order_ids) == {"a", "b"}
    assert (halt.address, halt.window) == ("Bakery", SHOP.window)
    assert EIGHT + HOUR - 600 <= halt.planned_arrival <= EIGHT + 3 * HOUR


def test_the_halt_at_a_shop_keeps_its_id_and_what_is_aboard_is_not_fetched_again() -> None:
    orders = [replace(days.order(name, where=IN_SHOP), pickup=SHOP) for name in ("a", "b")]
    here = days.day(*orders, vans=["van-1"])
    (route,) = routes_by_plan(here).routes
    again = days.day(*orders, vans=["van-1"], routes=[route])
    (same,) = routes_by_plan(again).routes
    assert {one.id for one in same.stops} == {one.id for one in route.stops}
    loaded = [replace(days.aboard(one.id, "van-1", "loaded"), pickup=SHOP) for one in orders]
    at_shop = replace(route.stops[0], state="arrived", arrived_at=EIGHT + HOUR)
    driven = replace(route, stops=(at_shop, *route.stops[1:]))
    noon = days.day(*loaded, now=EIGHT + HOUR, vans=["van-1"], routes=[driven])
    (then,) = routes_by_plan(noon).routes
    assert [one.kind for one in then.stops] == ["pickup", "delivery", "delivery"]
    assert then.stops[0] == replace(at_shop, position=0)


def test_the_customer_of_a_return_is_promised_its_collection() -> None:
    backs = [replace(days.order(name), kind="return") for name in ("a", "b")]
    new = routes_by_plan(days.day(*backs, vans=["van-1"]))
    (route,) = new.routes
    assert [one.kind for one in route.stops] == ["pickup", "pickup", "delivery"]
    assert (route.stops[-1].lat, route.stops[-1].lon) == (DEPOT.lat, DEPOT.lon)
    assert set(route.stops[-1].order_ids) == {"a", "b"}
    assert route.stops[-1].window is None
    for halt in route.stops[:2]:
        assert halt.window == new.promises[halt.order_ids[0]].current


def test_a_collected_return_goes_to_the_depot_on_its_van() -> None:
    back = replace(days.aboard("a", "van-1", "returning"), kind="return")
    driven = days.route("van-1", stop("s-0", back, kind="pickup", state="done"))
    here = days.day(back, now=EIGHT + HOUR, vans=["van-1", "van-2"], routes=[driven])
    (job,) = problem_of(here, {}).jobs
    assert (job.pickup, job.only_vehicle, job.windows) == (None, "van-1", ())
    (route,) = routes_by_plan(here).routes
    assert [one.kind for one in route.open_stops] == ["delivery"]


def test_a_later_visit_of_the_depot_is_not_begun_before_the_wave_is_ready() -> None:
    wave = EIGHT + 5 * HOUR
    soon = days.order("a", window=Span(EIGHT, EIGHT + 2 * HOUR))
    late = replace(days.order("b"), ready_from=wave)
    (route,) = routes_by_plan(days.day(soon, late, vans=["van-1"])).routes
    assert [one.kind for one in route.stops] == ["pickup", "delivery", "pickup", "delivery"]
    again = route.stops[2]
    assert again.window == Span(wave, EIGHT + 10 * HOUR)
    assert again.planned_departure >= wave
