"""A vehicle on its way: seconds in, position, speed and course out.

The whole drive is laid out when it begins: how fast each point may be passed (streets, bends,
halts, braking distance), then when it is reached. What happens at time t is looked up, so any
clock speed gives the same drive, and one seed always the same one.
"""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from math import radians, sqrt
from random import Random
from typing import Final, NamedTuple

from sim.geodesy import Point, bearing_deg, between, distance_m
from sim.streets import Path
from sim.traffic import Traffic

ACCELERATION_MPS2: Final = 1.2
BRAKING_MPS2: Final = 1.47
"""Below 0.15 g: Hoberock, "A survey of longitudinal acceleration comfort studies in ground
transportation vehicles", J. Dyn. Sys. Meas. Control 99 (1977); a loaded van starts more slowly."""

SIDEWAYS_MPS2: Final = 2.0
"""Comfortable in a bend: side friction 0.2, AASHTO "A Policy on Geometric Design", low speeds."""

_BEND_REACH_M: Final = 15.0
"""A corner of two long legs is driven as an arc that begins so far before it."""

_PACE_DEVIATION: Final = 0.1
"""Drivers differ from the free speed by this share: speedDev of SUMO's default vehicle types."""

_WAIT_SHARE: Final = 0.35
_WAIT_MEAN_S: Final = 15.0
"""Control delay where a larger street is met: level of service B to C (10 to 25 s) of the Highway
Capacity Manual 2010; the share of such meetings that stop a van is an assumption."""


class Motion(NamedTuple):
    """Where a vehicle is and how it moves: degrees, m/s, degrees clockwise from north."""

    lat: float
    lon: float
    speed_mps: float
    course_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A straight leg: speeds up from ``from_mps`` to ``top_mps``, then brakes to ``to_mps``."""

    starts_s: float
    start: Point
    end: Point
    length_m: float
    course_deg: float
    from_mps: float
    top_mps: float
    to_mps: float

    @property
    def speeding_up_s(self) -> float:
        """How long it speeds up."""
        return (self.top_mps - self.from_mps) / ACCELERATION_MPS2

    @property
    def braking_s(self) -> float:
        """How long it brakes at the end."""
        return (self.top_mps - self.to_mps) / BRAKING_MPS2

    @property
    def steady_s(self) -> float:
        """How long it keeps its top speed."""
        up_m = self.speeding_up_s * (self.from_mps + self.top_mps) / 2
        down_m = self.braking_s * (self.top_mps + self.to_mps) / 2
        return max(0.0, self.length_m - up_m - down_m) / self.top_mps

    @property
    def lasts_s(self) -> float:
        """Seconds from its start to its end."""
        return self.speeding_up_s + self.steady_s + self.braking_s

    def after(self, seconds: float) -> tuple[float, float]:
        """Metres done and speed, ``seconds`` after its start; it stands at its end afterwards."""
        up_s, steady_s = self.speeding_up_s, self.steady_s
        if seconds < up_s:
            speed = self.from_mps + ACCELERATION_MPS2 * seconds
            return seconds * (self.from_mps + speed) / 2, speed
        metres = up_s * (self.from_mps + self.top_mps) / 2
        if seconds < up_s + steady_s:
            return metres + (seconds - up_s) * self.top_mps, self.top_mps
        braking_s = seconds - up_s - steady_s
        if braking_s >= self.braking_s:
            return self.length_m, self.to_mps if braking_s < self.braking_s + 1e-6 else 0.0
        speed = self.top_mps - BRAKING_MPS2 * braking_s
        return metres + steady_s * self.top_mps + braking_s * (self.top_mps + speed) / 2, speed


class Drive:
    """One drive along a path, from standing to standing."""

    def __init__(
        self,
        path: Path,
        *,
        rng: Random,
        course_deg: float = 0.0,
        traffic: Traffic | None = None,
        leaves_s: float = 0.0,
    ) -> None:
        """Lay it out; ``course_deg`` is where the vehicle looks when the path leads nowhere.

        With ``traffic`` each point is met as it is when a vehicle that leaves at ``leaves_s`` comes
        there; without it the streets are empty.
        """
        self._end = path.points[-1]
        self._course_deg = course_deg
        self.distance_m = path.distance_m
        self._legs = _legs(path, rng, traffic, leaves_s)
        self._starts = [leg.starts_s for leg in self._legs]
        last = self._legs[-1] if self._legs else None
        self.lasts_s = last.starts_s + last.lasts_s if last else 0.0

    def left(self, seconds: float) -> float:
        """The share of its way that lies ahead ``seconds`` after it left, 1 to 0.

        That is what can be seen of a drive; the share of its time only who knows its end can tell.
        """
        if not self._legs or seconds >= self.lasts_s:
            return 0.0
        number = max(0, bisect_right(self._starts, seconds) - 1)
        leg = self._legs[number]
        metres, _ = leg.after(max(0.0, seconds - leg.starts_s))
        ahead_m = sum(each.length_m for each in self._legs[number + 1 :])
        whole_m = sum(each.length_m for each in self._legs)
        return (ahead_m + max(0.0, leg.length_m - metres)) / max(1.0, whole_m)

    def at(self, seconds: float) -> Motion:
        """Where the vehicle is ``seconds`` after it left; at the end it stands."""
        if not self._legs or seconds >= self.lasts_s:
            course = self._legs[-1].course_deg if self._legs else self._course_deg
            return Motion(*self._end, 0.0, course)
        leg = self._legs[max(0, bisect_right(self._starts, seconds) - 1)]
        metres, speed = leg.after(max(0.0, seconds - leg.starts_s))
        point = between(leg.start, leg.end, min(1.0, metres / leg.length_m))
        return Motion(*point, speed, leg.course_deg)


def _legs(path: Path, rng: Random, traffic: Traffic | None, leaves_s: float) -> list[Leg]:
    points, limits, waits = _laid_out(path, rng, traffic, leaves_s)
    lengths = [distance_m(one, other) for one, other in pairwise(points)]
    courses = [bearing_deg(one, other) for one, other in pairwise(points)]
    speeds = _passing_speeds(lengths, limits, courses, waits)
    legs: list[Leg] = []
    clock_s = 0.0
    for index, length_m in enumerate(lengths):
        leg = Leg(
            starts_s=clock_s,
            start=points[index],
            end=points[index + 1],
            length_m=length_m,
            course_deg=courses[index],
            from_mps=speeds[index],
            top_mps=_top_speed(length_m, limits[index], speeds[index], speeds[index + 1]),
            to_mps=speeds[index + 1],
        )
        legs.append(leg)
        clock_s += leg.lasts_s + waits[index + 1]
    return legs


def _laid_out(
    path: Path, rng: Random, traffic: Traffic | None, leaves_s: float
) -> tuple[list[Point], list[float], list[float]]:
    """Points at least half a metre apart, this drive's speed on each leg, the wait at each one."""
    pace = min(1.0, max(0.6, rng.gauss(1.0 - _PACE_DEVIATION, _PACE_DEVIATION)))
    points, limits, waits = [path.points[0]], list[float](), [0.0]
    at_s = leaves_s
    for index, point in enumerate(path.points[1:]):
        length_m = distance_m(points[-1], point)
        if length_m < 0.5:
            continue
        must_wait = path.gives_way[index + 1] and rng.random() < _WAIT_SHARE
        limit_mps = path.speeds_mps[index] * pace
        if traffic is not None:
            limit_mps /= traffic.slowness(at_s, points[-1], path.kinds[index])
        points.append(point)
        limits.append(limit_mps)
        waits.append(rng.expovariate(1 / _WAIT_MEAN_S) if must_wait else 0.0)
        at_s += length_m / limit_mps + waits[-1]
    waits[-1] = 0.0
    return points, limits, waits


def _passing_speeds(
    lengths: list[float], limits: list[float], courses: list[float], waits: list[float]
) -> list[float]:
    """How fast each point is passed, so that every bend, halt and limit ahead can be kept."""
    speeds = [0.0] * len(waits)
    for index in range(1, len(lengths)):
        if waits[index] == 0.0:
            reach_m = min((lengths[index - 1] + lengths[index]) / 2, _BEND_REACH_M)
            bend_rad = radians(abs((courses[index] - courses[index - 1] + 180) % 360 - 180))
            bend_mps = sqrt(SIDEWAYS_MPS2 * reach_m / max(bend_rad, 1e-3))
            speeds[index] = min(limits[index - 1], limits[index], bend_mps)
    for index, length_m in enumerate(lengths):
        reachable = sqrt(speeds[index] ** 2 + 2 * ACCELERATION_MPS2 * length_m)
        speeds[index + 1] = min(speeds[index + 1], reachable)
    for index in reversed(range(len(lengths))):
        stoppable = sqrt(speeds[index + 1] ** 2 + 2 * BRAKING_MPS2 * lengths[index])
        speeds[index] = min(speeds[index], stoppable)
    return speeds


def _top_speed(length_m: float, limit_mps: float, from_mps: float, to_mps: float) -> float:
    gain, loss = ACCELERATION_MPS2, BRAKING_MPS2
    peak = (2 * gain * loss * length_m + loss * from_mps**2 + gain * to_mps**2) / (gain + loss)
    return max(from_mps, to_mps, min(limit_mps, sqrt(peak)))
