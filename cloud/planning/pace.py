"""How long drives and services really take against the plan: learned from what was done. Pure.

A drive planned as ``leg_s`` takes ``start_s + leg_s * exp(pace + hour + day + leg)``: a constant
for pulling out and finding a place to stand; what the whole fleet shows; what the hour of the day
adds; what one van's day has in common (driver, weather, traffic of the day); and each leg's own
luck, which is larger on short legs. A service takes ``service_s * exp(service + door + luck)``:
what the whole fleet shows, and what a door that was served before has shown of itself.

Every learned number is shrunk toward what is assumed while little was seen, and no single leg or
service weighs much: a lunch at the wheel or a forgotten tap on the phone is no pace.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import erfc, exp, expm1, log, sqrt
from statistics import NormalDist, fmean, median
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    type Floats = npt.NDArray[np.float64]

_OUTLIER: Final = 1.2
"""Residuals beyond it (a factor of 3.3) are taken as this large."""
LEAST_S: Final = 5.0
"""A shorter leg is none: it is neither learned from nor made longer."""

_MOST_SPREAD: Final = 1.0
_LEGS_BELIEVED: Final = 30.0
"""Legs of a fleet after which what was seen counts as much as what is assumed."""
_HOURS_BELIEVED: Final = 15.0
_DAYS_BELIEVED: Final = 6.0
_SERVICES_BELIEVED: Final = 20.0
_DOORS_BELIEVED: Final = 20.0
_WAITS_BELIEVED: Final = 5.0
_LONG_LEG_S: Final = 240.0
_SURELY_WAITED_S: Final = 300.0
_MOST_DEVIATIONS: Final = 4.0
_NORMAL: Final = NormalDist()


type Door = tuple[float, float]
"""A place by latitude and longitude in degrees, to about a metre; see `door_at`."""


def door_at(lat: float, lon: float) -> Door:
    """The door at a place."""
    return round(lat, 5), round(lon, 5)


class Shown(NamedTuple):
    """A leg that was driven: planned and real seconds, and the local hour when it began."""

    leg_s: float
    took_s: float
    hour: float


class Served(NamedTuple):
    """A service that was done: planned and real seconds, and at which door."""

    planned_s: float
    took_s: float
    door: "Door | None"


class Visited(NamedTuple):
    """A stop that is done, as one day's record has it.

    Attributes:
        leg_s: planned drive from the stop before; None when nobody knows where it began.
        left_s: the instant when the stop before was done; None for the first stop of a day.
        hour: local, at ``left_s``.
        opens: of its window. door: where it was.
    """

    leg_s: float | None
    left_s: float | None
    hour: float
    arrived_s: float
    done_s: float
    service_s: float
    opens: float | None
    door: Door | None = None


class DayOfVan(NamedTuple):
    """How one van's day goes against the fleet's pace: normal, in logarithms."""

    mean: float
    spread: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What is known of a fleet; the defaults are what is assumed before anything was seen.

    Attributes:
        start_s: of each leg, whatever its length.
        drive, by_hour: logarithm of real against planned driving, and what each local hour adds.
        day_spread, leg_spread: deviations of a van's day and of a long leg. floor_s: what a short
            leg varies by at least.
        service, service_spread: logarithm of real against planned service, and its deviation.
        doors: what a door that was served before adds to ``service``; at such a door the luck
            deviates by ``at_known_door``.
        early_s, early_spread_s: how long before a window opens drivers stand at the door.
    """

    start_s: float = 20.0
    drive: float = 0.10
    by_hour: tuple[float, ...] = (0.0,) * 24
    day_spread: float = 0.10
    leg_spread: float = 0.18
    floor_s: float = 30.0
    service: float = -0.10
    service_spread: float = 0.45
    doors: Mapping[Door, float] = field(default_factory=dict)
    at_known_door: float = 0.45
    early_s: float = 300.0
    early_spread_s: float = 120.0

    def day_of(self, shown: Sequence[Shown]) -> DayOfVan:
        """How a van's day goes by the legs it has shown today."""
        weight, pull = 1.0 / self.day_spread**2, 0.0
        for one in shown:
            if one.leg_s >= LEAST_S:
                trust = 1.0 / self._leg_spread(one.leg_s) ** 2
                weight += trust
                pull += trust * self.residual(one)
        return DayOfVan(pull / weight, 1.0 / sqrt(weight))

    def residual(self, one: Shown) -> float:
        """Logarithm of how much longer than expected a leg took, outliers held."""
        expected = one.leg_s * exp(self.drive + self.by_hour[int(one.hour) % 24])
        residual = log(max(LEAST_S, one.took_s - self.start_s) / max(LEAST_S, expected))
        return _held(residual)

    def drives(self, legs_s: Sequence[float], today: "Floats", draws: "Floats") -> "Floats":
        """Real seconds of legs but for ``start_s`` and ``by_hour``: a row of walks for each."""
        import numpy as np

        legs = np.array(legs_s)[:, None]
        short = legs < LEAST_S
        spread = np.sqrt(self.leg_spread**2 + (self.floor_s / np.maximum(legs, LEAST_S)) ** 2)
        exponent = self.drive + today + np.minimum(_MOST_SPREAD, spread) * draws
        took: Floats = legs * np.exp(np.where(short, 0.0, exponent))
        return took

    def services(
        self, planned_s: Sequence[float], doors: Sequence[Door | None], draws: "Floats"
    ) -> "Floats":
        """Real seconds of services: a row of walks for each."""
        import numpy as np

        shifts = [None if door is None else self.doors.get(door) for door in doors]
        middle = np.array([self.service + (shift or 0.0) for shift in shifts])[:, None]
        spread = np.array(
            [self.service_spread if shift is None else self.at_known_door for shift in shifts]
        )[:, None]
        took: Floats = np.array(planned_s)[:, None] * np.exp(middle + spread * draws)
        return took

    def rest_of_service_s(self, planned_s: float, door: Door | None, so_far_s: float) -> float:
        """What is still to come of a service that has lasted so long, as likely more as less.

        Who has stood much longer than planned is not about to leave: the longer it has lasted the
        longer it will last.
        """
        shift = self.doors.get(door) if door is not None else None
        spread = self.service_spread if shift is None else self.at_known_door
        usual_s = max(1.0, planned_s) * exp(self.service + (shift or 0.0))
        if so_far_s <= 0.0:
            return usual_s
        at = min(_MOST_DEVIATIONS, log(so_far_s / usual_s) / spread)
        longer = 0.5 * erfc(at / sqrt(2.0))
        return so_far_s * expm1(spread * (_NORMAL.inv_cdf(1.0 - longer / 2.0) - at))

    def _leg_spread(self, leg_s: float) -> float:
        return min(_MOST_SPREAD, sqrt(self.leg_spread**2 + (self.floor_s / leg_s) ** 2))


ASSUMED: Final = Pace()


def learned(days: Iterable[Sequence[Visited]]) -> Pace:
    """The pace of a fleet: of each van and date the stops in the order in which they were done."""
    seen = [day for day in days if day]
    legs = [shown(day) for day in seen]
    whole = [leg for day in legs for leg in day]
    services = [_served(stop) for day in seen for stop in day if stop.service_s > 0]
    waits = [wait for day in seen for stop in day if (wait := _wait_of(stop)) is not None]
    return _with_waits(_with_services(_with_legs(ASSUMED, whole, legs), services), waits)


def shown(day: Sequence[Visited]) -> tuple[Shown, ...]:
    """The legs of a day that tell of its pace."""
    return tuple(leg for stop in day if (leg := _leg_of(stop)) is not None)


def _leg_of(stop: Visited) -> Shown | None:
    """The leg to a stop, unless nobody knows it or the van may have waited for the window."""
    if stop.leg_s is None or stop.left_s is None or stop.leg_s < LEAST_S:
        return None
    took_s = stop.arrived_s - stop.left_s
    if took_s < 0 or (stop.opens is not None and stop.arrived_s < stop.opens):
        return None
    return Shown(stop.leg_s, took_s, stop.hour)


def _wait_of(stop: Visited) -> float | None:
    """How long before its window a van came that would have been there much earlier."""
    if stop.leg_s is None or stop.left_s is None or stop.opens is None:
        return None
    could_s = stop.left_s + 1.5 * stop.leg_s
    if stop.opens - could_s < _SURELY_WAITED_S * 3 or stop.arrived_s - could_s < _SURELY_WAITED_S:
        return None
    return stop.opens - stop.arrived_s


def _served(stop: Visited) -> Served:
    begin = stop.arrived_s if stop.opens is None else max(stop.arrived_s, stop.opens)
    return Served(stop.service_s, max(1.0, stop.done_s - begin), stop.door)


def _with_legs(pace: Pace, legs: Sequence[Shown], days: Sequence[Sequence[Shown]]) -> Pace:
    if not legs:
        return pace
    pace = _with_hours(_with_level(pace, legs), legs)
    residuals = [(one.leg_s, pace.residual(one)) for one in legs]
    long = [residual for leg_s, residual in residuals if leg_s >= _LONG_LEG_S]
    short = [
        (leg_s * residual) ** 2 - (leg_s * pace.leg_spread) ** 2
        for leg_s, residual in residuals
        if leg_s < _LONG_LEG_S
    ]
    day_variance = _between_days(pace, days)
    leg_variance = fmean(each**2 for each in long) - day_variance if long else 0.0
    floor2 = fmean(short) if short else pace.floor_s**2
    return replace(
        pace,
        day_spread=sqrt(_shrunk(day_variance, len(days), pace.day_spread**2, _DAYS_BELIEVED)),
        leg_spread=sqrt(
            _shrunk(max(0.01**2, leg_variance), len(long), pace.leg_spread**2, _LEGS_BELIEVED)
        ),
        floor_s=sqrt(_shrunk(max(25.0, floor2), len(short), pace.floor_s**2, _LEGS_BELIEVED)),
    )


def _with_level(pace: Pace, legs: Sequence[Shown]) -> Pace:
    """``start_s`` and ``drive`` by medians of short and of long legs, which no outlier moves."""
    by_length = sorted(legs)
    third = max(1, len(by_length) // 3)
    short, long = by_length[:third], by_length[-third:]
    leg_low, leg_high = median(x.leg_s for x in short), median(x.leg_s for x in long)
    took_low, took_high = median(x.took_s for x in short), median(x.took_s for x in long)
    if leg_high < 1.5 * leg_low:
        start_s, ratio = (
            pace.start_s,
            median(max(LEAST_S, one.took_s - pace.start_s) / one.leg_s for one in legs),
        )
    else:
        ratio = max(0.2, (took_high - took_low) / (leg_high - leg_low))
        start_s = min(120.0, max(0.0, took_low - ratio * leg_low))
    return replace(
        pace,
        start_s=_shrunk(start_s, len(legs), pace.start_s, _LEGS_BELIEVED),
        drive=_shrunk(log(ratio), len(legs), pace.drive, _LEGS_BELIEVED),
    )


def _with_hours(pace: Pace, legs: Sequence[Shown]) -> Pace:
    by_hour: dict[int, list[float]] = defaultdict(list)
    for one in legs:
        by_hour[int(one.hour) % 24].append(pace.residual(one))
    return replace(
        pace,
        by_hour=tuple(
            _shrunk(fmean(by_hour[hour]), len(by_hour[hour]), 0.0, _HOURS_BELIEVED)
            if by_hour[hour]
            else 0.0
            for hour in range(24)
        ),
    )


def _between_days(pace: Pace, days: Sequence[Sequence[Shown]]) -> float:
    """Variance of what each day has in common: of days' means, less what chance gives these."""
    means, by_chance = [], []
    for day in days:
        residuals = [pace.residual(one) for one in day]
        if len(residuals) >= 3:
            middle = fmean(residuals)
            within = sum((each - middle) ** 2 for each in residuals) / (len(residuals) - 1)
            means.append(middle)
            by_chance.append(within / len(residuals))
    if len(means) < 2:
        return pace.day_spread**2
    middle = fmean(means)
    between = sum((each - middle) ** 2 for each in means) / (len(means) - 1)
    return max(0.02**2, between - fmean(by_chance))


def _with_services(pace: Pace, services: Sequence[Served]) -> Pace:
    if not services:
        return pace
    logs = [
        min(3 * _OUTLIER, max(-3 * _OUTLIER, log(one.took_s / one.planned_s))) for one in services
    ]
    middle = median(logs)
    spread2 = fmean((each - middle) ** 2 for each in logs)
    count = len(logs)
    found = replace(
        pace,
        service=_shrunk(middle, count, pace.service, _SERVICES_BELIEVED),
        service_spread=sqrt(_shrunk(spread2, count, pace.service_spread**2, _SERVICES_BELIEVED)),
    )
    return _with_doors(found, services, [_held(each - found.service) for each in logs])


def _with_doors(pace: Pace, services: Sequence[Served], residuals: Sequence[float]) -> Pace:
    """What each door has in common, shrunk by how much doors differ and how much one does."""
    at_door: dict[Door, list[float]] = defaultdict(list)
    for one, residual in zip(services, residuals, strict=True):
        if one.door is not None:
            at_door[one.door].append(residual)
    often = [seen for seen in at_door.values() if len(seen) > 1]
    within = [(each - fmean(seen)) ** 2 for seen in often for each in seen]
    freedom = sum(len(seen) - 1 for seen in often)
    one_door2 = min(
        pace.service_spread**2,
        _shrunk(sum(within) / max(1, freedom), freedom, pace.service_spread**2, _DOORS_BELIEVED),
    )
    between2 = max(0.0, pace.service_spread**2 - one_door2)
    if between2 == 0.0:
        return replace(pace, doors={}, at_known_door=pace.service_spread)
    believed = one_door2 / between2
    return replace(
        pace,
        doors={
            door: _shrunk(fmean(seen), len(seen), 0.0, believed) for door, seen in at_door.items()
        },
        at_known_door=sqrt(one_door2 + between2 * believed / (believed + 1.0)),
    )


def _with_waits(pace: Pace, waits: Sequence[float]) -> Pace:
    if not waits:
        return pace
    middle = median(waits)
    spread2 = fmean(min(900.0, abs(each - middle)) ** 2 for each in waits)
    return replace(
        pace,
        early_s=_shrunk(middle, len(waits), pace.early_s, _WAITS_BELIEVED),
        early_spread_s=sqrt(_shrunk(spread2, len(waits), pace.early_spread_s**2, _WAITS_BELIEVED)),
    )


def _held(residual: float) -> float:
    return min(_OUTLIER, max(-_OUTLIER, residual))


def _shrunk(seen: float, count: float, assumed: float, believed: float) -> float:
    return (seen * count + assumed * believed) / (count + believed)
