"""A van that keeps the order a person chose: what fits nowhere on it is told, and the rest planned.

The van is at the depot at noon, and its first door, ten minutes away, closes at twelve past.
"""

from typing import Any

import pytest

from cloud.planning.problem import Job, Problem, RouteStep, Vehicle
from cloud.planning.questions import SolverName
from tests.planning.streets import aboard, at, between, day, order, planned, van, van_under_way

SOLVERS: list[SolverName] = ["insertion", "pyvrp", "ortools"]
FIRST = aboard("first", 10, "van-1", between(12, 12.2))


def keeping(*in_force: str, **given: Any) -> Vehicle:
    steps = tuple(RouteStep(job=name, kind="delivery") for name in in_force)
    return van_under_way(in_force=steps, keeps_order=True, **given)


def told(problem: Problem, solver: SolverName) -> dict[str, str]:
    """What a checked plan leaves out, and why; the first door is always served."""
    plan = planned(problem, solver)
    assert "first" in {visit.job for route in plan.routes for visit in route.visits}
    return {one.job: one.reason for one in plan.unserved}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "further",
    [
        order("further", 20, between(12, 12.37), only_vehicle="van-1"),
        aboard("further", 20, "van-1", between(12, 12.34)),
    ],
    ids=["pinned", "aboard"],
)
def test_what_it_alone_may_serve_and_fits_nowhere_is_told(further: Job, solver: SolverName) -> None:
    alone = planned(day([van_under_way()], [further]), solver)
    assert alone.unserved == ()
    left = told(day([keeping("first"), van("van-2")], [FIRST, further]), solver)
    assert list(left) == ["further"]
    assert left["further"].startswith("it fits nowhere on the route of van-1, which keeps")


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_is_stuck_aboard_still_takes_its_room(solver: SolverName) -> None:
    first = aboard("first", 10, "van-1", between(12, 12.2), size=4)
    stuck = aboard("stuck", 20, "van-1", between(12, 12.35), size=6)
    new = order("new", 5, size=5)
    left = told(day([keeping("first", "stuck", capacity=10)], [first, stuck, new]), solver)
    assert left["stuck"].startswith("it does not fit any more where it stands")
    assert set(left) == {"stuck", "new"}


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_skill_that_only_it_has_is_no_fault_of_the_planner(solver: SolverName) -> None:
    lifted = order("lifted", 20, between(12, 12.37), needs=("lift",), margin_s=300)
    vans = [keeping("first", skills=("lift",)), van("van-2", available_from=at(12))]
    left = told(day(vans, [FIRST, lifted, order("other", 15)]), solver)
    assert list(left) == ["lifted"]


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_it_was_to_fetch_and_nobody_else_may_is_told(solver: SolverName) -> None:
    steps = [RouteStep(job="banned", kind="pickup"), RouteStep(job="first", kind="delivery")]
    steps += [RouteStep(job="banned", kind="delivery")]
    kept = van_under_way(in_force=tuple(steps), keeps_order=True)
    banned = order("banned", 20, between(12, 12.37), banned_vehicles=("van-2",), margin_s=300)
    left = told(day([kept, van("van-2", available_from=at(12))], [FIRST, banned]), solver)
    assert list(left) == ["banned"]
