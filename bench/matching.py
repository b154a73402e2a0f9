"""Drives in a street canyon, put onto the streets: the share of metres on the right one.

The drives are the simulation's, on its own graph and paths. A receiver between high houses is off
by 20 m (root mean square), and stays off to the same side for a while: errors of reflected signals
are correlated over tens of seconds (Gauss-Markov, 20 s).
"""

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from math import exp, hypot, sqrt
from random import Random

from bench.figure import Figure
from cloud.roads.client import RoadsClient
from cloud.roads.model import Point
from sim.driving import Drive
from sim.geodesy import offset_m
from sim.streets import Path, Streets, StreetsError
from tests.parts.roads_engine import DEMO_EXTRACT, roads_engine

type Place = tuple[float, float]

_ERROR_M = 20.0
_LASTS_S = 20.0
_EVERY_M = 20.0
_BESIDE_M = 6.0
_STEP_M = 5.0
_DRIVES = 25
_METRES_A_DEGREE = 111_195.0


def run() -> Iterator[Figure]:
    """Right metres with errors of 20 m, and of 5 m beside."""
    streets = Streets.read(DEMO_EXTRACT)
    with roads_engine() as engine:
        for error_m, goal in ((_ERROR_M, 98.0), (5.0, None)):
            right_m, all_m = asyncio.run(_right(engine.url, streets, error_m))
            yield Figure(
                bench="matching",
                figure=f"metres on the right street, errors of {error_m:g} m",
                value=round(100 * right_m / all_m, 2),
                unit="%",
                goal=goal,
                better="more",
            )


async def _right(url: str, streets: Streets, error_m: float) -> tuple[float, float]:
    rng = Random(7)
    right_m = all_m = 0.0
    async with RoadsClient(url, lane="bulk") as roads:
        done = 0
        while done < _DRIVES:
            truth = _path(streets, rng)
            if truth is None:
                continue
            done += 1
            fixes, at_s = _fixes(truth, error_m, rng)
            hops = await roads.match(fixes, at_s, accuracy_m=error_m)
            line = [(lat, lon) for hop in hops for lon, lat in hop.line]
            right, whole = _shared(truth.points, line)
            right_m, all_m = right_m + right, all_m + whole
    return right_m, all_m


def _path(streets: Streets, rng: Random) -> Path | None:
    centre = streets.nearest((-29.9082, -71.2489)).point
    ends = [
        (centre[0] + rng.uniform(-0.03, 0.03), centre[1] + rng.uniform(-0.03, 0.03))
        for _ in range(2)
    ]
    try:
        found = streets.path(*(streets.nearest(end) for end in ends))
    except (StreetsError, IndexError):
        return None
    return found if found.distance_m > 1_000 else None


def _fixes(truth: Path, error_m: float, rng: Random) -> tuple[list[Point], list[int]]:
    drive = Drive(truth, rng=rng)
    kept, sigma = exp(-1 / _LASTS_S), error_m / sqrt(2)
    east, north = rng.gauss(0, sigma), rng.gauss(0, sigma)
    fixes: list[Point] = []
    at_s: list[int] = []
    last: Place | None = None
    for second in range(int(drive.lasts_s)):
        motion = drive.at(second)
        east = kept * east + rng.gauss(0, sigma * sqrt(1 - kept**2))
        north = kept * north + rng.gauss(0, sigma * sqrt(1 - kept**2))
        lat = motion.lat + north / _METRES_A_DEGREE
        lon = motion.lon + east / (_METRES_A_DEGREE * 0.867)
        if last is None or hypot(*offset_m(last, (lat, lon))) >= _EVERY_M:
            last = (lat, lon)
            fixes.append(Point(lat, lon))
            at_s.append(second)
    return fixes, at_s


def _shared(truth: tuple[Place, ...], line: list[Place]) -> tuple[float, float]:
    """Metres of the truth that have the matched line beside them, and all of them."""
    cells: dict[tuple[int, int], list[Place]] = {}
    for place in _each(line):
        cells.setdefault(_cell(place), []).append(place)
    right = whole = 0
    for place in _each(list(truth)):
        whole += 1
        row, column = _cell(place)
        near = (
            other
            for cell in ((row + up, column + on) for up in (-1, 0, 1) for on in (-1, 0, 1))
            for other in cells.get(cell, ())
        )
        right += any(hypot(*offset_m(place, other)) <= _BESIDE_M for other in near)
    return right * _STEP_M, whole * _STEP_M


def _each(line: list[Place]) -> Iterator[Place]:
    for one, other in pairwise(line):
        parts = max(1, round(hypot(*offset_m(one, other)) / _STEP_M))
        for at in range(parts):
            share = at / parts
            yield one[0] + (other[0] - one[0]) * share, one[1] + (other[1] - one[1]) * share


def _cell(place: Place) -> tuple[int, int]:
    return round(place[0] / 1e-4), round(place[1] / 1e-4)
