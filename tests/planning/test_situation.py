"""What the planner is asked: what is fixed is no question."""

import sys
from collections.abc import Callable
from dataclasses import replace

from cloud.fleet.model import Driver
from cloud.orders.model import Promise, Span, Whereabouts, promise_after_change
from cloud.planning.day_plan import StopKind
from cloud.planning.policy import TenantPolicy
from cloud.planning.posing import problem_of, stranded
from cloud.planning.problem import Job, Problem, Vehicle, Window
from cloud.planning.situation import EARLY_S, At, Day
from cloud.planning.van_shifts import LEAST_REST_S, LOADING_S
from cloud.planning.visiting import OVERTIME_S
from tests.planning.days import (
    DEPOT,
    EIGHT,
    HOUR,
    aboard,
    day,
    order,
    route,
    stop,
)

NOON = EIGHT + 4 * HOUR


def van(problem: Problem, name: str) -> Vehicle:
    return next(one for one in problem.vehicles if one.id == name)


def job(problem: Problem, name: str) -> Job:
    return next(one for one in problem.jobs if one.id == name)


def names(problem: Problem) -> set[str]:
    return {one.id for one in problem.jobs}


def test_in_the_morning_every_van_loads_at_its_depot_and_every_order_is_free() -> None:
    problem = problem_of(day(order("a"), order("b")), {})
    assert {one.loads_at_start for one in problem.vehicles} == {True}
    assert van(problem, "van-1").available_from == EIGHT
    assert van(problem, "van-1").loading_s == LOADING_S
    assert {one.only_vehicle for one in problem.jobs} == {None}
    place = problem.locations[job(problem, "a").pickup or 0]
    assert (place.lat, place.lon) == (DEPOT.lat, DEPOT.lon)


def test_the_slack_of_a_policy_is_kept_at_each_door() -> None:
    morning = day(order("a"))
    none, some = (problem_of(morning, {}, TenantPolicy(slack_s=slack_s)) for slack_s in (0, 45))
    assert job(some, "a").service_s == job(none, "a").service_s + 45
    assert job(some, "a").pickup_service_s == job(none, "a").pickup_service_s
    back = day(replace(order("a"), kind="return"))
    none, some = (problem_of(back, {}, TenantPolicy(slack_s=slack_s)) for slack_s in (0, 45))
    assert job(some, "a").service_s == job(none, "a").service_s
    assert job(some, "a").pickup_service_s == job(none, "a").pickup_service_s + 45


def test_a_van_under_way_starts_where_its_frozen_stop_will_be_done() -> None:
    first, second = aboard("a", "van-1"), aboard("b", "van-1")
    driven = route(
        "van-1",
        stop("s-0", first, second, kind="pickup", state="done"),
        stop("s-1", first),
        stop("s-2", second),
    )
    problem = problem_of(day(first, second, now=NOON, routes=[driven]), {"van-1": 420})
    assert names(problem) == {"b"}
    start = problem.locations[van(problem, "van-1").start]
    assert (start.lat, start.lon) == (first.lat, first.lon)
    assert van(problem, "van-1").available_from == NOON + 420 + 180
    assert not van(problem, "van-1").loads_at_start


def test_parcels_aboard_stay_with_their_van_and_are_not_fetched_again() -> None:
    first, second = aboard("a", "van-1"), aboard("b", "van-1")
    driven = route(
        "van-1",
        stop("s-0", first, second, kind="pickup", state="done"),
        stop("s-1", first),
        stop("s-2", second),
    )
    problem = problem_of(day(first, second, now=NOON, routes=[driven]), {})
    assert job(problem, "b").only_vehicle == "van-1"
    assert job(problem, "b").pickup is None
    assert job(problem, "b").may_be_late


def test_what_a_van_is_loading_now_belongs_to_it() -> None:
    first, second = aboard("a", "van-1", "loaded"), order("b", "planned")
    driven = route(
        "van-1", stop("s-0", first, second, kind="pickup", state="arrived", arrival=EIGHT)
    )
    problem = problem_of(day(first, second, now=EIGHT + 60, routes=[driven]), {})
    assert {(one.only_vehicle, one.pickup) for one in problem.jobs} == {("van-1", None)}


def test_who_stands_at_a_door_longer_than_planned_is_not_about_to_leave() -> None:
    first = aboard("a", "van-1")

    def free_in(stood_s: float, kind: StopKind = "delivery") -> float:
        there = stop("s-1", first, kind=kind, state="arrived", arrival=NOON - stood_s)
        driven = route("van-1", stop("s-0", first, kind="pickup", state="done"), there)
        problem = problem_of(day(first, now=NOON, routes=[driven]), {})
        return van(problem, "van-1").available_from - NOON

    assert free_in(0.0) == 180
    assert free_in(60.0) >= 120
    assert LEAST_REST_S < free_in(600.0) < free_in(HOUR)
    assert free_in(HOUR, "pickup") == LEAST_REST_S


def test_an_order_that_comes_at_noon_is_fetched_at_the_depot() -> None:
    first, urgent = aboard("a", "van-1"), order("urgent")
    driven = route("van-1", stop("s-0", first, kind="pickup", state="done"), stop("s-1", first))
    problem = problem_of(day(first, urgent, now=NOON, routes=[driven]), {})
    assert job(problem, "urgent").only_vehicle is None
    assert job(problem, "urgent").pickup is not None


def test_a_van_without_anything_left_sets_out_from_where_it_is() -> None:
    first = order("a", "delivered")
    driven = route(
        "van-1", stop("s-0", first, kind="pickup", state="done"), stop("s-1", first, state="done")
    )
    here = day(first, now=NOON, routes=[driven], positions={"van-1": At(-29.95, -71.3, NOON - 10)})
    start = problem_of(here, {}).locations[van(problem_of(here, {}), "van-1").start]
    assert (start.lat, start.lon) == (-29.95, -71.3)
    silent = day(
        first, now=NOON, routes=[driven], positions={"van-1": At(-29.95, -71.3, NOON - HOUR)}
    )
    start = problem_of(silent, {}).locations[van(problem_of(silent, {}), "van-1").start]
    assert (start.lat, start.lon) == (first.lat, first.lon)


def test_what_is_over_is_no_job_but_takes_room_while_it_is_aboard() -> None:
    gone, failed = (
        aboard("a", "van-1", "cancelled", parcels=7),
        aboard("b", "van-1", "failed_attempt", parcels=3),
    )
    problem = problem_of(day(gone, failed, order("c", "delivered"), now=NOON), {})
    assert names(problem) == set()
    assert van(problem, "van-1").capacity == 40
    assert van(problem, "van-2").capacity == 50


def test_weight_volume_and_skills_come_from_the_register_and_the_order() -> None:
    asked = replace(order("a"), weight_kg=12.5, volume_litres=40.0, needs=("fridge",))
    here = day(asked, now=NOON)
    vans = {
        "van-1": replace(
            here.vehicles["van-1"], capacity_kg=800.0, capacity_litres=6_000.5, skills=("fridge",)
        ),
        "van-2": here.vehicles["van-2"],
    }
    ana = Driver(tenant="main", id="driver-of-van-1", name="Ana", skills=("english",))
    crew = replace(here.shifts[0], helper_ids=("ben",))
    here = replace(here, vehicles=vans, shifts=(crew, here.shifts[1]), drivers={ana.id: ana})
    problem = problem_of(here, {})
    assert job(problem, "a").load == (1, 12_500, 40_000)
    assert job(problem, "a").needs == ("fridge",)
    assert van(problem, "van-1").room == (50, 800_000, 6_000_500)
    assert van(problem, "van-1").skills == ("english", "fridge", "two_man")
    assert (van(problem, "van-2").capacity_g, van(problem, "van-2").skills) == (None, ())


def test_range_left_and_prices_come_from_the_register() -> None:
    first, second = aboard("a", "van-1", "delivered"), aboard("b", "van-1")
    driven = route("van-1", stop("s1", first, state="done"), stop("s2", second))
    here = day(first, second, order("c"), now=EIGHT + 1.2 * HOUR, routes=[driven])
    electric = {
        name: replace(one, range_km=100.0, price_km=10.0, price_hour=360.0, price_use=900.0)
        for name, one in here.vehicles.items()
    }
    problem = problem_of(replace(here, vehicles=electric), {})
    out, home = van(problem, "van-1"), van(problem, "van-2")
    assert (out.range_m, out.km, out.hour, out.use) == (96_000, 10.0, 360.0, 0.0)
    assert (home.range_m, home.use) == (100_000, 900.0)


def test_a_van_may_start_and_end_elsewhere_and_loads_at_its_depot() -> None:
    here = day(order("a"))
    own = replace(
        here.vehicles["van-1"], start_lat=-29.8, start_lon=-71.2, end_lat=-29.7, end_lon=-71.1
    )
    problem = problem_of(replace(here, vehicles={**here.vehicles, "van-1": own}), {})
    away, home = van(problem, "van-1"), van(problem, "van-2")
    assert problem.locations[away.start].lat == -29.8
    assert problem.locations[away.end].lat == -29.7
    assert (home.start, home.end, home.loads_at) == (away.loads_at,) * 3
    assert (away.loads_at_start, home.loads_at_start) == (False, True)


def test_what_is_over_and_aboard_takes_its_share_of_the_weight() -> None:
    half = replace(aboard("a", "van-1", "cancelled", parcels=2), weight_kg=10.0)
    half = replace(
        half,
        parcels=(half.parcels[0], replace(half.parcels[1], whereabouts=Whereabouts("depot", "x"))),
    )
    here = day(half, now=NOON)
    vans = {name: replace(one, capacity_kg=100.0) for name, one in here.vehicles.items()}
    problem = problem_of(replace(here, vehicles=vans), {})
    assert van(problem, "van-1").capacity_g == 95_000
    assert van(problem, "van-2").capacity_g == 100_000


def test_a_cancelled_stop_is_not_driven_to_any_more() -> None:
    gone, second = aboard("a", "van-1", "cancelled"), aboard("b", "van-1")
    driven = route(
        "van-1",
        stop("s-0", gone, second, kind="pickup", state="done"),
        stop("s-1", gone),
        stop("s-2", second),
    )
    frozen = day(gone, second, now=NOON, routes=[driven]).frozen_stop("van-1")
    assert frozen is not None
    assert frozen.id == "s-2"


def waiting_van(now: float) -> Day:
    first = aboard("a", "van-1")
    opens = Span(NOON + 2 * HOUR, NOON + 4 * HOUR)
    driven = route(
        "van-1", stop("s-0", first, kind="pickup", state="done"), stop("s-1", first, window=opens)
    )
    return day(first, now=now, routes=[driven], vans=["van-1"])


def test_a_van_that_waits_for_a_window_is_free_until_it_must_set_out() -> None:
    sets_out_at = NOON + 2 * HOUR - EARLY_S - 300
    waits = waiting_van(sets_out_at - 1)
    assert waits.frozen_stop("van-1") is None
    assert names(problem_of(waits, {})) == {"a"}
    assert van(problem_of(waits, {}), "van-1").available_from == int(waits.now)
    drives = waiting_van(sets_out_at)
    assert names(problem_of(drives, {})) == set()


def test_a_van_that_is_late_may_finish_what_it_has_aboard() -> None:
    evening = EIGHT + 10 * HOUR + 600
    first, second = aboard("a", "van-1"), aboard("b", "van-1")
    driven = route(
        "van-1",
        stop("s-0", first, second, kind="pickup", state="done"),
        stop("s-1", first),
        stop("s-2", second),
    )
    late = day(first, second, order("new"), now=evening, routes=[driven])
    assert [shift.vehicle_id for shift in late.open_shifts()] == ["van-1"]
    ends_at = EIGHT + 10 * HOUR
    assert van(problem_of(late, {}), "van-1").shift_end == ends_at + OVERTIME_S
    assert job(problem_of(late, {}), "b").windows == ()
    assert job(problem_of(late, {}), "new").windows[0].closes == ends_at
    over = day(first, second, now=ends_at + OVERTIME_S, routes=[driven])
    assert over.open_shifts() == []


def test_a_promise_is_kept_in_place_of_the_window_asked_for() -> None:
    told = Span(EIGHT + 2 * HOUR, EIGHT + 4 * HOUR)
    promised = order(
        "a", "planned", window=Span(EIGHT, EIGHT + 9 * HOUR), promise=Promise(told, told)
    )
    problem = problem_of(day(promised), {})
    assert job(problem, "a").windows == (Window(opens=int(told.begin), closes=int(told.end)),)
    assert job(problem, "a").may_be_late


def test_lateness_that_was_told_once_is_not_forgiven() -> None:
    first, moved = Span(EIGHT, EIGHT + HOUR), Span(EIGHT + 2 * HOUR, EIGHT + 4 * HOUR)
    late = order("a", "planned", promise=Promise(first, moved))
    assert job(problem_of(day(late), {}), "a").windows[0].closes == first.end


def test_a_changed_window_stands_in_the_place_of_a_promise_it_contradicts() -> None:
    told, asked = Span(EIGHT, EIGHT + HOUR), Span(EIGHT + 5 * HOUR, EIGHT + 6 * HOUR)
    changed = order("a", "planned", window=asked, promise=Promise(told, told))
    assert job(problem_of(day(changed), {}), "a").windows[0].opens == asked.begin
    assert promise_after_change(Promise(told, told), asked) == Promise(told, asked)


def test_parcels_aboard_a_van_without_a_shift_are_told_as_stranded() -> None:
    lost = aboard("a", "van-9", "loaded")
    here = day(lost, now=NOON)
    assert names(problem_of(here, {})) == set()
    (left,) = stranded(here)
    assert left.order_id == "a"
    assert "van-9" in left.reason


def test_only_a_van_on_its_way_is_asked_how_long_it_still_drives() -> None:
    first = aboard("a", "van-1")
    driven = route("van-1", stop("s-0", first, kind="pickup", state="done"), stop("s-1", first))
    at = At(-29.95, -71.3, NOON - 10)
    here = day(first, now=NOON, routes=[driven], positions={"van-1": at, "van-2": at})
    assert {name: where[1].id for name, where in here.drives_to_ask().items()} == {"van-1": "s-1"}


def calls_of(work: Callable[[], object]) -> int:
    """How many functions a piece of work calls."""
    count = 0

    def note(_frame: object, event: str, _about: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def large_day(vans: int) -> Day:
    """Ten orders planned for each van."""
    fleet = [f"van-{at}" for at in range(vans)]
    orders = {one: [order(f"{one}-{at}") for at in range(10)] for one in fleet}
    driven = [route(one, *(stop(each.id, each) for each in orders[one])) for one in fleet]
    return day(*(each for some in orders.values() for each in some), vans=fleet, routes=driven)


def test_what_is_asked_grows_with_the_day_and_not_with_its_square() -> None:
    small, large = large_day(10), large_day(40)
    assert calls_of(lambda: problem_of(large, {})) < 6 * calls_of(lambda: problem_of(small, {}))
