"""Arrivals forecast on held-out days of the simulated city, beside the plan's own times.

Each day is forecast by what the days before it have shown, as the product learns: its pace, and
what its forecasts were worth. The first days only teach; the later ones are judged. Variants of the
city (no weekly pattern, twice the noise, the pattern two hours later than it was learned) must do
no worse than the plan's own times either.

``ROUNDSMAN_DAYS`` (10, of which the first half teaches) and ``ROUNDSMAN_SEEDS`` (5) bound it.
"""

import os
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import inf
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from bench.days_before import Before
from bench.figure import Figure, median_s
from bench.lived import KeptPlan, lived
from bench.side_by_side import seeds, side_by_side
from bench.simulated_days import City, day_script
from bench.taught import TravelTimes
from cloud.planning.arrivals import Learned, forecast_of, holds
from cloud.planning.day_plan import Route, Stop
from cloud.planning.eta import Ahead, Underway, forecast, underway, visited
from cloud.planning.pace import ASSUMED, Pace, Shown, Visited, learned
from cloud.planning.worth import Eta, Judged, Worth, put_right, worth_noting, worth_of
from sim.day import LivedDay
from sim.happenings import Rates
from sim.opening import ZONE
from sim.traffic import TrafficTruth
from tests.parts.roads_engine import demo_city
from tests.roads.test_keeper import roads_process

NAME: Final = "eta"
_ZONE: Final = ZoneInfo(ZONE)
_DAYS: Final = 10
_ORDERS: Final = 100
_VANS: Final = 7
_PLAN_S: Final = 0.3
_EACH_S: Final = 1_200.0
_NOTED_EACH: Final = 6
"""Of the forecasts each 20 minutes, as of two hours in the product."""
_TOLERATED: Final = 4.0
"""Percent that the share of arrivals inside p10 to p90 may lie off 80: our own choice."""
_OVERTIME_S: Final = 7_200.0
_EARLY_S: Final = 300.0
"""So long before a window opens the drivers of the simulation aim to be there."""
_RATES: Final = Rates(urgent=0.0, called_off=0.03, breakdown=0.0)
_PLAIN: Final = TrafficTruth()
_VARIANTS: Final = {
    "no weekly pattern": (TrafficTruth(strength=0.0), TrafficTruth(strength=0.0)),
    "twice the noise": (TrafficTruth(noise=2.0), TrafficTruth(noise=2.0)),
    "pattern 2 h later than learned": (_PLAIN, TrafficTruth(shifted_h=2.0)),
}
_HORIZONS: Final = {
    "next stop": (0.0, 0.0),
    "within 1 h": (0.0, 3_600.0),
    "1 to 3 h ahead": (3_600.0, 10_800.0),
    "more than 3 h ahead": (10_800.0, inf),
    "all day": (0.0, inf),
}
_STOPS: Final = 40


class Forecasted(NamedTuple):
    """One forecast of one arrival and what came; instants, and how far ahead it was said to be."""

    is_next: bool
    ahead_s: float
    said: Eta
    uncorrected: Eta
    naive: float
    came: float


@dataclass(frozen=True, slots=True)
class Asked:
    """A run of days: its seed, and which traffic teaches and judges."""

    seed: int
    taught: TrafficTruth = _PLAIN
    truth: TrafficTruth = _PLAIN


def run() -> Iterator[Figure]:
    """Measure."""
    demo_city()
    plain = [Asked(seed) for seed in seeds()]
    variants = [Asked(1, taught, truth) for taught, truth in _VARIANTS.values()]
    found = side_by_side(judged_days, [*plain, *variants])
    whole = found[: len(plain)]
    yield from _calibration(whole)
    every = [one for judged in whole for one in judged]
    for horizon in _HORIZONS:
        yield from _of_horizon(horizon, [one for one in every if _is_within(one, horizon)])
    for named, judged in zip(_VARIANTS, found[len(plain) :], strict=True):
        yield _error(named, judged)
        yield Figure(
            bench=NAME, figure=f"inside p10 to p90, {named}",
            value=round(100 * _inside(judged), 1), unit="%",
        )  # fmt: skip
    yield from _costs()


def _calibration(whole: Sequence[Sequence[Forecasted]]) -> Iterator[Figure]:
    inside: list[float] = [100 * _inside(judged) for judged in whole]
    yield Figure(
        bench=NAME, figure="inside p10 to p90, held-out days, median of seeds",
        value=round(statistics.median(inside), 1), unit="%",
    )  # fmt: skip
    yield Figure(
        bench=NAME, figure="the same, furthest from 80 of the seeds",
        value=round(80 + max((each - 80 for each in inside), key=abs), 1), unit="%",
    )  # fmt: skip
    before = [100 * _inside(judged, is_corrected=False) for judged in whole]
    yield Figure(
        bench=NAME, figure="how far that is from 80, median of the seeds",
        value=round(statistics.median(abs(each - 80) for each in inside), 1), unit="points",
        goal=_TOLERATED, peer="not put right by what forecasts were worth",
        peer_value=round(statistics.median(abs(each - 80) for each in before), 1),
    )  # fmt: skip


def _of_horizon(horizon: str, judged: Sequence[Forecasted]) -> Iterator[Figure]:
    yield Figure(
        bench=NAME, figure=f"inside p10 to p90, {horizon}", value=round(100 * _inside(judged), 1),
        unit="%", peer="not put right",
        peer_value=round(100 * _inside(judged, is_corrected=False), 1),
    )  # fmt: skip
    yield Figure(
        bench=NAME, figure=f"mean width of p10 to p90, {horizon}",
        value=round(statistics.fmean(one.said.p90 - one.said.p10 for one in judged)), unit="s",
        peer="not put right",
        peer_value=round(statistics.fmean(o.uncorrected.p90 - o.uncorrected.p10 for o in judged)),
    )  # fmt: skip
    yield _error(horizon, judged)


def _is_within(one: Forecasted, horizon: str) -> bool:
    low, high = _HORIZONS[horizon]
    return one.is_next if high == 0.0 else low <= one.ahead_s < high


def _inside(judged: Sequence[Forecasted], *, is_corrected: bool = True) -> float:
    said = [(one.said if is_corrected else one.uncorrected, one.came) for one in judged]
    return statistics.fmean(eta.p10 <= came <= eta.p90 for eta, came in said)


def _error(named: str, judged: Sequence[Forecasted]) -> Figure:
    naive_s = round(statistics.fmean(abs(one.naive - one.came) for one in judged))
    return Figure(
        bench=NAME, figure=f"mean absolute error, {named}",
        value=round(statistics.fmean(abs(one.said.p50 - one.came) for one in judged)), unit="s",
        goal=naive_s, peer="the plan's own times", peer_value=naive_s,
    )  # fmt: skip


@cache
def _city() -> City:
    return City.read()


def judged_days(asked: Asked) -> list[Forecasted]:
    """Every forecast of the held-out days by what the days before them have shown."""
    days = int(os.environ.get("ROUNDSMAN_DAYS", str(_DAYS)))
    truths = [asked.taught] * (days // 2) + [asked.truth] * (days - days // 2)
    traffics = [_city().traffic(truth, seed=f"city {asked.seed}") for truth in truths]
    shown = list[Sequence[Visited]]()
    noted, found = list[Judged](), list[Forecasted]()
    with tempfile.TemporaryDirectory() as folder, roads_process(Path(folder)) as roads:
        Before(
            roads, _city(), traffics[0], orders=_ORDERS, vans=_VANS, seed=asked.seed
        ).teach_streets()
        for number, traffic in enumerate(traffics):
            script = day_script(
                _city(), number=number, orders=_ORDERS, vans=_VANS, rates=_RATES, seed=asked.seed
            )
            planner = KeptPlan(script, TravelTimes(roads, script), seconds=_PLAN_S, seed=asked.seed)
            day = lived(script, _city(), traffic, planner)
            pace, worth = learned(shown), worth_of(noted)
            for route in planner.plan.routes:
                judged, kept = _of_route(day, route, pace, worth)
                noted += kept
                found += judged if number >= days // 2 else []
                shown.append(visited(route, _ZONE))
    print(f"  seed {asked.seed}: {100 * _inside(found):.1f} % inside p10 to p90", flush=True)
    return found


def _of_route(
    day: LivedDay, route: Route, pace: Pace, worth: Worth
) -> tuple[list[Forecasted], list[Judged]]:
    """What was forecast of one van's day, and what of it is kept to learn from."""
    came = {stop.id: stop.arrived_at for stop in route.stops if stop.arrived_at is not None}
    found, kept = list[Forecasted](), list[Judged]()
    for number, van in enumerate(_as_it_went(day, route)):
        raw = tuple(eta for eta in forecast(van, pace) if eta.stop_id in came)
        naive = _by_plan(van)
        for place, (eta, said) in enumerate(zip(raw, put_right(raw, van.now, worth), strict=True)):
            ahead_s = said.p50 - van.now
            found.append(
                Forecasted(place == 0, ahead_s, said, eta, naive[eta.stop_id], came[eta.stop_id])
            )
        for eta in worth_noting(raw, van.now).values() if number % _NOTED_EACH == 0 else ():
            of = eta.p50 - van.now, eta.p10, eta.p50, eta.p90, came[eta.stop_id]
            kept.append(Judged(route.service_date, route.id, *of))
    return found, kept


def _as_it_went(day: LivedDay, route: Route) -> Iterator[Underway]:
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
        yield underway(then, _ZONE, now, left)
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


def _costs() -> Iterator[Figure]:
    """What a forecast of a long route takes."""
    van = Underway(
        now=1.79e9, leaves=1.79e9, arrived_at=None, shown=(Shown(300.0, 350.0, 9.0),) * 20,
        ahead=tuple(
            Ahead(
                stop_id=f"stop-{at}", leg_s=200.0 + 10 * at, service_s=180.0,
                opens=1.79e9 + 600.0 * at if at % 3 == 0 else None,
            )
            for at in range(_STOPS)
        ),
    )  # fmt: skip
    learned_nothing = Learned(ASSUMED, Worth(), _ZONE)
    made = forecast_of(van, learned_nothing)
    yield Figure(
        bench=NAME, figure=f"a fix that matters: {_STOPS} stops forecast anew",
        value=round(1e6 * median_s(lambda: forecast_of(van, learned_nothing), runs=101)),
        unit="us", goal=2_000.0,
    )  # fmt: skip
    yield Figure(
        bench=NAME, figure="a fix that does not: the forecast still holds",
        value=round(1e6 * median_s(lambda: holds(made, van), runs=101, inner=20)), unit="us",
    )  # fmt: skip
