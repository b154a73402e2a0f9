"""Travel times that were asked for lately, so that one more place costs a row and a column.

A plan asks for the whole table of its day anew each time, with the newest speeds. An urgent order
cannot wait for that: its own row and column are asked for in the lane that waits for nothing, and
between the places known before what was told last still stands in.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloud.roads.client import RoadsClient
from cloud.roads.model import Matrix, Point

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_KEPT_S: Final = 900.0
"""How old the speeds between known places may be when an order cannot wait."""
_TABLES: Final = 4
_MOST_PLACES: Final = 1_000
"""So many tables of so many places at the most: 8 MB each."""
_MOST_NEW: Final = 24
"""With more places that are not known the whole table is asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """A table, where each place stands in it, and when it was asked for (monotonic seconds)."""

    at: dict[Point, int]
    table: Matrix
    asked_s: float


class RememberedTables:
    """One data set's tables, asked whole in the bulk lane or as an addition in the other.

    Args:
        bulk: asks for whole tables. quick: asks for rows and columns.
    """

    def __init__(self, bulk: RoadsClient, quick: RoadsClient) -> None:
        self._bulk = bulk
        self._quick = quick
        self._known: OrderedDict[frozenset[Point], _Known] = OrderedDict()

    @property
    def url(self) -> str:
        """Where the data set is asked."""
        return self._bulk.url

    async def close(self) -> None:
        """Close the connections."""
        await self._bulk.close()
        await self._quick.close()

    async def table(self, points: Sequence[Point], *, is_quick: bool = False) -> Matrix:
        """Travel between all ``points``; by ``is_quick`` from memory where that is known.

        Raises:
            NoStreetNear: with the index of every place that is too far from a street.
            RoadsUnavailable: the engine does not answer.
        """
        known = self._best(points) if is_quick else None
        asked_s = time.monotonic()
        if known is None:
            table = await self._bulk.table(points)
        else:
            table, asked_s = await self._added(known, points), known.asked_s
        self._remember(points, table, asked_s)
        return table

    def _best(self, points: Sequence[Point]) -> _Known | None:
        """The table that knows the most of these places, the newest of those; not an old one."""
        young = time.monotonic() - _KEPT_S
        fit = [one for one in self._known.values() if one.asked_s >= young]
        best = max(
            fit,
            key=lambda one: (sum(point in one.at for point in points), one.asked_s),
            default=None,
        )
        if best is None or sum(point not in best.at for point in points) > _MOST_NEW:
            return None
        return best

    async def _added(self, known: _Known, points: Sequence[Point]) -> Matrix:
        import numpy as np  # web asks for no matrix and starts sooner without it

        fresh = [at for at, point in enumerate(points) if point not in known.at]
        old = [known.at.get(point, 0) for point in points]
        table = known.table.cut(old)
        if not fresh:
            return table
        rows, columns = await asyncio.gather(
            self._quick.table(points, rows=fresh), self._quick.table(points, columns=fresh)
        )
        seconds, metres = table.seconds.copy(), table.metres.copy()
        at = np.asarray(fresh, dtype=np.intp)
        _put(seconds, at, rows.seconds, columns.seconds)
        _put(metres, at, rows.metres, columns.metres)
        return Matrix(seconds, metres)

    def _remember(self, points: Sequence[Point], table: Matrix, asked_s: float) -> None:
        if len(points) > _MOST_PLACES:
            return
        key = frozenset(points)
        self._known.pop(key, None)
        self._known[key] = _Known({point: at for at, point in enumerate(points)}, table, asked_s)
        while len(self._known) > _TABLES:
            self._known.popitem(last=False)


def _put(
    whole: "npt.NDArray[np.int32]",
    at: "npt.NDArray[np.intp]",
    rows: "npt.NDArray[np.int32]",
    columns: "npt.NDArray[np.int32]",
) -> None:
    whole[:, at] = columns
    whole[at] = rows
