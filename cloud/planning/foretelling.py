"""Telling the planner that decides at once which places it will be asked about.

It then knows the ways of a day before an urgent order comes, and those of the order's door while
the day is still read. What it does not know it asks for itself, so nothing depends on this.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from math import inf
from typing import Final

from msgspec.structs import replace
from sqlalchemy.exc import DBAPIError

from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import CloudError
from cloud.orders.store import doors_of
from cloud.planning.client import PlannerClient
from cloud.planning.jobs import DayKey
from cloud.planning.problem import Location, Problem
from cloud.planning.questions import Expected
from cloud.roads.remembering import MOST_PLACES

log = logging.getLogger(__name__)

_DAYS: Final = 64
"""So many days are kept in mind; the one that was planned longest ago goes first."""
_AGAIN_S: Final = 400.0
"""Real seconds after which a day is told again: speeds of the streets grow old."""
_FAILED_S: Final = 30.0
"""The same after it could not be told."""
_SOON_S: Final = 3_600.0
"""Days that begin later are told when they are so near."""
_WITHIN_S: Final = 30.0
_AT_ONCE: Final = 2


@dataclass(slots=True)
class _Told:
    """``again_s``: when it is told again, by the monotonic clock."""

    expected: Expected
    again_s: float = -inf


class Foretelling:
    """What is told, and not waited for."""

    def __init__(self, database: Database, planner: PlannerClient, clock: Clock) -> None:
        self._database = database
        self._planner = planner
        self._clock = clock
        self._days: OrderedDict[DayKey, _Told] = OrderedDict()
        self._telling: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(_AT_ONCE)

    def knows(self, key: DayKey) -> bool:
        """Whether a day was told."""
        return key in self._days

    def day(self, key: DayKey, problem: Problem) -> None:
        """The places of a day, when they are not too many to be remembered."""
        if len(problem.locations) > MOST_PLACES:
            return
        vans = problem.vehicles
        ends = {at for van in vans for at in (van.start, van.end, van.loads_at) if at is not None}
        told = Expected(
            places=problem.locations,
            ends=tuple(problem.locations[at] for at in sorted(ends)),
            is_whole=True,
            from_s=min((van.available_from for van in vans), default=0),
            until_s=max((van.shift_end for van in vans), default=0),
            now=int(self._clock.now_s()),
        )
        self._days.pop(key, None)
        while len(self._days) >= _DAYS:
            self._days.popitem(last=False)
        self._days[key] = _Told(told)
        self.again()

    def doors(self, key: DayKey, order_ids: Iterable[str | None]) -> None:
        """Where some orders of a day are brought to and fetched, when that day was told."""
        known, wanted = self._days.get(key), [one for one in order_ids if one is not None]
        if known is not None and wanted:
            self._begin(self._tell_doors(key[0], wanted, known.expected))

    def again(self) -> None:
        """Tell the days of now that were not told for a while, and forget those that are over."""
        now, clock_s = int(self._clock.now_s()), time.monotonic()
        for key in [key for key, one in self._days.items() if one.expected.until_s < now]:
            del self._days[key]
        for one in self._days.values():
            if one.again_s < clock_s and one.expected.from_s < now + _SOON_S:
                one.again_s = clock_s + _AGAIN_S
                self._begin(self._tell_day(one, now))

    async def close(self) -> None:
        """Tell nothing more."""
        for task in self._telling:
            task.cancel()
        if self._telling:
            await asyncio.wait(self._telling)

    async def _tell_day(self, day: _Told, now: int) -> None:
        if not await self._tell(_at(day.expected, now)):
            day.again_s = time.monotonic() + _FAILED_S

    async def _tell_doors(self, tenant: str, order_ids: Sequence[str], day: Expected) -> None:
        try:
            places = await asyncio.to_thread(self._doors, tenant, order_ids)
        except DBAPIError:
            return  # whoever plans for them is told
        further = replace(day, places=places, is_whole=False)
        await self._tell(_at(further, int(self._clock.now_s())))

    def _doors(self, tenant: str, order_ids: Sequence[str]) -> tuple[Location, ...]:
        with self._database.reading() as connection:
            found = doors_of(connection, tenant, order_ids)
        return tuple(Location(lat=one.lat, lon=one.lon) for one in found)

    def _begin(self, telling: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(telling, name="foretell")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, told: Expected) -> bool:
        try:
            async with self._turn if told.is_whole else nullcontext():
                await self._planner.expect(told, timeout_s=_WITHIN_S)
        except CloudError as error:
            log.debug("the planner was not told of places", extra={"reason": error.detail})
            return False
        return True


def _at(told: Expected, now: int) -> Expected:
    """The same as it is told now: what is driven before then needs no times."""
    return replace(told, now=now, from_s=max(told.from_s, now))
