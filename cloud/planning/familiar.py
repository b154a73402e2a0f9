"""How well drivers know doors, by how often a depot's newest routes delivered there. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cloud.places.model import Place
from cloud.planning.day_plan import Route

WEEKS: Final = 8
_DAY_S: Final = 86_400.0
_CELL_DEG: Final = 0.001
"""About a hundred metres: what was delivered in a door's cell and those beside it is nearby."""
_NEARBY: Final = 0.25
"""A delivery nearby teaches as much of a door as a quarter of one at it."""
_HALF: Final = 3.0
"""So many deliveries make a door half known."""

type _Cell = tuple[int, int]


class Delivered(NamedTuple):
    """A driver was at a door, once."""

    driver_id: str
    place_id: str
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Familiarity:
    """Deliveries of the newest routes by driver, at each door and in each cell of the map."""

    at_door: Mapping[tuple[str, str], int] = field(default_factory=dict)
    in_cell: Mapping[_Cell, Mapping[str, int]] = field(default_factory=dict)

    def permilles(self, place_id: str, lat: float, lon: float) -> dict[str, int]:
        """How well each driver knows a door who has delivered there or nearby.

        0 is not at all, 500 after three deliveries; always below 1,000.
        """
        if not self.in_cell:
            return {}
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
        at_door[one.driver_id, one.place_id] += 1
        in_cell[_cell(one.lat, one.lon)][one.driver_id] += 1
    return Familiarity(at_door, in_cell)


def delivered_by(
    routes: Iterable[Route], places: Mapping[str, Place], now: float
) -> Iterable[Delivered]:
    """The deliveries that routes of the last weeks have done.

    Args:
        routes: with who drove them, and what their stops have gone through.
        places: of their orders, by the id of each that is a delivery.
        now: seconds since 1970.
    """
    for route in routes:
        for stop in route.stops:
            is_fresh = stop.done_at is not None and now - stop.done_at <= WEEKS * 7 * _DAY_S
            if stop.kind != "delivery" or stop.state != "done" or not is_fresh:
                continue
            doors = {places[one].id: places[one] for one in stop.order_ids if one in places}
            for place in doors.values():
                yield Delivered(route.driver_id, place.id, place.lat, place.lon)


def _cell(lat: float, lon: float) -> _Cell:
    return round(lat / _CELL_DEG), round(lon / _CELL_DEG)
