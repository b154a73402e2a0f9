"""One contract for every solver behind the port; each plan is passed by the independent checker."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cloud.planning.problem import Policy, Problem, RouteStep, VisitKind, Window
from cloud.planning.questions import SolveRequest, SolverName
from cloud.planning.solvers.port import Step, sequences_in_force
from cloud.planning.solvers.schedule import price_of
from cloud.planning.solvers.solving import solve
from cloud.roads.model import NO_WAY
from tests.planning.streets import (
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


def test_auto_is_the_one_with_the_better_figures() -> None:
    plan = planned(day([van()], [order(f"o{k}", k) for k in (25, 5, 15)]), "auto")
    assert plan.solver == "pyvrp"


def test_a_morning_is_driven_out_and_back_once(solver: SolverName) -> None:
    plan = planned(day([van()], [order(f"o{k}", k) for k in (25, 5, 15, 10, 20)]), solver)
    assert plan.cost.drive_s == 50 * MINUTE
    assert plan.cost.distance_m == 25_000
    assert not plan.unserved
    assert len(deliveries(plan)) == 5


def test_what_is_loaded_at_the_start_is_shown_before_it_is_delivered(solver: SolverName) -> None:
    orders = [order("a", 5, between(8, 8.3)), order("b", 10)]
    plan = planned(day([van()], orders), solver)
    first, second, *rest = visits(plan)
    assert {first.kind, second.kind} == {"pickup"}
    assert first.arrival == first.start == at(8)
    assert first.departure == second.departure == at(8) + 10 * MINUTE
    assert [visit.kind for visit in rest] == ["delivery", "delivery"]
    assert rest[0].arrival == at(8) + 15 * MINUTE


def test_vans_share_what_one_cannot_hold(solver: SolverName) -> None:
    vans = [van("van-1", capacity=3), van("van-2", capacity=3)]
    plan = planned(day(vans, [order(f"o{k}", k) for k in (5, 6, 7, 8, 9, 10)]), solver)
    assert not plan.unserved
    assert len(deliveries(plan, "van-1")) == len(deliveries(plan, "van-2")) == 3


def test_windows_are_kept_and_waited_for(solver: SolverName) -> None:
    orders = [order("early", 20, between(8, 9)), order("late", 5, between(11, 12))]
    plan = planned(day([van()], orders), solver)
    assert deliveries(plan) == ["early", "late"]
    late = delivery_of(plan, "late")
    assert late.arrival < late.start == at(11)


def test_one_of_several_windows_is_kept(solver: SolverName) -> None:
    split = (between(8, 8.1), between(14, 15))
    plan = planned(day([van()], [order("a", 20, *split)]), solver)
    assert delivery_of(plan, "a").start == at(14)


def test_one_of_several_windows_is_kept_when_the_order_is_fetched(solver: SolverName) -> None:
    split = (between(12, 12.2), between(14, 15), between(16, 17))
    fetched = day([van_under_way(start=10)], [order("a", 20, *split)])
    plan = planned(fetched, solver, seconds=0.4)
    assert delivery_of(plan, "a").start == at(14)


def test_noon_keeps_what_is_aboard_and_fetches_what_is_urgent(solver: SolverName) -> None:
    vans = [van_under_way("van-1", start=10), van_under_way("van-2", start=20)]
    orders = [
        aboard("a", 12, "van-1"),
        aboard("b", 14, "van-1"),
        aboard("c", 22, "van-2"),
        order("urgent", 3, between(12, 13), priority="urgent"),
    ]
    plan = planned(day(vans, orders), solver)
    assert not plan.unserved
    assert set(deliveries(plan, "van-1")) == {"a", "b", "urgent"}
    assert deliveries(plan, "van-2") == ["c"]
    of_urgent = [visit for visit in visits(plan, "van-1") if visit.job == "urgent"]
    assert [visit.kind for visit in of_urgent] == ["pickup", "delivery"]
    assert of_urgent[0].location == 0
    assert not [visit for visit in visits(plan, "van-2") if visit.kind == "pickup"]


def test_a_parcel_aboard_stays_aboard_its_van_however_near_another_is(solver: SolverName) -> None:
    vans = [van_under_way("near", start=20), van_under_way("far", start=1)]
    plan = planned(day(vans, [aboard("a", 21, "far")]), solver)
    assert deliveries(plan, "far") == ["a"]
    assert deliveries(plan, "near") == []


def test_a_parcel_aboard_leaves_room_only_when_it_is_delivered(solver: SolverName) -> None:
    full = van_under_way(start=10, capacity=2)
    orders = [aboard("a", 12, "van-1"), aboard("b", 14, "van-1"), order("new", 5)]
    plan = planned(day([full], orders), solver)
    kinds = [(visit.job, visit.kind) for visit in visits(plan)]
    assert not plan.unserved
    assert kinds.index(("new", "pickup")) > kinds.index(("a", "delivery"))


def test_vans_still_at_the_depot_load_while_others_are_away(solver: SolverName) -> None:
    vans = [van("home", available_from=at(12)), van_under_way("away", start=25)]
    orders = [
        order("a", 5, previous_vehicle="home"),
        order("b", 10, previous_vehicle="home"),
        aboard("c", 26, "away"),
        order("new", 8),
    ]
    plan = planned(day(vans, orders), solver)
    assert not plan.unserved
    assert set(deliveries(plan, "home")) == {"a", "b", "new"}
    assert plan.cost.drive_s == (20 + 27) * MINUTE


def test_a_wave_is_not_loaded_before_it_is_ready(solver: SolverName) -> None:
    plan = planned(day([van()], [order("a", 5, ready_from=at(9)), order("b", 6)]), solver)
    assert not plan.unserved
    assert visits(plan)[0].start == at(9)
    assert delivery_of(plan, "a").arrival >= at(9) + 15 * MINUTE


def test_a_van_under_way_waits_for_what_is_not_ready(solver: SolverName) -> None:
    plan = planned(day([van_under_way(start=1)], [order("a", 5, ready_from=at(14))]), solver)
    pickup, delivery = visits(plan)
    assert pickup.arrival == at(12) + MINUTE
    assert pickup.start == at(14)
    assert delivery.arrival == at(14) + 6 * MINUTE


def test_a_shift_past_midnight(solver: SolverName) -> None:
    night = van(available_from=at(22), shift_end=at(30))
    orders = [order("before", 10, between(22, 23)), order("after", 20, between(25, 26))]
    plan = planned(day([night], orders), solver)
    assert deliveries(plan) == ["before", "after"]
    assert delivery_of(plan, "after").start == at(25)


def test_no_orders_is_a_plan_without_visits(solver: SolverName) -> None:
    plan = planned(day([van("van-1"), van("van-2")], []), solver)
    assert [route.vehicle for route in plan.routes] == ["van-1", "van-2"]
    assert all(not route.visits for route in plan.routes)
    assert plan.cost.drive_s == 0


def test_without_a_van_every_order_is_left(solver: SolverName) -> None:
    plan = planned(day([], [order("a", 5)]), solver)
    assert left(plan)["a"].constraint == "vehicle"
    assert "no van is on duty" in left(plan)["a"].reason


def test_a_window_that_no_van_can_reach_is_named(solver: SolverName) -> None:
    orders = [order("gone", 25, between(8, 8.25)), order("fine", 5)]
    plan = planned(day([van()], orders), solver)
    assert deliveries(plan) == ["fine"]
    assert left(plan)["gone"].constraint == "window"
    assert "08:15" in left(plan)["gone"].reason


def test_a_window_after_every_shift_is_named(solver: SolverName) -> None:
    plan = planned(day([van()], [order("evening", 5, between(19, 20)), order("fine", 5)]), solver)
    assert left(plan)["evening"].constraint == "window"
    assert "19:00" in left(plan)["evening"].reason
    assert "18:00" in left(plan)["evening"].reason


def test_a_door_from_which_no_van_is_back_in_time_is_named(solver: SolverName) -> None:
    short = van(shift_end=at(8.5))
    plan = planned(day([short], [order("far", 25), order("near", 3)]), solver)
    assert deliveries(plan) == ["near"]
    assert left(plan)["far"].constraint == "shift"


def test_no_van_is_laden_over_its_weight_or_volume(solver: SolverName) -> None:
    vans = [
        van("heavy", capacity_g=50_000, capacity_ml=20_000),
        van("light", capacity_g=10_000, capacity_ml=90_000),
    ]
    orders = [
        order("safe-1", 5, weight_g=20_000, volume_ml=5_000),
        order("safe-2", 6, weight_g=30_000, volume_ml=5_000),
        order("foam-1", 7, weight_g=5_000, volume_ml=45_000),
        order("foam-2", 8, weight_g=5_000, volume_ml=45_000),
    ]
    plan = planned(day(vans, orders), solver)
    assert not plan.unserved
    assert set(deliveries(plan, "heavy")) == {"safe-1", "safe-2"}
    assert set(deliveries(plan, "light")) == {"foam-1", "foam-2"}


def test_at_noon_weight_is_free_again_only_after_the_delivery(solver: SolverName) -> None:
    full = van_under_way(start=10, capacity_g=2_000)
    orders = [
        aboard("a", 12, "van-1", weight_g=1_000),
        aboard("b", 14, "van-1", weight_g=1_000),
        order("new", 5, weight_g=1_500),
    ]
    plan = planned(day([full], orders), solver)
    kinds = [(visit.job, visit.kind) for visit in visits(plan)]
    assert not plan.unserved
    assert kinds.index(("new", "pickup")) > kinds.index(("b", "delivery"))


def test_what_needs_a_skill_goes_with_a_van_that_has_it(solver: SolverName) -> None:
    vans = [van("plain"), van("cold", skills=("fridge", "tail_lift"))]
    fish = [order(name, place, needs=("fridge",)) for name, place in (("cod", 5), ("eel", 25))]
    plan = planned(day(vans, [*fish, order("book", 6)]), solver)
    assert not plan.unserved
    assert {"cod", "eel"} <= set(deliveries(plan, "cold"))


def test_a_ban_and_a_pin_are_kept(solver: SolverName) -> None:
    vans = [van("van-1"), van("van-2")]
    orders = [
        order("a", 5, banned_vehicles=("van-1",)),
        order("b", 6, only_vehicle="van-1"),
        order("c", 7),
    ]
    plan = planned(day(vans, orders), solver)
    assert not plan.unserved
    assert "a" in deliveries(plan, "van-2")
    assert "b" in deliveries(plan, "van-1")


def steps(*told: tuple[str, VisitKind]) -> tuple[RouteStep, ...]:
    return tuple(RouteStep(job=job, kind=kind) for job, kind in told)


def test_a_locked_route_stays_however_foolish_and_the_rest_is_planned(solver: SolverName) -> None:
    foolish = ("far", "near", "middle")
    vans = [
        van("fixed", locked=steps(*((name, "delivery") for name in foolish))),
        van("free"),
        van_under_way("away", start=9, locked=steps(("late", "delivery"))),
    ]
    orders = [
        order("near", 2, only_vehicle="fixed"),
        order("far", 20, only_vehicle="fixed"),
        order("middle", 10, only_vehicle="fixed"),
        order("between", 11),
        order("last", 12, previous_vehicle="fixed"),
        aboard("late", 5, "away", between(8, 9), may_be_late=True),
    ]
    plan = planned(day(vans, orders), solver)
    assert not plan.unserved
    assert deliveries(plan, "fixed") == list(foolish)
    assert set(deliveries(plan, "free")) == {"between", "last"}
    assert plan.cost.late_s == delivery_of(plan, "late").start - at(9)


def test_a_locked_route_may_fetch_on_its_way() -> None:
    told = steps(("a", "delivery"), ("b", "pickup"), ("b", "delivery"), ("c", "delivery"))
    vans = [van_under_way("away", start=3, locked=told), van_under_way("free", start=4)]
    orders = [
        aboard("a", 4, "away"),
        order("b", 6, only_vehicle="away"),
        aboard("c", 2, "away"),
        order("d", 7),
    ]
    plan = planned(day(vans, orders), "pyvrp")
    assert [(visit.job, visit.kind) for visit in visits(plan, "away")] == [
        (step.job, step.kind) for step in told
    ]
    assert deliveries(plan, "free") == ["d"]


def test_a_new_order_does_not_turn_a_round_when_turning_it_hardly_pays(solver: SolverName) -> None:
    """Out and back on one street: serving a on the way back is as short, but another order."""
    there = steps(*((name, "delivery") for name in ("c", "b", "a")))
    orders = [order(name, place) for name, place in (("a", 5), ("b", 10), ("c", 15))]
    in_force = day(
        [van(in_force=there)], [*orders, order("new", 16)], policy=Policy(changed_sequence=600)
    )
    plan = planned(in_force, solver)
    assert [name for name in deliveries(plan) if name != "new"] == ["c", "b", "a"]
    dear = price_of(in_force, plan)
    backwards = day([van(in_force=tuple(reversed(there)))], in_force.jobs, policy=in_force.policy)
    assert price_of(backwards, plan) == dear + 2 * 600


def test_what_is_in_force_is_where_the_search_starts() -> None:
    there = steps(("c", "delivery"), ("gone", "delivery"), ("a", "delivery"), ("c", "pickup"))
    problem = day(
        [van_under_way("van-1", start=9, in_force=there), van_under_way("van-2", start=9)],
        [aboard("a", 5, "van-1"), order("c", 7), aboard("other", 3, "van-2")],
    )
    assert sequences_in_force(problem) == (
        (Step(1, "delivery"), Step(0, "delivery"), Step(1, "pickup")),
        (),
    )
    assert sequences_in_force(day([van()], [order("a", 5)])) is None


def test_what_a_locked_route_cannot_keep_is_left_and_named() -> None:
    told = steps(("far", "delivery"), ("early", "delivery"), ("near", "delivery"))
    orders = [
        order("far", 25, only_vehicle="van-1"),
        order("early", 20, between(8, 8.6), only_vehicle="van-1"),
        order("near", 2, only_vehicle="van-1"),
        order("more", 3, only_vehicle="van-1"),
        order("other", 3),
    ]
    plan = planned(day([van(locked=told)], orders), "pyvrp")
    assert deliveries(plan) == ["far", "near"]
    assert {name: each.constraint for name, each in left(plan).items()} == {
        "early": "time",
        "more": "vehicle",
        "other": "vehicle",
    }
    assert "locked route of van-1" in left(plan)["early"].reason
    assert "locked without it" in left(plan)["more"].reason
    assert "lift a lock" in left(plan)["other"].reason


@pytest.mark.parametrize(
    ("given", "constraint", "words"),
    [
        ({"needs": ("fridge",)}, "skill", ["needs fridge", "no van on duty"]),
        ({"needs": ("lift",), "only_vehicle": "van-2"}, "skill", ["needs lift", "van-2", "pin"]),
        ({"banned_vehicles": ("van-1", "van-2")}, "vehicle", ["banned", "lift a ban"]),
        (
            {"banned_vehicles": ("van-1",), "only_vehicle": "van-1"},
            "vehicle",
            ["pinned to van-1 and banned"],
        ),
        ({"weight_g": 90_500}, "capacity", ["weighs 90.5 kg", "holds 50"]),
        ({"volume_ml": 90_000}, "capacity", ["takes 90 litres", "holds 40"]),
        ({"weight_g": 45_000, "volume_ml": 35_000}, "capacity", ["together"]),
    ],
)
def test_what_no_van_may_serve_is_named_before_any_search(
    given: dict[str, Any], constraint: str, words: list[str]
) -> None:
    vans = [
        van("van-1", capacity_g=50_000, capacity_ml=20_000),
        van("van-2", capacity_g=20_000, capacity_ml=40_000, skills=("fine",)),
    ]
    plan = planned(day(vans, [order("odd", 5, **given), order("fine", 6)]), "pyvrp")
    assert left(plan).keys() == {"odd"}
    assert left(plan)["odd"].constraint == constraint
    for word in words:
        assert word in left(plan)["odd"].reason


def test_vans_that_cannot_carry_the_weight_of_all_say_so() -> None:
    orders = [order(f"o{k}", k, weight_g=6_000) for k in (5, 6, 7)]
    plan = planned(day([van(capacity_g=12_000, shift_end=at(8.6))], orders), "pyvrp")
    assert len(plan.unserved) == 1
    assert "12 kg together and the orders have 18" in plan.unserved[0].reason


def test_an_order_larger_than_any_van_is_named(solver: SolverName) -> None:
    plan = planned(day([van(capacity=5)], [order("piano", 5, size=6), order("book", 6)]), solver)
    assert deliveries(plan) == ["book"]
    assert left(plan)["piano"].constraint == "capacity"
    assert "6 parcels" in left(plan)["piano"].reason


def test_a_van_without_room_takes_nothing(solver: SolverName) -> None:
    plan = planned(day([van("van-1", capacity=0), van("van-2")], [order("a", 5)]), solver)
    assert deliveries(plan, "van-1") == []
    assert deliveries(plan, "van-2") == ["a"]
    alone = planned(day([van(capacity=0)], [order("a", 5)]), solver)
    assert left(alone)["a"].constraint == "capacity"


def test_more_parcels_than_all_vans_hold_leaves_some_with_the_reason(solver: SolverName) -> None:
    one_trip = van(capacity=2, shift_end=at(8.6))
    plan = planned(day([one_trip], [order(f"o{k}", k) for k in (5, 6, 7)]), solver)
    (over,) = plan.unserved
    assert over.constraint == "capacity"
    assert len(deliveries(plan)) == 2


def test_orders_that_do_not_fit_together_leave_one_with_the_reason(solver: SolverName) -> None:
    both_at_once = between(9, 9.1)
    orders = [order("a", 5, both_at_once), order("b", 25, both_at_once)]
    plan = planned(day([van()], orders), solver)
    (over,) = plan.unserved
    assert over.constraint == "time"


def test_the_urgent_order_is_the_one_that_is_served(solver: SolverName) -> None:
    window = between(9, 9.1)
    orders = [order("normal", 5, window), order("urgent", 25, window, priority="urgent")]
    plan = planned(day([van()], orders), solver)
    assert deliveries(plan) == ["urgent"]
    assert "normal" in left(plan)


def test_places_without_a_street_are_named_and_the_rest_is_served(solver: SolverName) -> None:
    orders = [order("sea", 20), order("fetched-at-sea", 5, pickup=20), order("fine", 6)]
    plan = planned(day([van()], orders), solver, far_m={20: 900.0})
    assert deliveries(plan) == ["fine"]
    assert left(plan)["sea"].constraint == left(plan)["fetched-at-sea"].constraint == "street"
    assert "the door" in left(plan)["sea"].reason
    assert "the pickup" in left(plan)["fetched-at-sea"].reason


def test_a_van_where_no_street_is_keeps_the_others_working(solver: SolverName) -> None:
    vans = [van_under_way("lost", start=30), van_under_way("fine", start=5)]
    orders = [aboard("a", 10, "lost"), aboard("b", 10, "fine")]
    plan = planned(day(vans, orders), solver, far_m={30: 900.0})
    assert deliveries(plan, "fine") == ["b"]
    assert left(plan)["a"].constraint == "vehicle"
    assert "lost" in left(plan)["a"].reason


def test_a_place_that_no_way_leads_to_is_named(solver: SolverName) -> None:
    roads = street(range(31))
    seconds, metres = roads.seconds.copy(), roads.metres.copy()
    seconds[:, 20], metres[:, 20] = NO_WAY, NO_WAY
    cut_off = replace(roads, seconds=seconds, metres=metres)
    plan = planned(day([van()], [order("island", 20), order("fine", 5)]), solver, matrix=cut_off)
    assert deliveries(plan) == ["fine"]
    assert left(plan)["island"].constraint == "street"


def test_a_van_whose_shift_is_over_leaves_what_is_aboard(solver: SolverName) -> None:
    vans = [van_under_way("done", start=25, shift_end=at(12.1)), van_under_way("fine")]
    plan = planned(day(vans, [aboard("a", 26, "done"), order("b", 5)]), solver)
    assert deliveries(plan, "fine") == ["b"]
    assert left(plan)["a"].constraint == "vehicle"


def test_a_parcel_aboard_whose_promise_is_lost_is_brought_late(solver: SolverName) -> None:
    lost = aboard("lost", 20, "van-1", between(11, 11.5), may_be_late=True)
    kept = aboard("kept", 15, "van-1", between(12, 12.5))
    plan = planned(day([van_under_way(start=10)], [lost, kept]), solver)
    assert not plan.unserved
    assert plan.cost.late_s == delivery_of(plan, "lost").start - at(11.5) > 0
    assert delivery_of(plan, "kept").start <= at(12.5)


def test_of_two_promises_that_cannot_both_be_kept_one_is_late_and_both_are_served(
    solver: SolverName,
) -> None:
    window = between(12, 12.2)
    orders = [
        aboard("a", 5, "van-1", window, may_be_late=True),
        aboard("b", 15, "van-1", window, may_be_late=True),
    ]
    plan = planned(day([van_under_way(start=10)], orders), solver, seconds=0.5)
    assert not plan.unserved
    assert 0 < plan.cost.late_s <= 30 * MINUTE


def test_the_price_of_change_keeps_orders_on_their_vans(solver: SolverName) -> None:
    vans = [van("van-1"), van("van-2")]
    orders = [
        order(f"o{k}", k, between(8, 9), previous_vehicle="van-1" if k % 2 else "van-2")
        for k in (10, 11, 20, 21)
    ]
    free = planned(day(vans, orders), solver)
    assert free.cost.drive_s == 42 * MINUTE
    priced = planned(day(vans, orders, policy=Policy(changed_vehicle=50_000)), solver)
    assert set(deliveries(priced, "van-1")) == {"o11", "o21"}
    assert set(deliveries(priced, "van-2")) == {"o10", "o20"}


def test_alike_vans_keep_their_own_routes(solver: SolverName) -> None:
    vans = [van("van-1", capacity=2), van("van-2", capacity=2)]
    orders = [
        order(f"o{k}", k, between(8, 9), previous_vehicle="van-2" if k < 15 else "van-1")
        for k in (10, 11, 20, 21)
    ]
    policy = Policy(changed_vehicle=1.0)
    plan = planned(day(vans, orders, policy=policy), solver)
    assert set(deliveries(plan, "van-2")) == {"o10", "o11"}


def test_a_previous_plan_is_where_the_search_starts(solver: SolverName) -> None:
    vans = [van("van-1"), van("van-2")]
    orders = [order(f"o{k}", k) for k in range(3, 28, 3)]
    before = planned(day(vans, orders), solver)
    again = planned(day(vans, [*orders[1:], order("new", 7)]), solver, previous=before)
    assert not again.unserved
    assert len(again.routes) == 2


def test_a_previous_plan_of_another_day_does_no_harm(solver: SolverName) -> None:
    before = planned(day([van("van-9")], [order("old", 5), order("a", 6)]), solver)
    loaded = day([van_under_way("van-1", start=3)], [aboard("a", 6, "van-1")])
    assert deliveries(planned(loaded, solver, previous=before)) == ["a"]


def test_a_van_ends_where_it_must(solver: SolverName) -> None:
    plan = planned(day([van(end=30)], [order("a", 10), order("b", 20)]), solver)
    assert deliveries(plan) == ["a", "b"]
    assert route_of(plan, "van-1").end_leg_s == 10 * MINUTE
    assert plan.cost.drive_s == 30 * MINUTE


def test_the_time_given_is_kept(solver: SolverName) -> None:
    vans = [van(f"van-{k}", capacity=8) for k in range(8)]
    problem = day(vans, [order(f"o{k}", 1 + k % 29, between(9, 12)) for k in range(60)])
    begun = time.monotonic()
    planned(problem, solver, seconds=0.5)
    start_up_s = 20.0 if solver == "ortools" else 3.0  # a loaded machine
    assert time.monotonic() - begun < 0.5 + start_up_s


def test_a_cancelled_search_ends_at_once(solver: SolverName) -> None:
    problem = day([van()], [order(f"o{k}", k) for k in range(1, 30)])
    begun = time.monotonic()
    request = SolveRequest(problem=problem, solver=solver, seconds=60)
    is_over = begun + (8.0 if solver == "ortools" else 1.0)
    solve(request, street(range(31)), is_cancelled=lambda: time.monotonic() > is_over)
    assert time.monotonic() - begun < 20


def test_the_same_seed_plans_a_settled_day_the_same(solver: SolverName) -> None:
    problem = day([van()], [order(f"o{k}", k) for k in (5, 15, 25)])
    assert planned(problem, solver) == planned(problem, solver)


def test_two_depots_load_their_own(solver: SolverName) -> None:
    vans = [van("north", start=0), van("south", start=30, end=30)]
    soon = between(8, 9)
    orders = [order("a", 25, soon, pickup=0), order("b", 5, soon, pickup=30)]
    plan = planned(day(vans, orders), solver)
    assert deliveries(plan, "north") == ["a"]
    assert deliveries(plan, "south") == ["b"]


def test_random_days_are_always_planned_by_the_rules(solver: SolverName) -> None:
    dice = np.random.default_rng(7)
    for _ in range(3 if solver == "ortools" else 25):
        problem = _random_day(dice)
        roads = street(dice.integers(0, 90, size=len(problem.locations)).tolist())
        plan = planned(problem, solver, seconds=0.15, matrix=roads)
        assert len(plan.routes) == len(problem.vehicles)


def _random_day(dice: np.random.Generator) -> Problem:
    vans = []
    for k in range(int(dice.integers(1, 5))):
        make = van if dice.random() < 0.5 else van_under_way
        where = 0 if make is van else int(dice.integers(0, 31))
        vans.append(make(f"van-{k}", start=where, capacity=int(dice.integers(0, 9))))
    orders = []
    for k in range(int(dice.integers(0, 25))):
        opens = float(dice.uniform(8, 17))
        windows: tuple[Window, ...] = (between(opens, opens + float(dice.uniform(0, 3))),)
        if dice.random() < 0.2:
            windows = (*windows, between(opens + 3.5, opens + 4.5))
        given = {
            "size": int(dice.integers(0, 4)),
            "may_be_late": bool(dice.random() < 0.3),
            "priority": "urgent" if dice.random() < 0.2 else "normal",
            "previous_vehicle": f"van-{int(dice.integers(0, len(vans)))}",
            "ready_from": at(float(dice.uniform(8, 12))) if dice.random() < 0.3 else None,
        }
        place = int(dice.integers(0, 31))
        chosen = windows if dice.random() < 0.7 else ()
        if dice.random() < 0.4:
            on = vans[int(dice.integers(0, len(vans)))].id
            orders.append(aboard(f"o{k}", place, on, *chosen, **given))
        else:
            orders.append(order(f"o{k}", place, *chosen, **given))
    return day(vans, orders, policy=Policy(changed_vehicle=float(dice.choice([0.0, 300.0]))))
