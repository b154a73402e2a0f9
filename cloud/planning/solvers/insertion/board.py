"""The rows of all vans beside each other, as arrays that show every position at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from cloud.planning.solvers.insertion.rows import NEVER, Row
from cloud.roads.model import Matrix

type Floats = npt.NDArray[np.float64]
type Ints = npt.NDArray[np.int64]
type Travelled = npt.NDArray[np.int32]
"""Seconds or metres, as a matrix has them."""

_SPARE: Final = 2
"""Positions more than the longest row has, so that not each order makes new arrays."""
_NOW: Final = ("before", "after", "leaves", "arrives", "waited", "late")
_ENDS: Final = ("latest", "latest_soft")


@dataclass(frozen=True, slots=True, eq=False)
class Ways:
    """Travel between one place and each of the desk's locations, there and back."""

    seconds_to: Travelled
    metres_to: Travelled
    seconds_from: Travelled
    metres_from: Travelled

    @classmethod
    def of(cls, matrix: Matrix, place: int) -> Self:
        """The ways of one place of a matrix."""
        return cls(
            np.ascontiguousarray(matrix.seconds[:, place]),
            np.ascontiguousarray(matrix.metres[:, place]),
            matrix.seconds[place],
            matrix.metres[place],
        )


class Positions(NamedTuple):
    """What stands at some positions of a board, each as in `Row`; loads are by their dimension."""

    before: Ints
    after: Ints
    leaves: Ints
    arrives: Ints
    waited: Ints
    late: Ints
    latest: Ints
    latest_soft: Ints
    parcels: Ints
    grams: Ints
    millilitres: Ints

    @property
    def loads(self) -> tuple[Ints, Ints, Ints]:
        """What is aboard in each dimension."""
        return self.parcels, self.grams, self.millilitres


class Board:
    """A van a row and a position a column; nothing fits where a row has ended.

    The vans of one position lie beside each other in memory: numpy has the least of each row ten
    times sooner so. All that stands at a position is read at once, as each reading costs the same
    whether much is read or little.

    Attributes:
        all: every position. price: of the drives there.
        most: that is ever aboard each van, by dimension.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        every = list(rows)
        self.width = max((len(row.before) for row in every), default=1) + _SPARE
        shape = len(Positions._fields), self.width, len(every)
        self._table = np.zeros(shape, dtype=np.int64).transpose(0, 2, 1)
        self.all = Positions(*self._table)
        self.price: Floats = np.full((len(every), self.width), -np.inf, order="F")
        self.most: Ints = np.zeros((len(self.all.loads), len(every)), dtype=np.int64)
        for at, row in enumerate(every):
            self.write(at, row)

    def rows(self, rows: Ints) -> Positions:
        """Every position of some rows."""
        return Positions(*self._table[:, rows])

    def positions(self, rows: Ints, columns: Ints) -> Positions:
        """Single positions, by their rows and columns."""
        return Positions(*self._table[:, rows, columns])

    def write(self, at: int, row: Row) -> None:
        """Replace a van's row, which must be narrow enough."""
        width = len(row.before)
        for name in _NOW:
            getattr(self.all, name)[at, :width] = getattr(row, name)
        for load, most, aboard in zip(
            self.all.loads, self.most, zip(*row.load, strict=True), strict=True
        ):
            load[at, :width] = aboard
            most[at] = max(aboard)
        for name in _ENDS:  # no visit is in time behind the last position
            values = getattr(self.all, name)
            values[at, :width] = getattr(row, name)
            values[at, width:] = -NEVER
        self.price[at, :width] = row.price
        self.price[at, width:] = -np.inf
