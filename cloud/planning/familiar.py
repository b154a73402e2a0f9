"""How well drivers know doors, by how often they delivered there in the last weeks. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

_CELL_DEG: Final = 0.001
"""About a hundred metres: what was delivered in a door's cell and those beside it is nearby."""
_NEARBY: Final = 0.25
"""A delivery nearby teaches as much of a door as a quarter of one at it."""
_HALF: Final = 3.0
"""So many deliveries make a door half known."""

type _Cell = tuple[int, int]


class Delivered(NamedTuple):
    """A driver was at a door, once or so many times."""

    driver_id: str
    place_id: str
    lat: float
    lon: float
    times: int = 1


@dataclass(frozen=True, slots=True)
class Familiarity:
    """Deliveries of the last weeks by driver, at each door and in each cell of the map."""

    at_door: Mapping[tuple[str, str], int] = field(default_factory=dict)
    in_cell: Mapping[_Cell, Mapping[str, int]] = field(default_factory=dict)

    def permilles(self, place_id: str, lat: float, lon: float) -> dict[str, int]:
        """How well each driver knows a door who has delivered there or nearby.

        0 is not at all, 500 after three deliveries; always below 1,000.
        """
        row, column = _cell(lat, lon)
        around: Counter[str] = Counter()
        for cell in [(row + up, column + right) for up in (-1, 0, 1) for right in (-1, 0, 1)]:
            if (there := self.in_cell.get(cell)) is not None:
                around.update(there)
        return {
            driver: self._share(self.at_door.get((driver, place_id), 0), count)
            for driver, count in around.items()
        }

    @staticmethod
    def _share(here: int, around: int) -> int:
        seen = here + _NEARBY * max(0, around - here)
        return round(1_000 * seen / (seen + _HALF))


NOBODY_KNOWN: Final = Familiarity()


def familiarity(delivered: Iterable[Delivered]) -> Familiarity:
    """What deliveries have taught their drivers."""
    at_door: Counter[tuple[str, str]] = Counter()
    in_cell: defaultdict[_Cell, Counter[str]] = defaultdict(Counter)
    for one in delivered:
        at_door[one.driver_id, one.place_id] += one.times
        in_cell[_cell(one.lat, one.lon)][one.driver_id] += one.times
    return Familiarity(at_door, in_cell)


def _cell(lat: float, lon: float) -> _Cell:
    return round(lat / _CELL_DEG), round(lon / _CELL_DEG)
