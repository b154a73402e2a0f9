"""What a driver does all day: follows the newest route, loads, waits, serves, reports.

Everything a driver knows of the plan comes from the REST interface with the driver's own token, and
is asked again before each decision. What happens at a door is drawn from the seed and the stop's
id, so it does not depend on when, how often or over which restart it is asked.
"""

import logging
from collections.abc import Sequence
from math import pi, sin
from random import Random
from typing import Final

from sim.api import Api, Json, RefusedError, rfc3339, seconds_of
from sim.clock import SimulatedClock
from sim.driving import Drive
from sim.geodesy import Point, distance_m
from sim.streets import Streets, StreetsError
from sim.traffic import Traffic
from sim.world import Van

_LOADING_S: Final = 12.0
"""To find, scan and stow one parcel: an assumption."""

_SPREAD: Final = 4.0
_LONGEST: Final = 5.0
"""Service times are log-logistic, which fits best in five US cities (Calderón, Regal-Ludowieg and
Holguín-Veras, "Factors influencing service times for urban deliveries in the United States",
Transportation Research A 207, 2026). Shape 4, a coefficient of variation of about one half, and the
cut at five times the mean are assumptions."""

_NOT_HOME_SHARE: Final = 0.05
"""Failed first attempts: up to 20 % in B2C (Lim, Wang and Webster 2023); these had a window."""

_IDLE_POLL_S: Final = 5.0
"""Really: how often a driver without anything to do looks at the phone."""

_AT_PLACE_M: Final = 40.0

_EARLY_S: Final = 300.0
"""Drivers want to stand at the door this long before its window opens: an assumption."""

log = logging.getLogger(__name__)


def next_stop(route: Json) -> Json | None:
    """The stop a driver is at, or else the first open one; None when all is done."""
    stops = [stop for stop in route["stops"] if stop["state"] != "done"]
    stops.sort(key=lambda stop: (stop["state"] != "arrived", stop["position"]))
    return stops[0] if stops else None


def service_s(planned_s: float, rng: Random) -> float:
    """How long the door really takes, log-logistic around a mean of ``planned_s``."""
    median = planned_s * sin(pi / _SPREAD) / (pi / _SPREAD)
    share = min(1 - 1e-9, max(1e-9, rng.random()))
    factor = float((share / (1 - share)) ** (1 / _SPREAD))
    return min(_LONGEST * planned_s, median * factor)


def is_home(rng: Random) -> bool:
    """Whether somebody opens."""
    return rng.random() >= _NOT_HOME_SHARE


class Driver:
    """One driver with one van."""

    def __init__(
        self,
        *,
        van: Van,
        api: Api,
        streets: Streets,
        traffic: Traffic,
        clock: SimulatedClock,
        depot: Point,
        seed: int,
    ) -> None:
        """``api`` speaks with the driver's token."""
        self._van = van
        self._api = api
        self._streets = streets
        self._traffic = traffic
        self._clock = clock
        self._depot = depot
        self._seed = seed
        self._drives = 0
        self.is_back = False
        """At the depot, with nothing left to do today as far as the driver knows."""

    async def work(self) -> None:
        """Work for ever: route after route."""
        while True:
            try:
                await self._take_next_step()
            except (RefusedError, KeyError, TypeError, ValueError, StreetsError) as error:
                log.warning("driver could not go on: van=%s error=%r", self._van.name, error)
                await self._wait_really(_IDLE_POLL_S)

    async def _take_next_step(self) -> None:
        route = await self._route()
        stop = next_stop(route) if route else None
        if route is None or stop is None:
            await self._go_home()
            await self._wait_really(_IDLE_POLL_S)
            return
        wait_s = seconds_of(route["shift"]["starts_at"]) - self._clock.now_s()
        if wait_s > 0:
            self.is_back = True
            await self._wait_really(min(_IDLE_POLL_S, self._clock.rate.real_delay_s(wait_s)))
            return
        self.is_back = False
        await self._make(stop)

    async def _route(self) -> Json | None:
        try:
            return await self._api.get("drivers/me/route")
        except RefusedError as error:
            if error.status == 404:
                return None
            raise

    async def _make(self, stop: Json) -> None:
        """Drive to a stop, report the arrival, do what is to be done there, report the outcome."""
        early_s = self._early_s(stop)
        if early_s > 0:
            await self._wait_really(min(_IDLE_POLL_S, self._clock.rate.real_delay_s(early_s)))
            return
        await self._drive_to((stop["lat"], stop["lon"]))
        if stop["state"] == "open":
            stop = {**stop, **await self._report(stop, "arrive")}
        arrived_s = seconds_of(stop["arrived_at"]) if stop.get("arrived_at") else 0.0
        if stop["kind"] == "pickup":
            await self._load(stop["parcel_ids"])
            await self._report(stop, "outcome", outcome="picked_up")
        else:
            await self._serve(stop, arrived_s or self._clock.now_s())

    def _early_s(self, stop: Json) -> float:
        """How long it is too early to set out: a driver knows the window of the next door."""
        window = stop.get("window") or {}
        if stop["state"] != "open" or not window.get("from"):
            return 0.0
        now_s = self._clock.now_s()
        motion = self._van.motion(now_s)
        here = self._streets.nearest((motion.lat, motion.lon))
        there = self._streets.nearest((stop["lat"], stop["lon"]))
        drive = Drive(
            self._streets.path(here, there),
            rng=self._luck("estimate"),
            traffic=self._traffic,
            leaves_s=now_s,
        )
        return seconds_of(window["from"]) - _EARLY_S - drive.lasts_s - now_s

    async def _load(self, parcels: Sequence[str]) -> None:
        for parcel in parcels:
            await self._clock.sleep(_LOADING_S)
            await self._api.post(f"parcels/{parcel}/load")

    async def _serve(self, stop: Json, arrived_s: float) -> None:
        window = stop.get("window") or {}
        begins_s = max(arrived_s, seconds_of(window["from"]) if window.get("from") else 0.0)
        rng = self._luck(stop["id"])
        await self._clock.sleep_until(begins_s + service_s(float(stop["service_s"]), rng))
        orders = stop["order_ids"] if len(stop["order_ids"]) > 1 else [None]
        for order in orders:
            words = {"outcome": "delivered"}
            if not is_home(rng):
                words = {"outcome": "failed", "reason": "not_home"}
            if order is not None:
                words["order_id"] = order
            await self._report(stop, "outcome", **words)

    async def _report(self, stop: Json, what: str, **words: str) -> Json:
        at = rfc3339(self._clock.now_s())
        return await self._api.post(f"stops/{stop['id']}/{what}", {**words, "at": at})

    async def _go_home(self) -> None:
        await self._drive_to(self._depot)
        self.is_back = True

    async def _drive_to(self, goal: Point) -> None:
        now_s = self._clock.now_s()
        motion = self._van.motion(now_s)
        here = self._streets.nearest((motion.lat, motion.lon))
        there = self._streets.nearest(goal)
        if distance_m((motion.lat, motion.lon), there.point) < _AT_PLACE_M:
            return
        self._drives += 1
        rng = self._luck(f"{there.point}{self._drives}")
        drive = Drive(
            self._streets.path(here, there),
            rng=rng,
            course_deg=motion.course_deg,
            traffic=self._traffic,
            leaves_s=now_s,
        )
        self._van.leave(drive, now_s)
        await self._clock.sleep_until(now_s + drive.lasts_s)

    async def _wait_really(self, seconds: float) -> None:
        await self._clock.sleep(max(0.5, seconds) * self._clock.rate.speed)

    def _luck(self, of: str) -> Random:
        return Random(f"{self._seed} {self._van.name} {of}")
