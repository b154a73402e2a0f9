"""Ways by the hour: each leg along the streets that are open when it is driven."""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path as Folder
from typing import Final

from cloud.foundation.clock import Clock
from cloud.roads.client import RoadsClient, joined
from cloud.roads.engine import url_of
from cloud.roads.keeper import ports_in_force
from cloud.roads.model import Path, PlaceError, Point, RoadsUnavailable
from cloud.roads.timed import data_set, read_foresight, read_week

_NOW: Final = ""
"""The name of no data set: that with the newest speeds."""


class TimedWays:
    """Asks for ways along the streets of now, and of the times at which others are open.

    Args:
        now: asks the data set with the newest speeds.
        folder: the roads' folder; None when the engine is elsewhere and knows of no other time.
        clock: domain time.
    """

    def __init__(self, now: RoadsClient, folder: Folder | None, clock: Clock) -> None:
        self._now = now
        self._folder = folder
        self._clock = clock

    async def route(self, points: Sequence[Point], departs: Sequence[float] = ()) -> Path:
        """The way through ``points`` in their order.

        Where the travel times of a leg's hour do not answer, it is that of now.

        Args:
            points: the places, 2 at least.
            departs: when each is left for the next one, UTC seconds; none for a way driven now.

        Raises:
            NoStreetNear: a point is too far from a street. NoWay: one cannot be reached.
            RoadsUnavailable: the engine does not answer.
        """
        urls = await asyncio.to_thread(self._urls, departs)
        if not any(urls):
            return await self._now.route(points)
        found: Path | None = None
        for url, legs in groupby(range(len(urls)), key=lambda leg: urls[leg]):
            first, *others = legs
            last = others[-1] if others else first
            part = await self._part(url, points[first : last + 2])
            found = part if found is None else joined(found, part)
        assert found is not None  # noqa: S101 - there is a leg, so there is a part
        return found

    async def _part(self, url: str, points: Sequence[Point]) -> Path:
        if url:
            try:
                async with RoadsClient(url) as roads:
                    return await roads.route(points)
            except (PlaceError, RoadsUnavailable):
                pass  # a door in a closed street is reached when it opens: the path of now shows it
        return await self._now.route(points)

    def _urls(self, departs: Sequence[float]) -> list[str]:
        """Where each leg is asked for; empty is where the newest speeds are."""
        if self._folder is None or not departs:
            return []
        spans = read_foresight(self._folder).spans
        if not spans:
            return []
        ports, week, now = (
            ports_in_force(self._folder),
            read_week(self._folder),
            self._clock.now_s(),
        )
        is_unusual = any(one.begins_s <= now < one.ends_s for one in spans)
        names = []
        for at_s in departs:
            name = next((o.data_set for o in spans if o.begins_s <= at_s < o.ends_s), _NOW)
            if name == _NOW and is_unusual and week is not None:
                name = data_set(week.class_at(at_s))
            names.append(name)
        return [url_of(ports[name]) if name in ports else "" for name in names]
