"""The rows of all vans beside each other, as arrays that show every position at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from cloud.planning.solvers.insertion.rows import NEVER, Row
from cloud.roads.model import Matrix

type Floats = npt.NDArray[np.float64]
type Ints = npt.NDArray[np.int64]

DIMENSIONS: Final = 3
"""Parcels, grams, millilitres."""
_SPARE: Final = 2
"""Positions more than the longest row has, so that not each order makes new arrays."""
_NOW: Final = ("before", "after", "leaves", "arrives", "waited", "late")
_ENDED: Final = {"latest": -NEVER, "latest_soft": -NEVER, "price": -np.inf}
"""What stands behind the last position of a row: no visit is in time there, nor dear enough."""


@dataclass(frozen=True, slots=True, eq=False)
class Ways:
    """Travel between one place and each of the desk's locations, there and back."""

    seconds_to: Ints
    metres_to: Ints
    seconds_from: Ints
    metres_from: Ints

    @classmethod
    def of(cls, matrix: Matrix, place: int) -> Self:
        """The ways of one place of a matrix."""
        return cls(
            matrix.seconds[:, place].astype(np.int64),
            matrix.metres[:, place].astype(np.int64),
            matrix.seconds[place].astype(np.int64),
            matrix.metres[place].astype(np.int64),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """A van a row and a position a column, as in `Row`; nothing fits where a row has ended.

    ``load`` has one such table each for parcels, grams and millilitres.
    """

    before: Ints
    after: Ints
    leaves: Ints
    arrives: Ints
    latest: Ints
    latest_soft: Ints
    price: Floats
    waited: Ints
    load: Ints
    late: Ints

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Self:
        """The board of these rows, with a little room."""
        every = list(rows)
        width = max((len(row.before) for row in every), default=1) + _SPARE
        shape = len(every), width

        def filled(value: int) -> Ints:
            return np.full(shape, value, dtype=np.int64)

        board = cls(
            before=filled(0),
            after=filled(0),
            leaves=filled(0),
            arrives=filled(0),
            latest=filled(-NEVER),
            latest_soft=filled(-NEVER),
            price=np.full(shape, -np.inf),
            waited=filled(0),
            load=np.zeros((DIMENSIONS, *shape), dtype=np.int64),
            late=filled(0),
        )
        for at, row in enumerate(every):
            board.write(at, row)
        return board

    @property
    def width(self) -> int:
        """Positions that a row may have."""
        return int(self.before.shape[1])

    def write(self, at: int, row: Row) -> None:
        """Replace a van's row, which must be narrow enough."""
        width = len(row.before)
        for name in _NOW:
            getattr(self, name)[at, :width] = getattr(row, name)
        self.load[:, at, :width] = np.array(row.load, dtype=np.int64).T
        for name, nothing in _ENDED.items():
            values = getattr(self, name)
            values[at, :width] = getattr(row, name)
            values[at, width:] = nothing

    def cut(self, rows: Ints) -> "Board":
        """The board of some of its rows."""
        tables = {name: getattr(self, name)[rows] for name in (*_NOW, *_ENDED)}
        return Board(load=self.load[:, rows], **tables)
