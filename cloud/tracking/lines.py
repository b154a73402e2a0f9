"""A track drawn: where its line breaks, and how few of its fixes draw it well enough. Pure.

Simplification is by Douglas and Peucker (The Canadian Cartographer 10, 1973), all spans of one
level at once. Distances are metres on the plane that touches the Earth where a span begins.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from cloud.tracking.lanes import Bools, Ints
from cloud.tracking.track import Track
from wire.track import METRES_AN_E7

type _Floats = npt.NDArray[np.float64]

SILENT_MS: Final = 180_000
"""A longer silence breaks the line: a van keeps a fix a minute at least, standing too."""
_TURN_E7: Final = 3_600_000_000
_WINDOW: Final = 256
"""Fixes that a span has at first: its ends are kept, so this many are looked at again and again."""
_SILENCE: Final = "silence"


class Lost(NamedTuple):
    """A range of a stream that will never come, and why."""

    stream: int
    first: int
    last: int
    reason: str


class Break(NamedTuple):
    """Nothing is known between two fixes that follow each other.

    Attributes:
        place: of the later one in the track. from_ms, to_ms: when they were taken.
        reason: ``silence``, or what the van has told in a gap.
    """

    place: int
    from_ms: int
    to_ms: int
    reason: str


def breaks(track: Track, lost: Sequence[Lost] = (), silent_ms: int = SILENT_MS) -> list[Break]:
    """Where the line through a track breaks, in order.

    Args:
        track: fixes in order.
        lost: what the van has told will never come.
        silent_ms: a longer silence is a break.
    """
    moments, seqs = track["at_ms"], track["seq"]
    found = dict.fromkeys((np.flatnonzero(np.diff(moments) > silent_ms) + 1).tolist(), _SILENCE)
    within = (seqs.min(), seqs.max()) if len(seqs) else (0, 0)
    for one in lost:
        if within[0] < one.first and one.last < within[1]:
            found |= dict.fromkeys(_around(track, one), one.reason)
    return [
        Break(place, int(moments[place - 1]), int(moments[place]), found[place])
        for place in sorted(found)
    ]


def _around(track: Track, lost: Lost) -> list[int]:
    """The fixes that follow, in time and in their stream, on one from before ``lost``."""
    seqs = track["seq"]
    is_over = (seqs[:-1] < lost.first) & (seqs[1:] > lost.last)
    is_over &= (track["stream"][:-1] == lost.stream) & (track["stream"][1:] == lost.stream)
    return [int(place) + 1 for place in np.flatnonzero(is_over)]


def simplified(track: Track, tolerance_m: float, starts: Sequence[int] = ()) -> Bools:
    """Which fixes draw the track: none left out lies further from the drawn line.

    Args:
        track: fixes in order.
        tolerance_m: above 0.
        starts: places where a line begins anew; either side of each is kept.
    """
    count = len(track)
    kept = np.zeros(count, dtype=np.bool_)
    if not count:
        return kept
    edges = {0, count, *starts}
    kept[[edge for edge in edges if edge < count]] = True
    kept[[edge - 1 for edge in edges if edge]] = True
    kept[::_WINDOW] = True
    lat, lon = track["lat_e7"], unwound(track["lon_e7"])
    stops = np.flatnonzero(kept)
    begin, end = stops[:-1], stops[1:]
    while len(begin):
        is_long = end - begin > 1
        begin, end = begin[is_long], end[is_long]
        if not len(begin):
            break
        furthest, away_m = _furthest(lat, lon, begin, end)
        is_far = away_m > tolerance_m
        middle = furthest[is_far]
        kept[middle] = True
        begin, end = (
            np.concatenate([begin[is_far], middle]),
            np.concatenate([middle, end[is_far]]),
        )
    return kept


def unwound(lon_e7: Ints) -> Ints:
    """Longitudes without the jump at the 180th meridian."""
    steps = np.diff(lon_e7)
    turns = np.where(steps > _TURN_E7 // 2, -1, 0) + np.where(steps < -_TURN_E7 // 2, 1, 0)
    if not turns.any():
        return lon_e7
    unwound = lon_e7.copy()
    unwound[1:] += np.cumsum(turns) * _TURN_E7
    return unwound


def _furthest(lat: Ints, lon: Ints, begin: Ints, end: Ints) -> tuple[Ints, _Floats]:
    """Of each span the fix furthest from the straight line between its ends, and how far."""
    counts = end - begin - 1
    starts = np.cumsum(counts) - counts
    inner = np.repeat(begin + 1 - starts, counts) + np.arange(int(counts.sum()))
    east_scale = METRES_AN_E7 * np.cos(np.radians(lat[begin] * 1e-7))
    to_east = (lon[end] - lon[begin]) * east_scale
    to_north = (lat[end] - lat[begin]) * METRES_AN_E7
    length2 = to_east**2 + to_north**2
    per_m2 = np.divide(1.0, length2, out=np.zeros_like(length2), where=length2 > 0)
    east = (lon[inner] - np.repeat(lon[begin], counts)) * np.repeat(east_scale, counts)
    north = (lat[inner] - np.repeat(lat[begin], counts)) * METRES_AN_E7
    all_east, all_north = np.repeat(to_east, counts), np.repeat(to_north, counts)
    share = (east * all_east + north * all_north) * np.repeat(per_m2, counts)
    np.clip(share, 0.0, 1.0, out=share)
    away2 = (share * all_east - east) ** 2 + (share * all_north - north) ** 2
    most2 = np.maximum.reduceat(away2, starts)
    is_most = np.flatnonzero(away2 == np.repeat(most2, counts))
    first = is_most[np.searchsorted(is_most, starts)]
    return inner[first], np.sqrt(most2)
