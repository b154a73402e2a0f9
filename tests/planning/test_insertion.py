"""The desk: what its arrays find is what trying every position by the clock finds."""

import time
from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement

import numpy as np
import pytest

from cloud.planning.check import check
from cloud.planning.problem import Job, Policy, Problem, Vehicle, Window
from cloud.planning.solvers.insertion.board import Ways
from cloud.planning.solvers.insertion.desk import InsertionDesk
from cloud.planning.solvers.port import Sequences, Step, sequences_of
from cloud.planning.solvers.schedule import feasible, plan_of, price_of, timed, with_pickups
from cloud.roads.model import Matrix
from tests.planning.streets import (
    MINUTE,
    aboard,
    at,
    between,
    day,
    deliveries,
    delivery_of,
    order,
    planned,
    street,
    van,
    van_under_way,
)


def every_place(problem: Problem, index: int, sequences: Sequences) -> Iterator[Sequences]:
    """Each way to put an order's visits into the sequences, by brute force.

    What a van loads before it leaves, it still loads then.
    """
    job = problem.jobs[index]
    delivery, pickup = Step(index, "delivery"), Step(index, "pickup")
    for number, vehicle in enumerate(problem.vehicles):
        if job.only_vehicle not in {None, vehicle.id}:
            continue
        steps = sequences[number]
        loaded = loaded_at_start(problem, vehicle, steps)
        for first, second in combinations_with_replacement(range(len(steps) + 1), 2):
            if second < loaded or (job.pickup != vehicle.start and first < loaded):
                continue
            if job.pickup is None:
                longer = (*steps[:second], delivery, *steps[second:])
            else:
                between = steps[first:second]
                longer = (*steps[:first], pickup, *between, delivery, *steps[second:])
            yield (*sequences[:number], longer, *sequences[number + 1 :])


def loaded_at_start(problem: Problem, vehicle: Vehicle, steps: Sequence[Step]) -> int:
    if not vehicle.loads_at_start:
        return 0
    return next(
        (
            number
            for number, step in enumerate(steps)
            if step.kind == "delivery" or problem.jobs[step.job].pickup != vehicle.start
        ),
        len(steps),
    )


def cheapest_by_trying(
    problem: Problem, index: int, sequences: Sequences, *, roads: Matrix
) -> float | None:
    """What the best feasible place costs more, promises kept; None when there is none."""
    before = price(problem, roads, sequences)
    late_before = late(problem, roads, sequences)
    prices = [
        price(problem, roads, each) - before
        for each in every_place(problem, index, sequences)
        if is_feasible(problem, roads, each)
        and late(problem, roads, each) - {problem.jobs[index].id} <= late_before
    ]
    return min(prices, default=None)


def price(problem: Problem, matrix: Matrix, sequences: Sequences) -> float:
    return price_of(problem, plan_of(problem, matrix, sequences, (), "test"))


def is_feasible(problem: Problem, matrix: Matrix, sequences: Sequences) -> bool:
    return all(
        timed(problem, matrix, vehicle, steps).broken_by is None
        for vehicle, steps in zip(problem.vehicles, sequences, strict=True)
    )


def late(problem: Problem, matrix: Matrix, sequences: Sequences) -> set[str]:
    plan = plan_of(problem, matrix, sequences, (), "test")
    jobs = {job.id: job for job in problem.jobs}
    return {
        visit.job
        for route in plan.routes
        for visit in route.visits
        if visit.kind == "delivery"
        and jobs[visit.job].windows
        and visit.start > jobs[visit.job].windows[-1].closes
    }


def random_problem(dice: np.random.Generator) -> Problem:
    vans = []
    for k in range(int(dice.integers(1, 4))):
        make = van if dice.random() < 0.5 else van_under_way
        start = 0 if make is van else int(dice.integers(0, 31))
        room = {"capacity": int(dice.integers(2, 9)), "capacity_g": int(dice.integers(2, 9))}
        zones = [f"zone-{int(each)}" for each in dice.integers(0, 3, int(dice.integers(0, 3)))]
        vans.append(make(f"van-{k}", start, zones=tuple(zones), **room))
    orders: list[Job] = []
    for k in range(int(dice.integers(1, 9))):
        opens = float(dice.uniform(8, 16))
        window: tuple[Window, ...] = (between(opens, opens + float(dice.uniform(0.2, 3))),)
        given = {
            "size": int(dice.integers(0, 3)),
            "may_be_late": bool(dice.random() < 0.4),
            "weight_g": int(dice.integers(0, 3)),
            "previous_vehicle": f"van-{int(dice.integers(0, len(vans)))}",
            "zones": (f"zone-{int(dice.integers(0, 3))}",) if dice.random() < 0.7 else (),
            "known": tuple((one.id, int(dice.integers(0, 1_001))) for one in vans[:2]),
            "ready_from": at(float(dice.uniform(8, 13))) if dice.random() < 0.3 else None,
        }
        chosen = window if dice.random() < 0.7 else ()
        if chosen and given["may_be_late"] and dice.random() < 0.5:
            given["late_until"] = window[0].closes + int(dice.integers(0, 3_600))
        place = int(dice.integers(0, 31))
        if dice.random() < 0.4:
            on = vans[int(dice.integers(0, len(vans)))].id
            orders.append(aboard(f"o{k}", place, on, *chosen, **given))
        else:
            orders.append(order(f"o{k}", place, *chosen, **given))
    policy = Policy(
        changed_vehicle=float(dice.choice([0.0, 300.0])),
        vehicle=120.0,
        outside_zone=float(dice.choice([0.0, 400.0])),
        unfamiliar=float(dice.choice([0.0, 77.0])),
    )
    return day(vans, orders, policy=policy)


def test_the_arrays_find_what_trying_every_position_finds() -> None:
    dice = np.random.default_rng(11)
    served = tight = 0
    for _ in range(400):
        problem = random_problem(dice)
        roads = street(dice.integers(0, 90, size=len(problem.locations)).tolist())
        last = len(problem.jobs) - 1
        earlier = day(problem.vehicles, problem.jobs[:last], policy=problem.policy)
        plan = planned(earlier, "insertion", matrix=roads)
        sequences = tuple(
            with_pickups(problem, van, each)
            for van, each in zip(problem.vehicles, sequences_of(plan, problem), strict=True)
        )
        desk = InsertionDesk.of_travel(problem, roads, sequences)
        door, pickup = ways(problem, roads, last)
        found = desk.decide(last, door, pickup)
        best = cheapest_by_trying(problem, last, sequences, roads=roads)
        if best is None or best >= problem.policy.unserved:
            tight += 1
            assert found is None or found.breaks_promises or best is not None
            continue
        assert found is not None
        # where visits are late already, a delay counts in full in the ranking
        slack = 1e-6 if not late(problem, roads, sequences) else 3_600.0 * problem.policy.late_s
        assert best - 1e-6 <= found.price <= best + slack
        served += 1
        desk.take(found, door, pickup)
        after = desk.sequences
        assert is_feasible(problem, roads, after)
        gained = price(problem, roads, after) - price(problem, roads, sequences)
        assert gained == pytest.approx(found.price)
    assert served > 150
    assert tight > 5


def test_of_many_vans_the_arrays_find_the_one_that_trying_each_finds() -> None:
    """More rows than are put to the clock at first, on one desk that takes order after order."""
    dice = np.random.default_rng(5)
    for own_km in (False, True):
        problem, roads, sequences = fleet_of_random_rounds(dice, own_km=own_km)
        desk = InsertionDesk.of_travel(problem, roads, sequences)
        depot = Ways.of(roads, 0)
        new = [at for at, job in enumerate(problem.jobs) if job.pickup is not None]
        found_any = 0
        for index in new:
            door = Ways.of(roads, problem.jobs[index].delivery)
            found = desk.decide(index, door, depot)
            tried = [
                cheapest_by_trying(*alone(problem, van, index, desk.sequences[van]), roads=roads)
                for van in range(len(problem.vehicles))
            ]
            best = min((price for price in tried if price is not None), default=None)
            if best is None or best >= problem.policy.unserved:
                assert found is None
                continue
            assert found is not None
            found_any += 1
            assert found.price == pytest.approx(best, abs=1e-6)
            desk.take(found, door, depot)
        assert found_any > 20


def fleet_of_random_rounds(
    dice: np.random.Generator, *, own_km: bool
) -> tuple[Problem, Matrix, Sequences]:
    """Forty vans with three stops each, all in time, and forty orders that lie at the depot."""
    roads = street(dice.integers(0, 90, size=31).tolist())
    vans, orders = [], []
    for k in range(40):
        start = int(dice.integers(1, 31))
        km = float(dice.uniform(20, 400)) if own_km else None
        vans.append(van_under_way(f"van-{k}", start, capacity=int(dice.integers(3, 6)), km=km))
        for s in range(3):
            place = int(dice.integers(1, 31))
            window = between(12, 12 + float(dice.uniform(2, 8)))
            orders.append(aboard(f"o{k}-{s}", place, f"van-{k}", window))
    for k in range(40):
        opens = float(dice.uniform(11, 16))
        window = between(opens, opens + float(dice.uniform(0.3, 3)))
        size = int(dice.integers(0, 3))
        orders.append(order(f"new-{k}", int(dice.integers(1, 31)), window, size=size))
    problem = day(vans, orders)
    rounds = [tuple(Step(3 * k + s, "delivery") for s in range(3)) for k in range(40)]
    whole = day(vans, orders[:120])
    held = feasible(whole, roads, tuple(rounds))
    return problem, roads, held


def alone(
    problem: Problem, van: int, index: int, steps: tuple[Step, ...]
) -> tuple[Problem, int, Sequences]:
    """One van with what it does and one order more."""
    jobs = [*dict.fromkeys(step.job for step in steps), index]
    at = {job: number for number, job in enumerate(jobs)}
    smaller = day([problem.vehicles[van]], [problem.jobs[job] for job in jobs])
    return smaller, at[index], (tuple(Step(at[step.job], step.kind) for step in steps),)


def test_a_desk_that_has_taken_orders_decides_like_a_new_one() -> None:
    dice = np.random.default_rng(3)
    problem, roads, sequences = fleet_of_random_rounds(dice, own_km=True)
    new = [at for at, job in enumerate(problem.jobs) if job.pickup is not None]
    depot = Ways.of(roads, 0)
    desk = InsertionDesk.of_travel(problem, roads, sequences)
    taken: list[int] = []
    for index in new:
        fresh = InsertionDesk.of_travel(problem, roads, desk.sequences)
        door = Ways.of(roads, problem.jobs[index].delivery)
        found, again = desk.decide(index, door, depot), fresh.decide(index, door, depot)
        assert found == again
        if found is not None:
            desk.take(found, door, depot)
            taken.append(index)
        if index % 4 == 0 and taken:
            desk.drop([taken.pop(0)])
    assert len(taken) > 10


def ways(problem: Problem, matrix: Matrix, index: int) -> tuple[Ways, Ways | None]:
    job = problem.jobs[index]
    pickup = None if job.pickup is None else Ways.of(matrix, job.pickup)
    return Ways.of(matrix, job.delivery), pickup


def test_a_plan_takes_an_order_by_its_own_drives_and_two_columns_of_the_roads() -> None:
    vans = [van_under_way("van-1", start=10), van_under_way("van-2", start=20)]
    roads = street(range(31))
    open_orders = [aboard("a", 12, "van-1"), aboard("b", 14, "van-1"), aboard("c", 22, "van-2")]
    plan = planned(day(vans, open_orders), "pyvrp", matrix=roads)
    problem = day(vans, open_orders)
    desk = InsertionDesk.of_plan(problem, plan)
    urgent = order("urgent", 3, between(12, 13), priority="urgent")
    index = desk.admit(urgent)
    door, depot = Ways.of(roads, 3), Ways.of(roads, 0)
    found = desk.decide(index, door, depot)
    assert found is not None
    assert problem.vehicles[found.vehicle].id == "van-1"
    assert found.price == (3 + 3) * (MINUTE + 30)
    assert found.arrives_at == at(12) + (4 + 14 + 3) * MINUTE + 2 * 2 * MINUTE + MINUTE
    desk.take(found, door, depot)
    both = day(vans, [*open_orders, urgent])
    after = plan_of(both, roads, desk.sequences, (), "insertion")
    assert check(both, roads, after) == ()
    assert delivery_of(after, "urgent").arrival == found.arrives_at
    assert deliveries(after, "van-2") == ["c"]


def test_a_promise_is_kept_where_that_costs_more_and_broken_where_nothing_else_is_left() -> None:
    near, far = van_under_way("near", start=2), van_under_way("far", start=8)
    promised = aboard("promised", 10, "near", between(12, 12.2), may_be_late=True)
    roads = street(range(31))
    urgent = order("urgent", 1, between(12, 12.25), priority="urgent")
    for vans, breaks in (([near, far], False), ([near], True)):
        problem = day(vans, [promised, urgent])
        alone: Sequences = ((Step(0, "delivery"),), *(() for _ in vans[1:]))
        desk = InsertionDesk.of_travel(problem, roads, alone)
        found = desk.decide(1, *ways(problem, roads, 1))
        assert found is not None
        assert found.breaks_promises is breaks
        assert problem.vehicles[found.vehicle].id == ("near" if breaks else "far")


def test_orders_taken_out_again_leave_the_routes_as_they_were() -> None:
    problem = day([van("van-1"), van("van-2")], [order(f"o{k}", k) for k in (5, 9, 20, 25)])
    roads = street(range(31))
    desk = InsertionDesk.of_travel(problem, roads, ((), ()))
    states = [desk.sequences]
    for index in range(4):
        door, pickup = ways(problem, roads, index)
        found = desk.decide(index, door, pickup)
        assert found is not None
        desk.take(found, door, pickup)
        states.append(desk.sequences)
    for index in (3, 2, 1, 0):
        desk.drop([index])
        assert desk.sequences == states[index]


def test_a_large_fleet_decides_in_the_blink_of_an_eye() -> None:
    problem, roads, sequences = _fleet(vans=300, stops=11)
    desk = InsertionDesk.of_travel(problem, roads, sequences)
    last = len(problem.jobs) - 1
    door, pickup = ways(problem, roads, last)
    begun = time.perf_counter()
    for _ in range(20):
        assert desk.decide(last, door, pickup) is not None
    assert (time.perf_counter() - begun) / 20 < 0.1  # a loaded machine


def _fleet(*, vans: int, stops: int) -> tuple[Problem, Matrix, Sequences]:
    fleet = [van_under_way(f"van-{k}", start=k % 31) for k in range(vans)]
    orders = [
        aboard(f"o{k}-{s}", (k * 7 + s) % 31, f"van-{k}") for k in range(vans) for s in range(stops)
    ]
    problem = day(fleet, [*orders, order("urgent", 13, between(12, 16), priority="urgent")])
    sequences = tuple(
        tuple(Step(k * stops + s, "delivery") for s in range(stops)) for k in range(vans)
    )
    return problem, street(range(31)), sequences
