"""Distances and bearings over a few kilometres, on a sphere flattened around each point."""

from math import atan2, cos, degrees, hypot, radians
from typing import Final

type Point = tuple[float, float]
"""Latitude and longitude in degrees."""

METRES_A_DEGREE: Final = 6_371_008.8 * radians(1)
"""Of latitude, on a sphere of the Earth's mean radius (IUGG)."""


def offset_m(origin: Point, point: Point) -> tuple[float, float]:
    """Metres east and north from ``origin`` to ``point``; good to 0.1 % within 30 km."""
    middle = radians((origin[0] + point[0]) / 2)
    east = (point[1] - origin[1]) * METRES_A_DEGREE * cos(middle)
    return east, (point[0] - origin[0]) * METRES_A_DEGREE


def moved(origin: Point, *, east_m: float, north_m: float) -> Point:
    """The point so many metres east and north of ``origin``."""
    lat = origin[0] + north_m / METRES_A_DEGREE
    return lat, origin[1] + east_m / (METRES_A_DEGREE * cos(radians(origin[0])))


def distance_m(one: Point, other: Point) -> float:
    """Straight-line metres between two points."""
    return hypot(*offset_m(one, other))


def bearing_deg(origin: Point, point: Point) -> float:
    """Direction from ``origin`` to ``point``, degrees clockwise from north, 0 ≤ b < 360."""
    east, north = offset_m(origin, point)
    return degrees(atan2(east, north)) % 360


def between(one: Point, other: Point, fraction: float) -> Point:
    """The point at ``fraction`` of the straight line from ``one`` to ``other``."""
    lat = one[0] + (other[0] - one[0]) * fraction
    return lat, one[1] + (other[1] - one[1]) * fraction
