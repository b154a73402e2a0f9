"""Where a van was: its track between two instants."""

from dataclasses import dataclass
from typing import Final

from cloud.foundation.database import Database
from cloud.foundation.errors import Invalid
from cloud.tracking import history

MAX_SPAN_S: Final = 31 * 86_400.0
MAX_FIXES: Final = 100_000
_FIRST_DAY_S: Final = -62_135_596_800.0
_AFTER_LAST_DAY_S: Final = 253_402_300_800.0
"""Years 1 to 9999, which RFC 3339 can tell; a van's broken clock may have told others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackFix:
    """One fix of a track; ``at_s``: seconds since 1970 UTC by GNSS where the receiver told it."""

    at_s: float
    lat: float
    lon: float
    speed_mps: float | None
    course_deg: float | None


def require_span(from_s: float, to_s: float) -> tuple[int, int]:
    """The span in ms, as far as it lies within the years that RFC 3339 can tell.

    Raises:
        Invalid: it is empty or longer than 31 days.
    """
    if from_s >= to_s:
        raise Invalid.field("from", "is not before to", "give an earlier from")
    if to_s - from_s > MAX_SPAN_S:
        raise Invalid.field("from", "is more than 31 days before to", "ask for a shorter span")
    from_s, to_s = max(from_s, _FIRST_DAY_S), min(to_s, _AFTER_LAST_DAY_S)
    return round(from_s * 1000), round(to_s * 1000)


class Tracks:
    """Reads what ingest has stored."""

    def __init__(self, telemetry: Database) -> None:
        self._telemetry = telemetry

    def track(self, tenant: str, van: str, from_s: float, to_s: float) -> list[TrackFix]:
        """The van's fixes from ``from_s`` up to but without ``to_s``, by time.

        A van that never reported has an empty track.

        Raises:
            Invalid: the span is empty, longer than 31 days, or holds more than 100,000 fixes.
        """
        from_ms, to_ms = require_span(from_s, to_s)
        with self._telemetry.reading() as connection:
            rows = history.fixes_between(connection, tenant, van, from_ms, to_ms, MAX_FIXES + 1)
        if len(rows) > MAX_FIXES:
            raise Invalid.field(
                "to", f"more than {MAX_FIXES} fixes lie before it", "ask for a shorter span"
            )
        return [
            TrackFix(
                at_s=row.at_ms / 1000,
                lat=row.lat_e7 / 1e7,
                lon=row.lon_e7 / 1e7,
                speed_mps=None if row.speed_cmps is None else row.speed_cmps / 100,
                course_deg=None if row.course_ddeg is None else row.course_ddeg / 10,
            )
            for row in rows
        ]
