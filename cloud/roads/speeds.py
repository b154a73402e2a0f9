"""Which speed holds on which segment now: layers laid over the travel profile. Pure.

From below: the profile, day-one speeds from a file, what was learned for this hour, what vans meet
at this minute, slow zones, closures. A layer says nothing of most segments; the next one below
holds there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from cloud.roads.segments import Floats, Places, Segments

type Kind = Literal["closed", "slow"]
type Bools = npt.NDArray[np.bool_]

MAX_RULES: Final = 500
MAX_POINTS: Final = 200
MIN_KMH: Final = 2.0
MAX_KMH: Final = 130.0
_LINE_REACH_M: Final = 12.0
"""A street lies along a drawn line when it is no farther from it."""
_ALONG: Final = 0.8
"""And when its course differs by 37 degrees at most."""
_SAMPLES: Final = (np.arange(5) + 0.5) / 5
_A_LITTLE: Final = 0.05
"""The share of a long segment that a small shape is on."""
_AT_ONCE: Final = 100_000
_METRES_A_DEGREE: Final = 111_195.0
_NEARBY: Final = 1_000.0 / _METRES_A_DEGREE
"""A street that is open again matters to who drives within a kilometre of it."""


DRAWN: Final = "drawn"
"""The source of what people have drawn; no file has this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadRule:
    """A closure or a slow zone, drawn or out of a file.

    Attributes:
        points: (lat, lon) of a line along the street, or of an area's corners.
        kmh: of a slow zone; nobody becomes faster by it. is_one_way: along the line as drawn only.
        depot_id: whose dispatchers may change it; None for those of all depots.
        from_s, until_s: UTC seconds between which it holds; None for ever.
        source: ``drawn``, or the name of the file it came from.
    """

    id: str
    name: str
    kind: Kind
    points: tuple[tuple[float, float], ...]
    is_area: bool
    kmh: float | None = None
    is_one_way: bool = False
    depot_id: str | None = None
    from_s: float | None = None
    until_s: float | None = None
    source: str = DRAWN
    changed_at: float = 0.0
    changed_by: str = ""

    def holds(self, at_s: float) -> bool:
        """Whether it is in force at ``at_s``."""
        begun = self.from_s is None or self.from_s <= at_s
        return begun and (self.until_s is None or at_s < self.until_s)


def next_change(rules: Iterable[RoadRule], after_s: float) -> float | None:
    """When the next rule begins or ends."""
    moments = [one for rule in rules for one in (rule.from_s, rule.until_s) if one is not None]
    return min((one for one in moments if one > after_s), default=None)


def share_within(segments: Segments, rule: RoadRule) -> Floats:
    """What share of each segment a rule is about: 0 to 1."""
    lat, lon = np.array(rule.points, dtype=np.float64).T
    margin = 0.0 if rule.is_area else _LINE_REACH_M / _METRES_A_DEGREE * 2
    near = _overlapping(segments, lat, lon, margin)
    share = np.zeros(len(segments))
    if len(near):
        inside = _in_area if rule.is_area else _along_line
        share[near] = inside(segments, near, lat, lon, is_one_way=rule.is_one_way)
    return share


def goes_through(path: Sequence[tuple[float, float]], rule: RoadRule) -> bool:
    """Whether a path of (lat, lon) leads along a street that a rule is about."""
    return len(path) > 1 and bool((share_within(_pieces(path), rule) > 0).any())


def passes_by(path: Sequence[tuple[float, float]], rule: RoadRule) -> bool:
    """Whether a path of (lat, lon) comes so near that it might lead along what a rule is about."""
    lat, lon = np.array(rule.points, dtype=np.float64).T
    return len(path) > 1 and len(_overlapping(_pieces(path), lat, lon, _NEARBY)) > 0


def _pieces(path: Sequence[tuple[float, float]]) -> Segments:
    lat, lon = np.array(path, dtype=np.float64).T
    none = np.zeros(len(path) - 1)
    return Segments(
        tail=none.astype(np.int64), head=none.astype(np.int64),
        lat=lat[:-1], lon=lon[:-1], to_lat=lat[1:], to_lon=lon[1:],
        metres=none, seconds=none,
    )  # fmt: skip


def speeds_now(
    segments: Segments,
    *,
    layers: Sequence[Floats] = (),
    factors: Sequence[Floats] = (),
    rules: Sequence[RoadRule] = (),
) -> Floats:
    """The speed of each segment in km/h; 0 where it is closed.

    Args:
        segments: the city's.
        layers: speeds from below to above, NaN where one says nothing; 0 closes.
        factors: of travel time over what the layers say, NaN where one says nothing.
        rules: those in force now.
    """
    kmh = _laid(segments.kmh, layers)
    shut = kmh == 0.0
    for factor in factors:
        kmh = np.where(np.isnan(factor), kmh, kmh / np.maximum(factor, 0.05))
    kmh = np.clip(kmh, MIN_KMH, MAX_KMH)
    for rule in rules:
        share = share_within(segments, rule)
        if rule.kind == "slow" and rule.kmh is not None:
            slow = np.minimum(kmh, rule.kmh)
            kmh = 1.0 / (share / slow + (1.0 - share) / kmh)
    for rule in rules:
        if rule.kind == "closed":
            shut |= share_within(segments, rule) > 0
    kmh[shut] = 0.0
    return kmh


def told_by(segments: Segments, layers: Sequence[Floats]) -> Floats:
    """Travel time as layers tell it over the profile's, NaN where none tells a speed."""
    kmh = _laid(np.full(len(segments), np.nan), layers)
    kmh[kmh == 0.0] = np.nan
    found: Floats = segments.kmh / np.clip(kmh, MIN_KMH, MAX_KMH)
    return found


def _laid(kmh: Floats, layers: Sequence[Floats]) -> Floats:
    for layer in layers:
        kmh = np.where(np.isnan(layer), kmh, layer)
    return kmh


def lines(segments: Segments, kmh: Floats) -> bytes:
    """What the engine reads: every segment whose speed is not the profile's.

    Which way is chosen goes on as the profile likes its streets: a lane that is slow by two percent
    is no more inviting than one that is not.

    Numbers have zeros in front, by which all lines are written at once.
    """
    told = np.flatnonzero(np.abs(kmh - segments.kmh) > 0.02 * segments.kmh)
    parts = (told[begin : begin + _AT_ONCE] for begin in range(0, len(told), _AT_ONCE))
    return b"".join(_written(segments, kmh, part) for part in parts)


def _written(segments: Segments, kmh: Floats, told: Places) -> bytes:
    tail, head = segments.tail[told], segments.head[told]
    tenths = np.rint(kmh[told] * 10).astype(np.int64)
    wide = len(str(max(int(tail.max()), int(head.max()))))
    empty = f"{'0' * wide},{'0' * wide},000.0,00.000\n".encode()
    form = np.tile(np.frombuffer(empty, dtype=np.uint8), (len(told), 1))
    liked = np.broadcast_to(segments.liked, len(segments))[told]
    metres_an_s = np.rint(tenths * liked / 0.036).astype(np.int64)  # in thousandths
    for values, places in (
        (tail, range(wide)),
        (head, range(wide + 1, 2 * wide + 1)),
        (tenths, (-13, -12, -11, -9)),
        (metres_an_s, (-7, -6, -4, -3, -2)),
    ):
        left = values
        for place in reversed(places):
            left, digit = np.divmod(left, 10)
            form[:, place] += digit.astype(np.uint8)
    return form.tobytes()


def layer_of(
    segments: Segments, pairs: Iterable[tuple[int, int, float]]
) -> tuple[Floats, list[tuple[int, int]]]:
    """A layer out of (tail, head, km/h), and the pairs that are no segment of this city."""
    rows = list(pairs)
    layer = np.full(len(segments), np.nan)
    if not rows:
        return layer, []
    tail = np.array([row[0] for row in rows], dtype=np.int64)
    head = np.array([row[1] for row in rows], dtype=np.int64)
    at = segments.find(tail, head)
    layer[at[at >= 0]] = np.array([row[2] for row in rows])[at >= 0]
    return layer, [(rows[place][0], rows[place][1]) for place in np.flatnonzero(at < 0).tolist()]


def _overlapping(segments: Segments, lat: Floats, lon: Floats, margin: float) -> Places:
    """Segments whose box meets the box of a shape."""
    wider = margin / max(0.1, float(np.cos(np.radians(lat.mean()))))
    meets = np.minimum(segments.lat, segments.to_lat) <= lat.max() + margin
    meets &= np.maximum(segments.lat, segments.to_lat) >= lat.min() - margin
    meets &= np.minimum(segments.lon, segments.to_lon) <= lon.max() + wider
    meets &= np.maximum(segments.lon, segments.to_lon) >= lon.min() - wider
    return np.flatnonzero(meets)


def _samples(segments: Segments, near: Places) -> tuple[Floats, Floats]:
    """Points on each segment: places x samples, as (lat, lon)."""
    lat, lon = segments.lat[near, None], segments.lon[near, None]
    return (
        lat + (segments.to_lat[near, None] - lat) * _SAMPLES,
        lon + (segments.to_lon[near, None] - lon) * _SAMPLES,
    )


def _in_area(
    segments: Segments, near: Places, lat: Floats, lon: Floats, *, is_one_way: bool
) -> Floats:
    """By the even-odd rule; what only crosses a border is in by a little."""
    del is_one_way  # an area has no direction
    at_lat, at_lon = _samples(segments, near)
    is_in = np.zeros(at_lat.shape, dtype=bool)
    crosses = np.zeros(len(near), dtype=bool)
    for one in range(len(lat)):
        other = one - 1
        spans = (lat[one] > at_lat) != (lat[other] > at_lat)
        if lat[one] != lat[other]:
            slope = (lon[other] - lon[one]) / (lat[other] - lat[one])
            is_in ^= spans & (at_lon < lon[one] + slope * (at_lat - lat[one]))
        crosses |= _crosses(segments, near, (lat[one], lon[one]), (lat[other], lon[other]))
    return np.maximum(is_in.mean(axis=1), crosses * _A_LITTLE)


def _crosses(
    segments: Segments, near: Places, one: tuple[float, float], other: tuple[float, float]
) -> Bools:
    """Whether a segment and a border lie across each other: each has the other's ends beside it."""
    lat, lon = segments.lat[near], segments.lon[near]
    to_lat, to_lon = segments.to_lat[near], segments.to_lon[near]
    north, east = other[0] - one[0], other[1] - one[1]
    first = east * (lat - one[0]) - north * (lon - one[1])
    second = east * (to_lat - one[0]) - north * (to_lon - one[1])
    third = (to_lon - lon) * (one[0] - lat) - (to_lat - lat) * (one[1] - lon)
    fourth = (to_lon - lon) * (other[0] - lat) - (to_lat - lat) * (other[1] - lon)
    found: Bools = (first * second < 0) & (third * fourth < 0)
    return found


def _along_line(
    segments: Segments, near: Places, lat: Floats, lon: Floats, *, is_one_way: bool
) -> Floats:
    """What lies beside a piece of the line and has its course; a short piece counts a little."""
    narrower = _METRES_A_DEGREE * float(np.cos(np.radians(lat.mean())))
    at_lat, at_lon = _samples(segments, near)
    begin = segments.lon[near] * narrower, segments.lat[near] * _METRES_A_DEGREE
    end = segments.to_lon[near] * narrower, segments.to_lat[near] * _METRES_A_DEGREE
    east, north = end[0] - begin[0], end[1] - begin[1]
    is_on = np.zeros(at_lat.shape, dtype=bool)
    is_met = np.zeros(len(near), dtype=bool)
    line_x, line_y = lon * narrower, lat * _METRES_A_DEGREE
    for at in range(len(lat) - 1):
        one, other = (line_x[at], line_y[at]), (line_x[at + 1], line_y[at + 1])
        dx, dy = other[0] - one[0], other[1] - one[1]
        sizes = np.maximum(np.hypot(dx, dy) * np.hypot(east, north), 1e-9)
        cosine = (east * dx + north * dy) / sizes
        is_along = (cosine if is_one_way else np.abs(cosine)) >= _ALONG
        point = (at_lon * narrower, at_lat * _METRES_A_DEGREE)
        is_on |= (_away_m(point, one, other) <= _LINE_REACH_M) & is_along[:, None]
        middle = ((one[0] + other[0]) / 2, (one[1] + other[1]) / 2)
        is_met |= (_away_m(middle, begin, end) <= _LINE_REACH_M) & is_along
    return np.maximum(is_on.mean(axis=1), is_met * _A_LITTLE)


type _Metric = tuple[Any, Any]
"""(x, y) in metres: two numbers, or two arrays."""


def _away_m(point: _Metric, one: _Metric, other: _Metric) -> Floats:
    """How far a point is from the straight line between two others."""
    dx, dy = other[0] - one[0], other[1] - one[1]
    square = np.maximum(dx * dx + dy * dy, 1e-9)
    share = ((point[0] - one[0]) * dx + (point[1] - one[1]) * dy) / square
    share = np.clip(share, 0.0, 1.0)
    away: Floats = np.hypot(point[0] - one[0] - share * dx, point[1] - one[1] - share * dy)
    return away
