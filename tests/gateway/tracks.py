"""Tracks for tests of the rules: fixes and epochs by metres and seconds from one place."""

from collections.abc import Iterable, Iterator
from math import cos, radians

import msgspec

from gateway.fixes.epochs import Epoch
from gateway.fixes.logbook import Entries, Logbook
from gateway.stamp import Stamp
from wire.messages import Fix
from wire.track import METRES_AN_E7
from wire.values import Name

LAT, LON = -29.9, -71.25
START_MS = 1_795_345_200_000
"""2026-11-22 11:00 UTC."""

_EAST_M_A_DEG = METRES_AN_E7 * 1e7 * cos(radians(LAT))
_NORTH_M_A_DEG = METRES_AN_E7 * 1e7


def degrees_at(east_m: float, north_m: float) -> tuple[float, float]:
    return LAT + north_m / _NORTH_M_A_DEG, LON + east_m / _EAST_M_A_DEG


def fix_at(
    at_s: float,
    east_m: float = 0.0,
    north_m: float = 0.0,
    *,
    speed_mps: float | None = None,
    course_deg: float | None = None,
) -> Fix:
    lat, lon = degrees_at(east_m, north_m)
    return Fix(
        recorded_at_ms=START_MS + round(at_s * 1000) + 180,
        fix_time_ms=START_MS + round(at_s * 1000),
        lat_e7=round(lat * 1e7),
        lon_e7=round(lon * 1e7),
        mode=3,
        speed_cmps=None if speed_mps is None else round(speed_mps * 100),
        course_ddeg=None if course_deg is None else round(course_deg * 10) % 3600,
        quality="gnss",
    )


def epoch_of(fix: Fix) -> Epoch:
    return Epoch(
        utc_ms=fix.fix_time_ms,
        position=(fix.lat_e7 / 1e7, fix.lon_e7 / 1e7),
        mode=fix.mode,
        speed_mps=None if fix.speed_cmps is None else fix.speed_cmps / 100,
        course_deg=None if fix.course_ddeg is None else fix.course_ddeg / 10,
    )


def stamp_at(at_s: float) -> Stamp:
    return Stamp(START_MS + round(at_s * 1000) + 180, "gnss")


class Journey:
    """A van on an axis to the east, second by second."""

    def __init__(self, *, rate_hz: float = 1.0) -> None:
        self.at_s = 0.0
        self.east_m = 0.0
        self.mps = 0.0
        self._step_s = 1 / rate_hz

    def stand(self, for_s: float) -> Iterator[Fix]:
        self.mps = 0.0
        yield from self._go(for_s, 0.0)

    def drive(self, for_s: float, mps: float) -> Iterator[Fix]:
        self.mps = mps
        yield from self._go(for_s, 0.0)

    def change(self, to_mps: float, mps2: float) -> Iterator[Fix]:
        yield from self._go(abs(to_mps - self.mps) / abs(mps2), mps2)
        self.mps = to_mps

    def _go(self, for_s: float, mps2: float) -> Iterator[Fix]:
        for _ in range(round(for_s / self._step_s)):
            self.at_s += self._step_s
            self.east_m += (self.mps + mps2 * self._step_s / 2) * self._step_s
            self.mps = max(0.0, self.mps + mps2 * self._step_s)
            yield fix_at(
                self.at_s,
                self.east_m,
                speed_mps=self.mps,
                course_deg=90.0 if self.mps > 0.3 else None,
            )


def lived(logbook: Logbook, fixes: Iterable[Fix], receiver: Name = "serial") -> list[Entries]:
    return [
        logbook.take(epoch_of(fix), Stamp(fix.recorded_at_ms, "gnss"), "serial", receiver)
        for fix in fixes
    ]


def events_of(entries: Iterable[Entries]) -> list[object]:
    return [event for one in entries for event in one.events]


def moved(fix: Fix, **what: object) -> Fix:
    return msgspec.structs.replace(fix, **what)
