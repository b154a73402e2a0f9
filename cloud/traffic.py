"""Feeds what vans drove to the learner of speeds: each hour once it is over, and the last minutes.

The fleet's own committed history is matched onto the streets as imported, so that what is closed
or slow now does not hide what was driven.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.exc import DBAPIError

from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.roads import store
from cloud.roads.client import RoadsClient
from cloud.roads.hours import Week, bucket
from cloud.roads.learning import (
    LIVE_S,
    Met,
    Passage,
    Pattern,
    classes,
    gathered,
    learn,
    live,
    packed,
    passages,
    unpacked,
)
from cloud.roads.model import CityError, Point, RoadsUnavailable
from cloud.roads.publisher import Hours
from cloud.roads.segments import Floats, Segments, read_segments
from cloud.tracking import store as tracking_store
from cloud.tracking.matched import Spot, drives_of
from cloud.tracking.service import Tracks
from wire.events import StopDeparted

_log = logging.getLogger(__name__)

_CLASSES: Final = 3
"""Of hours; each is a data set of its own (docs/decisions/speeds-of-the-hour.md)."""
_HOUR_S: Final = 3_600
_LOOK_EVERY_S: Final = 60.0
_REST: Final = 3.0
"""Times as long as it worked learning rests, so that nobody who waits for web waits longer."""
_MOST_FOLLOWED: Final = 60
"""Vans whose last minutes are matched in one look; what a thousand met would take web's time."""
_SETTLED_S: Final = 900
"""An hour is looked at so long after its end."""
_FINAL_S: Final = 26 * _HOUR_S
"""And once more when late batches have come in."""
_KEPT_S: Final = 120 * 86_400
_LIVE_SPAN_S: Final = 4 * LIVE_S
_MOST_STOPS: Final = 2_000
_LONGEST_DWELL_MS: Final = 86_400_000


class SpeedLearning:
    """Learns while the cloud runs; `factors` gives what is known now.

    Args:
        vans: tenant and id of every van.
        zone: IANA name of the zone whose hours people live by.
        engine: where drives are matched now.
    """

    def __init__(
        self,
        *,
        business: Database,
        telemetry: Database,
        clock: Clock,
        vans: Callable[[], list[tuple[str, str]]],
        zone: Callable[[], str],
        city: Path,
        engine: Callable[[], str],
    ) -> None:
        self._business = business
        self._telemetry = telemetry
        self._tracks = Tracks(telemetry)
        self._clock = clock
        self._vans = vans
        self._find_zone = zone
        self._city = city
        self._engine = engine
        self._recent: deque[tuple[float, Met]] = deque()
        self._followed_s: float | None = None
        self._pattern: tuple[int, Segments, Pattern] | None = None
        self._hours: tuple[Pattern, Hours] | None = None
        self._began_s: int | None = None
        self._turn = 0
        self._version = 0
        self._zone = ZoneInfo("UTC")

    async def run(self) -> None:
        """Learn until cancelled."""
        while True:
            try:
                await self.look()
            except (CityError, RoadsUnavailable) as error:
                _log.info("speeds are learned later", extra={"reason": error.detail})
            except DBAPIError as error:
                _log.warning("history cannot be read; later", extra={"reason": str(error.orig)})
            await asyncio.sleep(_LOOK_EVERY_S)

    async def look(self) -> None:
        """Learn from the hours that are over, oldest first, and from the last minutes.

        Raises:
            CityError: no city is imported. RoadsUnavailable: the engine does not answer.
        """
        segments = await asyncio.to_thread(read_segments, self._city)
        self._zone = ZoneInfo(await asyncio.to_thread(self._find_zone))
        now_s = self._clock.now_s()
        async with RoadsClient(self._engine(), lane="bulk", limit_s=20.0) as roads:
            await self._follow(segments, roads, now_s)
            for hour_s, is_final in await asyncio.to_thread(self._due, now_s):
                vans = await asyncio.to_thread(self._vans)
                met = await self.met(segments, roads, (hour_s, hour_s + _HOUR_S), vans)
                await asyncio.to_thread(self._keep, hour_s, met, is_final=is_final)
                self._version += 1

    async def met(
        self,
        segments: Segments,
        roads: RoadsClient,
        span_s: tuple[float, float],
        vans: Sequence[tuple[str, str]],
    ) -> Met:
        """What some vans, by tenant and id, met in a span of time."""
        loop = asyncio.get_running_loop()
        found: list[Passage] = []
        for tenant, van in vans:
            begun_s = loop.time()
            drives, stands = await asyncio.to_thread(self._driven, tenant, van, span_s)
            for drive in drives:
                points = [Point(one.lat_e7 / 1e7, one.lon_e7 / 1e7) for one in drive]
                hops = await roads.match(
                    points, [one.at_ms // 1000 for one in drive], with_nodes=True
                )
                found += passages(hops, [one.at_ms / 1000 for one in drive], stands)
            await asyncio.sleep(_REST * (loop.time() - begun_s))
        return await asyncio.to_thread(gathered, segments, found)

    def factors(self, segments: Segments, at_s: float) -> list[Floats]:
        """Travel time over the profile's now: the pattern of this hour, and what is met lately."""
        pattern = self._learned(segments, at_s)
        if pattern is None:
            return []
        usual = pattern.factor(self._bucket(int(at_s)))
        recent = [(at_s - then_s, met) for then_s, met in tuple(self._recent)]
        return [usual, live(segments, [one for one in recent if one[0] >= 0], usual)]

    def hours(self, segments: Segments, at_s: float) -> Hours | None:
        """What is usual in each class of hours; None while nothing is learned."""
        pattern = self._learned(segments, at_s)
        if pattern is None or not len(pattern.place):
            return None
        if self._hours is None or self._hours[0] is not pattern:
            found = classes(pattern, _CLASSES)
            hours = Hours(
                version=self._version,
                week=Week(zone=self._zone.key, classes=tuple(found)),
                factors=tuple(pattern.mean(found, number) for number in range(_CLASSES)),
            )
            self._hours = pattern, hours
        return self._hours[1]

    def _learned(self, segments: Segments, at_s: float) -> Pattern | None:
        known = self._pattern
        if known is None or known[0] != self._version or known[1] is not segments:
            version = self._version
            with self._business.reading() as connection:
                rows = store.hours(connection, int(at_s) - _KEPT_S)
            if not rows and not self._recent:
                return None
            hours = [(hour_s, unpacked(body)) for hour_s, body, _ in rows]
            known = self._pattern = version, segments, learn(segments, hours, self._bucket, at_s)
        return known[2]

    async def _follow(self, segments: Segments, roads: RoadsClient, now_s: float) -> None:
        since_s = self._followed_s
        if since_s is None or not 0 < now_s - since_s < _LIVE_SPAN_S:
            since_s = now_s - LIVE_S
        met = await self.met(segments, roads, (since_s, now_s), await self.in_turn())
        self._followed_s = now_s
        if len(met.tail):
            self._recent.append(((since_s + now_s) / 2, met))
        while self._recent and now_s - self._recent[0][0] > _LIVE_SPAN_S:
            self._recent.popleft()

    async def in_turn(self) -> list[tuple[str, str]]:
        """Whose last minutes are looked at this time: of a large fleet some after the others."""
        vans = await asyncio.to_thread(self._vans)
        if len(vans) <= _MOST_FOLLOWED:
            return vans
        begin = self._turn % len(vans)
        self._turn = begin + _MOST_FOLLOWED
        return (vans[begin:] + vans[:begin])[:_MOST_FOLLOWED]

    def _due(self, now_s: float) -> list[tuple[int, bool]]:
        """Hours to be looked at, and whether for the last time.

        What was driven before the first look of all is let be: of a large fleet it is much work.
        """
        first = int(now_s - 2 * _FINAL_S) // _HOUR_S * _HOUR_S
        with self._business.reading() as connection:
            known = {hour_s: is_final for hour_s, _, is_final in store.hours(connection, first)}
        if self._began_s is None:
            self._began_s = int(now_s)
        first = max(first, min(known, default=self._began_s // _HOUR_S * _HOUR_S))
        due: list[tuple[int, bool]] = []
        for hour_s in range(first, int(now_s) - _HOUR_S - _SETTLED_S + 1, _HOUR_S):
            is_final = now_s >= hour_s + _FINAL_S
            if hour_s not in known or (is_final and not known[hour_s]):
                due.append((hour_s, is_final))
        return due

    def _keep(self, hour_s: int, met: Met, *, is_final: bool) -> None:
        with self._business.writing() as connection:
            store.put_hour(connection, hour_s, packed(met), is_final=is_final)
            store.forget_hours(connection, hour_s - _KEPT_S)

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

    def _bucket(self, at_s: int) -> int:
        """The hour of a working day, a Saturday or a Sunday, where the first depot is."""
        return bucket(datetime.fromtimestamp(at_s, self._zone))
