"""Who passed here: when a van was within an area, read out of its track. Pure.

Exact on fixes; and between two fixes in a row the van goes straight, so that a way through the
area counts too. No way leads over a silence of more than `cloud.tracking.blocks.WAY_MS`, over what
the van has told is lost, or from one stream to another: there nothing is known.

Places lie on the plane around the middle of the area in which every place has its true distance
and direction from there (azimuthal equidistant; Snyder, Map Projections, USGS 1395, 1987, p. 191),
so whether a fix lies in a circle is as true as the sphere is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from cloud.tracking import blocks
from cloud.tracking.blocks import WAY_MS
from cloud.tracking.lanes import Bools, Ints
from cloud.tracking.lines import Lost, breaks
from cloud.tracking.places import EARTH_M, Area, Box, Circle
from cloud.tracking.track import Track

type _Floats = npt.NDArray[np.floating]

AGAIN_AFTER_MS: Final = 60_000
"""Who was out for less has not come anew."""
_MOST_SPANS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """That a van was within an area.

    Attributes:
        first_ms, last_ms: when it was first and last known to be there.
        passes: how often it came: a minute or more after it was known to be elsewhere.
        fixes: how many were taken there; 0 where it only went through between two.
        inside_ms: how long it is known to have been there.
        nearest_m: from the middle of the circle; None of a box. nearest_ms: when.
    """

    first_ms: int
    last_ms: int
    passes: int
    fixes: int
    inside_ms: int
    nearest_m: float | None = None
    nearest_ms: int | None = None


class Piece(NamedTuple):
    """Something stored of a van that may lie in the area, and from when to when it was taken."""

    van: str
    from_ms: int
    to_ms: int


class _Ways(NamedTuple):
    """Parts of ways that lie within: after which fix, and from which to which share of the way."""

    place: Ints
    low: _Floats
    high: _Floats


def boxes_of(area: Area) -> list[blocks.Box]:
    """Boxes that hold every place of ``area``: two where it reaches over the 180th meridian."""
    if isinstance(area, Box):
        return [_box_e7(area)]
    around = area.box
    boxes = [_box_e7(around)]
    side = min(180.0, np.degrees(_reach_rad(area)))
    if area.lon - side < -180:
        boxes.append(_box_e7(Box(area.lon - side + 360, around.south, 180.0, around.north)))
    if area.lon + side > 180:
        boxes.append(_box_e7(Box(-180.0, around.south, area.lon + side - 360, around.north)))
    return [blocks.Box(one[0] - 1, one[1] - 1, one[2] + 1, one[3] + 1) for one in boxes]


def spans(pieces: Sequence[Piece], span_ms: tuple[int, int]) -> list[tuple[int, int]]:
    """What of a van's time has to be read: around its ``pieces``, and somewhat about the span.

    Between any two of the spans lies so much time that no way leads from one to the other.
    """
    around: list[tuple[int, int]] = []
    for begin, end in sorted((one.from_ms - WAY_MS, one.to_ms + WAY_MS + 1) for one in pieces):
        if around and begin - around[-1][1] <= WAY_MS:
            around[-1] = (around[-1][0], max(around[-1][1], end))
        else:
            around.append((begin, end))
    if len(around) > _MOST_SPANS:
        around = [(around[0][0], around[-1][1])]
    low, high = span_ms[0] - WAY_MS, span_ms[1] + WAY_MS
    return [
        (max(begin, low), min(end, high)) for begin, end in around if begin < high and end > low
    ]


def passed(
    track: Track, lost: Sequence[Lost], area: Area, span_ms: tuple[int, int]
) -> Passed | None:
    """What a track tells of an area from ``span_ms[0]`` up to ``span_ms[1]``; None for nothing.

    Args:
        track: fixes in order; from `WAY_MS` before the span to as long after it, or more.
        lost: what the van has told will never come.
        area: where.
        span_ms: when.
    """
    if not len(track):
        return None
    moments = track["at_ms"]
    is_way = _ways(track, lost)
    ways = np.flatnonzero(is_way)
    is_in_span = (moments >= span_ms[0]) & (moments < span_ms[1])
    if isinstance(area, Box):
        is_inside, through = _through_box(track, ways, area)
        kept = _within(through, moments, span_ms)
        return _summed(moments, is_way, is_inside & is_in_span, kept)
    x, y = _plane(track, area)
    is_inside = np.hypot(x, y) <= area.radius_m
    kept = _within(_through_circle(x, y, is_inside, ways, area.radius_m), moments, span_ms)
    found = _summed(moments, is_way, is_inside & is_in_span, kept)
    if found is None:
        return None
    return _with_nearest(found, moments, (x, y), is_inside & is_in_span, kept)


def _ways(track: Track, lost: Sequence[Lost]) -> Bools:
    """Whether a way leads from each fix to the next one."""
    lasted = np.diff(track["at_ms"])
    is_way: Bools = (lasted <= WAY_MS) & (np.diff(track["stream"]) == 0)
    is_way &= np.diff(track["seq"]) > 0
    is_way[[one.place - 1 for one in breaks(track, lost, WAY_MS)]] = False
    return is_way


def _plane(track: Track, circle: Circle) -> tuple[_Floats, _Floats]:
    """Metres east and north of the middle, each place as far and in the direction as it is."""
    lat, lon = np.radians(track["lat_e7"] * 1e-7), np.radians(track["lon_e7"] * 1e-7)
    lat0 = np.radians(circle.lat)
    east = lon - np.radians(circle.lon)
    level = np.cos(lat0) * np.cos(lat)
    half = np.sin((lat - lat0) / 2) ** 2 + level * np.sin(east / 2) ** 2
    away_m = 2 * EARTH_M * np.arcsin(np.minimum(1.0, np.sqrt(half)))
    to_east = np.cos(lat) * np.sin(east)
    to_north = np.cos(lat0) * np.sin(lat) - np.sin(lat0) * np.cos(lat) * np.cos(east)
    bearing = np.arctan2(to_east, to_north)
    return away_m * np.sin(bearing), away_m * np.cos(bearing)


def _through_circle(x: _Floats, y: _Floats, is_inside: Bools, ways: Ints, radius_m: float) -> _Ways:
    middle, off2, length2 = _nearing(x, y, ways)
    per_m2 = np.divide(1.0, length2, out=np.zeros_like(length2), where=length2 > 0)
    half = np.sqrt(np.maximum(0.0, (radius_m**2 - off2) * per_m2))
    low = np.where(is_inside[ways], 0.0, np.clip(middle - half, 0.0, 1.0))
    high = np.where(is_inside[ways + 1], 1.0, np.clip(middle + half, 0.0, 1.0))
    is_through = is_inside[ways] | is_inside[ways + 1]
    is_through |= (off2 <= radius_m**2) & (middle > 0) & (middle < 1)
    return _Ways(ways[is_through], low[is_through], high[is_through])


def _nearing(x: _Floats, y: _Floats, ways: Ints) -> tuple[_Floats, _Floats, _Floats]:
    """At which share of each way, made longer both ways, it is nearest to the middle.

    Then how far it is there, squared, and how long the way is, squared.
    """
    ahead_x, ahead_y = x[ways + 1] - x[ways], y[ways + 1] - y[ways]
    length2 = ahead_x**2 + ahead_y**2
    per_m2 = np.divide(1.0, length2, out=np.zeros_like(length2), where=length2 > 0)
    middle = -(x[ways] * ahead_x + y[ways] * ahead_y) * per_m2
    off2 = (x[ways] + middle * ahead_x) ** 2 + (y[ways] + middle * ahead_y) ** 2
    return middle, off2, length2


def _through_box(track: Track, ways: Ints, box: Box) -> tuple[Bools, _Ways]:
    """By slabs, in degrees from the middle of the box (Liang and Barsky, ACM TOG 3, 1984)."""
    middle_lon = (box.west + box.east) / 2
    lat = track["lat_e7"] * 1e-7
    east = (track["lon_e7"] * 1e-7 - middle_lon + 180.0) % 360.0 - 180.0
    around = _box_e7(box)
    is_inside: Bools = (track["lat_e7"] >= around.south_e7) & (track["lat_e7"] <= around.north_e7)
    is_inside &= (track["lon_e7"] >= around.west_e7) & (track["lon_e7"] <= around.east_e7)
    low, high = np.zeros(len(ways)), np.ones(len(ways))
    half = (box.east - box.west) / 2
    for values, begin, end, turn in (
        (lat, box.south, box.north, 0.0),
        (east, -half, half, 360.0),
    ):
        ahead = values[ways + 1] - values[ways]
        if turn:
            ahead = (ahead + turn / 2) % turn - turn / 2
        enters, leaves = _slab(values[ways], ahead, begin, end)
        low, high = np.maximum(low, enters), np.minimum(high, leaves)
    low = np.where(is_inside[ways], 0.0, low)
    high = np.where(is_inside[ways + 1], 1.0, high)
    is_through = is_inside[ways] | is_inside[ways + 1] | (low <= high)
    return is_inside, _Ways(ways[is_through], low[is_through], high[is_through])


def _slab(values: _Floats, ahead: _Floats, begin: float, end: float) -> tuple[_Floats, _Floats]:
    """From which to which share of each way it lies between two values."""
    is_along = ahead == 0
    per = 1.0 / np.where(is_along, 1.0, ahead)
    one, other = (begin - values) * per, (end - values) * per
    is_between = (values >= begin) & (values <= end)
    enters = np.where(is_along, np.where(is_between, 0.0, 2.0), np.minimum(one, other))
    leaves = np.where(is_along, np.where(is_between, 1.0, -1.0), np.maximum(one, other))
    return enters, leaves


def _within(ways: _Ways, moments: Ints, span_ms: tuple[int, int]) -> _Ways:
    """The parts of ways that were gone in the span."""
    begin = moments[ways.place]
    lasted = np.maximum(1, moments[ways.place + 1] - begin)
    low = np.maximum(ways.low, (span_ms[0] - begin) / lasted)
    high = np.minimum(ways.high, (span_ms[1] - begin) / lasted)
    is_kept = (low <= high) & (begin + low * lasted < span_ms[1])
    return _Ways(ways.place[is_kept], low[is_kept], high[is_kept])


def _summed(moments: Ints, is_way: Bools, is_inside: Bools, ways: _Ways) -> Passed | None:
    fixes = np.flatnonzero(is_inside)
    if not len(fixes) and not len(ways.place):
        return None
    begin = moments[ways.place]
    lasted = moments[ways.place + 1] - begin
    starts = np.concatenate([moments[fixes], begin + ways.low * lasted])
    ends = np.concatenate([moments[fixes], begin + ways.high * lasted])
    came_at = np.concatenate([fixes, ways.place + ways.low])
    left_at = np.concatenate([fixes, ways.place + ways.high])
    order = np.lexsort((ends, came_at))
    starts, ends, came_at, left_at = (one[order] for one in (starts, ends, came_at, left_at))
    is_anew = _was_elsewhere(is_way, left_at[:-1], came_at[1:])
    is_anew &= starts[1:] - ends[:-1] >= AGAIN_AFTER_MS
    return Passed(
        first_ms=round(float(starts[0])),
        last_ms=round(float(ends.max())),
        passes=1 + int(is_anew.sum()),
        fixes=len(fixes),
        inside_ms=round(float((ends - starts).sum())),
    )


def _with_nearest(
    found: Passed, moments: Ints, plane: tuple[_Floats, _Floats], is_inside: Bools, ways: _Ways
) -> Passed:
    """With where the van was nearest to the middle, at a fix or between two."""
    x, y = plane
    fixes = np.flatnonzero(is_inside)
    middle, off2, length2 = _nearing(x, y, ways.place)
    at = np.clip(middle, ways.low, ways.high)
    away_m = np.sqrt(off2 + (at - middle) ** 2 * length2)
    begin = moments[ways.place]
    nearest_m = np.concatenate([np.hypot(x[fixes], y[fixes]), away_m])
    nearest_ms = np.concatenate([moments[fixes], begin + at * (moments[ways.place + 1] - begin)])
    best = int(np.argmin(nearest_m))
    return replace(
        found,
        nearest_m=round(float(nearest_m[best]), 1),
        nearest_ms=round(float(nearest_ms[best])),
    )


def _was_elsewhere(is_way: Bools, left_at: _Floats, came_at: _Floats) -> Bools:
    """Whether a van is known to have been out between two stays: fix 3.5 is amid a way.

    From a fix inside over a silence to the next fix inside it is not known.
    """
    is_next = (left_at == np.floor(left_at)) & (came_at == left_at + 1)
    is_silent = is_next & ~is_way[np.minimum(left_at.astype(np.int64), max(0, len(is_way) - 1))]
    was_out: Bools = (came_at > left_at) & ~is_silent
    return was_out


def _reach_rad(circle: Circle) -> float:
    """How far east and west of its middle a circle reaches at most."""
    lat = np.radians(abs(circle.lat))
    reach = circle.radius_m / EARTH_M
    if lat + reach >= np.pi / 2:
        return float(np.pi)
    return float(np.arcsin(np.sin(reach) / np.cos(lat)))


def _box_e7(box: Box) -> blocks.Box:
    south, west, north, east = (
        round(1e7 * one) for one in (box.south, box.west, box.north, box.east)
    )
    return blocks.Box(south, west, north, east)
