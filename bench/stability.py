"""One urgent order on a day of 200 stops: how much else moves, what breaks, and what that costs."""

import asyncio
import os
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from bench.city_days import before_leaving, morning, noon
from bench.figure import Figure
from cloud.planning.client import PlannerClient
from cloud.planning.policy import TenantPolicy
from cloud.planning.problem import Policy, Problem
from cloud.planning.questions import SolveRequest
from cloud.planning.sequence import out_of_order
from cloud.planning.solution import Plan
from cloud.planning.solvers.schedule import price_of
from cloud.planning.solvers.service import lateness_s
from tests.parts.planner import planner_process
from tests.parts.roads_engine import demo_city, roads_engine

_SEEDS: Final = range(1, 1 + int(os.environ.get("ROUNDSMAN_SEEDS", "5")))
_MORNING_S: Final = 8.0
_REPLAN_S: Final = 0.5
_OPTIMUM_S: Final = 5.0
_STEADY: Final = TenantPolicy().prices
_FREE: Final = Policy()


def run() -> Iterator[Figure]:
    """Before the vans leave, when every stop may move, and at noon, when parcels are aboard."""
    city = demo_city()
    with (
        tempfile.TemporaryDirectory() as folder,
        roads_engine(city=city) as engine,
        planner_process(Path(folder) / "planner.sock", engine.url) as planner,
    ):
        client = PlannerClient(planner.socket)
        found: dict[str, list[tuple[float, int, float, float]]] = {}
        for seed in _SEEDS:
            day = morning(city, orders=200, vans=12, seed=seed)
            plan = _plan(client, day, _MORNING_S)
            for name, later in (
                ("before the vans leave", before_leaving(day, plan, city, urgent=1, seed=seed)),
                ("at noon", noon(day, plan, city, urgent=1, seed=seed)),
            ):
                found.setdefault(name, []).append(_compare(client, later))
    for name, measured in found.items():
        yield from _figures(name, measured)


def _figures(name: str, measured: list[tuple[float, int, float, float]]) -> Iterator[Figure]:
    median, every = statistics.median, sum
    for figure, unit, goal, at, peer_at, of_all in (
        ("stops that change van or relative order", "%", 5.0, 0, 3, median),
        ("orders left or late, all days", "orders", 0.0, 1, None, every),
        ("cost over the best without a price of change", "%", 1.0, 2, None, median),
    ):
        yield Figure(
            bench="stability",
            figure=f"urgent order {name}, 200 stops: {figure}",
            value=round(of_all(each[at] for each in measured), 2),
            unit=unit,
            goal=goal,
            peer="our planner, 5 s, without a price of change" if peer_at is not None else None,
            peer_value=None
            if peer_at is None
            else round(statistics.median(each[peer_at] for each in measured), 2),
        )


def _compare(client: PlannerClient, later: Problem) -> tuple[float, int, float, float]:
    """Percent moved, orders broken, percent over the best, and percent moved without a price."""
    ours = _plan(client, replace(later, policy=_STEADY), _REPLAN_S)
    free = replace(later, policy=_FREE)
    peer = _plan(client, free, _OPTIMUM_S)
    best = min(price_of(free, peer), price_of(free, ours))
    jobs = {job.id: job for job in later.jobs}
    late = [
        visit.job
        for route in ours.routes
        for visit in route.visits
        if visit.kind == "delivery" and lateness_s(jobs[visit.job], visit.start) > 0
    ]
    broken = len(ours.unserved) + len(late)
    return (
        _moved(later, ours),
        broken,
        100 * (price_of(free, ours) / best - 1),
        _moved(later, peer),
    )


def _moved(day: Problem, plan: Plan) -> float:
    """Percent of the stops in force that have another van or another relative order."""
    drawn = {
        route.vehicle: [visit.job for visit in route.visits if visit.kind == "delivery"]
        for route in plan.routes
    }
    stops = moved = 0
    for van in day.vehicles:
        before = [step.job for step in van.in_force]
        stops += len(before)
        moved += len(set(before) - set(drawn[van.id]))
        moved += len(out_of_order(before, drawn[van.id]))
    return 100 * moved / stops


def _plan(client: PlannerClient, problem: Problem, seconds: float) -> Plan:
    request = SolveRequest(problem=problem, solver="auto", seconds=seconds, seed=1)
    solved = asyncio.run(client.solve(request, timeout_s=seconds + 60))
    if solved.check:
        raise RuntimeError(f"a plan that breaks its rules: {solved.check[0].text}")
    return solved.plan
