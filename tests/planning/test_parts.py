"""A large problem is improved in parts: by the rules, never for the worse, and it can be ended."""

import time
from collections import Counter

import numpy as np
from msgspec import structs

from cloud.planning.check import check
from cloud.planning.problem import Problem
from cloud.planning.questions import SolveRequest
from cloud.planning.solvers.choice import LARGE
from cloud.planning.solvers.parts import improved_in_parts
from cloud.planning.solvers.port import Sequences, Task, sequences_of
from cloud.planning.solvers.schedule import price_of
from cloud.planning.solvers.solving import solve
from cloud.roads.model import Matrix
from tests.planning.streets import aboard, at, between, day, order, planned, van, van_under_way


def large_day(orders: int, seed: int = 3) -> tuple[Problem, Matrix]:
    """Vans at the depot and under way, orders aboard, to be loaded and to be fetched."""
    dice = np.random.default_rng(seed)
    vans = [van(f"home-{k}", capacity=30) for k in range(8)]
    vans += [van_under_way(f"away-{k}", int(dice.integers(1, orders)), end=0) for k in range(8)]
    jobs = []
    for k in range(1, orders + 1):
        opens = float(dice.uniform(9, 15))
        windows = (between(opens, opens + 3),) if dice.random() < 0.4 else ()
        if dice.random() < 0.3:
            late = {"may_be_late": bool(dice.random() < 0.5)}
            jobs.append(aboard(f"o{k}", k, f"away-{dice.integers(8)}", *windows, **late))
        else:
            jobs.append(order(f"o{k}", k, *windows, priority="urgent" if k % 50 == 0 else "normal"))
    where = dice.uniform(0, 12_000, (orders + 1, 2))
    metres = np.abs(where[:, None] - where[None, :]).sum(axis=2).astype(np.int32)
    return day(vans, jobs, places=orders + 1), Matrix(metres // 8, metres)


def test_a_large_day_is_planned_by_the_rules_and_better_than_it_began() -> None:
    problem, roads = large_day(LARGE + 30)
    start = planned(problem, "insertion", matrix=roads)
    better = planned(problem, "pyvrp", seconds=4.0, matrix=roads, previous=start)
    assert len(better.unserved) <= len(start.unserved)
    assert price_of(problem, better) < price_of(problem, start)


def test_a_large_search_ends_when_it_is_cancelled() -> None:
    problem, roads = large_day(LARGE + 30)
    start = planned(problem, "insertion", matrix=roads)
    begun = time.monotonic()
    request = SolveRequest(problem=problem, solver="pyvrp", seconds=60, previous=start)
    plan = solve(request, roads, is_cancelled=lambda: time.monotonic() > begun + 2.0)
    assert time.monotonic() - begun < 30  # a loaded machine
    assert check(problem, roads, plan) == ()
    assert at(8) <= plan.routes[0].ends_at


def test_no_two_parts_serve_an_order_that_was_left_out() -> None:
    problem, roads = large_day(LARGE + 10)
    early = tuple(structs.replace(each, shift_end=at(13)) for each in problem.vehicles)
    plan = planned(structs.replace(problem, vehicles=early), "pyvrp", seconds=4.0, matrix=roads)
    assert plan.unserved


def test_each_route_has_its_turn_before_others_have_many() -> None:
    problem, roads = large_day(600)
    begun = sequences_of(planned(problem, "insertion", matrix=roads), problem)
    served = {problem.jobs[step.job].id for steps in begun for step in steps}
    turns: Counter[str] = Counter()
    parts = 0

    def searched(part: Task) -> Sequences:
        nonlocal parts
        parts += 1
        turns.update(job.id for job in part.problem.jobs)
        assert part.start is not None
        return part.start

    task = Task(problem, roads, 30.0, 1, begun, lambda: parts >= 20, cores=1)
    assert improved_in_parts(task, begun, searched, time.perf_counter() + 30) == begun
    assert parts == 20
    assert min(turns[job] for job in served) >= 1
    assert max(turns.values()) <= 10, "an order is in five of the parts on average"
