"""Areas that are asked for: boxes and circles on the map. Pure."""

from dataclasses import dataclass
from math import asin, cos, isfinite, radians, sin, sqrt
from typing import Final

from cloud.foundation.errors import Invalid

EARTH_M: Final = 6_371_000.0
DEGREE_M: Final = 111_195.0
MAX_RADIUS_M: Final = 200_000.0


@dataclass(frozen=True, slots=True)
class Box:
    """Between two latitudes and two longitudes, in degrees; not over the 180th meridian."""

    west: float
    south: float
    east: float
    north: float

    def contains(self, lat: float, lon: float) -> bool:
        """Whether a place lies within."""
        return self.south <= lat <= self.north and self.west <= lon <= self.east


@dataclass(frozen=True, slots=True)
class Circle:
    """All places within ``radius_m`` of one place."""

    lat: float
    lon: float
    radius_m: float

    def contains(self, lat: float, lon: float) -> bool:
        """Whether a place lies within."""
        return distance_m(self.lat, self.lon, lat, lon) <= self.radius_m

    @property
    def box(self) -> Box:
        """The box around it."""
        up = self.radius_m / DEGREE_M
        side = min(180.0, up / max(0.01, cos(radians(min(89.0, abs(self.lat) + up)))))
        return Box(
            max(-180.0, self.lon - side),
            max(-90.0, self.lat - up),
            min(180.0, self.lon + side),
            min(90.0, self.lat + up),
        )


type Area = Box | Circle


def distance_m(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Between two places in degrees, over a round earth."""
    up, side = radians(other_lat - lat) / 2, radians(other_lon - lon) / 2
    level = cos(radians(lat)) * cos(radians(other_lat))
    return 2 * EARTH_M * asin(min(1.0, sqrt(sin(up) ** 2 + level * sin(side) ** 2)))


def box_of(text: str) -> Box:
    """``west,south,east,north`` in degrees, as GeoJSON orders them.

    Raises:
        Invalid: it is none, or reaches over the 180th meridian.
    """
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise _no_box(text) from None
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise _no_box(text)
    return Box(west, south, east, north)


def circle_of(text: str) -> Circle:
    """``lat,lon,radius`` in degrees and metres.

    Raises:
        Invalid: it is none, or larger than `MAX_RADIUS_M`.
    """
    try:
        lat, lon, radius_m = (float(part) for part in text.split(","))
    except ValueError:
        raise _no_circle(text) from None
    fits = isfinite(lat + lon) and abs(lat) <= 90 and abs(lon) <= 180
    if not (fits and 0 < radius_m <= MAX_RADIUS_M):
        raise _no_circle(text)
    return Circle(lat, lon, radius_m)


def area_of(bbox: str | None, around: str | None) -> Area | None:
    """The one area that is asked for, if any.

    Raises:
        Invalid: one is none, or both are given.
    """
    if bbox is not None and around is not None:
        raise Invalid.field("around", "is given beside bbox", "give one of the two")
    if bbox is not None:
        return box_of(bbox)
    return None if around is None else circle_of(around)


def _no_box(text: str) -> Invalid:
    return Invalid.field(
        "bbox",
        f"{text[:80]!r} is no box",
        "give west,south,east,north in degrees, west before east",
    )


def _no_circle(text: str) -> Invalid:
    return Invalid.field(
        "around",
        f"{text[:80]!r} is no circle",
        f"give lat,lon,radius in degrees and metres, at most {MAX_RADIUS_M:.0f} m",
    )
