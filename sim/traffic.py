"""How much longer a street takes than when it is empty: by hour, by place, by the day, by incident.

All of it is drawn from a seed and from nothing of the product. Where a number has a source it is
named; the rest are assumptions that stood here before any forecast was judged by them.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from math import exp, floor
from random import Random
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sim.geodesy import Point, distance_m
from sim.streets import Streets

EXTRA_BY_HOUR: Final = (
    (0.0, 0.05), (6.0, 0.10), (7.0, 0.40), (8.5, 0.73), (10.0, 0.40), (12.0, 0.40), (13.5, 0.50),
    (16.0, 0.45), (18.5, 0.88), (20.0, 0.35), (22.0, 0.10), (24.0, 0.05),
)  # fmt: skip
"""Hour of a working day, and the extra share of travel time then.

TomTom Traffic Index 2017 for Santiago de Chile: +73 % from 8 to 9, +88 % from 18 to 19, +43 % as a
mean over the day. The points between are laid so that the mean of the driven hours is that.
"""

_WEEKEND_SHARE: Final = 0.4
_CITY_SHARE: Final = 0.6
"""Of Santiago's congestion that a city of half a million has: an assumption."""

_SMALL_STREET_SHARE: Final = 0.35
_LARGE: Final = frozenset({"motorway", "trunk", "primary", "secondary"})
"""Small streets fill up less: an assumption."""

_DAY_DEVIATION: Final = 0.15
"""From one day to the next, of the extra share (rain, holidays, school): an assumption."""

_QUARTER_DEG: Final = 0.01
_QUARTER_DEVIATION: Final = 0.4
"""About a kilometre of town has the same extra each day, and others more or less of it."""

_PLACES: Final = 500
_INCIDENTS_A_DAY: Final = 4.0
_INCIDENT_REACH_M: Final = 350.0
_INCIDENT_S: Final = 2_700.0
_INCIDENT_EXTRA: Final = 2.0
"""Crashes, works, a broken-down lorry: assumptions. 45 minutes is within what handbooks of incident
management tell of urban arterials (30 to 90 minutes)."""


class Incident(NamedTuple):
    """Something that blocks a place for a while; ``extra`` is the share of travel time added."""

    point: Point
    from_s: float
    to_s: float
    reach_m: float
    extra: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficTruth:
    """Which traffic a simulated city has; the variants that benches run differ in these.

    Attributes:
        strength: of the weekly pattern; 0 is a city without one.
        shifted_h: the pattern comes so many hours later.
        noise: of everything that no pattern explains (days, incidents); 1 is as assumed.
    """

    strength: float = 1.0
    shifted_h: float = 0.0
    noise: float = 1.0


class Traffic:
    """The traffic of one city: the same for one seed, at each instant and place."""

    def __init__(
        self, *, zone: str, seed: str, around: Sequence[Point], truth: TrafficTruth
    ) -> None:
        """``around`` are places where incidents may happen, such as crossings of larger streets."""
        self._zone = ZoneInfo(zone)
        self._seed = seed
        self._around = around
        self._truth = truth
        self._day = lru_cache(maxsize=16)(self._day_of)
        self._quarter = lru_cache(maxsize=10_000)(self._quarter_of)

    def slowness(self, at_s: float, point: Point, kind: str) -> float:
        """How many times as long as when empty a street of class ``kind`` takes; at least 1."""
        local = datetime.fromtimestamp(at_s, self._zone)
        day = self._day(local.toordinal())
        hour = local.hour + local.minute / 60 + local.second / 3600 - self._truth.shifted_h
        extra = _extra(hour % 24) * self._truth.strength * _CITY_SHARE
        if local.weekday() >= 5:
            extra *= _WEEKEND_SHARE
        if kind not in _LARGE:
            extra *= _SMALL_STREET_SHARE
        extra *= day.factor * self._quarter(*_cell(point))
        extra += sum(
            one.extra
            for one in day.incidents
            if one.from_s <= at_s < one.to_s and distance_m(one.point, point) < one.reach_m
        )
        return 1.0 + extra

    def incidents(self, at_s: float) -> tuple[Incident, ...]:
        """Those of the local day that holds ``at_s``."""
        return self._day(datetime.fromtimestamp(at_s, self._zone).toordinal()).incidents

    def _day_of(self, ordinal: int) -> "_Day":
        rng = Random(f"{self._seed} traffic {ordinal}")
        begins_s = datetime.combine(
            datetime.fromordinal(ordinal), datetime.min.time(), self._zone
        ).timestamp()
        factor = exp(rng.gauss(0.0, _DAY_DEVIATION * self._truth.noise))
        made = []
        wait_s = 86_400 / _INCIDENTS_A_DAY / max(1e-9, self._truth.noise)
        from_s = begins_s + rng.expovariate(1 / wait_s)
        while self._around and from_s < begins_s + 86_400:
            made.append(
                Incident(
                    point=rng.choice(self._around),
                    from_s=from_s,
                    to_s=from_s + rng.expovariate(1 / _INCIDENT_S),
                    reach_m=_INCIDENT_REACH_M,
                    extra=_INCIDENT_EXTRA * rng.uniform(0.5, 1.5),
                )
            )
            from_s += rng.expovariate(1 / wait_s)
        return _Day(factor, tuple(made))

    def _quarter_of(self, row: int, column: int) -> float:
        rng = Random(f"{self._seed} quarter {row} {column}")
        return exp(rng.gauss(0.0, _QUARTER_DEVIATION))


class _Day(NamedTuple):
    factor: float
    incidents: tuple[Incident, ...]


def crossings(streets: Streets) -> list[Point]:
    """Places on larger streets, a few hundred at most, where incidents may happen."""
    found = sorted(
        {
            streets.point(tail)
            for (tail, _), part in streets.segments.items()
            if part.street.kind in _LARGE
        }
    )
    return found[:: max(1, len(found) // _PLACES)]


def _extra(hour: float) -> float:
    hours = [at for at, _ in EXTRA_BY_HOUR]
    later = min(len(hours) - 1, bisect_right(hours, hour))
    (from_h, low), (to_h, high) = EXTRA_BY_HOUR[later - 1], EXTRA_BY_HOUR[later]
    return low + (high - low) * (hour - from_h) / (to_h - from_h)


def _cell(point: Point) -> tuple[int, int]:
    return floor(point[0] / _QUARTER_DEG), floor(point[1] / _QUARTER_DEG)
