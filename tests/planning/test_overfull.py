"""Days that do not fit, or whose plan in force is the wrong one, and the time they take."""

import time
from random import Random

import pytest
from msgspec.structs import replace

from cloud.planning.problem import Problem, RouteStep
from cloud.planning.questions import SolveRequest
from cloud.planning.solvers import solving
from cloud.planning.solvers.insertion.solver import inserted
from cloud.planning.solvers.port import Sequences, Step, Task
from cloud.planning.solvers.schedule import price_of
from cloud.planning.working import RULE_SETS
from tests.planning.streets import (
    aboard,
    between,
    day,
    deliveries,
    delivery_of,
    left,
    order,
    planned,
    street,
    van,
    van_under_way,
)


def overfull(seed: int, orders: int, *, is_fetched: bool, is_limited: bool) -> Problem:
    dice = Random(seed)
    jobs = []
    for k in range(orders):
        opens = dice.choice([8, 9, 10, 11, 13, 14])
        windows = (between(opens, opens + 1.5),) if dice.random() < 0.7 else ()
        size = dice.choice([1, 2, 5])
        jobs.append(order(f"o{k}", dice.randrange(1, 31), *windows, service_s=1_800, size=size))
    make = van_under_way if is_fetched else van
    rules = RULE_SETS["de-van"].rules if is_limited else None
    return day([make(f"van-{k}", capacity=9, work_rules=rules) for k in range(2)], jobs)


@pytest.mark.parametrize("is_fetched", [False, True])
@pytest.mark.parametrize("is_limited", [False, True])
def test_auto_is_never_dearer_than_insertion(is_fetched: bool, is_limited: bool) -> None:
    for seed in range(2):
        problem = overfull(seed, 24, is_fetched=is_fetched, is_limited=is_limited)
        plain, searched = planned(problem, "insertion"), planned(problem, "auto", seconds=1.0)
        assert left(plain)
        assert price_of(problem, searched) <= price_of(problem, plain)


def test_what_fits_nowhere_takes_no_time_for_ever() -> None:
    problem = overfull(1, 250, is_fetched=False, is_limited=True)
    begun = time.process_time()
    plan = planned(problem, "insertion", seconds=0.1)
    assert left(plan)
    assert time.process_time() - begun < 1.5


def test_auto_puts_two_stops_right_that_are_in_force_in_the_wrong_order() -> None:
    in_force = tuple(RouteStep(job=name, kind="delivery") for name in ("a", "b"))
    jobs = [aboard("a", 25, "van-1"), aboard("b", 5, "van-1", between(12, 12.3), may_be_late=True)]
    plan = planned(day([replace(van_under_way(), in_force=in_force)], jobs), "auto")
    assert deliveries(plan) == ["b", "a"]
    assert plan.cost.late_s == 0


class Dropping:
    """A search that finds a plan at first, and then leaves ``b`` out of it."""

    name = "pyvrp"

    def solve(self, task: Task) -> Sequences:
        if task.start is None:
            return ((Step(1, "delivery"), Step(0, "delivery")),)
        return ((Step(0, "delivery"),),)


def test_what_a_search_leaves_out_goes_in_by_the_window_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = [order("a", 10), replace(order("b", 20, between(8, 9)), margin_s=1_500)]
    request = SolveRequest(problem=day([van()], jobs), solver="pyvrp", seconds=0.2)
    closes: list[int] = []

    def seen(task: Task, start: Sequences) -> Sequences:
        closes.append(task.problem.jobs[1].windows[-1].closes)
        return inserted(task, start)

    monkeypatch.setattr(solving, "inserted", seen)
    monkeypatch.setattr(solving, "solver_named", lambda _: Dropping())
    plan = solving.solve(request, street(range(31)))
    assert not left(plan)
    assert delivery_of(plan, "b").start <= jobs[1].windows[-1].closes
    assert closes[-1] == jobs[1].windows[-1].closes


class Noting:
    """A search that finds nothing, and notes how long it may take."""

    name = "pyvrp"

    def __init__(self) -> None:
        self.given_s: list[float] = []

    def solve(self, task: Task) -> Sequences:
        self.given_s.append(task.seconds)
        return tuple(() for _ in task.problem.vehicles)


def test_margins_are_found_in_a_share_of_their_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    noting = Noting()
    monkeypatch.setattr(solving, "solver_named", lambda _: noting)
    hard = [replace(order(f"o{k}", k, between(9, 12)), margin_s=600) for k in range(1, 12)]
    soft = order("s", 15, between(9, 10), late_s=0.5, may_be_late=True)
    planned(day([van()], [*hard, soft]), "pyvrp", seconds=2.0)
    windows_kept_s = 2.0 * solving._SOFT_SHARE
    assert noting.given_s[0] == pytest.approx(solving._MARGIN_SHARE * windows_kept_s, abs=0.1)
