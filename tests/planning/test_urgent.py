"""An urgent order is put into the plan in force at once."""

from dataclasses import replace

from cloud.planning.check import check
from cloud.planning.posing import problem_of
from cloud.planning.problem import Problem
from cloud.planning.questions import SolveRequest
from cloud.planning.solution import Plan
from cloud.planning.solvers.port import Sequences, sequences_in_force, sequences_of
from cloud.planning.solvers.solving import solve
from tests.planning.days import EIGHT, HOUR, aboard, day, order, route, stop
from tests.planning.streets import street


def test_an_urgent_order_moves_nothing_of_the_plan_it_is_put_into() -> None:
    orders = [aboard(f"{van}{k}", van) for van in ("van-1", "van-2") for k in range(4)]
    routes = [
        route(van, stop(f"{van}-0", aboard("x", van, "delivered"), state="done"), *stops)
        for van in ("van-1", "van-2")
        if (stops := [stop(f"s-{one.id}", one) for one in orders if one.id.startswith(van)])
    ]
    urgent = replace(order("urgent"), priority="urgent")
    today = day(*orders, urgent, now=EIGHT + HOUR, routes=routes)
    problem = problem_of(today, {})
    roads = street(range(0, 3 * len(problem.locations), 3))
    before = sequences_in_force(problem)
    assert before is not None
    request = SolveRequest(problem=problem, solver="insertion", seconds=0.05)
    after = solve(request, roads)
    assert check(problem, roads, after) == ()
    assert not after.unserved
    assert after.solver == "insertion"
    assert without(problem, after, "urgent") == before


def without(problem: Problem, plan: Plan, job: str) -> Sequences:
    index = next(at for at, one in enumerate(problem.jobs) if one.id == job)
    return tuple(
        tuple(step for step in steps if step.job != index) for steps in sequences_of(plan, problem)
    )
