"""Plans by the hour on the demo city: promises that a plan breaks when its legs are driven.

An afternoon and evening of 200 orders with windows of one or two hours. Traffic is the
simulation's (``sim/traffic.py``), its extra travel time by hour, kind of street and quarter on the
engine's own segments: as it is there, and twice as strong. The engine is told it hour by hour, and
as the classes that learning makes of it.
"""

import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import psutil
from msgspec.structs import replace

from bench.city_days import EIGHT, HOUR, morning
from bench.figure import Figure, median_s
from cloud.planning.check import check
from cloud.planning.problem import Problem, Window
from cloud.planning.questions import SolveRequest
from cloud.planning.solution import Plan
from cloud.planning.solvers.by_hour import search_matrix
from cloud.planning.solvers.port import sequences_of
from cloud.planning.solvers.schedule import plan_of, price_of, timed
from cloud.planning.solvers.service import lateness_s
from cloud.planning.solvers.solving import solve
from cloud.roads.client import RoadsClient
from cloud.roads.engine import url_of
from cloud.roads.hours import TimedMatrix, Timetable, Travel, Week, of_classes
from cloud.roads.keeper import ports_in_force
from cloud.roads.learning import BUCKETS, Pattern, classes
from cloud.roads.model import Matrix, Point
from cloud.roads.segments import Floats, Segments, read_segments
from cloud.roads.speeds import lines, speeds_now
from cloud.roads.timed import TimedRoads, data_set
from sim.opening import ZONE
from sim.streets import Streets
from sim.traffic import Traffic, TrafficTruth, crossings
from tests.parts.roads_engine import DEMO_EXTRACT, demo_city
from tests.roads.test_keeper import Roads, roads_process

_SEEDS: Final = range(1, 1 + int(os.environ.get("ROUNDSMAN_SEEDS", "5")))
_ORDERS: Final = 200
_VANS: Final = 12
_SECONDS: Final = 2.0
_FROM_H, _TO_H = 13, 22
_PLANNED_H: Final = 6
"""The plan is made early in the morning, when the newest speeds are those of empty streets."""
_RUSH_H: Final = 18.5
_MAIN_KMH: Final = 46.0
_BANDS_KMH: Final = (22.0, 32.0, 46.0)
_CLASSES: Final = 3
_MB: Final = 1e6


@dataclass(frozen=True, slots=True)
class Hours:
    """How long legs take by each hour of its own, by classes of hours, and when it was planned."""

    hourly: TimedMatrix
    classed: TimedMatrix
    before: Matrix


def run() -> Iterator[Figure]:
    """Promises broken on each kind of search matrix, and what the hours cost."""
    problems = [evening(seed) for seed in _SEEDS]
    segments, streets = read_segments(demo_city()), Streets.read(DEMO_EXTRACT)
    with tempfile.TemporaryDirectory() as folder, roads_process(Path(folder)) as roads:
        twice = factors_by_hour(segments, streets, 2.0)
        hours = asyncio.run(_hours(roads, segments, twice, problems[0]))
        yield from _broken(", twice the traffic", problems, hours)
        factors = factors_by_hour(segments, streets, 1.0)
        hours = asyncio.run(_hours(roads, segments, factors, problems[0]))
        yield from _broken("", problems, hours)
        yield from _timing(problems[0], hours)
        yield from asyncio.run(_engines(roads, segments, factors))


def evening(seed: int) -> Problem:
    """The same doors for all seeds; four orders of five have a window of one to two hours."""
    dice, day = (
        random.Random(f"evening {seed}"),
        morning(demo_city(), orders=_ORDERS, vans=_VANS, seed=1),
    )
    jobs = []
    for job in day.jobs:
        opens = EIGHT + (_FROM_H - 8) * HOUR + dice.randrange(2, 30) * HOUR // 4
        window = Window(opens=opens, closes=opens + dice.choice([4, 6, 8]) * HOUR // 4)
        jobs.append(replace(job, windows=(window,) if dice.random() < 0.8 else ()))
    begins, ends = EIGHT + (_FROM_H - 8) * HOUR, EIGHT + (_TO_H - 8) * HOUR
    vans = [replace(van, available_from=begins, shift_end=ends) for van in day.vehicles]
    return replace(day, jobs=tuple(jobs), vehicles=tuple(vans))


def factors_by_hour(segments: Segments, streets: Streets, strength: float) -> list[Floats]:
    """Travel time over the profile's of each segment, by the hour of a working day."""
    truth = TrafficTruth(strength=strength, noise=0.0)
    traffic = Traffic(zone=ZONE, seed="city", around=crossings(streets), truth=truth)
    midnight = EIGHT - 8 * HOUR
    rush_s = midnight + _RUSH_H * HOUR
    kinds = np.where(segments.kmh > _MAIN_KMH, "primary", "residential").tolist()
    places = zip(segments.lat.tolist(), segments.lon.tolist(), kinds, strict=True)
    rush = np.array([traffic.slowness(rush_s, (lat, lon), kind) for lat, lon, kind in places]) - 1
    here = (float(segments.lat[0]), float(segments.lon[0]))
    whole = traffic.slowness(rush_s, here, "primary") - 1
    halves = [midnight + (hour + 0.5) * HOUR for hour in range(24)]
    return [1 + rush * (traffic.slowness(at_s, here, "primary") - 1) / whole for at_s in halves]


def classes_of(segments: Segments, factors: Sequence[Floats]) -> list[int]:
    """The class that learning would put each hour of a working day into."""
    band_of = np.searchsorted(np.array(_BANDS_KMH), segments.kmh)
    bands = range(len(_BANDS_KMH) + 1)
    by_band = np.array([[one[band_of == band].mean() for one in factors] for band in bands])
    nobody = np.zeros(0, dtype=np.intp)
    pattern = Pattern(
        band_of=band_of,
        by_band=np.tile(by_band, BUCKETS // 24),
        by_segment=np.ones(len(segments)),
        unlearned=np.ones(len(segments)),
        place=nobody,
        bucket=nobody,
        own=np.zeros(0),
    )
    return classes(pattern, _CLASSES)[:24]


def _means(factors: Sequence[Floats], of_hour: Sequence[int]) -> list[Floats]:
    found = []
    for number in range(_CLASSES):
        some = [one for one, of in zip(factors, of_hour, strict=True) if of == number]
        mean: Floats = np.mean(some, axis=0)
        found.append(mean)
    return found


async def _hours(
    roads: Roads, segments: Segments, factors: Sequence[Floats], problem: Problem
) -> Hours:
    of_hour = classes_of(segments, factors)
    work = range(_FROM_H, _TO_H)
    points = [Point(one.lat, one.lon) for one in problem.locations]
    tables = []
    for factor in (*(factors[hour] for hour in work), *_means(factors, of_hour)):
        kmh = speeds_now(segments, factors=[factor])
        await roads.desk.publish(data_set(0), lines(segments, kmh))
        url = url_of(ports_in_force(roads.folder / "roads")[data_set(0)])
        async with RoadsClient(url, lane="bulk") as engine:
            tables.append(await engine.table(points))
    return Hours(
        _timed(range(len(work)), tables[: len(work)]),
        _timed([of_hour[hour] for hour in work], tables[len(work) :]),
        tables[len(work) + of_hour[_PLANNED_H]],
    )


def _timed(kinds: Sequence[int], some: Sequence[Matrix]) -> TimedMatrix:
    begins = tuple(EIGHT + (hour - 8) * HOUR for hour in range(_FROM_H, _TO_H))
    return of_classes(Timetable(changes=begins, classes=tuple(kinds)), some)


def _broken(name: str, problems: Sequence[Problem], hours: Hours) -> Iterator[Figure]:
    """Promises that plans break by the hour, of each kind of search."""
    exact = hours.classed
    used = exact.seconds[sorted(set(exact.hours.classes))]
    searches: dict[str, Travel] = {
        "the newest when it was planned": hours.before,
        "the speeds of the departure": exact.at(EIGHT + (_FROM_H - 8) * HOUR),
        "the slowest hours": Matrix(used.max(0), exact.metres),
    }
    plans: dict[str, list[Plan]] = {}
    for search, roads in searches.items():
        plans[search] = [_plan(problem, roads, seed) for seed, problem in enumerate(problems)]
    own = "each place at its hours"
    plans[own] = [
        _plan(problem, search_matrix(problem, exact), seed) for seed, problem in enumerate(problems)
    ]
    mended = [_plan(problem, exact, seed) for seed, problem in enumerate(problems)]
    for search, some in plans.items():
        yield Figure(
            bench="hours",
            figure=f"broken by the hour, searched on {search}{name}",
            value=_a_thousand(problems, some, exact),
            unit="/1000",
        )
    yield Figure(
        bench="hours",
        figure=f"broken or left out, searched by the hour and mended{name}",
        value=_a_thousand(problems, mended, exact),
        unit="/1000",
        peer=f"not mended: {own}",
        peer_value=_a_thousand(problems, plans[own], exact),
    )
    yield Figure(
        bench="hours",
        figure=f"the same plans at each hour's own speeds{name}",
        value=_a_thousand(problems, mended, hours.hourly),
        unit="/1000",
        goal=0.0,
    )
    yield Figure(
        bench="hours",
        figure=f"price of the mended plans{name}",
        value=_price(problems, mended, exact),
        unit="s",
        peer="searched on the slowest hours",
        peer_value=_price(problems, plans["the slowest hours"], exact),
    )


def _plan(problem: Problem, roads: Travel, seed: int) -> Plan:
    plan = solve(SolveRequest(problem=problem, seconds=_SECONDS, seed=seed + 1), roads)
    if found := check(problem, roads, plan):
        raise RuntimeError(f"a plan that breaks its rules: {found[0].text}")
    return plan


def _a_thousand(problems: Sequence[Problem], plans: Sequence[Plan], travel: Travel) -> float:
    """Orders that come late or not at all, of a thousand, when each leg is driven at its hour."""
    broken = 0
    for problem, plan in zip(problems, plans, strict=True):
        jobs = {job.id: job for job in problem.jobs}
        broken += len(plan.unserved)
        for van, steps in zip(problem.vehicles, sequences_of(plan, problem), strict=True):
            visits = timed(problem, travel, van, steps).route.visits
            broken += sum(
                visit.kind == "delivery" and lateness_s(jobs[visit.job], visit.start) > 0
                for visit in visits
            )
    return round(1_000 * broken / sum(len(problem.jobs) for problem in problems), 2)


def _price(problems: Sequence[Problem], plans: Sequence[Plan], travel: Travel) -> float:
    prices = [
        price_of(problem, plan_of(problem, travel, sequences_of(plan, problem), plan.unserved, ""))
        for problem, plan in zip(problems, plans, strict=True)
    ]
    return round(statistics.median(prices))


def _timing(problem: Problem, hours: Hours) -> Iterator[Figure]:
    plan = _plan(problem, hours.classed, 1)
    sequences = sequences_of(plan, problem)
    plain = search_matrix(problem, hours.classed)
    works: dict[str, Callable[[Travel], object]] = {
        "timing": lambda roads: plan_of(problem, roads, sequences, (), ""),
        "checking": lambda roads: check(problem, roads, plan),
    }
    for what, work in works.items():
        by_hour, on_one = (median_s(partial(_anew, work, one)) for one in (hours.classed, plain))
        yield Figure(
            bench="hours",
            figure=f"{what} a plan of {_ORDERS} stops by the hour",
            value=round(1e3 * by_hour, 2),
            unit="ms",
            peer="on one matrix",
            peer_value=round(1e3 * on_one, 2),
        )


def _anew(work: Callable[[Travel], object], travel: Travel) -> None:
    """Do it with a matrix by which nothing was driven yet: a route is timed once by each."""
    work(copy(travel))


async def _engines(roads: Roads, segments: Segments, factors: Sequence[Floats]) -> Iterator[Figure]:
    """What classes of hours hold beside the newest speeds, and what asking all of them takes."""
    problem = evening(1)
    points = [Point(one.lat, one.lon) for one in problem.locations]
    of_hour = classes_of(segments, factors)
    for number, factor in enumerate(_means(factors, of_hour)):
        kmh = speeds_now(segments, factors=[factor])
        await roads.desk.publish(data_set(number), lines(segments, kmh))
    roads.desk.write_week(Week(zone=ZONE, classes=tuple(of_hour) * 3))
    begins, ends = problem.vehicles[0].available_from, problem.vehicles[0].shift_end
    alone, all_of_them = [], []
    async with (
        roads.client() as now,
        TimedRoads(roads.folder / "roads", url_of(roads.port)) as timed_roads,
    ):
        for _ in range(5):
            begun = time.perf_counter()
            await now.table(points)
            alone.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            await timed_roads.table(points, begins - 8 * HOUR, ends, begins - 8 * HOUR)
            all_of_them.append(time.perf_counter() - begun)
    own, mapped = [], []
    for pid in roads.engines():
        process = psutil.Process(pid)
        if data_set(0)[:-1] in " ".join(process.cmdline()):
            held = process.memory_full_info()
            own.append(held.uss / _MB)
            mapped.append(held.pss / _MB)
    return iter(
        [
            Figure(
                bench="hours",
                figure=f"{len(points)} x {len(points)} tables of now and three classes of hours",
                value=round(statistics.median(all_of_them), 2),
                unit="s",
                peer="of now alone",
                peer_value=round(statistics.median(alone), 2),
            ),
            Figure(
                bench="hours",
                figure=f"memory of a class of hours, {len(segments):,} segments, its own",
                value=round(statistics.mean(own), 1),
                unit="MB",
                peer="with its part of what engines share",
                peer_value=round(statistics.mean(mapped), 1),
            ),
        ]
    )
