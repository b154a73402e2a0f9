"""How much of the leg to its next stop a van still has to drive. Pure."""

from math import inf
from typing import Final

from cloud.planning.day_plan import Route
from cloud.planning.situation import At
from cloud.tracking.progress import NEAR_M, Line, led_through

NOT_YET: Final = 0.97
"""Who has so much of a leg ahead has not set out, as far as its position can tell."""
_NEARLY_THERE: Final = 0.05
_AROUND_S: Final = 900.0
"""A van may be so much earlier or later than it is planned."""


class Way:
    """The path of a route, and where on it the stops lie that it leads through."""

    def __init__(self, route: Route) -> None:
        self._line = Line([(lat, lon) for lon, lat in route.geometry])
        places = [(stop.lat, stop.lon) for stop in route.stops]
        self._through = led_through(self._line, places, len(places) - len(route.open_stops))
        self._along_m: list[float] = []

    def to_next_m(self, open_stops: int, at: At) -> float | None:
        """From where a van is to the first of the stops still open; None when none is."""
        if not open_stops:
            return None
        done = len(self._through) - open_stops
        before_m = self._passed_m(done - 1) if done else 0.0
        next_m = self._passed_m(done)
        return next_m - self._line.place(at.lat, at.lon, from_m=before_m, to_m=next_m).along_m

    def ahead(self, open_stops: int, at: At | None) -> list[tuple[float, float]]:
        """What of the path is still to be driven, as (lat, lon).

        From where the van is, if that is on the way to its next stop; else from the last stop that
        is done. A position of some time ago does no harm: more is ahead then than in truth.
        """
        done = len(self._through) - open_stops
        before_m = self._passed_m(done - 1) if done else 0.0
        if at is None:
            return self._line.rest(before_m)
        next_m = self._passed_m(done) if open_stops else None
        here = self._line.place(at.lat, at.lon, from_m=before_m, to_m=next_m)
        return self._line.rest(here.along_m if here.off_m <= NEAR_M else before_m)

    def legs(self, open_stops: int, first: int, last: int) -> list[tuple[float, float]]:
        """The legs to the open stops from one to another, as (lat, lon); the last leads home."""
        done = len(self._through) - open_stops
        begin, end = done + first, done + last
        to_m = self._passed_m(end) if end < len(self._through) else self._line.length_m
        return self._line.part(self._passed_m(begin - 1) if begin else 0.0, to_m)

    def _passed_m(self, number: int) -> float:
        """Metres from the path's begin to a stop; found once, each after the one before it."""
        while len(self._along_m) <= number:
            before_m = self._along_m[-1] if self._along_m else 0.0
            stop = self._through[len(self._along_m)]
            self._along_m.append(self._line.first_pass(*stop, from_m=before_m).along_m)
        return self._along_m[number]


def way_of(route: Route) -> Way | None:
    """Its way, when it has a path."""
    return Way(route) if route.geometry else None


def path_ahead(route: Route, at: At | None) -> list[tuple[float, float]]:
    """The streets a van has still to drive, as (lat, lon); the whole path before it sets out."""
    if not route.geometry:
        return []
    if not route.has_begun:
        return [(lat, lon) for lon, lat in route.geometry]
    return Way(route).ahead(len(route.open_stops), at)


def path_between(route: Route, begins: float, ends: float) -> list[tuple[float, float]]:
    """The streets a van is to drive between two instants as planned, and a while around them."""
    stops = route.open_stops
    if not route.geometry or not stops:
        return []
    leaves = [
        -inf if route.has_begun else stops[0].planned_arrival - stops[0].leg_s,
        *(stop.planned_departure for stop in stops),
    ]
    arrives = [*(stop.planned_arrival for stop in stops), leaves[-1] + route.end_leg_s]
    driven = [
        leg
        for leg in range(len(leaves))
        if leaves[leg] - _AROUND_S <= ends and arrives[leg] + _AROUND_S >= begins
    ]
    return Way(route).legs(len(stops), driven[0], driven[-1]) if driven else []


def left_share(route: Route, at: At | None, now: float, way: Way | None) -> float:
    """How much of the leg to its next stop a van still has to drive, 0 to 1.

    By where it is on the route's path; without a position by the time since it was done.
    """
    if not route.has_begun or not route.open_stops or route.open_stops[0].state != "open":
        return 1.0
    following = route.open_stops[0]
    if at is not None and way is not None and following.leg_m > 0:
        to_next_m = way.to_next_m(len(route.open_stops), at)
        if to_next_m is not None:
            left = to_next_m / following.leg_m
            driven_since = (now - at.fix_time) / max(1, following.leg_s) if left < NOT_YET else 0.0
            return _whole(max(min(left, _NEARLY_THERE), left - driven_since))
    left_at = max((stop.done_at or 0.0 for stop in route.stops if stop.state == "done"), default=0)
    return _whole(max(_NEARLY_THERE, 1.0 - (now - left_at) / max(1, following.leg_s)))


def _whole(left: float) -> float:
    return 1.0 if left >= NOT_YET else max(0.0, left)
