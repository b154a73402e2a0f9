"""What the product has learned of a simulated city on the days before those that are judged.

On the first days it plans by the speeds of empty streets and learns from the fixes how streets go
at which hour. On the next ones it plans by that, and learns its fleet's pace and what its forecasts
were worth, as it does after some weeks.
"""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from bench.lived import LEARNED_NOTHING, KeptPlan, lived
from bench.replanned import Replanned
from bench.simulated_days import City, day_script
from bench.taught import TravelTimes, met, teach
from cloud.planning.arrivals import Learned
from cloud.planning.eta import visited
from cloud.planning.lag import Lag, lag_of
from cloud.planning.pace import Visited, learned
from cloud.planning.worth import Judged, worth_of
from cloud.roads.segments import read_segments
from sim.day import LivedDay
from sim.happenings import Rates
from sim.opening import ZONE
from sim.traffic import Traffic
from tests.parts.roads_engine import demo_city
from tests.roads.test_keeper import Roads

_OF_STREETS: Final = 5
_OF_PACE: Final = 2
_PLAN_S: Final = 0.3
_RATES: Final = Rates(urgent=0.06, called_off=0.03, breakdown=0.0)


class Shown(NamedTuple):
    """What a fleet's days have shown: each route's stops, and how its forecasts came true."""

    routes: tuple[Sequence[Visited], ...] = ()
    judged: tuple[Judged, ...] = ()

    def with_day(self, planner: KeptPlan) -> "Shown":
        """The same with one day more."""
        zone = ZoneInfo(ZONE)
        routes = (visited(route, zone) for route in planner.plan.routes)
        return Shown((*self.routes, *routes), (*self.judged, *planner.judged()))

    @property
    def lag(self) -> Lag:
        """How much later than forecast its vans came."""
        return lag_of(self.judged)

    @property
    def learned(self) -> Learned:
        """What the product learns of it."""
        return Learned(learned(self.routes), worth_of(self.judged), ZoneInfo(ZONE))


class Before:
    """The days before: where they are, and how many orders and vans each has."""

    def __init__(
        self, roads: Roads, city: City, traffic: Traffic, *, orders: int, vans: int, seed: int
    ) -> None:
        self._roads = roads
        self._city = city
        self._traffic = traffic
        self._orders, self._vans, self._seed = orders, vans, seed

    def teach_streets(self) -> None:
        """Live the first days; the roads' process then has the speeds of the hours."""
        first = range(-_OF_STREETS - _OF_PACE, -_OF_PACE)
        driven = [self._lived(number, KeptPlan, LEARNED_NOTHING)[0] for number in first]
        segments = read_segments(demo_city())
        rng = Random(f"{self._seed} fixes")
        hours = asyncio.run(met(self._roads, segments, driven, rng))
        asyncio.run(teach(self._roads, segments, hours, driven[-1].script.ends_s))

    def show_pace(self) -> Shown:
        """Live the next ones under the product's planning."""
        shown = Shown()
        for number in range(-_OF_PACE, 0):
            known = shown.learned if shown.routes else LEARNED_NOTHING
            shown = shown.with_day(self._lived(number, Replanned, known)[1])
        return shown

    def _lived(self, number: int, way: type[KeptPlan], known: Learned) -> tuple[LivedDay, KeptPlan]:
        script = day_script(
            self._city, number=number, orders=self._orders, vans=self._vans, rates=_RATES,
            seed=self._seed,
        )  # fmt: skip
        times = TravelTimes(self._roads, script)
        planner = way(script, times, seconds=_PLAN_S, seed=self._seed, learned=known)
        return lived(script, self._city, self._traffic, planner), planner
