"""Where a van was at even instants, so that a face can play a day again. Pure."""

from typing import NamedTuple

import numpy as np

from cloud.tracking.lanes import Ints
from cloud.tracking.lines import unwound
from cloud.tracking.track import Track

_TURN_E7 = 3_600_000_000


class Frames(NamedTuple):
    """Places of one van at even instants, (longitude, latitude); None where it is not known."""

    van: str
    places: list[tuple[float, float] | None]


def frames(van: str, track: Track, instants_ms: Ints, silent_ms: int) -> Frames:
    """Where a van was at some instants, straight between two fixes.

    Args:
        van: whose track it is.
        track: fixes in order, from ``silent_ms`` before the first instant to as much after the
            last.
        instants_ms: ascending.
        silent_ms: between fixes further apart, and so long after the last, nothing is known.
    """
    moments = track["at_ms"]
    if not len(moments):
        return Frames(van, [None] * len(instants_ms))
    after = np.searchsorted(moments, instants_ms, side="right")
    before = np.maximum(after - 1, 0)
    following = np.minimum(after, len(moments) - 1)
    is_known = (after > 0) & (
        (moments[before] == instants_ms)
        | ((after < len(moments)) & (moments[following] - moments[before] <= silent_ms))
        | ((after == len(moments)) & (instants_ms - moments[before] <= silent_ms))
    )
    lon = np.interp(instants_ms, moments, unwound(track["lon_e7"]))
    lon = (lon + _TURN_E7 / 2) % _TURN_E7 - _TURN_E7 / 2
    lat = np.interp(instants_ms, moments, track["lat_e7"])
    places = zip(np.round(lon / 1e7, 6).tolist(), np.round(lat / 1e7, 6).tolist(), strict=True)
    return Frames(
        van,
        [place if known else None for place, known in zip(places, is_known.tolist(), strict=True)],
    )
