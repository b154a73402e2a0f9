"""Plans of 200 stops and 12 vans on the demo city: how far a short search is from the best known.

The best is the best of any solver, warm or cold, after ``ROUNDSMAN_BEST_S`` seconds each (60), and
of all short searches. ``ROUNDSMAN_SEEDS`` days are drawn (5). With both at their defaults it takes
about an hour; ``ROUNDSMAN_SEEDS=1 ROUNDSMAN_BEST_S=20`` six minutes.
"""

import asyncio
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from msgspec import structs

from bench.city_days import half_done, morning, two_waves
from bench.figure import Figure
from bench.peers import Peer, ortools_alone, pyvrp_alone, vroom_alone
from cloud.planning.check import check
from cloud.planning.problem import Problem
from cloud.planning.questions import SolveRequest
from cloud.planning.solution import Plan
from cloud.planning.solvers.parts import price
from cloud.planning.solvers.port import Task, sequences_in_force
from cloud.planning.solvers.schedule import feasible, price_of
from cloud.planning.solvers.solving import solve
from cloud.roads.client import RoadsClient
from cloud.roads.model import Matrix, Point
from tests.parts.roads_engine import demo_city, roads_engine

_SEEDS: Final = range(1, 1 + int(os.environ.get("ROUNDSMAN_SEEDS", "5")))
_BEST_S: Final = float(os.environ.get("ROUNDSMAN_BEST_S", "60"))
_ORDERS: Final = 200
_VANS: Final = 12
_FETCHED: Final = 20
_FORCED_S: Final = 10.0
"""The search that makes the plan in force at noon."""
_PEERS: Final[dict[str, Peer]] = {
    "PyVRP": pyvrp_alone,
    "OR-Tools": ortools_alone,
    "VROOM": vroom_alone,
}
_MORNING: Final = "morning"
_NOON: Final = "noon, nothing new"
_NOON_FETCHED: Final = f"noon, {_FETCHED} to be fetched"
_ASKED: Final = {
    (_MORNING, 2.0): 2.0,
    (_MORNING, 5.0): 1.0,
    (_NOON, 0.5): 1.0,
    (_NOON, 2.0): 0.5,
    (_NOON_FETCHED, 2.0): 3.0,
    (_NOON_FETCHED, 10.0): 1.0,
}
"""Percent over the best, for a kind of day and seconds of search."""


@dataclass(frozen=True, slots=True)
class _Day:
    kind: str
    problem: Problem
    matrix: Matrix
    seed: int


def run() -> Iterator[Figure]:
    """A morning, and noon with half of the stops done or aboard and the others at the depot."""
    over: dict[tuple[str, float, str], list[float]] = defaultdict(list)
    beside_s: list[float] = []
    with roads_engine(city=demo_city()) as engine:
        days = [day for seed in _SEEDS for day in _days(demo_city(), engine.url, seed)]
    for day in days:
        for asked, told in _compared(day, beside_s).items():
            over[asked].append(told)
    for (kind, seconds), goal in _ASKED.items():
        for peer in _PEERS:
            yield Figure(
                bench="plans",
                figure=f"{kind}, after {seconds:g} s, over the best",
                value=_median(over[kind, seconds, "ours"]),
                unit="%",
                goal=goal,
                peer=f"{peer} alone",
                peer_value=_median(over[kind, seconds, peer]),
            )
    yield Figure(
        bench="plans",
        figure="from asking to the plan, beside the seconds asked for",
        value=_median(beside_s),
        unit="s",
    )


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 2)


def _days(city: Path, url: str, seed: int) -> Iterator[_Day]:
    day = morning(city, orders=_ORDERS, vans=_VANS, seed=seed)
    yield _Day(_MORNING, day, _table(url, day), seed)
    waves = two_waves(day)
    plan = _ours(_Day("", waves, _table(url, waves), seed), _FORCED_S)
    for kind, fresh in ((_NOON, 0), (_NOON_FETCHED, _FETCHED)):
        later = half_done(waves, plan, city, fresh=fresh, seed=100 + seed)
        yield _Day(kind, later, _table(url, later), seed)


def _compared(day: _Day, beside_s: list[float]) -> dict[tuple[str, float, str], float]:
    """Percent over the best for each of the short searches."""
    prices: dict[tuple[str, float, str], float] = {}
    for kind, seconds in _ASKED:
        if kind != day.kind:
            continue
        begun = time.perf_counter()
        prices[kind, seconds, "ours"] = price_of(day.problem, _ours(day, seconds))
        beside_s.append(time.perf_counter() - begun - seconds)
        for name, peer in _PEERS.items():
            prices[kind, seconds, name] = _alone(day, peer, seconds)
    best = min(*prices.values(), *_long(day))
    return {asked: 100 * (told / best - 1) for asked, told in prices.items()}


def _long(day: _Day) -> Iterator[float]:
    """Every solver, warm and cold: ours one after the other, on all cores; the peers by twos."""
    is_noon = any(van.in_force for van in day.problem.vehicles)
    starts = (day, _cold(day)) if is_noon else (day,)
    for start in starts:
        yield price_of(day.problem, _ours(start, _BEST_S))
    with ThreadPoolExecutor(2) as pool:
        asked = [
            pool.submit(_alone, day, peer, _BEST_S, start)
            for start in starts
            for peer in _PEERS.values()
        ]
        yield from (one.result() for one in asked)


def _cold(day: _Day) -> _Day:
    """The day without a plan in force."""
    vans = tuple(structs.replace(van, in_force=()) for van in day.problem.vehicles)
    return replace(day, problem=structs.replace(day.problem, vehicles=vans))


def _ours(day: _Day, seconds: float) -> Plan:
    """A checked plan; the search starts at the plan in force, if there is one."""
    asked = SolveRequest(problem=day.problem, seconds=seconds, seed=day.seed)
    plan = solve(asked, day.matrix)
    if broken := check(day.problem, day.matrix, plan):
        raise RuntimeError(f"a plan that breaks its rules: {broken[0].text}")
    return plan


def _alone(day: _Day, peer: Peer, seconds: float, asked: _Day | None = None) -> float:
    """The price of what a peer finds, less what breaks a rule there; all unserved when nothing.

    It is ``asked`` that day, or the same without a plan in force.
    """
    problem = (asked or day).problem
    task = Task(
        problem=problem,
        matrix=day.matrix,
        seconds=seconds,
        seed=day.seed,
        start=sequences_in_force(problem),
        is_cancelled=lambda: False,
    )
    found = peer(task) or tuple(() for _ in day.problem.vehicles)
    return price(day.problem, day.matrix, feasible(day.problem, day.matrix, found))


def _table(url: str, problem: Problem) -> Matrix:
    async def ask() -> Matrix:
        async with RoadsClient(url, lane="bulk") as roads:
            return await roads.table([Point(at.lat, at.lon) for at in problem.locations])

    return asyncio.run(ask())
