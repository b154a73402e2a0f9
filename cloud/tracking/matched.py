"""A van's track put onto the streets, and how far it came along them."""

import asyncio
from dataclasses import dataclass
from typing import Final

from cloud.foundation.errors import Invalid
from cloud.roads.client import RoadsClient
from cloud.roads.matching import Line, stretches
from cloud.roads.model import Point, RoadsUnavailable
from cloud.tracking.service import Drawing, Tracks
from cloud.tracking.track import Track
from wire.track import METRES_AN_E7, distance_m
from wire.values import EpochMs

MAX_SPAN_S: Final = 86_400.0
MAX_POINTS: Final = 10_000
_EVERY_M: Final = 20.0
"""Points closer to each other say where a receiver wandered, not where the van drove."""
_LIMIT_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a drive: on streets, or, when ``metres`` is None, where no street fits.

    Attributes:
        straight_m: the straight line between its ends. line: (lon, lat), straight without streets.
    """

    from_ms: EpochMs
    to_ms: EpochMs
    straight_m: float
    metres: float | None
    confidence: float | None
    line: Line


@dataclass(frozen=True, slots=True)
class Spot:
    """A point of a drive."""

    lat_e7: int
    lon_e7: int
    at_ms: int


class Matching:
    """Asks the road engine; in the bulk lane, so that nobody who waits for a route waits longer."""

    def __init__(self, tracks: Tracks, roads: RoadsClient, limit_s: float = _LIMIT_S) -> None:
        self._tracks = tracks
        self._roads = roads
        self._limit_s = limit_s

    async def matched(self, tenant: str, van: str, span_s: tuple[float, float]) -> list[Part]:
        """The van's drives in a span of time, part after part; a stand is no part.

        Raises:
            Invalid: the span is empty, longer than a day, or too much was driven in it.
            RoadsUnavailable: the engine does not answer, or not in time.
        """
        if span_s[1] - span_s[0] > MAX_SPAN_S:
            raise Invalid.field("from", "is more than a day before to", "ask for a shorter span")
        drives = await asyncio.to_thread(drives_of, self._tracks, tenant, van, span_s)
        points = sum(map(len, drives))
        if points > MAX_POINTS:
            raise Invalid.field(
                "to", f"{points} places lie before it; at most {MAX_POINTS}", "ask for less"
            )
        try:
            async with asyncio.timeout(self._limit_s):
                return [part for drive in drives for part in await self._parts(drive)]
        except TimeoutError:
            raise RoadsUnavailable(
                f"roads: not matched within {self._limit_s:g} s; ask for a shorter span"
            ) from None

    async def _parts(self, drive: list[Spot]) -> list[Part]:
        points = [Point(one.lat_e7 / 1e7, one.lon_e7 / 1e7) for one in drive]
        hops = await self._roads.match(points, [one.at_ms // 1000 for one in drive])
        return [
            Part(
                from_ms=drive[one.first].at_ms,
                to_ms=drive[one.last].at_ms,
                straight_m=distance_m(drive[one.first], drive[one.last]),
                metres=one.metres,
                confidence=one.confidence,
                line=one.line
                or tuple((points[at].lon, points[at].lat) for at in (one.first, one.last)),
            )
            for one in stretches(hops, len(drive))
        ]


def drives_of(
    tracks: Tracks, tenant: str, van: str, span_s: tuple[float, float]
) -> list[list[Spot]]:
    """Where a van drove in a span of time, drive by drive, as points to be matched."""
    drawn = tracks.drawn(tenant, van, span_s, Drawing())
    found = [_thinned(drawn.track.only(piece)) for piece in drawn.pieces]
    return [drive for drive in found if len(drive) > 1]


def _thinned(track: Track) -> list[Spot]:
    """Fixes `_EVERY_M` from the one before, no two of one second; a stand is one of them."""
    far_e7 = _EVERY_M / METRES_AN_E7
    found: list[Spot] = []
    columns = (track["lat_e7"].tolist(), track["lon_e7"].tolist(), track["at_ms"].tolist())
    for lat_e7, lon_e7, at_ms in zip(*columns, strict=True):
        here = Spot(lat_e7, lon_e7, at_ms)
        if not found:
            found.append(here)
            continue
        last = found[-1]
        if at_ms // 1000 == last.at_ms // 1000:
            continue
        if abs(lat_e7 - last.lat_e7) >= far_e7 or distance_m(last, here) >= _EVERY_M:
            found.append(here)
    return found
