"""Travel times by the hour: a data set for each class of hours, asked one after the other."""

import asyncio
import logging
from collections.abc import Collection, Coroutine, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

import msgspec

from cloud.foundation.files import put
from cloud.foundation.probes import tcp_answers
from cloud.roads.ahead import Foresight, overlaid
from cloud.roads.client import RoadsClient
from cloud.roads.engine import ADDRESS, url_of
from cloud.roads.hours import (
    NEWEST_S,
    TimedMatrix,
    Timetable,
    Week,
    of_classes,
    untimed,
    with_newest,
)
from cloud.roads.keeper import NOW, ports_in_force
from cloud.roads.model import NEAR_M, NO_WAY, Matrix, NoStreetNear, Point, RoadsUnavailable
from cloud.roads.remembering import RememberedTables

_log = logging.getLogger(__name__)

_LIMIT_S: Final = 15.0
"""For a part of a table of usual times; then the newest serve, and a plan is not too late."""
AHEAD: Final = "ahead.json"
"""Below the roads' folder: when other travel times hold than the usual ones."""
DRAWN: Final = "drawn.json"
"""Below the roads' folder: by data set, a word for what people say of the streets in it."""
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


def write_foresight(folder: Path, foresight: Foresight) -> None:
    """Tell when other travel times hold than the usual ones."""
    put(folder / AHEAD, msgspec.json.encode(foresight), is_durable=False)


def read_foresight(folder: Path) -> Foresight:
    """When other travel times hold than the usual ones."""
    try:
        return msgspec.json.decode((folder / AHEAD).read_bytes(), type=Foresight)
    except (FileNotFoundError, msgspec.DecodeError):
        return Foresight()


def write_drawn(folder: Path, name: str, word: str) -> None:
    """Tell that a data set has what people say of the streets now, once no older engine answers."""
    words = _drawn_words(folder)
    if words.get(name) != word:
        served = ports_in_force(folder)
        kept = {one: said for one, said in words.items() if one in served}
        put(folder / DRAWN, msgspec.json.encode(kept | {name: word}), is_durable=False)


def _drawn_words(folder: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode((folder / DRAWN).read_bytes(), type=dict[str, str])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


class _Sets(NamedTuple):
    """Which data set holds when: the timetable's classes are the indices of ``tables``.

    ``edges``: when streets close or open, as far as that is foreseen.
    """

    hours: Timetable
    tables: list[RememberedTables]
    edges: list[int]


class TimedRoads:
    """Travel times for plans: the newest for a while, then the usual ones of each hour.

    Where streets will be closed or slow, those of a data set with them hold meanwhile. While
    nothing is learned and nothing foreseen, or a data set does not answer, the newest hold at every
    hour; `problem` tells why.

    Args:
        folder: the roads' folder; None when the engine is elsewhere and has the newest alone.
        now: where the data set with the newest speeds answers.
    """

    def __init__(self, folder: Path | None, now: str) -> None:
        self._folder = folder
        self._now = self._remembered(NOW, now)
        self._usual: dict[str, RememberedTables] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self.problem = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for one in (self._now, *self._usual.values()):
            await one.close()
        if self._closing:
            await asyncio.wait(self._closing)

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
            NoStreetNear: with the index of every place that is too far from a street at any hour.
            RoadsUnavailable: the engine does not answer.
        """
        sets = await self._sets(from_s, until_s)
        if sets is None:
            return untimed(await self._now.table(points, is_quick=is_quick, ends=ends))
        is_now = _counts_now(from_s, now_s)
        used = self._used(sets, is_now=is_now)
        try:
            found = await self._tables(points, used, is_quick=is_quick, ends=ends)
        except RoadsUnavailable as error:
            self._failed(f"hours: {error.detail}")
            return untimed(await self._now.table(points, is_quick=is_quick, ends=ends))
        self._failed("")
        usual = of_classes(sets.hours, found[: len(sets.tables)])
        if not is_now or now_s is None:
            return usual
        next_change_s = min((one for one in sets.edges if one > now_s), default=None)
        return with_newest(usual, found[used.index(self._now)], now_s, next_change_s)

    async def expect(
        self,
        points: Sequence[Point],
        ends: Collection[Point],
        from_s: int,
        until_s: int,
        now_s: int | None,
        *,
        is_whole: bool,
    ) -> None:
        """Learn the ways of places before they are asked for (`RememberedTables.expect`).

        Raises:
            RoadsUnavailable: the engine does not answer.
        """
        sets = await self._sets(from_s, until_s)
        is_now = _counts_now(from_s, now_s)
        used = [self._now] if sets is None else self._used(sets, is_now=is_now)
        await _all([one.expect(points, ends, is_whole=is_whole) for one in used])

    def _used(self, sets: _Sets, *, is_now: bool) -> list[RememberedTables]:
        return list(dict.fromkeys([*sets.tables, *([self._now] if is_now else [])]))

    async def _sets(self, from_s: int, until_s: int) -> _Sets | None:
        """What holds in a span; None when the newest alone are to be used."""
        if self._folder is None:
            return None
        week = await asyncio.to_thread(read_week, self._folder)
        foreseen = [
            one
            for one in (await asyncio.to_thread(read_foresight, self._folder)).spans
            if one.begins_s < until_s and one.ends_s > from_s
        ]
        if week is None and not foreseen:
            return None
        usual = week.timetable(from_s, until_s) if week else _always(from_s)
        names = [data_set(one) for one in range(max(usual.classes) + 1)] if week else [NOW]
        ahead = list(dict.fromkeys(one.data_set for one in foreseen))
        spans = [(o.begins_s, o.ends_s, len(names) + ahead.index(o.data_set)) for o in foreseen]
        hours = overlaid(usual, spans)
        used = sorted(set(hours.classes))
        tables = await self._served([[*names, *ahead][one] for one in used])
        if tables is None:
            return None
        at = {number: place for place, number in enumerate(used)}
        return _Sets(
            hours=Timetable(changes=hours.changes, classes=tuple(at[one] for one in hours.classes)),
            tables=tables,
            edges=[edge for begins, ends, _ in spans for edge in (begins, ends)],
        )

    async def _served(self, names: Sequence[str]) -> list[RememberedTables] | None:
        """The tables of some data sets, if each of them is served."""
        if self._folder is None:
            return None
        ports = await asyncio.to_thread(ports_in_force, self._folder)
        missing = [one for one in names if one not in ports]
        if missing:
            self._failed(f"hours: {', '.join(missing)} is not served")
            return None
        for name in [one for one in self._usual if one not in ports]:
            self._let_go(name)
        found: list[RememberedTables] = []
        for name in names:
            url = url_of(ports[name])
            known = self._usual.get(name)
            if name == NOW:
                known = self._now
            elif known is None or known.url != url:
                self._let_go(name)
                known = self._usual[name] = self._remembered(name, url, limit_s=_LIMIT_S)
            found.append(known)
        return found

    def _let_go(self, name: str) -> None:
        """Forget a data set; whoever asks it now still has the answer."""
        gone = self._usual.pop(name, None)
        if gone is not None:
            closing = asyncio.create_task(gone.close_unused(), name=f"close {name}")
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _tables(
        self,
        points: Sequence[Point],
        sets: Sequence[RememberedTables],
        *,
        is_quick: bool,
        ends: Sequence[int],
    ) -> list[Matrix]:
        """What each data set says; a place that one alone has cut off has no way in that one."""
        asked = [one.table(points, is_quick=is_quick, ends=ends) for one in sets]
        answers = await _all([_or_far(one) for one in asked])
        far = [one if isinstance(one, dict) else {} for one in answers]
        everywhere = {at: far_m for at, far_m in far[0].items() if all(at in one for one in far)}
        if everywhere:
            raise NoStreetNear(points, everywhere, NEAR_M)

        async def whole(one: RememberedTables, answer: Matrix | dict[int, float]) -> Matrix:
            if isinstance(answer, Matrix):
                return answer
            near = [at for at in range(len(points)) if at not in answer]
            wanted = [near.index(at) for at in ends if at in near]
            if not near:
                return _with_cut_off(None, near, len(points))
            found = await one.table([points[at] for at in near], is_quick=is_quick, ends=wanted)
            return _with_cut_off(found, near, len(points))

        return await _all([whole(*each) for each in zip(sets, answers, strict=True)])

    def _remembered(self, name: str, url: str, *, limit_s: float | None = None) -> RememberedTables:
        folder = self._folder

        def drawn() -> str:
            return "" if folder is None else _drawn_words(folder).get(name, "")

        return RememberedTables(
            RoadsClient(url, lane="bulk", limit_s=limit_s), RoadsClient(url), drawn
        )

    def _failed(self, problem: str) -> None:
        if problem and problem != self.problem:
            _log.warning("plans use the newest speeds at every hour", extra={"reason": problem})
        self.problem = problem


async def _or_far(asked: Coroutine[None, None, Matrix]) -> Matrix | dict[int, float]:
    """The table, or how far the places are that are too far from a street, by index."""
    try:
        return await asked
    except NoStreetNear as error:
        return error.far_m


def _with_cut_off(found: Matrix | None, near: Sequence[int], count: int) -> Matrix:
    """A table of the places ``near`` as one of all, with no way from and to the others."""
    import numpy as np  # web asks for no matrix and starts sooner without it

    seconds, metres = (np.full((count, count), NO_WAY, dtype=np.int32) for _ in range(2))
    if found is not None:
        seconds[np.ix_(near, near)] = found.seconds
        metres[np.ix_(near, near)] = found.metres
    for one in (seconds, metres):
        np.fill_diagonal(one, 0)
    return Matrix(seconds, metres)


async def _all[T](asked: Sequence[Coroutine[None, None, T]]) -> list[T]:
    """Every answer; when one fails the others are waited for first."""
    answers = await asyncio.gather(*asked, return_exceptions=True)
    failed = [answer for answer in answers if isinstance(answer, BaseException)]
    if failed:
        raise failed[0]
    return [answer for answer in answers if not isinstance(answer, BaseException)]


def _counts_now(from_s: int, now_s: int | None) -> bool:
    """Whether the newest speeds say anything of drives that begin at ``from_s``."""
    return now_s is not None and from_s < now_s + NEWEST_S


def _always(from_s: int) -> Timetable:
    return Timetable(changes=(from_s,), classes=(0,))
