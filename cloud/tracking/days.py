"""Distance and hours of a van on one local day, out of its trips and its track. Pure.

On a trip the van moves, idles (its engine is known to be on while it stands) or is stopped; between
trips it is parked. Trips are those of the one rule in `wire.trips`, as the van told them or as its
track tells them. A trip over midnight counts on either day by what the track says was driven there.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from cloud.fleet.hours import local_instant
from cloud.tracking.journeys import Trip, fixes_of
from cloud.tracking.track import Track
from wire.motion import Motion

AROUND_MS: Final = 86_400_000
"""What lies so long before or after a day may tell of it, whichever days are asked for."""
type Teller = Literal["van", "track"]


class Day(NamedTuple):
    """A local day: its instants in milliseconds since 1970, the end exclusive."""

    date: date
    from_ms: int
    to_ms: int


class Driven(NamedTuple):
    """What was driven in a part of a trip."""

    metres: float = 0.0
    moving_ms: int = 0


class Portion(NamedTuple):
    """The part of a trip that lies in a day."""

    from_ms: int
    to_ms: int
    metres: float
    moving_ms: int
    idling_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTold:
    """What a van did on a day; the durations add up to the day, or to what of it is over.

    Attributes:
        told_by: the van itself, or its track; None when nothing tells of the day.
        trips: how many began on it.
        first_ms, last_ms: when it first set off and last came to rest or was seen under way.
    """

    day: Day
    told_by: Teller | None
    trips: int = 0
    distance_m: int = 0
    moving_s: int = 0
    idling_s: int = 0
    stopped_s: int = 0
    parked_s: int = 0
    unknown_s: int = 0
    first_ms: int | None = None
    last_ms: int | None = None


def days_between(first: date, last: date, zone: str) -> list[Day]:
    """Local days from one date to another, both among them, each as long as it really is."""
    dates = [first + timedelta(days=place) for place in range((last - first).days + 2)]
    begins = [round(local_instant(one, "00:00", zone) * 1000) for one in dates]
    return [
        Day(one, begin, end) for one, (begin, end) in zip(dates, pairwise(begins), strict=False)
    ]


def driven(track: Track, cuts_ms: Sequence[int]) -> list[Driven]:
    """What a track tells was driven before, between and after some instants, ascending."""
    metres = [0.0] * (len(cuts_ms) + 1)
    moving_ms = [0] * (len(cuts_ms) + 1)
    motion, before_m = Motion(), 0.0
    for fix in fixes_of(track):
        step = motion.take(fix, is_break=False)
        place = bisect_right(cuts_ms, step.at_ms)
        metres[place] += step.odometer_m - before_m
        before_m = step.odometer_m
        if step.is_moving and step.is_connected:
            moving_ms[place] += step.lasted_ms
    return [Driven(*one) for one in zip(metres, moving_ms, strict=True)]


def portion(trip: Trip, day: Day, parts: Sequence[Driven], end_ms: int) -> Portion:
    """The part of ``trip`` in ``day``.

    Args:
        trip: reaches into the day.
        day: which.
        parts: what its track tells was driven before, in and after the day.
        end_ms: its end; of one that goes on, when the van was last seen.
    """
    from_ms, to_ms = max(trip.started_at_ms, day.from_ms), min(end_ms, day.to_ms)
    lasted_ms = max(1, end_ms - trip.started_at_ms)
    share = max(0, to_ms - from_ms) / lasted_ms
    here = parts[1]
    if trip.distance_m is None:
        return Portion(from_ms, max(from_ms, to_ms), here.metres, here.moving_ms, 0)
    return Portion(
        from_ms,
        max(from_ms, to_ms),
        trip.distance_m * _share(here.metres, [one.metres for one in parts], share),
        round(
            1000
            * (trip.moving_s or 0)
            * _share(here.moving_ms, [one.moving_ms for one in parts], share)
        ),
        round(1000 * (trip.idling_s or 0) * share),
    )


def summed(
    day: Day, teller: Teller, portions: Sequence[Portion], known_ms: tuple[int, int]
) -> DayTold:
    """The day out of its parts of trips.

    Args:
        day: as far as it is over.
        teller: who told of the trips.
        portions: by time, apart.
        known_ms: between these instants the van was parked while it was on no trip.
    """
    on_trip = [(one.from_ms, one.to_ms) for one in portions]
    on_trip_ms = sum(end - begin for begin, end in on_trip)
    known = (max(day.from_ms, known_ms[0]), min(day.to_ms, known_ms[1]))
    parked_ms = max(0, known[1] - known[0]) - sum(_common(one, known) for one in on_trip)
    unknown_ms = day.to_ms - day.from_ms - on_trip_ms - parked_ms
    moving_ms = min(on_trip_ms, sum(one.moving_ms for one in portions))
    idling_ms = min(on_trip_ms - moving_ms, sum(one.idling_ms for one in portions))
    whole_s = [one // 1000 for one in (moving_ms, idling_ms, parked_ms, unknown_ms)]
    return DayTold(
        day=day,
        told_by=teller,
        trips=sum(day.from_ms < one.from_ms for one in portions),
        distance_m=round(sum(one.metres for one in portions)),
        moving_s=whole_s[0],
        idling_s=whole_s[1],
        stopped_s=_rest_s(day, whole_s, on_trip_ms),
        parked_s=whole_s[2],
        unknown_s=whole_s[3],
        first_ms=min((one.from_ms for one in portions), default=None),
        last_ms=max((one.to_ms for one in portions), default=None),
    )


def nothing_of(day: Day) -> DayTold:
    """A day of which nothing tells."""
    return DayTold(day=day, told_by=None, unknown_s=(day.to_ms - day.from_ms) // 1000)


def apart(portions: Iterable[Portion]) -> list[Portion]:
    """By time, and what overlaps the one before (a broken clock) shortened to what is new."""
    found: list[Portion] = []
    for one in sorted(portions):
        begin = max(one.from_ms, found[-1].to_ms) if found else one.from_ms
        found.append(one._replace(from_ms=begin, to_ms=max(begin, one.to_ms)))
    return found


def _share(here: float, parts: Sequence[float], by_time: float) -> float:
    total = sum(parts)
    return here / total if total > 0 else by_time


def _common(one: tuple[int, int], other: tuple[int, int]) -> int:
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))


def _rest_s(day: Day, told_s: Sequence[int], on_trip_ms: int) -> int:
    """What is left of the day, so that nothing is lost by rounding; nothing without a trip."""
    left_s = (day.to_ms - day.from_ms) // 1000 - sum(told_s)
    return max(0, left_s) if on_trip_ms else 0
