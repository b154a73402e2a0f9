"""When the van comes into a geofence and when it leaves it."""

from collections.abc import Sequence
from itertools import pairwise
from math import hypot
from typing import Final

import msgspec

from wire.desired import DesiredError, Geofence, require_shape
from wire.events import GeofenceEntered, GeofenceLeft, Where
from wire.messages import Fix
from wire.motion import Mark
from wire.track import at_ms, distance_m, offset_m
from wire.values import EpochMs, Name

type GeofenceEvent = GeofenceEntered | GeofenceLeft

_EVERY_MS: Final = 900
LASTS_MS: Final = 5_000
"""A change that lasts so long counts."""
MARGIN_M: Final = 20.0
"""Out is further out than this: a receiver that wanders on the line neither enters nor leaves."""


class Inside(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The van is in a geofence since ``since_ms``."""

    geofence: Name
    since_ms: EpochMs


class GeofenceWatch:
    """Follows all geofences of the van; what is no area is never entered."""

    def __init__(self, inside: Sequence[Inside] = ()) -> None:
        self._areas: tuple[_Area, ...] = ()
        self._inside: dict[Name, EpochMs] = {one.geofence: one.since_ms for one in inside}
        self._crossing: dict[Name, EpochMs] = {}
        self._last_ms: EpochMs | None = None

    @property
    def inside(self) -> tuple[Inside, ...]:
        """What must survive a restart."""
        return tuple(Inside(geofence=name, since_ms=at) for name, at in self._inside.items())

    def guard(self, geofences: Sequence[Geofence]) -> None:
        """Watch these from now on; a van inside one that stays is still inside."""
        self._areas = tuple(_Area(one) for one in geofences if _is_area(one))
        names = {area.name for area in self._areas}
        self._inside = {name: since for name, since in self._inside.items() if name in names}
        self._crossing.clear()

    def take(self, fix: Fix) -> tuple[GeofenceEvent, ...]:
        """What ``fix`` decides; a change counts once it has lasted five seconds."""
        now_ms = at_ms(fix)
        if self._last_ms is not None and 0 <= now_ms - self._last_ms < _EVERY_MS:
            return ()
        self._last_ms = now_ms
        here = Mark(lat_e7=fix.lat_e7, lon_e7=fix.lon_e7, at_ms=now_ms)
        told = (self._look_at(area, here) for area in self._areas)
        return tuple(event for event in told if event is not None)

    def holding(self, fix: Fix) -> tuple[Name, ...]:
        """The geofences that ``fix`` lies in."""
        here = Mark(lat_e7=fix.lat_e7, lon_e7=fix.lon_e7, at_ms=at_ms(fix))
        return tuple(area.name for area in self._areas if area.holds(here, 0.0))

    def _look_at(self, area: "_Area", here: Mark) -> GeofenceEvent | None:
        since_ms = self._inside.get(area.name)
        is_in = area.holds(here, MARGIN_M if since_ms is not None else 0.0)
        if is_in == (since_ms is not None):
            self._crossing.pop(area.name, None)
            return None
        # The date may have been corrected since: then it has only now begun to cross.
        from_ms = min(self._crossing.get(area.name, here.at_ms), here.at_ms)
        self._crossing[area.name] = from_ms
        if here.at_ms - from_ms < LASTS_MS:
            return None
        del self._crossing[area.name]
        where = Where(lat_e7=here.lat_e7, lon_e7=here.lon_e7)
        if since_ms is None:
            self._inside[area.name] = from_ms
            return GeofenceEntered(geofence=area.name, at_ms=from_ms, where=where)
        del self._inside[area.name]
        dwell_s = max(0, from_ms - since_ms) // 1000
        return GeofenceLeft(geofence=area.name, at_ms=from_ms, dwell_s=dwell_s, where=where)


def _is_area(geofence: Geofence) -> bool:
    try:
        require_shape("geofence", geofence)
    except DesiredError:
        return False
    return True


class _Area:
    """A geofence made ready: metres on the plane at its first point."""

    def __init__(self, geofence: Geofence) -> None:
        self.name = geofence.geofence
        lat_e7, lon_e7 = geofence.points[0]
        self._origin = Mark(lat_e7=lat_e7, lon_e7=lon_e7, at_ms=0)
        self._radius_m = geofence.radius_m
        corners = [
            offset_m(self._origin, Mark(lat_e7=lat, lon_e7=lon, at_ms=0))
            for lat, lon in geofence.points
        ]
        self._is_line = geofence.width_m is not None
        self._reach_m = (geofence.width_m or 0.0) / 2
        self._edges = tuple(pairwise(corners if self._is_line else [*corners, corners[0]]))
        self._east = min(east for east, _ in corners), max(east for east, _ in corners)
        self._north = min(north for _, north in corners), max(north for _, north in corners)

    def holds(self, here: Mark, margin_m: float) -> bool:
        """Whether ``here`` is inside, or no further out than ``margin_m``."""
        if self._radius_m is not None:
            return distance_m(self._origin, here) <= self._radius_m + margin_m
        margin_m += self._reach_m
        east, north = offset_m(self._origin, here)
        if not self._east[0] - margin_m <= east <= self._east[1] + margin_m:
            return False
        if not self._north[0] - margin_m <= north <= self._north[1] + margin_m:
            return False
        if not self._is_line and self._encloses(east, north):
            return True
        return any(_away_m(east, north, *edge) <= margin_m for edge in self._edges)

    def _encloses(self, east: float, north: float) -> bool:
        """Even-odd rule: a ray to the east crosses the edges an odd number of times."""
        is_in = False
        for (east_1, north_1), (east_2, north_2) in self._edges:
            if (north_1 > north) != (north_2 > north):
                share = (north - north_1) / (north_2 - north_1)
                is_in ^= east < east_1 + share * (east_2 - east_1)
        return is_in


def _away_m(
    east: float, north: float, begin: tuple[float, float], end: tuple[float, float]
) -> float:
    """Metres from a point to an edge."""
    along_east, along_north = end[0] - begin[0], end[1] - begin[1]
    length2 = along_east**2 + along_north**2
    share = 0.0
    if length2 > 0:
        to_east, to_north = east - begin[0], north - begin[1]
        share = min(1.0, max(0.0, (to_east * along_east + to_north * along_north) / length2))
    return hypot(begin[0] + share * along_east - east, begin[1] + share * along_north - north)
