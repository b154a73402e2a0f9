"""What a van under way fetches at its depot is searched as a further trip of it."""

from msgspec import structs
from numpy.random import default_rng

from cloud.planning.problem import Problem
from cloud.planning.solvers.formulation import formulate
from cloud.planning.solvers.port import Step, Task
from cloud.planning.solvers.reloads import Reloading
from cloud.planning.solvers.schedule import price_of
from tests.planning.streets import (
    aboard,
    at,
    between,
    day,
    deliveries,
    left,
    order,
    planned,
    street,
    van,
    van_under_way,
    visits,
)


def test_what_is_fetched_is_fetched_in_one_halt() -> None:
    fetched = [order(f"new-{k}", 2 * k) for k in range(1, 6)]
    own = aboard("own", 12, "van-1", between(12, 12.25))  # before or after costs the same
    problem = day([van_under_way(start=10)], [own, *fetched])
    plan = planned(problem, "pyvrp", seconds=0.3)
    kinds = [visit.kind for visit in visits(plan)]
    first = kinds.index("pickup")  # before its own door or behind it: both are as short
    assert kinds[first : first + 5] == ["pickup"] * 5
    assert kinds.count("pickup") == 5
    assert kinds.count("delivery") == 6
    assert not left(plan)


def test_no_more_is_fetched_in_one_halt_than_is_free() -> None:
    own = [aboard(f"own-{k}", 30, "van-1") for k in range(3)]
    fetched = [order(f"new-{k}", 5) for k in range(4)]
    problem = day([van_under_way(start=1, capacity=5)], [*own, *fetched])
    plan = planned(problem, "pyvrp", seconds=0.5)
    assert len(deliveries(plan)) == 7


def test_a_route_is_told_as_trips_and_back() -> None:
    problem = day(
        [van_under_way("away", start=10), van("home")],
        [aboard("own", 12, "away"), order("new", 3), order("other", 4)],
    )
    trips = _reloading(problem)
    fetch, deliver = Step(1, "pickup"), Step(1, "delivery")
    also = Step(2, "pickup"), Step(2, "delivery")
    steps = (Step(0, "delivery"), fetch, also[0], deliver, also[1])
    told = trips.trips(0, steps)
    assert told == [Step(0, "delivery"), None, deliver, also[1]]
    assert trips.visits(told) == steps
    assert trips.trips(1, (fetch, deliver)) == [deliver]


def test_a_pair_on_two_trips_is_left_to_the_search() -> None:
    shop = order("shop", 20, pickup=25)
    problem = day([van_under_way(start=10)], [order("new", 3), shop])
    torn = (Step(1, "pickup"), Step(0, "pickup"), Step(0, "delivery"), Step(1, "delivery"))
    assert _reloading(problem).trips(0, torn) == [None, Step(0, "delivery")]


def test_mixed_days_are_planned_by_the_rules_and_no_dearer_than_they_began() -> None:
    for seed in range(6):
        dice = default_rng(seed)
        vans = [van("home", capacity=6), van_under_way("away", start=10, capacity=6)]
        jobs = [aboard(f"own-{k}", int(dice.integers(1, 31)), "away") for k in range(3)]
        for k in range(8):
            place, opens = int(dice.integers(1, 31)), float(dice.uniform(8, 15))
            windows = (between(opens, opens + 3),) if dice.random() < 0.5 else ()
            pickup = int(dice.choice([0, 0, 0, 25]))
            ready = at(13) if dice.random() < 0.3 else None
            jobs.append(order(f"o-{k}", place, *windows, pickup=pickup, ready_from=ready))
        problem = day(vans, jobs)
        roads = street(range(31))
        start = planned(problem, "insertion", matrix=roads)
        better = planned(problem, "pyvrp", seconds=0.4, matrix=roads, previous=start)
        assert price_of(problem, better) <= price_of(problem, start)
        later = structs.replace(problem, vehicles=tuple(reversed(problem.vehicles)))
        planned(later, "pyvrp", seconds=0.2, matrix=roads)


def _reloading(problem: Problem) -> Reloading:
    task = Task(problem, street(range(31)), 1.0, 1, None, lambda: False)
    told = Reloading.of(formulate(task))
    assert told is not None
    return told
