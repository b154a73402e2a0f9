"""A table in the engine's compact form, FlatBuffers: a third less work for it than JSON. Pure.

Read are the fields that are used, by their place in OSRM's schema (``fbresult.fbs``,
``table.fbs``, ``waypoint.fbs``; https://flatbuffers.dev/internals). A field that has its default
is left out of a buffer.
"""

import struct
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

from cloud.roads.model import NO_WAY, Ints

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_CODE, _WAYPOINTS, _TABLE = 1, 3, 5  # of the whole
_CODE_NAME, _CODE_TEXT = 0, 1  # of what went wrong
_DURATIONS, _ROWS, _COLUMNS, _DISTANCES, _DESTINATIONS, _ESTIMATES = range(6)  # of a table
_AWAY: Final = 1  # of a waypoint
_LEAST: Final = -1
"""Between two points of one street the engine may tell a little less than none."""


@dataclass(frozen=True, slots=True, eq=False)
class FlatTable:
    """Travel between origins (rows) and goals (columns), and how far each is from a street.

    Attributes:
        seconds, metres: whole; `NO_WAY` where none leads. origins_m, goals_m: metres.
    """

    seconds: Ints
    metres: Ints
    origins_m: list[float]
    goals_m: list[float]

    def part(self, rows: int, columns: int) -> "FlatTable":
        """Its first rows and columns."""
        return FlatTable(
            self.seconds[:rows, :columns],
            self.metres[:rows, :columns],
            self.origins_m[:rows],
            self.goals_m[:columns],
        )


def read_table(answer: bytes) -> FlatTable:
    """A table that was asked for with ``fallback_speed``: by this the engine tells of no way.

    Raises:
        ValueError: it is none.
    """
    try:
        return _table(_Buffer(answer))
    except (struct.error, IndexError) as error:
        raise ValueError(f"no table: {error}") from error


def read_failure(answer: bytes) -> tuple[str, str]:
    """The engine's code and text for what went wrong.

    Raises:
        ValueError: none stands there.
    """
    try:
        whole = _Buffer(answer)
        code = whole.inside(whole.root, _CODE)
        return whole.text(code, _CODE_NAME), whole.text(code, _CODE_TEXT)
    except (struct.error, IndexError) as error:
        raise ValueError(f"no answer of the engine: {error}") from error


class _Buffer:
    """Tables are known by their place; a place outside the buffer raises `struct.error`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.root = self._number("<I", 0)

    def inside(self, table: int, field: int) -> int:
        """The place of what a field refers to."""
        at = self._field(table, field)
        if at is None:
            raise IndexError(f"field {field} is missing")
        return at + self._number("<I", at)

    def short(self, table: int, field: int) -> int:
        at = self._field(table, field)
        return 0 if at is None else self._number("<H", at)

    def text(self, table: int, field: int) -> str:
        at = self.inside(table, field)
        begin = at + 4
        return self._data[begin : begin + self._number("<I", at)].decode(errors="replace")

    def column(self, table: int, field: int, kind: str) -> "npt.NDArray[np.generic]":
        """Numbers of four bytes; none when the field is left out."""
        import numpy as np  # web asks for no matrix and starts sooner without it

        if self._field(table, field) is None:
            return np.zeros(0, dtype=kind)
        at = self.inside(table, field)
        return np.frombuffer(self._data, kind, self._number("<I", at), at + 4)

    def away_m(self, table: int, field: int) -> list[float]:
        """Of each waypoint of a list how far it is from the place that was asked for."""
        at = self.inside(table, field)
        found: list[float] = []
        for place in range(at + 4, at + 4 + 4 * self._number("<I", at), 4):
            away = self._field(place + self._number("<I", place), _AWAY)
            away_m = 0.0 if away is None else float(struct.unpack_from("<f", self._data, away)[0])
            if not 0 <= away_m < inf:
                raise ValueError(f"no table: a place is {away_m} m from its street")
            found.append(away_m)
        return found

    def _field(self, table: int, field: int) -> int | None:
        names = table - self._number("<i", table)
        entry = 4 + 2 * field
        offset = self._number("<H", names + entry) if entry < self._number("<H", names) else 0
        return table + offset if offset else None

    def _number(self, kind: str, at: int) -> int:
        return int(struct.unpack_from(kind, self._data, max(at, -1))[0])


def _table(answer: _Buffer) -> FlatTable:
    table = answer.inside(answer.root, _TABLE)
    shape = answer.short(table, _ROWS), answer.short(table, _COLUMNS)
    estimates = answer.column(table, _ESTIMATES, "<u4").reshape(-1, 2)
    return FlatTable(
        seconds=_whole(answer.column(table, _DURATIONS, "<f4").reshape(shape), estimates),
        metres=_whole(answer.column(table, _DISTANCES, "<f4").reshape(shape), estimates),
        origins_m=answer.away_m(answer.root, _WAYPOINTS),
        goals_m=answer.away_m(table, _DESTINATIONS),
    )


def _whole(values: "npt.NDArray[np.generic]", estimates: "npt.NDArray[np.generic]") -> Ints:
    """Rounded to whole numbers; `NO_WAY` where the engine could only estimate."""
    import numpy as np

    exact = np.rint(values.astype(np.float64))
    if not np.isfinite(exact).all() or (exact < _LEAST).any():
        raise ValueError("no table: a travel time or distance is no number, or less than none")
    whole = np.clip(exact, 0, NO_WAY).astype(np.int32)
    whole[estimates[:, 0].astype(np.intp), estimates[:, 1].astype(np.intp)] = NO_WAY
    return whole
