"""Has what vans drove learned: each hour once it is over, and the last minutes.

The learner's process does the work (`cloud.traffic.learner`); web decides what is to be looked at,
keeps what was met, and asks what is known when speeds are put together.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy.exc import DBAPIError

from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.roads.generations import stamp
from cloud.roads.hours import Week, bucket
from cloud.roads.learning import LIVE_S, Met, classes, live, packed, together
from cloud.roads.model import CityError
from cloud.roads.publisher import Hours
from cloud.roads.segments import Floats, Segments
from cloud.traffic import store
from cloud.traffic.client import LearnerClient, LearnerUnavailable
from cloud.traffic.patterns import Kept, read_pattern, version_of
from cloud.traffic.questions import KEPT_S

_log = logging.getLogger(__name__)

_CLASSES: Final = 3
"""Of hours; each is a data set of its own (docs/decisions/speeds-of-the-hour.md)."""
_HOUR_S: Final = 3_600
_LOOK_EVERY_S: Final = 60.0
_MOST_FOLLOWED: Final = 60
"""Vans that the learner is asked of at a time; the last minutes of a thousand would take a core."""
_SETTLED_S: Final = 900
"""An hour is looked at so long after its end."""
_FINAL_S: Final = 26 * _HOUR_S
"""And once more when late batches have come in."""
_LIVE_SPAN_S: Final = 4 * LIVE_S


@dataclass(slots=True)
class _Begun:
    """An hour that is being looked at: vans that are left, and what the others met."""

    hour_s: int
    left: list[tuple[str, str]]
    met: list[Met] = field(default_factory=list)


class SpeedLearning:
    """Learns while the cloud runs; `factors` gives what is known now.

    Args:
        vans: tenant and id of every van.
        zone: IANA name of the zone whose hours people live by.
        folder: the roads' folder, where the pattern is kept.
        learner: does the work.
        changed: told when more is known.
    """

    def __init__(
        self,
        *,
        business: Database,
        clock: Clock,
        vans: Callable[[], list[tuple[str, str]]],
        zone: Callable[[], str],
        city: Path,
        folder: Path,
        learner: LearnerClient,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._business = business
        self._clock = clock
        self._vans = vans
        self._find_zone = zone
        self._city = city
        self._folder = folder
        self._learner = learner
        self._changed = changed
        self._recent: deque[tuple[float, Met]] = deque()
        self._followed_s: float | None = None
        self._kept: Kept | None = None
        self._hours: Hours | None = None
        self._began_s: int | None = None
        self._turn = 0
        self._is_behind = True
        self._begun: _Begun | None = None

    async def run(self) -> None:
        """Learn until cancelled."""
        while True:
            try:
                await self.look()
            except (CityError, LearnerUnavailable) as error:
                _log.info("speeds are learned later", extra={"reason": error.detail})
            except DBAPIError as error:
                _log.warning("history cannot be read; later", extra={"reason": str(error.orig)})
            await asyncio.sleep(_LOOK_EVERY_S)

    async def look(self) -> None:
        """Have the learner look at the hours that are over, oldest first, and the last minutes.

        Raises:
            CityError: no city is imported. LearnerUnavailable: the learner does not answer.
        """
        now_s = self._clock.now_s()
        await self._follow(now_s)
        due = await asyncio.to_thread(self._due, now_s)
        for hour_s, is_final in due:
            met = await self._met_in(hour_s)
            await asyncio.to_thread(self._keep, hour_s, met, is_final=is_final)
            self._is_behind = True
        if self._is_behind or not await asyncio.to_thread(self._is_of_this_city):
            await self._learner.learn(now_s, await asyncio.to_thread(self._find_zone))
            self._is_behind = False
        self._changed()

    async def _met_in(self, hour_s: int) -> Met:
        """What all vans met in an hour, some vans at a time, the last minutes between them.

        What some vans met is kept when the learner does not answer for the next.
        """
        if self._begun is None or self._begun.hour_s != hour_s:
            self._begun = _Begun(hour_s, list(await asyncio.to_thread(self._vans)))
        begun, span_s = self._begun, (hour_s, hour_s + _HOUR_S)
        while begun.left:
            some = tuple(begun.left[:_MOST_FOLLOWED])
            begun.met.append(await self._learner.met(span_s, some))
            del begun.left[: len(some)]
            if begun.left:
                await self._follow(self._clock.now_s())
        self._begun = None
        return together(begun.met)

    def _is_of_this_city(self) -> bool:
        kept = self._kept or read_pattern(self._folder)
        return kept is not None and kept.city == stamp(self._city)

    def factors(self, segments: Segments, at_s: float, told: Floats) -> list[Floats]:
        """Travel time now over what is ``told``: the pattern of this hour, and what is met lately.

        ``told`` is travel time too, over the profile's; NaN where nothing is told of a street.
        """
        kept = self._learned(segments)
        if kept is None and not self._recent:
            return []
        usual = np.ones(len(segments))
        if kept is not None:
            usual = kept.pattern.over(kept.pattern.factor(_hour(kept, at_s)), told)
        whole = usual * np.where(np.isnan(told), 1.0, told)
        recent = [(at_s - then_s, met) for then_s, met in tuple(self._recent)]
        return [usual, live(segments, [one for one in recent if one[0] >= 0], whole)]

    def hours(self, segments: Segments, at_s: float) -> Hours | None:
        """What is usual in each class of hours; None while nothing is learned."""
        del at_s  # what is usual is so at any time
        kept = self._learned(segments)
        if kept is None or not len(kept.pattern.place):
            return None
        if self._hours is None or self._hours.version != kept.version:
            found = classes(kept.pattern, _CLASSES)
            self._hours = Hours(
                version=kept.version,
                week=Week(zone=kept.zone, classes=tuple(found)),
                factors=tuple(kept.pattern.mean(found, number) for number in range(_CLASSES)),
                over=kept.pattern.over,
            )
        return self._hours

    def _learned(self, segments: Segments) -> Kept | None:
        """The pattern, if it is of the city that is imported now."""
        kept = self._kept
        if kept is None or kept.version != version_of(self._folder):
            kept = self._kept = read_pattern(self._folder)
        is_whole = kept is not None and len(kept.pattern.band_of) == len(segments)
        return kept if kept and is_whole and kept.city == stamp(self._city) else None

    async def _follow(self, now_s: float) -> None:
        since_s = self._followed_s
        if since_s is None or not 0 < now_s - since_s < _LIVE_SPAN_S:
            since_s = now_s - LIVE_S
        met = await self._learner.met((since_s, now_s), tuple(await self.in_turn()))
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
            store.forget_hours(connection, hour_s - KEPT_S)


def _hour(kept: Kept, at_s: float) -> int:
    """The hour of a working day, a Saturday or a Sunday, where the first depot is."""
    return bucket(datetime.fromtimestamp(at_s, ZoneInfo(kept.zone)))
