"""Travel times by the hour: a data set for each class of hours, asked one after the other."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from cloud.foundation.files import put
from cloud.roads.client import Lane, RoadsClient
from cloud.roads.engine import url_of
from cloud.roads.hours import TimedMatrix, Timetable, Week, untimed
from cloud.roads.keeper import ports_in_force
from cloud.roads.model import Point

WEEK: Final = "week.json"
"""Below the roads' folder: which class each hour belongs to."""


def data_set(number: int) -> str:
    """The name of the data set of a class of hours."""
    return f"hours-{number}"


def write_week(folder: Path, week: Week) -> None:
    """Tell which class each hour belongs to."""
    put(folder / WEEK, msgspec.json.encode(week), is_durable=False)


def read_week(folder: Path) -> Week | None:
    """Which class each hour belongs to; None while nothing is learned."""
    try:
        return msgspec.json.decode((folder / WEEK).read_bytes(), type=Week)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


class TimedRoads:
    """Matrices for plans: the usual travel times of each hour, or those of now without any.

    Args:
        folder: the roads' folder.
        now: asks the data set with the newest speeds.
        lane: of the questions to the others.
    """

    def __init__(self, folder: Path, now: RoadsClient, lane: Lane = "bulk") -> None:
        self._folder = folder
        self._now = now
        self._lane: Lane = lane

    async def table(self, points: Sequence[Point], from_s: int, until_s: int) -> TimedMatrix:
        """Travel times between places for who drives between two instants (UTC seconds).

        Raises:
            NoStreetNear: with the index of every place that is too far from a street.
            RoadsUnavailable: the engine does not answer.
        """
        week = await asyncio.to_thread(read_week, self._folder)
        ports = await asyncio.to_thread(ports_in_force, self._folder)
        if week is None or any(data_set(one) not in ports for one in set(week.classes)):
            return untimed(await self._now.table(points))
        import numpy as np

        hours = week.timetable(from_s, until_s)
        used = sorted(set(hours.classes))
        found = []
        for number in used:
            async with RoadsClient(url_of(ports[data_set(number)]), lane=self._lane) as roads:
                found.append(await roads.table(points))
        at = {number: place for place, number in enumerate(used)}
        return TimedMatrix(
            hours=Timetable(changes=hours.changes, classes=tuple(at[one] for one in hours.classes)),
            seconds=np.stack([one.seconds for one in found]),
            metres=found[0].metres,
        )
