"""Which epochs become fixes, and how they are put into the wire's whole numbers."""

from math import isfinite
from typing import Final

from gateway.fixes.epochs import Epoch
from gateway.stamp import RELEASED_MS, Stamp
from wire.messages import Fix
from wire.values import FixSource

ROLLOVER_MS: Final = 1024 * 7 * 86_400_000
"""GPS counts weeks in ten bits; a receiver that lost count tells a date so far back."""


def is_fix(epoch: Epoch) -> bool:
    """Whether the receiver vouches for a position on Earth."""
    if epoch.position is None or epoch.mode < 2:
        return False
    lat, lon = epoch.position
    return -90 <= lat <= 90 and -180 <= lon <= 180 and (lat, lon) != (0, 0)


def unrolled_ms(utc_ms: int, earliest_ms: int) -> int:
    """``utc_ms`` moved on by whole rollovers of the week until it is not before ``earliest_ms``."""
    if utc_ms >= earliest_ms:
        return utc_ms
    return utc_ms - (utc_ms - earliest_ms) // ROLLOVER_MS * ROLLOVER_MS


def _earliest_ms(stamp: Stamp) -> int:
    """No true fix time is before: a clock that is trusted knows in which count of weeks it is."""
    if stamp.is_proved:
        return max(RELEASED_MS, stamp.now_ms - ROLLOVER_MS // 2)
    return RELEASED_MS


def to_fix(epoch: Epoch, stamp: Stamp, source: FixSource) -> Fix | None:
    """The epoch in the wire's units, or None when it is no fix.

    A value outside the wire's range is left out; a recording keeps the dates it was made on.
    """
    if epoch.position is None or not is_fix(epoch):
        return None
    lat, lon = epoch.position
    fix_time_ms = epoch.utc_ms
    if fix_time_ms is not None and source != "replay":
        fix_time_ms = unrolled_ms(fix_time_ms, _earliest_ms(stamp))
    course_ddeg = _scaled(epoch.course_deg, 10, 0, 3600)
    return Fix(
        recorded_at_ms=stamp.now_ms,
        fix_time_ms=fix_time_ms,
        lat_e7=round(lat * 1e7),
        lon_e7=round(lon * 1e7),
        mode=3 if epoch.mode >= 3 else 2,
        speed_cmps=_scaled(epoch.speed_mps, 100, 0, 65_535),
        course_ddeg=None if course_ddeg is None else course_ddeg % 3600,
        altitude_dm=_scaled(epoch.altitude_m, 10, -20_000, 500_000),
        hdop_d=_scaled(epoch.hdop, 10, 0, 1_000),
        satellites=_scaled(epoch.satellites, 1, 0, 255),
        source=source,
        quality=stamp.quality,
    )


def _scaled(value: float | None, factor: int, low: int, high: int) -> int | None:
    if value is None or not isfinite(value):
        return None
    scaled = round(value * factor)
    return scaled if low <= scaled <= high else None
