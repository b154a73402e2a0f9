"""Travel times by the hour: a data set for each class of hours, asked one after the other."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import msgspec

from cloud.foundation.files import put
from cloud.foundation.probes import tcp_answers
from cloud.roads.client import RoadsClient
from cloud.roads.engine import ADDRESS, url_of
from cloud.roads.hours import (
    NEWEST_S,
    TimedMatrix,
    Timetable,
    Week,
    untimed,
    with_newest,
)
from cloud.roads.keeper import NOW, ports_in_force
from cloud.roads.model import Matrix, Point, RoadsUnavailable
from cloud.roads.remembering import RememberedTables

_log = logging.getLogger(__name__)

_LIMIT_S: Final = 15.0
"""For a part of a table of usual times; then the newest serve, and a plan is not too late."""
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


def hours_missing(folder: Path) -> str:
    """Which data set of usual speeds does not answer though the newest are served; else empty."""
    ports, week = ports_in_force(folder), read_week(folder)
    if week is None or NOW not in ports:
        return ""
    for number in sorted(set(week.classes)):
        name = data_set(number)
        if name not in ports or not tcp_answers(ADDRESS, ports[name]):
            return f"{name} does not answer; plans use the newest speeds at every hour meanwhile"
    return ""


class TimedRoads:
    """Travel times for plans: the newest for a while, then the usual ones of each hour.

    While nothing is learned, or a data set of the usual ones does not answer, the newest hold at
    every hour; `problem` tells why.

    Args:
        folder: the roads' folder; None when the engine is elsewhere and has the newest alone.
        now: where the data set with the newest speeds answers.
    """

    def __init__(self, folder: Path | None, now: str) -> None:
        self._folder = folder
        self._now = _tables(now)
        self._usual: dict[int, RememberedTables] = {}
        self.problem = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for one in (self._now, *self._usual.values()):
            await one.close()

    async def table(
        self,
        points: Sequence[Point],
        from_s: int,
        until_s: int,
        now_s: int | None = None,
        *,
        is_quick: bool = False,
        ends: Sequence[int] = (),
    ) -> TimedMatrix:
        """Travel times between places for who drives between two instants (UTC seconds).

        Args:
            points: the places.
            from_s: the first departure.
            until_s: the last arrival.
            now_s: the newest speeds are of this instant; None leaves them out.
            is_quick: what was told lately will do between places that are known.
            ends: places to and from which ways are the best ones even then.

        Raises:
            NoStreetNear: with the index of every place that is too far from a street.
            RoadsUnavailable: the engine does not answer.
        """
        week = await self._week()
        if week is None:
            return untimed(await self._now.table(points, is_quick=is_quick, ends=ends))
        hours = week.timetable(from_s, until_s)
        used = sorted(set(hours.classes))
        is_now = now_s is not None and from_s < now_s + NEWEST_S
        try:
            found = await self._tables(points, used, with_now=is_now, is_quick=is_quick, ends=ends)
        except RoadsUnavailable as error:
            self._failed(f"hours: {error.detail}")
            return untimed(await self._now.table(points, is_quick=is_quick, ends=ends))
        self._failed("")
        import numpy as np  # web asks for no matrix and starts sooner without it

        at = {number: place for place, number in enumerate(used)}
        usual = TimedMatrix(
            hours=Timetable(changes=hours.changes, classes=tuple(at[one] for one in hours.classes)),
            seconds=np.stack([one.seconds for one in found[: len(used)]]),
            metres=found[0].metres,
        )
        return with_newest(usual, found[-1], now_s) if is_now and now_s is not None else usual

    async def _week(self) -> Week | None:
        """Which class holds when, if each of them is served."""
        if self._folder is None:
            return None
        week = await asyncio.to_thread(read_week, self._folder)
        if week is None:
            return None
        ports = await asyncio.to_thread(ports_in_force, self._folder)
        missing = [data_set(one) for one in set(week.classes) if data_set(one) not in ports]
        if missing:
            self._failed(f"hours: {', '.join(sorted(missing))} is not served")
            return None
        for number in set(week.classes):
            url = url_of(ports[data_set(number)])
            known = self._usual.get(number)
            if known is None or known.url != url:
                self._usual[number] = _tables(url, limit_s=_LIMIT_S)
                if known is not None:
                    await known.close()
        return week

    async def _tables(
        self,
        points: Sequence[Point],
        used: Sequence[int],
        *,
        with_now: bool,
        is_quick: bool,
        ends: Sequence[int],
    ) -> list[Matrix]:
        """Of each class in ``used``, then of now."""
        sets = [self._usual[number] for number in used] + ([self._now] if with_now else [])
        asked = [one.table(points, is_quick=is_quick, ends=ends) for one in sets]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return [answer for answer in answers if isinstance(answer, Matrix)]

    def _failed(self, problem: str) -> None:
        if problem and problem != self.problem:
            _log.warning("plans use the newest speeds at every hour", extra={"reason": problem})
        self.problem = problem


def _tables(url: str, *, limit_s: float | None = None) -> RememberedTables:
    return RememberedTables(RoadsClient(url, lane="bulk", limit_s=limit_s), RoadsClient(url))
