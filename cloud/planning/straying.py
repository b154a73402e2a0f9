"""When a van is off its route. Pure.

Drivers know better streets than a map does, so it is not enough that a van is beside its path: it
is off its route when it is far beside the path and drives away from the stop it was driving to, in
several fixes running. It is told once, and again only after it has come back.
"""

from dataclasses import dataclass, replace
from typing import Final

import msgspec

from cloud.planning.day_plan import Route, Stop
from cloud.planning.situation import At
from cloud.tracking.places import distance_m
from cloud.tracking.progress import Line

OFF_M: Final = 250.0
"""So far beside its path no street of it is meant."""
AWAY_M: Final = 1_000.0
"""So much farther from its stop than it has been, it drives elsewhere: a detour turns sooner."""
FIXES: Final = 3
"""So many fixes running say the same, before it is believed."""


class VanOffRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A van drives away from its next stop and its path."""

    vehicle_id: str
    route_id: str
    stop_id: str
    off_m: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Straying:
    """What is known of a van on its leg.

    Attributes:
        stop_id: where it drives to. revision: of the route then.
        fix_time: of the last fix looked at. nearest_m: the least it has been from the stop.
        fixes: so many running lay off. is_told: this one was told.
    """

    stop_id: str
    revision: int
    fix_time: float
    nearest_m: float
    fixes: int = 0
    is_told: bool = False

    @property
    def is_news(self) -> bool:
        """Whether it is off its route, and nobody was told yet."""
        return self.fixes >= FIXES and not self.is_told


def heading_for(route: Route) -> Stop | None:
    """The stop that a van under way is driving to; None while it stands at one or is done."""
    following = next(iter(route.open_stops), None)
    is_driving = following is not None and following.state == "open" and route.has_begun
    return following if is_driving else None


def looked(before: Straying | None, stop: Stop, at: At, line: Line, revision: int = 0) -> Straying:
    """What is known after a fix ``at``; a new revision of the route begins anew.

    ``line`` is the path of the route, as (lat, lon).
    """
    away_m = distance_m(at.lat, at.lon, stop.lat, stop.lon)
    if before is None or (before.stop_id, before.revision) != (stop.id, revision):
        return Straying(stop_id=stop.id, revision=revision, fix_time=at.fix_time, nearest_m=away_m)
    if at.fix_time <= before.fix_time:
        return before
    now = replace(before, fix_time=at.fix_time, nearest_m=min(before.nearest_m, away_m))
    if away_m < now.nearest_m + AWAY_M:
        return replace(now, fixes=0, is_told=now.is_told and away_m > now.nearest_m)
    if line.place(at.lat, at.lon).off_m < OFF_M:
        return replace(now, fixes=0)
    return replace(now, fixes=now.fixes + 1)
