"""When a van will be at each of its stops: p10, p50 and p90, by what the fleet has shown. Pure.

A forecast walks the open stops of one route many times at once. Each walk draws how this van's day
goes (shared by all its legs), how each leg and each service goes, and obeys the windows as drivers
do. The draws are the same numbers each time, so a forecast moves only when what it is made of does.
ETA is the arrival at the door's stop, not the end of the service there.

Instants are seconds since 1970 UTC, spans seconds. Logarithms are natural.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from cloud.planning.break_times import rest_left_s
from cloud.planning.day_plan import Route, Stop
from cloud.planning.pace import LEAST_S, Door, Pace, Shown, Visited, door_at, shown
from cloud.planning.worth import Eta

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    type Floats = npt.NDArray[np.float64]

WALKS: Final = 256
_SEED: Final = 20_240_611
_HOLDS_S: Final = 60.0
_MATTERS_S: Final = 15.0
"""A van that is so much of its drive ahead or behind is elsewhere than was forecast."""
_AT: Final = [share * (WALKS - 1) for share in (0.1, 0.5, 0.9)]
_LOWER: Final = [int(at) for at in _AT]
_UPPER: Final = [int(at) + 1 for at in _AT]
_SHARE: Final = [at - int(at) for at in _AT]
_KTH: Final = sorted({*_LOWER, *_UPPER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """A stop that is still open, as a forecast needs it.

    Attributes:
        leg_s: planned drive to it from the stop before. left: the share of it that lies ahead.
        rest_s: what is still to come of the driver's breaks on the way to it.
        service_s: planned time at the door. opens: when its window does; None without one.
    """

    stop_id: str
    leg_s: float
    service_s: float
    opens: float | None = None
    left: float = 1.0
    rest_s: float = 0.0
    door: Door | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Underway:
    """What is known of a van's day at one instant.

    Attributes:
        now: the instant. leaves: when it sets out at the earliest (a shift that has not begun).
        arrived_at: at the first of ``ahead``, when it stands there already.
        ahead: its open stops in order.
        shown: how this van's legs of today went so far.
        local_hour: at ``now`` in the depot's zone, 0 to 24.
    """

    now: float
    leaves: float
    arrived_at: float | None
    ahead: tuple[Ahead, ...]
    shown: Sequence[Shown] = ()
    local_hour: float = 12.0


def forecast(van: Underway, pace: Pace) -> tuple[Eta, ...]:
    """When the van arrives at each stop of ``van.ahead`` it has not arrived at yet."""
    import numpy as np  # the process starts sooner without it

    count = len(van.ahead)
    if not count:
        return ()
    draws = _draws(count)
    day = pace.day_of(van.shown)
    drives = pace.drives(
        [stop.leg_s * stop.left for stop in van.ahead],
        day.mean + day.spread * draws[0],
        draws[1 : 3 * count : 3],
    )
    services = pace.services(
        [stop.service_s for stop in van.ahead],
        [stop.door for stop in van.ahead],
        draws[2 : 3 * count : 3],
    )
    early = pace.early_s + pace.early_spread_s * draws[3 : 3 * count + 1 : 3]
    by_hour = np.exp(pace.by_hour)
    begins_h = van.local_hour - van.now / 3600
    free = np.full(WALKS, max(van.now, van.leaves))
    arrivals = np.empty((count, WALKS))
    for place, stop in enumerate(van.ahead):
        arrival = arrivals[place]
        if place == 0 and van.arrived_at is not None:
            arrival[:] = van.arrived_at
        else:
            hour = (free * (1 / 3600) + begins_h).astype(np.intp)
            np.multiply(drives[place], by_hour.take(hour, mode="wrap"), out=arrival)
            arrival += free + stop.rest_s
            if stop.leg_s * stop.left >= LEAST_S:
                arrival += pace.start_s * stop.left
            if stop.opens is not None and stop.left == 1.0:
                np.maximum(arrival, stop.opens - early[place], out=arrival)
        begin = arrival if stop.opens is None else np.maximum(arrival, stop.opens)
        if place == 0 and van.arrived_at is not None:
            so_far_s = max(0.0, van.now - float(begin[0]))
            services[0] = _given_that_it_lasts(services[0], so_far_s, stop.service_s)
        free = begin + services[place]
    return _read_off(van, arrivals)


def _read_off(van: Underway, arrivals: "Floats") -> tuple[Eta, ...]:
    """The quantiles of each row, by linear interpolation; the walks are put in another order."""
    first = 0 if van.arrived_at is None else 1
    ahead = arrivals[first:]
    ahead.partition(_KTH, axis=1)
    found = ahead[:, _LOWER] + _SHARE * (ahead[:, _UPPER] - ahead[:, _LOWER])
    return tuple(
        Eta(stop.stop_id, *row) for stop, row in zip(van.ahead[first:], found.tolist(), strict=True)
    )


def still_holds(before: Underway, etas: Sequence[Eta], now: Underway) -> bool:
    """Whether the forecast ``etas`` of ``before`` tells all that is known ``now``.

    It does for a while, as long as the van is about where the forecast takes it to be by now, and
    no stop was reached, done or changed.
    """
    passed_s = now.now - before.now
    if not 0 <= passed_s < _HOLDS_S or len(before.shown) != len(now.shown):
        return False
    if before.arrived_at != now.arrived_at or (before.leaves > before.now) != (
        now.leaves > now.now
    ):
        return False
    if not all(_is_same(one, other) for one, other in zip(before.ahead, now.ahead, strict=False)):
        return False
    if len(before.ahead) != len(now.ahead) or not etas:
        return len(before.ahead) == len(now.ahead)
    if now.arrived_at is not None or now.leaves > now.now:
        return True
    drive_s = etas[0].p50 - before.now
    was, is_now = before.ahead[0], now.ahead[0]
    expected = max(0.0, was.left * (1.0 - passed_s / drive_s)) if drive_s > 0 else 0.0
    return abs(expected - is_now.left) * was.leg_s <= _MATTERS_S


def _is_same(one: Ahead, other: Ahead) -> bool:
    return (one.stop_id, one.leg_s, one.service_s, one.opens) == (
        other.stop_id,
        other.leg_s,
        other.service_s,
        other.opens,
    )


def _given_that_it_lasts(took: "Floats", so_far_s: float, planned_s: float) -> "Floats":
    """Seconds of a service that has lasted ``so_far_s`` already."""
    import numpy as np

    longer = np.sort(took[took > so_far_s])
    if not len(longer):
        return np.full_like(took, so_far_s + 0.1 * planned_s)
    ranks = np.argsort(np.argsort(took))
    rest: Floats = longer[ranks * len(longer) // len(took)]
    return rest


def visited(route: Route, zone: ZoneInfo) -> tuple[Visited, ...]:
    """What is done of a route, in the order in which it was, for learning."""
    done = sorted(
        (stop.arrived_at, stop.done_at, place)
        for place, stop in enumerate(route.stops)
        if stop.arrived_at is not None and stop.done_at is not None
    )
    rested = {one.before_stop_id for one in route.breaks}
    found = list[Visited]()
    for number, (arrived_s, done_s, place) in enumerate(done):
        stop = route.stops[place]
        is_next = number > 0 and done[number - 1][2] == place - 1 and stop.id not in rested
        left_s = done[number - 1][1] if is_next else None
        found.append(
            Visited(
                leg_s=float(stop.leg_s) if is_next else None,
                left_s=left_s,
                hour=local_hour(left_s or arrived_s, zone),
                arrived_s=arrived_s,
                done_s=done_s,
                service_s=float(stop.service_s) if stop.kind == "delivery" else 0.0,
                opens=stop.window.begin if stop.window else None,
                door=_door(stop),
            )
        )
    return tuple(found)


def underway(route: Route, zone: ZoneInfo, now: float, left: float = 1.0) -> Underway:
    """A route as it stands; ``left`` is the share of the leg to its next stop that lies ahead."""
    ahead = route.open_stops
    is_there = bool(ahead) and ahead[0].state == "arrived"
    return Underway(
        now=now,
        leaves=now if route.has_begun else route.starts_at,
        arrived_at=ahead[0].arrived_at if is_there else None,
        ahead=tuple(
            Ahead(
                stop_id=stop.id,
                leg_s=float(stop.leg_s),
                service_s=float(stop.service_s),
                opens=stop.window.begin if stop.window else None,
                left=left if place == 0 else 1.0,
                rest_s=rest_left_s(route, stop, now),
                door=_door(stop),
            )
            for place, stop in enumerate(ahead)
        ),
        shown=shown(visited(route, zone)),
        local_hour=local_hour(now, zone),
    )


def _door(stop: Stop) -> Door | None:
    return door_at(stop.lat, stop.lon) if stop.kind == "delivery" else None


def local_hour(at_s: float, zone: ZoneInfo) -> float:
    """Hours since midnight in a zone, 0 to 24."""
    local = datetime.fromtimestamp(at_s, zone)
    return local.hour + local.minute / 60 + local.second / 3600


def _draws(stops: int) -> "Floats":
    return _table(64 * (stops * 3 // 64 + 1) + 1)


@lru_cache(maxsize=32)
def _table(rows: int) -> "Floats":
    """Rows of evenly spread normal numbers, each in an order of its own, for ever the same."""
    import numpy as np

    normal = NormalDist()
    even = np.array([normal.inv_cdf((at + 0.5) / WALKS) for at in range(WALKS)])
    order = np.random.default_rng(_SEED)
    table: Floats = np.stack([order.permutation(even) for _ in range(rows)])
    return table
