"""Trips and dwells of a van: as the van has told them, or read out of its track. Pure.

A track is read by the van's own rule (`wire.trips`), so that a phone's trips are found like a
gateway's, and those of late batches like any others: the track has an order of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cloud.tracking.lanes import MISSING
from cloud.tracking.track import Track
from wire.events import TripEnded, TripStarted, Where
from wire.messages import Fix
from wire.motion import Motion
from wire.trips import TripEvent, TripRules, Trips

COLUMNS = ("speed_cmps", "course_ddeg")
"""What a track must tell beside places and times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """From where a van set off to where it came to rest.

    Attributes:
        ended_at_ms: None while it goes on; distance and durations are not known until then.
        began, ended: where; None when no place may be told.
    """

    started_at_ms: int
    ended_at_ms: int | None = None
    began: Where | None = None
    ended: Where | None = None
    distance_m: int | None = None
    moving_s: int | None = None
    idling_s: int | None = None
    top_speed_cmps: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dwell:
    """A van at rest between two trips; ``ended_at_ms`` is None while it is."""

    started_at_ms: int
    ended_at_ms: int | None
    where: Where | None


def events_of(track: Track, rules: TripRules | None = None) -> Iterator[TripEvent]:
    """What the van's rule says of a track that tells `COLUMNS`."""
    motion, trips = Motion(), Trips(rules or TripRules())
    for fix in fixes_of(track):
        where = Where(lat_e7=fix.lat_e7, lon_e7=fix.lon_e7)
        yield from trips.take(motion.take(fix, is_break=False), where)


def trips_of(events: Sequence[TripEvent]) -> list[Trip]:
    """Trips by time, of the events of a van in any order; what is told twice counts once.

    A begin without an end is a trip that goes on only when nothing follows it: an end that was
    lost is not made up.
    """
    begins = {one.at_ms: one for one in events if isinstance(one, TripStarted)}
    ends = {
        one.started_at_ms: one
        for one in events
        if isinstance(one, TripEnded) and one.started_at_ms <= one.at_ms
    }
    found = [_ended(begins.get(at), one) for at, one in sorted(ends.items())]
    open_at = max(begins, default=None)
    if open_at is not None and open_at not in ends:
        last_ms = max((one.at_ms for one in ends.values()), default=open_at)
        if open_at >= last_ms:
            found.append(Trip(started_at_ms=open_at, began=begins[open_at].where))
    return found


def dwells_of(trips: Sequence[Trip]) -> list[Dwell]:
    """The rests between trips, and the one after the last when that has ended."""
    found = [
        Dwell(
            started_at_ms=before.ended_at_ms,
            ended_at_ms=after.started_at_ms,
            where=before.ended,
        )
        for before, after in pairwise(trips)
        if before.ended_at_ms is not None and before.ended_at_ms < after.started_at_ms
    ]
    last = trips[-1] if trips else None
    if last is not None and last.ended_at_ms is not None:
        found.append(Dwell(started_at_ms=last.ended_at_ms, ended_at_ms=None, where=last.ended))
    return found


def touching[T: (Trip, Dwell)](some: Sequence[T], from_ms: int, to_ms: int) -> list[T]:
    """Those that reach into a span of time."""
    return [
        one
        for one in some
        if one.started_at_ms < to_ms and (one.ended_at_ms is None or one.ended_at_ms > from_ms)
    ]


def _ended(begin: TripStarted | None, end: TripEnded) -> Trip:
    return Trip(
        started_at_ms=end.started_at_ms,
        ended_at_ms=end.at_ms,
        began=None if begin is None else begin.where,
        ended=end.where,
        distance_m=end.distance_m,
        moving_s=end.moving_s,
        idling_s=end.idling_s,
        top_speed_cmps=end.top_speed_cmps,
    )


def fixes_of(track: Track) -> Iterator[Fix]:
    """The fixes of a track that tells `COLUMNS`, as the van's own rules take them."""
    names = ("at_ms", "lat_e7", "lon_e7", *COLUMNS)
    for at_ms, lat_e7, lon_e7, speed, course in zip(
        *(track[name].tolist() for name in names), strict=True
    ):
        yield Fix(
            recorded_at_ms=at_ms,
            fix_time_ms=at_ms,
            lat_e7=lat_e7,
            lon_e7=lon_e7,
            mode=2,
            speed_cmps=None if speed == MISSING else speed,
            course_ddeg=None if course == MISSING else course,
        )
