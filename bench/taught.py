"""Speeds of the hours as the product learns them: from fixes of days that were driven before.

The fixes are those of a receiver with the simulation's error (`sim.receiver`), each five seconds;
the product matches them onto its streets, learns, makes classes of hours and publishes these. What
vans meet in the last minutes (the data set ``now``) is left out, for all ways of planning alike.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from random import Random
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from cloud.planning.problem import Location
from cloud.roads.client import RoadsClient
from cloud.roads.engine import url_of
from cloud.roads.hours import TimedMatrix, Week, bucket
from cloud.roads.keeper import PLAIN, ports_in_force
from cloud.roads.learning import Met, Passage, classes, gathered, learn, passages
from cloud.roads.model import Point
from cloud.roads.segments import Segments
from cloud.roads.speeds import lines, speeds_now
from cloud.roads.timed import TimedRoads, data_set
from sim.day import LivedDay
from sim.geodesy import moved
from sim.happenings import HOUR_S, Script
from sim.opening import ZONE
from sim.receiver import NoiseModel, RedNoise
from tests.roads.test_keeper import Roads

_FIX_EACH_S: Final = 5
_CLASSES: Final = 3
"""Of hours, as the product makes them (`cloud.traffic`)."""
_BEFORE_S: Final = HOUR_S
_AFTER_S: Final = 4 * HOUR_S


class _Seen(NamedTuple):
    """A fix: where and when."""

    point: Point
    at_s: int


async def met(
    roads: Roads, segments: Segments, days: Iterable[LivedDay], rng: Random
) -> list[tuple[int, Met]]:
    """What vans met, hour by hour, as their fixes tell when they are put onto the streets."""
    found: dict[int, list[Passage]] = defaultdict(list)
    plain = url_of(ports_in_force(roads.folder / "roads")[PLAIN])
    async with RoadsClient(plain, lane="bulk") as engine:
        for day in days:
            for drive in _drives(day, rng):
                for hour, some in groupby(drive, key=lambda seen: seen.at_s // 3_600):
                    fixes = list(some)
                    if len(fixes) < 3:
                        continue
                    points, at_s = [one.point for one in fixes], [one.at_s for one in fixes]
                    hops = await engine.match(points, at_s, with_nodes=True)
                    found[hour * 3_600] += passages(hops, [float(one) for one in at_s])
    return [(hour_s, gathered(segments, some)) for hour_s, some in sorted(found.items())]


def _drives(day: LivedDay, rng: Random) -> Iterator[list[_Seen]]:
    """Of each leg that was driven to its end what the receiver saw."""
    model = NoiseModel()
    for halt in day.halts:
        if halt.drive is None:
            continue
        east, north = (
            RedNoise(deviation=model.horizontal_m, correlation_s=model.correlation_s, rng=rng)
            for _ in range(2)
        )
        seen = []
        for second in range(0, int(halt.drive.lasts_s) + 1, _FIX_EACH_S):
            motion = halt.drive.at(second)
            off = {"east_m": east.advance(_FIX_EACH_S), "north_m": north.advance(_FIX_EACH_S)}
            here = Point(*moved((motion.lat, motion.lon), **off))
            seen.append(_Seen(here, int(halt.left_s) + second))
        yield seen


async def teach(
    roads: Roads, segments: Segments, hours: Sequence[tuple[int, Met]], now_s: float
) -> None:
    """Put what was met into force as classes of hours."""
    zone = ZoneInfo(ZONE)
    pattern = learn(segments, hours, lambda at_s: bucket(datetime.fromtimestamp(at_s, zone)), now_s)
    of_hour = classes(pattern, _CLASSES)
    for number in range(_CLASSES):
        kmh = speeds_now(segments, factors=[pattern.mean(of_hour, number)])
        await roads.desk.publish(data_set(number), lines(segments, kmh))
    roads.desk.write_week(Week(zone=ZONE, classes=tuple(of_hour)))


class TravelTimes:
    """Travel times by the hour between all places of a day, asked for once.

    While nothing was learned the speeds of empty streets hold at every hour.
    """

    def __init__(self, roads: Roads, script: Script) -> None:
        places = [script.depot, *(one.door for one in script.errands)]
        self._at: Mapping[tuple[float, float], int] = {
            place: at for at, place in enumerate(dict.fromkeys(places))
        }
        self._roads = roads
        self._span = int(script.begins_s - _BEFORE_S), int(script.ends_s + _AFTER_S)
        self._whole = self._ask()

    def between(self, locations: Sequence[Location]) -> TimedMatrix:
        """Those between the locations of a problem."""
        places = [(one.lat, one.lon) for one in locations]
        new = [place for place in places if place not in self._at]
        if new:  # a van that broke down stands where no door is
            self._at = {**self._at, **{one: len(self._at) + at for at, one in enumerate(new)}}
            self._whole = self._ask()
        return self._whole.cut([self._at[place] for place in places])

    def _ask(self) -> TimedMatrix:
        async def ask() -> TimedMatrix:
            folder, now = self._roads.folder / "roads", url_of(self._roads.port)
            async with TimedRoads(folder, now) as timed:
                points = [Point(*place) for place in self._at]
                table = await timed.table(points, *self._span)
                if timed.problem:
                    raise RuntimeError(timed.problem)
                return table

        return asyncio.run(ask())
