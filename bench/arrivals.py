"""Arrivals forecast on held-out days of the simulated city, beside the plan's own times.

The fleet learns from the first days and is judged by the rest. Variants of the city (without a
weekly pattern, with twice the noise, with the pattern shifted after the learning) must do no worse
than the plan's own times either.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from bench.figure import Figure, median_s
from bench.lived import City, Distances, KeptPlan, day_script, lived
from cloud.planning.day import Route, Stop
from cloud.planning.eta import Underway, forecast, underway, visited
from cloud.planning.pace import Pace, learned
from sim.day import LivedDay, Rates
from sim.opening import ZONE
from sim.traffic import TrafficTruth
from tests.parts.roads_engine import roads_engine

NAME: Final = "eta"
_ZONE: Final = ZoneInfo(ZONE)
_LEARNED: Final = 5
_DAYS: Final = 10
_ORDERS: Final = 100
_VANS: Final = 7
_SEEDS: Final = (1, 2, 3, 4, 5)
_PLAN_S: Final = 0.5
_EACH_S: Final = 1_200.0
_TOLERATED: Final = 4.0
"""Percent that the share of arrivals inside p10 to p90 may lie off 80: our own choice."""
_OVERTIME_S: Final = 7_200.0
_NEAR_S: Final = 3_600.0
_EARLY_S: Final = 600.0
_RATES: Final = Rates(urgent=0.0, called_off=0.03, breakdown=0.0)
_VARIANTS: Final = {
    "no weekly pattern": TrafficTruth(strength=0.0),
    "twice the noise": TrafficTruth(noise=2.0),
    "pattern 2 h later than learned": TrafficTruth(shifted_h=2.0),
}


class Judged(NamedTuple):
    """One forecast of one arrival and what came; instants, and how far ahead it was."""

    ahead_s: float
    p10: float
    p50: float
    p90: float
    naive: float
    came: float

    @property
    def is_inside(self) -> bool:
        """Whether it came between p10 and p90."""
        return self.p10 <= self.came <= self.p90


def run() -> Iterator[Figure]:
    """Measure."""
    city = City.read()
    with roads_engine() as engine:
        plain = TrafficTruth()
        whole = [_judged(city, engine.url, seed, plain, plain) for seed in _SEEDS]
        inside: list[float] = [100 * _share_inside(judged) for judged in whole]
        yield Figure(
            bench=NAME, figure="arrivals inside p10 to p90, held-out days, median of 5 seeds",
            value=round(statistics.median(inside), 1), unit="%",
        )  # fmt: skip
        yield Figure(
            bench=NAME, figure="the same, furthest from 80 of the seeds",
            value=round(80 + max((each - 80 for each in inside), key=abs), 1), unit="%",
        )  # fmt: skip
        yield Figure(
            bench=NAME, figure="how far that is from 80, median of the seeds",
            value=round(statistics.median(abs(each - 80) for each in inside), 1), unit="points",
            goal=_TOLERATED,
        )  # fmt: skip
        every = [one for judged in whole for one in judged]
        yield _error("within the hour", [one for one in every if one.ahead_s <= _NEAR_S])
        yield _error("all day", every)
        for named, truth in _VARIANTS.items():
            taught = plain if truth.shifted_h else truth
            judged = _judged(city, engine.url, 1, taught, truth)
            yield _error(named, judged)
            yield Figure(
                bench=NAME, figure=f"arrivals inside p10 to p90, {named}",
                value=round(100 * _share_inside(judged), 1), unit="%",
            )  # fmt: skip
        script = day_script(city, number=0, orders=_ORDERS, vans=_VANS, rates=_RATES, seed=1)
        plan = KeptPlan(script, Distances(engine.url, script), seconds=_PLAN_S, seed=1).plan
        van = underway(plan.routes[0], _ZONE, script.begins_s)
        yield Figure(
            bench=NAME, figure=f"one van's forecast of {len(van.ahead)} stops",
            value=round(1000 * median_s(lambda: forecast(van, Pace()), runs=51), 2), unit="ms",
        )  # fmt: skip


def _judged(
    city: City, url: str, seed: int, taught: TrafficTruth, truth: TrafficTruth
) -> list[Judged]:
    """Every forecast of the held-out days by what the days before them have shown."""
    days = []
    for number in range(_DAYS):
        script = day_script(
            city, number=number, orders=_ORDERS, vans=_VANS, rates=_RATES, seed=seed
        )
        planner = KeptPlan(script, Distances(url, script), seconds=_PLAN_S, seed=seed)
        traffic = city.traffic(taught if number < _LEARNED else truth, seed=f"city {seed}")
        days.append((lived(script, city, traffic, planner), planner))
    pace = learned(
        [visited(route, _ZONE) for _, planner in days[:_LEARNED] for route in planner.plan.routes]
    )
    return [
        judged
        for day, planner in days[_LEARNED:]
        for route in planner.plan.routes
        for judged in _of_route(day, route, pace)
    ]


def _of_route(day: LivedDay, route: Route, pace: Pace) -> Iterator[Judged]:
    came = {stop.id: stop.arrived_at for stop in route.stops if stop.arrived_at is not None}
    off = {one.id: one.called_off_s for one in day.script.errands if one.called_off_s is not None}
    halts = {halt.task.stop_id: halt for halt in day.halts if halt.van == route.vehicle_id}
    now = route.starts_at + _EACH_S
    while now < route.ends_at + _OVERTIME_S:
        then = _as_at(route, now, off)
        if not then.open_stops:
            return
        halt, left = halts.get(then.open_stops[0].id), 1.0
        if halt is not None and halt.drive is not None and halt.left_s < now < halt.arrived_s:
            left = halt.drive.left(now - halt.left_s)
        van = underway(then, _ZONE, now, left)
        naive = _by_plan(van)
        for eta in forecast(van, pace):
            at = came.get(eta.stop_id)
            if at is None:
                continue
            yield Judged(at - now, eta.p10, eta.p50, eta.p90, naive[eta.stop_id], at)
        now += _EACH_S


def _as_at(route: Route, now: float, off: Mapping[str, float]) -> Route:
    """The route as it stood; what was called off later was still on it."""

    def is_on_it(stop: Stop) -> bool:
        has_come = stop.arrived_at is not None and stop.arrived_at <= now
        return has_come or any(off.get(order, inf) > now for order in stop.order_ids)

    def seen(stop: Stop) -> Stop:
        if stop.arrived_at is None or stop.arrived_at > now:
            return replace(stop, state="open", arrived_at=None, done_at=None)
        if stop.done_at is None or stop.done_at > now:
            return replace(stop, state="arrived", done_at=None)
        return stop

    return replace(route, stops=tuple(seen(stop) for stop in route.stops if is_on_it(stop)))


def _by_plan(van: Underway) -> dict[str, float]:
    """Arrivals when every leg and service takes what was planned from now on."""
    found = dict[str, float]()
    free = van.now
    for place, stop in enumerate(van.ahead):
        arrival = van.arrived_at if place == 0 and van.arrived_at is not None else None
        if arrival is None:
            arrival = free + stop.leg_s * stop.left
            arrival = max(arrival, (stop.opens or 0.0) - _EARLY_S)
        found[stop.stop_id] = arrival
        free = max(van.now, max(arrival, stop.opens or 0.0) + stop.service_s)
    return found


def _share_inside(judged: Sequence[Judged]) -> float:
    return statistics.fmean(one.is_inside for one in judged)


def _error(named: str, judged: Sequence[Judged]) -> Figure:
    naive_s = round(statistics.fmean(abs(one.naive - one.came) for one in judged))
    return Figure(
        bench=NAME,
        figure=f"mean absolute error, {named}",
        value=round(statistics.fmean(abs(one.p50 - one.came) for one in judged)),
        unit="s",
        goal=naive_s,
        peer="the plan's own times",
        peer_value=naive_s,
    )
