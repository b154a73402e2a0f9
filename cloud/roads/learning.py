"""How long streets really take, learned from drives that were matched onto them. Pure.

A drive is cut into passages of segments, of which standing at doors is left out. What vans needed
is compared with the travel profile, and three quotients are learned, each shrunk toward its like so
that little data says little: what the hour of the week does to streets of this kind, what is
different about this segment, and what is different about it at that hour. A segment that nobody
drove so follows its kind, and a fleet's first day the profile.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from cloud.roads.matching import Hop
from cloud.roads.segments import Floats, Longs, Places, Segments

type Bucket = Callable[[int], int]
"""From the begin of an hour (UTC seconds) to its bucket, 0 up to `BUCKETS`."""

BUCKETS: Final = 72
"""Hours of a working day, of a Saturday and of a Sunday."""
STANDS_S: Final = 90.0
"""So long within 20 m or so is no red light: the van stood at a door."""
_LONGEST_HOP_S: Final = 300.0
_LEAST_CONFIDENCE: Final = 0.2
_FASTEST_MPS: Final = 40.0
_RED_S: Final = 60.0
"""A passage counts for no more than its profile's time, twice, and one long red."""
_BANDS_KMH: Final = (22.0, 32.0, 46.0)
"""Kinds of streets by the profile's speed: lanes, side streets, streets, main streets."""
_HALF_LIFE_S: Final = 21 * 86_400.0
_CITY_S: Final = 3_600.0
_BAND_S: Final = 1_800.0
_PASSAGES: Final = 4.0
_PASSAGES_OF_HOUR: Final = 8.0
_NOISE_S: Final = 10.0
LIVE_S: Final = 900.0
"""What was met counts by e less after each quarter of an hour."""
_LIVE_PASSAGES: Final = 1.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Met:
    """What vans met: for each segment the time they took and the time the profile says.

    Attributes:
        tail, head: nodes. seconds, expected_s: sums over the passages, whole or part.
    """

    tail: Longs
    head: Longs
    seconds: Floats
    expected_s: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A part of a segment, driven in one go."""

    tail: int
    head: int
    seconds: float
    metres: float


def passages(
    hops: Sequence[Hop], at_s: Sequence[float], stands: Sequence[tuple[float, float]] = ()
) -> list[Passage]:
    """What a matched drive says of the segments it led over.

    Args:
        hops: of the drive.
        at_s: when it was at each of its points.
        stands: known halts, such as from arrival to departure; what touches one is left out.
    """
    parts: list[Passage] = []
    for hop in hops:
        begun_s, ended_s = at_s[hop.first], at_s[hop.last]
        if _tells_nothing(hop, ended_s - begun_s) or any(
            begin < ended_s and begun_s < end for begin, end in stands
        ):
            continue
        # What turns cost is the engine's to add again.
        drive_s = max(ended_s - begun_s - hop.turns_s, hop.metres / _FASTEST_MPS)
        for (tail, head), metres in zip(pairwise(hop.nodes), hop.cuts_m, strict=True):
            if tail == head:
                continue
            share_s = drive_s * metres / hop.metres
            last = parts[-1] if parts else None
            if last is not None and (last.tail, last.head) == (tail, head):
                parts[-1] = Passage(
                    tail=tail,
                    head=head,
                    seconds=last.seconds + share_s,
                    metres=last.metres + metres,
                )
            else:
                parts.append(Passage(tail=tail, head=head, seconds=share_s, metres=metres))
    return parts


def _tells_nothing(hop: Hop, lasts_s: float) -> bool:
    is_standing = lasts_s > STANDS_S and hop.metres < lasts_s
    return (
        hop.metres < 1.0
        or lasts_s <= 0
        or lasts_s > _LONGEST_HOP_S
        or is_standing
        or hop.confidence < _LEAST_CONFIDENCE
    )


def gathered(segments: Segments, some: Iterable[Passage]) -> Met:
    """Passages summed by segment; what no street of the city explains is left out."""
    rows = list(some)
    tail = np.array([one.tail for one in rows], dtype=np.int64)
    head = np.array([one.head for one in rows], dtype=np.int64)
    seconds = np.array([one.seconds for one in rows], dtype=np.float64)
    metres = np.array([one.metres for one in rows], dtype=np.float64)
    at = segments.find(tail, head) if rows else np.zeros(0, dtype=np.intp)
    is_known = at >= 0
    at, seconds, metres = at[is_known], seconds[is_known], metres[is_known]
    share = np.minimum(metres / np.maximum(segments.metres[at], 0.1), 1.0)
    expected_s = share * segments.seconds[at]
    seconds = np.minimum(seconds, 2 * expected_s + _RED_S * share)
    places, group = np.unique(at, return_inverse=True)
    return Met(
        tail=segments.tail[places],
        head=segments.head[places],
        seconds=np.bincount(group, weights=seconds, minlength=len(places)),
        expected_s=np.bincount(group, weights=expected_s, minlength=len(places)),
    )


def together(some: Sequence[Met]) -> Met:
    """What several met, summed by segment."""
    tail = np.concatenate([np.zeros(0, dtype=np.int64), *(one.tail for one in some)])
    head = np.concatenate([np.zeros(0, dtype=np.int64), *(one.head for one in some)])
    ways, group = np.unique(np.stack([tail, head]), axis=1, return_inverse=True)
    size, group = ways.shape[1], group.ravel()
    seconds = np.concatenate([np.zeros(0), *(one.seconds for one in some)])
    expected_s = np.concatenate([np.zeros(0), *(one.expected_s for one in some)])
    return Met(
        tail=ways[0],
        head=ways[1],
        seconds=np.bincount(group, weights=seconds, minlength=size),
        expected_s=np.bincount(group, weights=expected_s, minlength=size),
    )


def packed(met: Met) -> bytes:
    """As it is kept."""
    columns = (met.tail, met.head, met.seconds.astype("<f4"), met.expected_s.astype("<f4"))
    return zlib.compress(msgspec.msgpack.encode([one.tobytes() for one in columns]), 6)


def unpacked(body: bytes) -> Met:
    """As it was."""
    tail, head, seconds, expected = msgspec.msgpack.decode(zlib.decompress(body), type=list[bytes])
    return Met(
        tail=np.frombuffer(tail, dtype="<i8").astype(np.int64),
        head=np.frombuffer(head, dtype="<i8").astype(np.int64),
        seconds=np.frombuffer(seconds, dtype="<f4").astype(np.float64),
        expected_s=np.frombuffer(expected, dtype="<f4").astype(np.float64),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pattern:
    """Travel time over the profile's, by segment and bucket.

    Attributes:
        band_of: each segment's kind. by_band: kinds x buckets. by_segment: of each segment.
        unlearned: of each segment, how much of what is told of it beside the profile still counts:
            1 where nobody drove, toward 0 the longer was driven there.
        place, bucket, own: of those segments in those buckets in which somebody drove them.
    """

    band_of: Places
    by_band: Floats
    by_segment: Floats
    unlearned: Floats
    place: Places
    bucket: Places
    own: Floats

    def factor(self, bucket: int) -> Floats:
        """Of each segment in one bucket."""
        found: Floats = self.by_band[self.band_of, bucket] * self.by_segment
        is_then = self.bucket == bucket
        found[self.place[is_then]] *= self.own[is_then]
        return found

    def over(self, factor: Floats, told: Floats) -> Floats:
        """A factor of the pattern over what is told of streets, where something is.

        What was shrunk toward the streets of its kind is shrunk toward what is told: a speed out of
        a file holds, up and down with the hours, until vans have shown another one, and what they
        have shown is not counted twice.

        Args:
            factor: travel time over the profile's.
            told: travel time as it is told over the profile's, NaN where nothing is.
        """
        level = self.by_band.mean(axis=1)[self.band_of]
        shrunk = factor * (1.0 + self.unlearned * (told / level - 1.0))
        found: Floats = np.where(np.isnan(told), factor, shrunk / told)
        return found

    def mean(self, classes: Sequence[int], number: int) -> Floats:
        """Of each segment over the buckets of one class."""
        buckets = [bucket for bucket, one in enumerate(classes) if one == number]
        total = np.zeros(len(self.band_of))
        for bucket in buckets:
            total += self.factor(bucket)
        return total / max(1, len(buckets))


def learn(
    segments: Segments, hours: Iterable[tuple[int, Met]], bucket: Bucket, now_s: float
) -> Pattern:
    """The pattern of a week out of what was met hour by hour; older hours count less."""
    keys, took, expected = _summed(segments, hours, bucket, now_s)
    place, column = np.divmod(keys, BUCKETS)
    band_of = np.searchsorted(np.array(_BANDS_KMH), segments.kmh)
    by_band = _by_band(band_of[place] * BUCKETS + column, took, expected)
    likely = expected * by_band[band_of[place], column]
    count = len(segments)
    strength = _PASSAGES * segments.seconds + _NOISE_S
    driven_s = np.bincount(place, weights=took, minlength=count) + strength
    by_segment = driven_s / (np.bincount(place, weights=likely, minlength=count) + strength)
    unlearned = strength / driven_s
    likely = likely * by_segment[place]
    strength = _PASSAGES_OF_HOUR * segments.seconds[place] + 2 * _NOISE_S
    return Pattern(
        band_of=band_of,
        by_band=by_band,
        by_segment=by_segment,
        unlearned=unlearned,
        place=place,
        bucket=column,
        own=(took + strength) / (likely + strength),
    )


def _summed(
    segments: Segments, hours: Iterable[tuple[int, Met]], bucket: Bucket, now_s: float
) -> tuple[Places, Floats, Floats]:
    """Seconds taken and expected by segment x `BUCKETS` + bucket, of what anybody drove."""
    keys: list[Places] = [np.zeros(0, dtype=np.intp)]
    took: list[Floats] = [np.zeros(0)]
    expected: list[Floats] = [np.zeros(0)]
    for hour_s, met in hours:
        weight = 0.5 ** (max(0.0, now_s - hour_s) / _HALF_LIFE_S)
        at = segments.find(met.tail, met.head)
        is_known = at >= 0
        keys.append(at[is_known] * BUCKETS + bucket(hour_s))
        took.append(weight * met.seconds[is_known])
        expected.append(weight * met.expected_s[is_known])
    found, group = np.unique(np.concatenate(keys), return_inverse=True)
    size = len(found)
    return (
        found,
        np.bincount(group, weights=np.concatenate(took), minlength=size),
        np.bincount(group, weights=np.concatenate(expected), minlength=size),
    )


def _by_band(cell: Places, took: Floats, expected: Floats) -> Floats:
    """Of each kind of streets in each bucket, shrunk to the city's then, and that to the week's."""
    shape = len(_BANDS_KMH) + 1, BUCKETS
    size = shape[0] * shape[1]
    took = np.bincount(cell, weights=took, minlength=size).reshape(shape)
    expected = np.bincount(cell, weights=expected, minlength=size).reshape(shape)
    week = (took.sum() + _CITY_S) / (expected.sum() + _CITY_S)
    city = (took.sum(0) + _CITY_S * week) / (expected.sum(0) + _CITY_S)
    found: Floats = (took + _BAND_S * city) / (expected + _BAND_S)
    return found


def live(segments: Segments, recent: Iterable[tuple[float, Met]], usual: Floats) -> Floats:
    """How much slower (or faster) than usual streets are now; 1 where nobody was lately.

    Args:
        segments: the city's.
        recent: what was met, and how many seconds ago.
        usual: travel time over the profile's that is usual on each segment now.
    """
    took, likely = np.zeros(len(segments)), np.zeros(len(segments))
    for age_s, met in recent:
        at = segments.find(met.tail, met.head)
        is_known = at >= 0
        at = at[is_known]
        weight = np.exp(-age_s / LIVE_S)
        took[at] += weight * met.seconds[is_known]
        likely[at] += weight * met.expected_s[is_known] * usual[at]
    strength = _LIVE_PASSAGES * segments.seconds * usual + _NOISE_S
    found: Floats = (took + strength) / (likely + strength)
    return found


def classes(pattern: Pattern, most: int) -> list[int]:
    """The class of each bucket: those whose kinds of streets take about as long belong together.

    Ward's clustering: the two classes whose union costs least are joined until ``most`` are left.
    """
    groups: list[list[int]] = [[bucket] for bucket in range(BUCKETS)]
    means: list[npt.NDArray[np.float64]] = [pattern.by_band[:, one] for one in range(BUCKETS)]
    while len(groups) > most:
        sizes = np.array([len(one) for one in groups], dtype=np.float64)
        table = np.array(means)
        apart = ((table[:, None] - table[None]) ** 2).sum(2)
        cost = apart * sizes[:, None] * sizes[None] / (sizes[:, None] + sizes[None])
        np.fill_diagonal(cost, np.inf)
        one, other = divmod(int(cost.argmin()), len(groups))
        one, other = min(one, other), max(one, other)
        weight = len(groups[one]) + len(groups[other])
        means[one] = (means[one] * len(groups[one]) + means[other] * len(groups[other])) / weight
        groups[one] += groups.pop(other)
        means.pop(other)
    found = [0] * BUCKETS
    for number, group in enumerate(groups):
        for bucket in group:
            found[bucket] = number
    return found
