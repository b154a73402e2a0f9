"""The learner's process: matches what vans drove and learns the week from it. Computes only.

The fleet's own committed history is matched onto the streets as imported, so that what is closed
or slow now does not hide what was driven. It works on one question at a time and is niced; who
closes the connection ends the work, at the end of its step: a thread is waited for. Both databases
are read and never written.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.exc import DBAPIError

from cloud.foundation import asking
from cloud.foundation.database import Database
from cloud.foundation.errors import CloudError
from cloud.roads.client import RoadsClient
from cloud.roads.generations import stamp
from cloud.roads.hours import bucket
from cloud.roads.learning import Passage, gathered, learn, packed, passages, unpacked
from cloud.roads.model import Point
from cloud.roads.segments import Segments, read_segments
from cloud.tracking import store as tracking_store
from cloud.tracking.matched import Spot, drives_of
from cloud.tracking.service import Tracks
from cloud.traffic import store
from cloud.traffic.patterns import write_pattern
from cloud.traffic.questions import (
    KEPT_S,
    Answer,
    Found,
    Learn,
    Learned,
    Meet,
    Question,
    Refused,
)
from wire.events import StopDeparted

_log = logging.getLogger(__name__)

_REST: Final = 1.0
"""Times as long as a van took learning rests: half the road engine's bulk lane is for others."""
_WAITING: Final = 4
_MOST_STOPS: Final = 2_000
_LONGEST_DWELL_MS: Final = 86_400_000


class Learner:
    """Answers questions, one after the other.

    Args:
        city: the imported city.
        folder: the roads' folder, where the pattern is kept.
        engine: where drives are matched now.
    """

    def __init__(
        self,
        *,
        business: Database,
        telemetry: Database,
        city: Path,
        folder: Path,
        engine: Callable[[], str],
    ) -> None:
        self._business = business
        self._telemetry = telemetry
        self._tracks = Tracks(telemetry)
        self._city = city
        self._folder = folder
        self._engine = engine
        self._turn = asyncio.Lock()
        self._segments: tuple[str, Segments] | None = None

    def desk(self) -> asking.Desk[Question, Answer]:
        """Where it is asked."""
        asked: Callable[[bytes], Question] = msgspec.json.Decoder(Question).decode
        return asking.Desk(
            asked,
            self.answer,
            refused=lambda reason: Refused(reason=reason),
            busy=lambda reason: Refused(reason=f"learner: {reason}"),
            most_held=_WAITING,
        )

    async def answer(self, question: Question) -> Answer:
        """Do what is asked for when it has its turn."""
        async with self._turn:
            try:
                if isinstance(question, Meet):
                    return await self._meet(question)
                return await asking.in_thread(partial(self._learn, question))
            except CloudError as error:
                return Refused(reason=error.detail)
            except DBAPIError as error:
                return Refused(reason=f"learner: history cannot be read: {error.orig}")
            except Exception as error:  # noqa: BLE001 - one question must not end the others
                _log.exception("a question could not be answered")
                return Refused(reason=f"learner: {type(error).__name__}: {error}; see its log")

    async def _meet(self, question: Meet) -> Found:
        loop = asyncio.get_running_loop()
        _, segments = await asking.in_thread(self._city_segments)
        found: list[Passage] = []
        async with RoadsClient(self._engine(), lane="bulk", limit_s=20.0) as roads:
            for tenant, van in question.vans:
                begun_s = loop.time()
                found += await self._passages(roads, tenant, van, question.span_s)
                await asyncio.sleep(_REST * (loop.time() - begun_s))
        return Found(met=packed(await asking.in_thread(partial(gathered, segments, found))))

    async def _passages(
        self, roads: RoadsClient, tenant: str, van: str, span_s: tuple[float, float]
    ) -> list[Passage]:
        found: list[Passage] = []
        drives, stands = await asking.in_thread(partial(self._driven, tenant, van, span_s))
        for drive in drives:
            points = [Point(one.lat_e7 / 1e7, one.lon_e7 / 1e7) for one in drive]
            hops = await roads.match(points, [one.at_ms // 1000 for one in drive], with_nodes=True)
            found += passages(hops, [one.at_ms / 1000 for one in drive], stands)
        return found

    def _learn(self, question: Learn) -> Learned:
        zone = ZoneInfo(question.zone)
        with self._business.reading() as connection:
            rows = store.hours(connection, int(question.at_s) - KEPT_S)
        if not rows:
            return Learned(hours=0)
        city, segments = self._city_segments()
        pattern = learn(
            segments,
            ((hour_s, unpacked(body)) for hour_s, body, _ in rows),
            lambda at_s: bucket(datetime.fromtimestamp(at_s, zone)),
            question.at_s,
        )
        write_pattern(self._folder, pattern, city=city, zone=question.zone)
        return Learned(hours=len(rows))

    def _driven(
        self, tenant: str, van: str, span_s: tuple[float, float]
    ) -> tuple[list[list[Spot]], list[tuple[float, float]]]:
        """A van's drives, and when it stood at stops."""
        drives = drives_of(self._tracks, tenant, van, span_s)
        if not drives:
            return [], []
        span_ms = int(span_s[0] * 1000), int(span_s[1] * 1000) + _LONGEST_DWELL_MS
        with self._telemetry.reading() as connection:
            rows = tracking_store.events_between(
                *(connection, tenant, van, *span_ms),
                kinds=("stop_departed",),
                after=None,
                limit=_MOST_STOPS,
            )
        left = [told for row in rows if isinstance(told := row.told(), StopDeparted)]
        return drives, [(one.at_ms / 1000 - one.dwell_s, one.at_ms / 1000) for one in left]

    def _city_segments(self) -> tuple[str, Segments]:
        """The segments of the city that is imported now, and its stamp."""
        now = stamp(self._city)
        if self._segments is None or self._segments[0] != now:
            self._segments = now, read_segments(self._city)
        return self._segments
