"""Travel times that were asked for lately, so that one more place costs a row and a column.

A plan asks for the whole table of its day anew each time, with the newest speeds. An urgent order
cannot wait for that: its own row and column are asked for in the lane that waits for nothing, and
between the places known before what was told last still stands in, unless a street was closed,
opened or slowed by hand since. The engine takes as long for each place of a row, so that leads to
those beside the new one, and the rest is reached by them.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import cos, radians
from typing import TYPE_CHECKING, Final

from cloud.roads.client import RoadsClient
from cloud.roads.model import NEAR_M, NO_WAY, Matrix, NoStreetNear, Point

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_KEPT_S: Final = 900.0
"""How old the speeds between known places may be when an order cannot wait."""
_RENEWED_S: Final = 390.0
"""Of a day that is expected older ones are asked for anew, so that they are young when it comes."""
_HEED_S: Final = 1.0
"""So long what is asked for waits while it is being learned."""
_TABLES: Final = 32
MOST_PLACES: Final = 1_000
_MOST_WAYS: Final = 4 * MOST_PLACES**2
"""So many tables at the most, none of more places, and all of them of so many ways: 32 MB."""
_NEAREST: Final = 24
"""So many places next to a new one are asked for the way to it."""
_MOST_NEW: Final = 24
"""With more places that are not known, or more than are, the whole table is asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """A table, where each place stands in it, and when it was asked for (monotonic seconds).

    ``ends``: to and from which every way is the best one. ``drawn``: what people said of the
    streets then.
    """

    at: dict[Point, int]
    table: Matrix
    ends: frozenset[Point]
    asked_s: float
    drawn: str


def _nothing_drawn() -> str:
    return ""


class RememberedTables:
    """One data set's tables, asked whole in the bulk lane or as an addition in the other.

    Args:
        bulk: asks for whole tables. quick: asks for rows and columns.
        drawn: tells, off the event loop, what people say of the streets as far as the data set
            knows it; what was told while that was something else is not used any more.
    """

    def __init__(
        self, bulk: RoadsClient, quick: RoadsClient, drawn: Callable[[], str] = _nothing_drawn
    ) -> None:
        self._bulk = bulk
        self._quick = quick
        self._drawn = drawn
        self._known: OrderedDict[frozenset[Point], _Known] = OrderedDict()
        self._expecting: dict[asyncio.Future[None], frozenset[Point]] = {}
        self._asking = 0
        self._unused = asyncio.Event()
        self._unused.set()

    @property
    def url(self) -> str:
        """Where the data set is asked."""
        return self._bulk.url

    async def close(self) -> None:
        """Close the connections."""
        await self._bulk.close()
        await self._quick.close()

    async def close_unused(self) -> None:
        """Close the connections when every question has its answer."""
        await self._unused.wait()
        await self.close()

    async def table(
        self, points: Sequence[Point], *, is_quick: bool = False, ends: Sequence[int] = ()
    ) -> Matrix:
        """Travel between all ``points``; by ``is_quick`` from memory where that is known.

        Then a new place's ways are asked for to and from ``ends`` and what lies next to it. To and
        from the rest it is the way over one of those, which is never shorter than the best one.

        Args:
            points: the places.
            is_quick: what was told lately will do between places that are known.
            ends: indices of places to and from which every way is to be the best one.

        Raises:
            NoStreetNear: with the index of every place that is too far from a street.
            RoadsUnavailable: the engine does not answer.
        """
        with self._in_use():
            if is_quick:
                await self._heed(points)
            return await self._table(points, ends, is_quick=is_quick)

    async def expect(
        self, points: Sequence[Point], ends: Collection[Point], *, is_whole: bool
    ) -> None:
        """Learn the ways of places that will be asked for; who asks quickly meanwhile waits for it.

        Args:
            points: the places; duplicates count once.
            ends: places to and from which every way is to be the best one.
            is_whole: whether these are all places of a day, whose ways are asked for anew when they
                are not of the last minutes. Else they are added to the newest table that knows
                every one of ``ends``, or to none when there is no such table. What is too far from
                a street is left out.

        Raises:
            RoadsUnavailable: the engine does not answer.
        """
        learned = asyncio.get_running_loop().create_future()
        self._expecting[learned] = frozenset(points)
        try:
            with self._in_use():
                await self._expect(points, ends, is_whole=is_whole)
        finally:
            del self._expecting[learned]
            learned.set_result(None)

    async def _heed(self, points: Sequence[Point]) -> None:
        """Wait for what is being learned of some places, though not for long."""
        asked = set(points)
        for one in self._known.values():
            asked.difference_update(one.at)
        of_these = [learned for learned, some in self._expecting.items() if asked & some]
        if of_these:
            await asyncio.wait(of_these, timeout=_HEED_S)

    async def _expect(
        self, points: Sequence[Point], ends: Collection[Point], *, is_whole: bool
    ) -> None:
        drawn = await asyncio.to_thread(self._drawn)
        if is_whole:
            places = list(dict.fromkeys(points))
            best = self._best(places, drawn)
            is_quick = best is not None and time.monotonic() - best.asked_s < _RENEWED_S
            await self._learn(places, ends, is_quick=is_quick)
            return
        fit = [one for one in self._fresh(drawn) if all(place in one.at for place in ends)]
        known = max(fit, key=lambda one: (one.asked_s, len(one.at)), default=None)
        if known is not None:
            places = list(dict.fromkeys([*known.at, *points]))
            await self._learn(places, {*ends, *known.ends}, is_quick=True)

    async def _learn(
        self, places: Sequence[Point], ends: Collection[Point], *, is_quick: bool
    ) -> None:
        try:
            await self._table(places, _indices(places, ends), is_quick=is_quick)
        except NoStreetNear as error:
            near = [place for at, place in enumerate(places) if at not in error.far_m]
            await self._table(near, _indices(near, ends), is_quick=is_quick)

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        self._asking += 1
        self._unused.clear()
        try:
            yield
        finally:
            self._asking -= 1
            if self._asking == 0:
                self._unused.set()

    async def _table(
        self, points: Sequence[Point], ends: Sequence[int], *, is_quick: bool
    ) -> Matrix:
        drawn = await asyncio.to_thread(self._drawn)
        known = self._best(points, drawn) if is_quick else None
        asked_s = time.monotonic()
        if known is None:
            table = await self._bulk.table(points)
        elif all(point in known.at for point in points):
            key = frozenset(known.at)
            if key in self._known:
                self._known.move_to_end(key)
            return known.table.cut([known.at[point] for point in points])
        else:
            table, asked_s = await self._added(known, points, ends), known.asked_s
            if len(points) <= MOST_PLACES and known.at.keys() <= set(points):
                self._known.pop(frozenset(known.at), None)  # the new one has all of it
        at_ends = frozenset(points[at] for at in ends)
        self._remember(points, table, at_ends, asked_s, drawn)
        return table

    def _best(self, points: Sequence[Point], drawn: str) -> _Known | None:
        """The newest table that knows enough of these places; of those as new, the most of them."""
        fit: list[tuple[float, int, _Known]] = []
        for one in self._fresh(drawn):
            new = sum(point not in one.at for point in points)
            if new <= min(_MOST_NEW, len(points) // 2):
                fit.append((one.asked_s, -new, one))
        return max(fit, key=lambda found: found[:2])[2] if fit else None

    def _fresh(self, drawn: str) -> list[_Known]:
        """The tables that may stand in for one that is asked for now."""
        young = time.monotonic() - _KEPT_S
        known = self._known.values()
        return [one for one in known if one.asked_s >= young and one.drawn == drawn]

    async def _added(self, known: _Known, points: Sequence[Point], ends: Sequence[int]) -> Matrix:
        import numpy as np  # web asks for no matrix and starts sooner without it

        fresh = [at for at, point in enumerate(points) if point not in known.at]
        table = known.table.cut([known.at.get(point, 0) for point in points])
        asked = _beside(points, fresh, ends)
        some, new = [points[at] for at in asked], [asked.index(at) for at in fresh]
        try:
            rows, columns = await asyncio.gather(
                self._quick.table(some, rows=new), self._quick.table(some, columns=new)
            )
        except NoStreetNear as error:
            far = {asked[at]: distance_m for at, distance_m in error.far_m.items()}
            raise NoStreetNear(points, far, NEAR_M) from None
        seconds, metres = table.seconds.copy(), table.metres.copy()
        over = [number for number, at in enumerate(asked) if at not in set(fresh)]
        beside = np.asarray([asked[number] for number in over], dtype=np.intp)
        for number, at in enumerate(fresh):
            first = rows.seconds[number, over], rows.metres[number, over]
            last = columns.seconds[over, number], columns.metres[over, number]
            _put_ways(seconds, metres, first, beside, at)
            _put_ways(seconds.T, metres.T, last, beside, at)
        own = np.asarray(fresh, dtype=np.intp)
        seconds[np.ix_(asked, own)], metres[np.ix_(asked, own)] = columns.seconds, columns.metres
        seconds[np.ix_(own, asked)], metres[np.ix_(own, asked)] = rows.seconds, rows.metres
        return Matrix(seconds, metres)

    def _remember(
        self,
        points: Sequence[Point],
        table: Matrix,
        ends: frozenset[Point],
        asked_s: float,
        drawn: str,
    ) -> None:
        if len(points) > MOST_PLACES:
            return
        key = frozenset(points)
        self._known.pop(key, None)
        at = {point: number for number, point in enumerate(points)}
        self._known[key] = _Known(at, table, ends, asked_s, drawn)
        while len(self._known) > _TABLES or sum(len(of) ** 2 for of in self._known) > _MOST_WAYS:
            self._known.popitem(last=False)


def _indices(places: Sequence[Point], some: Collection[Point]) -> list[int]:
    return [at for at, place in enumerate(places) if place in some]


def _beside(points: Sequence[Point], fresh: Sequence[int], ends: Sequence[int]) -> list[int]:
    """New places, those between which and a new one the way is asked for, as indices in order.

    Those are ``ends`` and, for each new place, the nearest known ones as the crow flies.
    """
    chosen = {*fresh, *ends}
    known = sorted(set(range(len(points))) - set(fresh))
    for new in fresh:
        here = points[new]
        east = cos(radians(here.lat))
        away = [
            (point.lat - here.lat) ** 2 + (east * (point.lon - here.lon)) ** 2 for point in points
        ]
        chosen.update(sorted(known, key=away.__getitem__)[:_NEAREST])
    return sorted(chosen)


def _put_ways(
    seconds: "npt.NDArray[np.int32]",
    metres: "npt.NDArray[np.int32]",
    first: "tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]",
    beside: "npt.NDArray[np.intp]",
    new: int,
) -> None:
    """The ways from a new place to every other: the quickest over a place that lies beside it.

    Args:
        seconds: between known places; the row of the new one is written.
        metres: the same.
        first: seconds and metres from the new place to each of ``beside``.
        beside: indices of places.
        new: the index of the new one.
    """
    import numpy as np

    ways = first[0][:, None] + seconds[beside]
    best, every = ways.argmin(axis=0), np.arange(len(seconds))
    seconds[new] = np.minimum(ways[best, every], NO_WAY)
    metres[new] = np.minimum(first[1][best] + metres[beside[best], every], NO_WAY)
