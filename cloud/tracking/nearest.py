"""Which free vans are soonest at a place, by the streets, or by the straight line without them."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from cloud.roads.client import RoadsClient
from cloud.roads.model import NO_WAY, NoStreetNear, Point, RoadsUnavailable
from cloud.tracking.places import distance_m

LINE_MPS: Final = 6.0
"""How fast a van comes nearer in a town, as the crow flies; only for when roads do not answer."""
_ASKED: Final = 100
"""The nearest by the straight line, of which the soonest are found by the streets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A free van and where it is; ``metres`` and ``seconds`` are to the place asked for."""

    van: str
    lat: float
    lon: float
    metres: int = 0
    seconds: int = 0
    is_straight_line: bool = True


async def soonest(
    roads: RoadsClient, free: Sequence[Candidate], lat: float, lon: float, limit: int
) -> list[Candidate]:
    """The ``limit`` soonest of some vans, the soonest first.

    A van that is near no street counts by the straight line, and all do while roads do not answer;
    each says so.
    """
    near = sorted((_straight(one, lat, lon) for one in free), key=_soon)[:_ASKED]
    with suppress(RoadsUnavailable, NoStreetNear):  # the flag of each tells it
        near = await _by_streets(roads, near, lat, lon)
    return sorted(near, key=_soon)[:limit]


async def _by_streets(
    roads: RoadsClient, near: list[Candidate], lat: float, lon: float
) -> list[Candidate]:
    if not near:
        return near
    points = [*(Point(one.lat, one.lon) for one in near), Point(lat, lon)]
    try:
        told = await roads.table(points, rows=range(len(near)), columns=[len(near)])
    except NoStreetNear as error:
        if len(near) in error.far_m:
            raise
        far = [one for at, one in enumerate(near) if at in error.far_m]
        rest = [one for at, one in enumerate(near) if at not in error.far_m]
        return [*far, *await _by_streets(roads, rest, lat, lon)]
    seconds, metres = told.seconds[:, 0].tolist(), told.metres[:, 0].tolist()
    return [
        replace(one, metres=length, seconds=time, is_straight_line=False)
        for one, time, length in zip(near, seconds, metres, strict=True)
        if time < NO_WAY
    ]


def _straight(one: Candidate, lat: float, lon: float) -> Candidate:
    metres = distance_m(one.lat, one.lon, lat, lon)
    return replace(one, metres=round(metres), seconds=round(metres / LINE_MPS))


def _soon(one: Candidate) -> tuple[int, str]:
    return one.seconds, one.van
