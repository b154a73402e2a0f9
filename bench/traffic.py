"""Learned speeds: how much of the arrival error goes on held-out days, and how soon they hold.

The truth is the simulation's: its own graph, paths and drivers, slowed by the hour, by the street
and by the day. The profile never sees it; the learner sees fixes each five seconds with an error
of 4 m. Rush-hour factors are assumptions of the size that traffic indices tell of towns (a half to
nine tenths more time on main streets); variants without a pattern, and with twice the
noise of days must not do worse than the profile either.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from math import exp
from pathlib import Path as File
from random import Random
from typing import NamedTuple

from bench.city_days import doors
from bench.figure import Figure
from cloud.roads.client import RoadsClient
from cloud.roads.engine import url_of
from cloud.roads.keeper import NOW, PLAIN, ports_in_force
from cloud.roads.learning import Met, Passage, gathered, learn, passages
from cloud.roads.model import Point
from cloud.roads.segments import Segments, read_segments
from cloud.roads.speeds import lines, speeds_now
from sim.driving import Drive
from sim.geodesy import moved
from sim.streets import SPEED_MPS, Path, Streets, StreetsError
from tests.parts.roads_engine import DEMO_EXTRACT, demo_city
from tests.roads.test_keeper import Roads, roads_process

_HOURS = (8, 13, 18)
_DAYS = 5
_TRIPS = 14
"""In each hour of each day: what three vans drive."""
_HELD_OUT = 24
_DEPOT = (-29.9082, -71.2489)
_FAST_MPS = SPEED_MPS["tertiary"]


class World(NamedTuple):
    """How traffic is: time over free, by hour, on main streets and on others; spread of days."""

    main: dict[int, float]
    side: dict[int, float]
    day_sigma: float = 0.1


_WORLDS = {
    "as it is": World({8: 1.7, 13: 1.2, 18: 1.9}, {8: 1.25, 13: 1.1, 18: 1.3}),
    "no pattern": World(dict.fromkeys(_HOURS, 1.0), dict.fromkeys(_HOURS, 1.0)),
    "twice the noise": World({8: 1.7, 13: 1.2, 18: 1.9}, {8: 1.25, 13: 1.1, 18: 1.3}, 0.2),
}


def run() -> Iterator[Figure]:
    """Error before and after in each world; seconds from a learned speed to a matrix."""
    streets, segments = Streets.read(DEMO_EXTRACT), read_segments(demo_city())
    with tempfile.TemporaryDirectory() as folder, roads_process(File(folder)) as roads:
        for name, world in _WORLDS.items():
            before, after = asyncio.run(_errors(roads, streets, segments, world))
            yield Figure(
                bench="traffic",
                figure=f"mean error of an arrival, held-out day, {name}",
                value=round(after, 1),
                unit="s",
                goal=round(before * (0.9 if name == "as it is" else 1.0), 1),
                peer="travel profile",
                peer_value=round(before, 1),
            )
        soon_s, matrix_s = asyncio.run(_soon(roads, segments))
        yield Figure(
            bench="traffic",
            figure="learned speeds of all streets to a 200 x 200 matrix",
            value=round(soon_s, 2),
            unit="s",
            goal=2.0,
            peer="the matrix alone",
            peer_value=round(matrix_s, 2),
        )


async def _errors(
    roads: Roads, streets: Streets, segments: Segments, world: World
) -> tuple[float, float]:
    rng = Random(11)
    plain = url_of(ports_in_force(roads.folder / "roads")[PLAIN])
    hours: list[tuple[int, Met]] = []
    async with RoadsClient(plain, lane="bulk") as engine:
        for day in range(_DAYS):
            for hour in _HOURS:
                factor = exp(rng.gauss(0, world.day_sigma))
                found: list[Passage] = []
                for _ in range(_TRIPS):
                    found += await _driven(engine, _trip(streets, world, hour, factor, rng), rng)
                hours.append((day * 86_400 + hour * 3_600, gathered(segments, found)))
    pattern = learn(segments, hours, lambda at_s: at_s // 3_600 % 24, _DAYS * 86_400)
    before: list[float] = []
    after: list[float] = []
    for hour in _HOURS:
        factor = exp(rng.gauss(0, world.day_sigma))
        await roads.desk.publish(
            NOW, lines(segments, speeds_now(segments, factors=[pattern.factor(hour)]))
        )
        async with roads.client() as learned, RoadsClient(plain) as profile:
            for _ in range(_HELD_OUT):
                path = _trip(streets, world, hour, factor, rng)
                truth_s = Drive(path, rng=rng).lasts_s
                ends = [Point(*path.points[0]), Point(*path.points[-1])]
                before.append(abs((await profile.route(ends)).seconds - truth_s))
                after.append(abs((await learned.route(ends)).seconds - truth_s))
    return statistics.mean(before), statistics.mean(after)


def _trip(streets: Streets, world: World, hour: int, factor: float, rng: Random) -> Path:
    while True:
        ends = [
            moved(_DEPOT, east_m=rng.gauss(0, 1_800), north_m=rng.gauss(0, 1_800)) for _ in range(2)
        ]
        try:
            path = streets.path(*(streets.nearest(end) for end in ends))
        except (StreetsError, IndexError):
            continue
        if path.distance_m > 800:
            return _slowed(path, world, hour, factor)


def _slowed(path: Path, world: World, hour: int, factor: float) -> Path:
    speeds = []
    for (one, other), speed in zip(pairwise(path.points), path.speeds_mps, strict=True):
        usual = (world.main if speed >= _FAST_MPS else world.side)[hour]
        own = exp(Random(f"{one}{other}").gauss(0, 0.15))
        speeds.append(speed / (usual * own * factor))
    return replace(path, speeds_mps=tuple(speeds))


async def _driven(engine: RoadsClient, path: Path, rng: Random) -> list[Passage]:
    drive = Drive(path, rng=rng)
    at_s = list(range(0, int(drive.lasts_s), 5))
    points = []
    for second in at_s:
        motion = drive.at(second)
        here = (motion.lat, motion.lon)
        points.append(Point(*moved(here, east_m=rng.gauss(0, 4), north_m=rng.gauss(0, 4))))
    return passages(await engine.match(points, at_s, with_nodes=True), [float(s) for s in at_s])


async def _soon(roads: Roads, segments: Segments) -> tuple[float, float]:
    """From learned factors to the first 200 x 200 matrix that uses them; and the matrix alone."""
    places = [Point(one.lat, one.lon) for one in doors(demo_city(), 200, Random(1))]
    took: list[float] = []
    alone: list[float] = []
    async with roads.client() as client:
        for round_ in range(5):
            begun = time.perf_counter()
            kmh = speeds_now(segments, factors=[segments.kmh * 0 + 1.1 + 0.1 * round_])
            await roads.desk.publish(NOW, lines(segments, kmh))
            await client.table(places)
            took.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            await client.table(places)
            alone.append(time.perf_counter() - begun)
    return statistics.median(took), statistics.median(alone)
