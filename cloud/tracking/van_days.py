"""Distance and hours by van and local day, read out of what ingest has stored."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import Connection

from cloud.foundation.database import Database
from cloud.foundation.errors import Invalid
from cloud.tracking import days, journeys, store
from cloud.tracking.days import AROUND_MS, Day, DayTold, Portion
from cloud.tracking.journeys import Trip
from cloud.tracking.service import read
from cloud.tracking.store import EventPlace
from cloud.tracking.track import Track, between
from wire.events import TripEnded, TripStarted

MOST_FIXES: Final = 700_000
"""Of one van that tells of no trips: about eight seconds of reading."""
_EVENTS: Final = 5_000
type _Sign = TripStarted | TripEnded


class VanDays:
    """Reads what ingest has stored, for one caller; what came late counts like anything else.

    Attributes:
        fixes: how many were read so far of vans that tell of no trips; of others it is few.
    """

    def __init__(self, telemetry: Database, most_fixes: int | None = MOST_FIXES) -> None:
        """``most_fixes``: of one van that are read; None for any number."""
        self._telemetry = telemetry
        self._most_fixes = most_fixes
        self.fixes = 0

    def of_van(self, tenant: str, van: str, wanted: Sequence[Day], now_ms: int) -> list[DayTold]:
        """Each of some days in a row, as far as it is over; a day to come is left out.

        Raises:
            Invalid: the van tells of no trips, and its track is too long to be read at once.
        """
        over = [
            one._replace(to_ms=min(one.to_ms, now_ms)) for one in wanted if one.from_ms < now_ms
        ]
        if not over:
            return []
        with self._telemetry.reading() as connection:
            signs = _signs(connection, tenant, van, over[0].from_ms, over[-1].to_ms)
            return list(self._days(connection, tenant, van, over, signs))

    def _days(
        self,
        connection: Connection,
        tenant: str,
        van: str,
        over: Sequence[Day],
        signs: Sequence[_Sign],
    ) -> Iterator[DayTold]:
        moments = [one.at_ms for one in signs]
        before = self.fixes
        for day in over:
            begin = bisect_left(moments, day.from_ms - AROUND_MS)
            told = signs[begin : bisect_left(moments, day.to_ms + AROUND_MS)]
            if told:
                yield _by_van(connection, tenant, van, day, told)
                continue
            around = (day.from_ms - AROUND_MS, day.to_ms + AROUND_MS)
            track = read(connection, tenant, van, around, journeys.COLUMNS)
            self.fixes += len(track)
            if self._most_fixes is not None and self.fixes - before > self._most_fixes:
                raise Invalid.field(
                    "from",
                    f"{van} tells of no trips, and its track has more than {MOST_FIXES} fixes",
                    "ask for fewer days at once, or for csv",
                )
            yield _by_track(day, track)


def _by_van(
    connection: Connection, tenant: str, van: str, day: Day, told: Sequence[_Sign]
) -> DayTold:
    trips = journeys.touching(journeys.trips_of(told), day.from_ms, day.to_ms)
    portions: list[Portion] = []
    open_ms = day.to_ms
    for trip in trips:
        is_within = (
            day.from_ms <= trip.started_at_ms and (trip.ended_at_ms or day.to_ms) < day.to_ms
        )
        track = None
        if not is_within:
            end_ms = day.to_ms if trip.ended_at_ms is None else trip.ended_at_ms + 1
            span = (max(trip.started_at_ms, day.from_ms - AROUND_MS), end_ms)
            track = read(connection, tenant, van, span, journeys.COLUMNS)
        one = _portion(trip, day, track)
        if trip.ended_at_ms is None:
            open_ms = one.to_ms
        portions.append(one)
    return days.summed(day, "van", days.apart(portions), (day.from_ms, open_ms))


def _by_track(day: Day, track: Track) -> DayTold:
    if not len(track):
        return days.nothing_of(day)
    trips = journeys.trips_of(list(journeys.events_of(track)))
    portions = [
        _portion(trip, day, between(track, trip.started_at_ms, _end_ms(trip, track) + 1))
        for trip in journeys.touching(trips, day.from_ms, day.to_ms)
    ]
    moments = track["at_ms"]
    known = (int(moments[0]), int(moments[-1]))
    return days.summed(day, "track", days.apart(portions), known)


def _portion(trip: Trip, day: Day, track: Track | None) -> Portion:
    if track is None:
        return days.portion(trip, day, [days.Driven()] * 3, trip.ended_at_ms or day.to_ms)
    parts = days.driven(track, (day.from_ms, day.to_ms))
    return days.portion(trip, day, parts, _end_ms(trip, track))


def _end_ms(trip: Trip, track: Track) -> int:
    """When it ended, or when the van was last seen on it."""
    if trip.ended_at_ms is not None:
        return trip.ended_at_ms
    return int(track["at_ms"][-1]) if len(track) else trip.started_at_ms


def _signs(connection: Connection, tenant: str, van: str, from_ms: int, to_ms: int) -> list[_Sign]:
    """What the van told of its trips around a span of time, by time."""
    found: list[_Sign] = []
    after: EventPlace | None = None
    while True:
        rows = store.events_between(
            *(connection, tenant, van, from_ms - AROUND_MS, to_ms + AROUND_MS),
            kinds=("trip_started", "trip_ended"),
            after=after,
            limit=_EVENTS,
        )
        told = (row.told() for row in rows)
        found += [one for one in told if isinstance(one, TripStarted | TripEnded)]
        if len(rows) < _EVENTS:
            return sorted(found, key=lambda one: one.at_ms)
        after = EventPlace(*rows[-1][:3])
