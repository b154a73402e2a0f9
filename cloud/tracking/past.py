"""What is read out of tracks: a van's trips and dwells, and where all vans of a depot were."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from cloud.foundation.database import Database
from cloud.foundation.errors import Invalid
from cloud.tracking import journeys, store
from cloud.tracking.journeys import Dwell, Trip
from cloud.tracking.replay import Frames, frames
from cloud.tracking.service import Tracks, require_span, within_calendar
from wire.events import TripEnded, TripStarted

type Teller = Literal["van", "track"]

MAX_READ_S: Final = 7 * 86_400.0
MAX_FRAMES: Final = 2_000
MAX_PLACES: Final = 100_000
SILENT_MS: Final = 300_000
_AROUND_MS: Final = 86_400_000
"""A trip that began no earlier before a span, or ends no later after it, is known as a whole."""
_MAX_EVENTS: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Journeys:
    """Trips and dwells that reach into a span of time, and who told them."""

    told_by: Teller
    trips: Sequence[Trip]
    dwells: Sequence[Dwell]


class Past:
    """Reads what ingest has stored."""

    def __init__(self, telemetry: Database, tracks: Tracks) -> None:
        self._telemetry = telemetry
        self._tracks = tracks

    def journeys(
        self, tenant: str, van: str, span_s: tuple[float, float], told_by: Teller | None = None
    ) -> Journeys:
        """The van's trips and dwells: as it told them, else read out of its track.

        Raises:
            Invalid: the span is empty or longer than 31 days, or 7 days where the track is read;
                or the van told too many events in it.
        """
        from_ms, to_ms = require_span(*span_s)
        around = within_calendar(from_ms - _AROUND_MS, to_ms + _AROUND_MS)
        events = [] if told_by == "track" else self._told(tenant, van, around)
        teller: Teller = told_by or ("van" if events else "track")
        if teller == "track":
            if to_ms - from_ms > MAX_READ_S * 1000:
                raise Invalid.field(
                    "from", "is more than 7 days before to", "ask for a shorter span of a track"
                )
            track = self._tracks.track(tenant, van, around, journeys.COLUMNS)
            trips = journeys.trips_of(list(journeys.events_of(track)))
        else:
            trips = journeys.trips_of([one for one in events if around[0] <= one.at_ms < around[1]])
        return Journeys(
            told_by=teller,
            trips=journeys.touching(trips, from_ms, to_ms),
            dwells=journeys.touching(journeys.dwells_of(trips), from_ms, to_ms),
        )

    def replay(
        self, tenant: str, vans: Sequence[str], span_s: tuple[float, float], step_s: float
    ) -> tuple[int, list[Frames]]:
        """The first instant, and where each van was then and every ``step_s`` up to the end.

        Raises:
            Invalid: the span is empty or too long for the step and the vans.
        """
        instants = instants_ms(span_s, step_s, len(vans))
        around = (int(instants[0]) - SILENT_MS, int(instants[-1]) + SILENT_MS + 1)
        return int(instants[0]), [
            frames(van, self._tracks.track(tenant, van, around), instants, SILENT_MS)
            for van in vans
        ]

    def _told(
        self, tenant: str, van: str, span_ms: tuple[int, int]
    ) -> list[TripStarted | TripEnded]:
        with self._telemetry.reading() as connection:
            rows = store.events_between(
                *(connection, tenant, van, *span_ms),
                kinds=("trip_started", "trip_ended"),
                after=None,
                limit=_MAX_EVENTS + 1,
            )
        if len(rows) > _MAX_EVENTS:
            raise Invalid.field(
                "to", f"more than {_MAX_EVENTS} events lie before it", "ask for a shorter span"
            )
        told = (row.told() for row in rows)
        return [one for one in told if isinstance(one, TripStarted | TripEnded)]


def instants_ms(
    span_s: tuple[float, float], step_s: float, vans: int
) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """The even instants of a replay.

    Raises:
        Invalid: the span is empty, or there would be too many.
    """
    from_ms, to_ms = require_span(*span_s)
    step_ms = round(step_s * 1000)
    count = -(-(to_ms - from_ms) // step_ms)
    if count > MAX_FRAMES or count * vans > MAX_PLACES:
        raise Invalid.field(
            "step_s",
            f"makes {count} frames of {vans} vehicles",
            f"at most {MAX_FRAMES} frames and {MAX_PLACES} places; use a longer step, a shorter "
            "span or a smaller limit",
        )
    return np.arange(from_ms, from_ms + count * step_ms, step_ms, dtype=np.int64)
