"""Areas that vans may enter at some hours only, such as a pedestrian zone. Pure."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from cloud.fleet.calendar import Calendar
from cloud.foundation.errors import Invalid

MAX_AREAS: Final = 500
"""Of one tenant."""
MAX_POINTS: Final = 200
_LEAST_POINTS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessArea:
    """An area and its hours, drawn by a dispatcher.

    Attributes:
        points: (lat, lon) of the polygon's corners, degrees; the last is not the first again.
        hours: when vans may be in it, in the local time of the depot they come from.
        depot_id: for whose vans; None for those of all depots.
        changed_at: seconds since 1970.
    """

    id: str
    name: str
    points: tuple[tuple[float, float], ...]
    hours: Calendar
    depot_id: str | None = None
    changed_at: float = 0.0
    changed_by: str = ""

    def holds(self, lat: float, lon: float) -> bool:
        """Whether a place lies in it, by the even-odd rule; not over the 180th meridian."""
        is_in = False
        corners = (self.points[-1], *self.points)
        for (south, west), (north, east) in pairwise(corners):
            if (south > lat) != (north > lat):
                crossing = west + (lat - south) / (north - south) * (east - west)
                is_in ^= lon < crossing
        return is_in


def require_area(area: AccessArea) -> None:
    """An area has a name and a shape.

    Raises:
        Invalid: it has fewer than three corners, or none apart from the others.
    """
    corners = set(area.points)
    if len(corners) < _LEAST_POINTS:
        raise Invalid.field(
            "geometry.coordinates",
            f"has {len(corners)} corners",
            f"give {_LEAST_POINTS} at least, and the first one again at the end",
        )
    lons = [lon for _, lon in area.points]
    if max(lons) - min(lons) > 180:
        raise Invalid.field(
            "geometry.coordinates", "crosses the 180th meridian", "draw two areas instead"
        )
