"""Drives in a street canyon, put onto the streets: the share of metres on the right one.

The drives are the simulation's, on its own graph and paths. A receiver between high houses is off
by 20 m (root mean square), and stays off to the same side for a while: errors of reflected signals
are correlated over tens of seconds (Gauss-Markov, 20 s).
"""

import asyncio
from collections.abc import Iterator, Sequence
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
            found, right = asyncio.run(_right(engine.url, streets, error_m))
            for what, share in (
                ("driven metres that were matched", found),
                ("matched metres that were driven", right),
            ):
                yield Figure(
                    bench="matching",
                    figure=f"{what}, errors of {error_m:g} m",
                    value=round(100 * share, 2),
                    unit="%",
                    goal=goal,
                    better="more",
                )


async def _right(url: str, streets: Streets, error_m: float) -> tuple[float, float]:
    """The share of what was driven that was matched, and of what was matched that was driven."""
    rng = Random(7)
    found, right = _Share(), _Share()
    async with RoadsClient(url, lane="bulk") as roads:
        done = 0
        while done < _DRIVES:
            truth = _path(streets, rng)
            if truth is None:
                continue
            done += 1
            fixes, at_s = _fixes(truth, error_m, rng)
            hops = await roads.match(fixes, at_s, accuracy_m=error_m)
            driven = _each(list(truth.points))
            matched = [
                place for hop in hops for place in _each([(lat, lon) for lon, lat in hop.line])
            ]
            found.count(driven, matched)
            right.count(matched, driven)
    return found.value, right.value


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


class _Share:
    """The share of places of some lines that have others beside them."""

    def __init__(self) -> None:
        self._beside = self._all = 0

    def count(self, places: Sequence[Place], others: Sequence[Place]) -> None:
        """Count the places of one more line."""
        cells: dict[tuple[int, int], list[Place]] = {}
        for place in others:
            cells.setdefault(_cell(place), []).append(place)
        for place in places:
            row, column = _cell(place)
            near = (
                other
                for cell in ((row + up, column + on) for up in (-1, 0, 1) for on in (-1, 0, 1))
                for other in cells.get(cell, ())
            )
            self._beside += any(hypot(*offset_m(place, other)) <= _BESIDE_M for other in near)
        self._all += len(places)

    @property
    def value(self) -> float:
        return self._beside / self._all


def _each(line: Sequence[Place]) -> list[Place]:
    """A place each five metres."""
    found: list[Place] = []
    for one, other in pairwise(line):
        parts = max(1, round(hypot(*offset_m(one, other)) / _STEP_M))
        for at in range(parts):
            share = at / parts
            found.append(
                (one[0] + (other[0] - one[0]) * share, one[1] + (other[1] - one[1]) * share)
            )
    return found


def _cell(place: Place) -> tuple[int, int]:
    return round(place[0] / 1e-4), round(place[1] / 1e-4)
