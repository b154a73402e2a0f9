"""Plans on the demo city: quality after a short search, and an urgent order at noon."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.city_days import morning, noon
from bench.figure import Figure
from cloud.planning.client import PlannerClient
from cloud.planning.model import Plan, Problem, SolveRequest, SolverName
from cloud.planning.solvers.schedule import price_of
from tests.parts.planner import planner_process
from tests.parts.roads_engine import demo_city, roads_engine

_SEEDS: Final = (1, 2, 3)
_SHORT_S: Final = 2.0
_LONG_S: Final = 30.0
_NOON_S: Final = 0.5


def run() -> Iterator[Figure]:
    """A morning of 120 orders and 8 vans, then noon with one urgent order."""
    city = demo_city()
    with (
        tempfile.TemporaryDirectory() as folder,
        roads_engine(city=city) as engine,
        planner_process(Path(folder) / "planner.sock", engine.url) as planner,
    ):
        client = PlannerClient(planner.socket)
        day = morning(city, orders=120, vans=8, seed=1)
        best = _plan(client, day, "pyvrp", _LONG_S, seed=1)[0]
        ours = [_plan(client, day, "auto", _SHORT_S, seed=seed) for seed in _SEEDS]
        peers = [_plan(client, day, "ortools", _SHORT_S, seed=seed) for seed in _SEEDS]
        floor = min(price_of(day, plan) for plan, _ in [(best, 0.0), *ours, *peers])
        yield Figure(
            bench="plans",
            figure=f"morning, 120 orders, after {_SHORT_S:g} s, over best",
            value=_over_best(day, [plan for plan, _ in ours], floor),
            unit="%",
            goal=2.0,
            peer="OR-Tools",
            peer_value=_over_best(day, [plan for plan, _ in peers], floor),
        )
        yield Figure(
            bench="plans",
            figure="morning, matrix and check included",
            value=round(statistics.median(seconds for _, seconds in ours), 2),
            unit="s",
            goal=3.0,
            peer="OR-Tools",
            peer_value=round(statistics.median(seconds for _, seconds in peers), 2),
        )
        yield from _noon(client, day, ours[0][0], city)


def _noon(client: PlannerClient, day: Problem, plan: Plan, city: Path) -> Iterator[Figure]:
    later = noon(day, plan, city, urgent=1, seed=9)
    ours = [_plan(client, later, "auto", _NOON_S, seed=seed, previous=plan) for seed in _SEEDS]
    best = _plan(client, later, "pyvrp", _LONG_S / 3, seed=1)[0]
    floor = min(price_of(later, each) for each, _ in [*ours, (best, 0.0)])
    yield Figure(
        bench="plans",
        figure="noon with an urgent order, matrix included",
        value=round(statistics.median(seconds for _, seconds in ours), 2),
        unit="s",
        goal=1.5,
    )
    yield Figure(
        bench="plans",
        figure=f"noon, after {_NOON_S:g} s of search, over best",
        value=_over_best(later, [each for each, _ in ours], floor),
        unit="%",
        goal=1.0,
    )


def _plan(
    client: PlannerClient,
    problem: Problem,
    solver: SolverName,
    seconds: float,
    *,
    seed: int,
    previous: Plan | None = None,
) -> tuple[Plan, float]:
    """A checked plan, and the real seconds from asking to having it."""
    request = SolveRequest(
        problem=problem, solver=solver, seconds=seconds, seed=seed, previous=previous
    )
    begun = time.perf_counter()
    solved = asyncio.run(client.solve(request, timeout_s=seconds + 60))
    taken = time.perf_counter() - begun
    if solved.check:
        raise RuntimeError(f"a plan that breaks its rules: {solved.check[0].text}")
    return solved.plan, taken


def _over_best(problem: Problem, plans: list[Plan], floor: float) -> float:
    return round(
        100 * (statistics.median(price_of(problem, plan) for plan in plans) / floor - 1), 2
    )
