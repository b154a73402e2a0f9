"""What both van and cloud read out of fixes: when, how far, how fast."""

from math import cos, hypot, radians
from typing import Final, Protocol

from wire.messages import Fix

METRES_AN_E7: Final = 6_371_008.8 * radians(1) * 1e-7
"""Of latitude, on a sphere of the Earth's mean radius (IUGG)."""

_TURN_E7: Final = 3_600_000_000


class Placed(Protocol):
    """Anything with a position in 1e-7 degrees."""

    @property
    def lat_e7(self) -> int:
        """Latitude."""
        ...

    @property
    def lon_e7(self) -> int:
        """Longitude."""
        ...


def at_ms(fix: Fix) -> int:
    """When the fix was taken: by GNSS, or by the gateway's clock when the receiver told no time."""
    return fix.recorded_at_ms if fix.fix_time_ms is None else fix.fix_time_ms


def offset_m(origin: Placed, place: Placed) -> tuple[float, float]:
    """Metres east and north from ``origin``, on the plane that touches the Earth there.

    Good to 0.1 % within 10 km; over the 180th meridian too.
    """
    east_e7 = place.lon_e7 - origin.lon_e7
    if not -_TURN_E7 <= 2 * east_e7 <= _TURN_E7:
        east_e7 -= _TURN_E7 if east_e7 > 0 else -_TURN_E7
    north_e7 = place.lat_e7 - origin.lat_e7
    return (
        east_e7 * METRES_AN_E7 * cos(radians(origin.lat_e7 * 1e-7)),
        north_e7 * METRES_AN_E7,
    )


def distance_m(origin: Placed, place: Placed) -> float:
    """Straight-line metres."""
    return hypot(*offset_m(origin, place))
