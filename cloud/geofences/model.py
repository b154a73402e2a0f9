"""Geofences, and what a track tells of them. Pure.

The rule is the van's own (`wire.geofences`): a change counts once it has lasted five seconds, and
out is 20 m further out than in. A track has an order of its own, so late and repeated batches tell
the same as ordered ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, radians
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np

from cloud.tracking.blocks import Box
from cloud.tracking.lanes import Ints
from cloud.tracking.track import Track
from wire.desired import Geofence
from wire.events import GeofenceEntered, GeofenceLeft, Where
from wire.geofences import LASTS_MS, MARGIN_M, GeofenceEvent, GeofenceWatch
from wire.messages import Fix
from wire.track import METRES_AN_E7

type Kind = Literal["entered", "dwelled", "left"]

MAX_FENCES: Final = 500
"""Of one tenant; as many as a van may be told."""
MAX_POINTS: Final = 200
_SAME_MS: Final = 120_000
"""A van's own event and one read out of its track are the same when no further apart."""
_SETTLED_MS: Final = LASTS_MS + 1_000
_POLE_E7: Final = 900_000_000
_HALF_TURN_E7: Final = 1_800_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """An area of a tenant.

    Attributes:
        points: (lat_e7, lon_e7): the centre of a circle, a corridor's line, a polygon's corners.
        radius_m: of the circle. width_m: of the corridor, from edge to edge.
        depot_id: whose vans it is for; None for those of all depots.
        dwell_after_s: so long inside is told as a dwell; None never is.
        is_for_vans: the vans watch it too, offline as well, and their word counts.
        changed_at: seconds since 1970.
    """

    id: str
    name: str
    points: tuple[tuple[int, int], ...]
    radius_m: float | None = None
    width_m: float | None = None
    depot_id: str | None = None
    dwell_after_s: int | None = None
    is_for_vans: bool = True
    changed_at: float = 0.0

    def told(self) -> Geofence:
        """As the wire knows it."""
        return Geofence(
            geofence=self.id, points=self.points, radius_m=self.radius_m, width_m=self.width_m
        )


class Crossing(NamedTuple):
    """A van came in, has stayed long, or left; ``dwell_s`` is known then."""

    at_ms: int
    kind: Kind
    where: Where | None
    dwell_s: int | None = None


class FenceCrossed(msgspec.Struct, frozen=True, kw_only=True):
    """A van has come into a fence, has stayed in it for ``dwell_s``, or has left it after so long.

    Attributes:
        name: the fence's, for the tenant's own people only.
        at_s: when, by the van's fixes, seconds since 1970.
    """

    vehicle_id: str
    geofence_id: str
    name: str
    kind: Kind
    at_s: float
    dwell_s: int | None = None


def holding(fences: Sequence[Fence], lat: float, lon: float) -> tuple[str, ...]:
    """Which of some fences a place lies in, by id; degrees."""
    watch = GeofenceWatch()
    watch.guard(tuple(fence.told() for fence in fences))
    there = Fix(
        recorded_at_ms=0, fix_time_ms=0, lat_e7=round(lat * 1e7), lon_e7=round(lon * 1e7), mode=2
    )
    return watch.holding(there)


def box_of(fence: Fence) -> Box:
    """All that may be inside, or on the margin."""
    reach_m = (fence.radius_m or (fence.width_m or 0.0) / 2) + MARGIN_M + 1.0
    lats = [lat for lat, _ in fence.points]
    lons = [lon for _, lon in fence.points]
    north = reach_m / METRES_AN_E7
    highest = min(89.0, max(abs(lat) for lat in lats) * 1e-7 + north * 1e-7)
    east = north / cos(radians(highest))
    return Box(
        max(-_POLE_E7, round(min(lats) - north)),
        max(-_HALF_TURN_E7, round(min(lons) - east)),
        min(_POLE_E7, round(max(lats) + north)),
        min(_HALF_TURN_E7, round(max(lons) + east)),
    )


def crossings(track: Track, fence: Fence) -> list[Crossing]:
    """What a track tells of a fence, by time. A van that is inside at first is told to enter."""
    watch = GeofenceWatch()
    watch.guard((fence.told(),))
    events = [event for fix in _near(track, box_of(fence)) for event in watch.take(fix)]
    last_ms = int(track["at_ms"][-1]) if len(track) else 0
    return with_dwells([_crossing(one) for one in events], fence.dwell_after_s, last_ms)


def with_dwells(some: Sequence[Crossing], after_s: int | None, known_ms: int) -> list[Crossing]:
    """Crossings by time, and a dwell where a van stayed inside for ``after_s``.

    ``known_ms``: until then it is known where the van was.
    """
    found: list[Crossing] = []
    entered: Crossing | None = None
    for one in sorted(some, key=lambda one: one.at_ms):
        if entered is not None:
            found += _dwell(entered, after_s, one.at_ms)
        entered = one if one.kind == "entered" else None
        found.append(one)
    if entered is not None:
        found += _dwell(entered, after_s, known_ms)
    return found


def agreed(told: Sequence[Crossing], read: Sequence[Crossing]) -> list[Crossing]:
    """The van's own crossings, and those read out of its track of which it told none."""
    added = [
        one
        for one in read
        if not any(
            one.kind == other.kind and abs(one.at_ms - other.at_ms) <= _SAME_MS for other in told
        )
    ]
    return sorted([*told, *added], key=lambda one: (one.at_ms, one.kind))


def desired_of(fences: Sequence[Fence], depot_id: str) -> tuple[Geofence, ...]:
    """What the vans of a depot are to watch, by id."""
    chosen = [one for one in fences if one.is_for_vans and one.depot_id in {None, depot_id}]
    return tuple(one.told() for one in sorted(chosen, key=lambda one: one.id))


def _dwell(entered: Crossing, after_s: int | None, until_ms: int) -> list[Crossing]:
    if after_s is None or until_ms - entered.at_ms < after_s * 1000:
        return []
    return [Crossing(entered.at_ms + after_s * 1000, "dwelled", entered.where, after_s)]


def _crossing(event: GeofenceEvent) -> Crossing:
    match event:
        case GeofenceEntered():
            return Crossing(event.at_ms, "entered", event.where)
        case GeofenceLeft():
            return Crossing(event.at_ms, "left", event.where, event.dwell_s)


def _near(track: Track, box: Box) -> Iterator[Fix]:
    """The fixes in a box, and after each stay in it those by which it is known to be over."""
    moments, lat, lon = track["at_ms"], track["lat_e7"], track["lon_e7"]
    is_in = (lat >= box.south_e7) & (lat <= box.north_e7)
    is_in &= (lon >= box.west_e7) & (lon <= box.east_e7)
    chosen = is_in.copy()
    for place in (np.flatnonzero(is_in[:-1] & ~is_in[1:]) + 1).tolist():
        settled = int(np.searchsorted(moments, moments[place] + _SETTLED_MS))
        chosen[place : settled + 1] = True
    places: Ints = np.flatnonzero(chosen)
    columns = (moments[places].tolist(), lat[places].tolist(), lon[places].tolist())
    for at_ms, lat_e7, lon_e7 in zip(*columns, strict=True):
        yield Fix(recorded_at_ms=at_ms, fix_time_ms=at_ms, lat_e7=lat_e7, lon_e7=lon_e7, mode=2)
