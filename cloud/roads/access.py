"""Streets that vans may enter at some hours of the week only, as imported with the city."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import cos, hypot, radians
from pathlib import Path
from typing import Final

import msgspec

from cloud.fleet.calendar import Calendar
from cloud.foundation.files import put
from cloud.roads.generations import stamp
from cloud.roads.model import CityError

FILE: Final = "access.json"
_METRES_A_DEGREE: Final = 111_195.0
_SAME_M: Final = 3.0
"""A place's nearest street is this one when it lies as far away, but for so much."""
_JOINT: Final = " / "
"""Between the names of streets that meet where a place is nearest to them."""


class AccessStreet(msgspec.Struct, frozen=True, kw_only=True):
    """A street and when vans may be in it, in local time.

    Attributes:
        name: empty when it has none. line: (lat, lon) along it, degrees.
    """

    name: str
    line: tuple[tuple[float, float], ...]
    hours: Calendar

    def leads_to(self, lat: float, lon: float, street: str, away_m: float) -> bool:
        """Whether a place is in it whose nearest street is called so, and lies so far away.

        One that is nearer than any was when the place was found has come with a newer import.
        """
        nearer_m = away_m - _away_m(self.line, lat, lon)
        if abs(nearer_m) <= _SAME_M:
            return not self.name or self.name in street.split(_JOINT)
        return nearer_m > 0


def write_access(city: Path, streets: Sequence[AccessStreet]) -> None:
    """Keep them with a city that is being imported."""
    put(city / FILE, msgspec.json.encode(streets), is_durable=False)


def access_of(city: Path) -> Callable[[], tuple[AccessStreet, ...]]:
    """Tells the streets of the city that is imported now; none of one imported before they were."""
    known: dict[str, tuple[AccessStreet, ...]] = {}

    def streets() -> tuple[AccessStreet, ...]:
        try:
            now = stamp(city)
            if now not in known:
                body = (city / FILE).read_bytes()
                found = msgspec.json.decode(body, type=tuple[AccessStreet, ...])
                known.clear()
                known[now] = found
        except (CityError, OSError, msgspec.DecodeError):
            return ()
        return known[now]

    return streets


def _away_m(line: Sequence[tuple[float, float]], lat: float, lon: float) -> float:
    narrower = _METRES_A_DEGREE * cos(radians(lat))
    points = [((x - lon) * narrower, (y - lat) * _METRES_A_DEGREE) for y, x in line]
    return min(_to_piece_m(one, other) for one, other in pairwise(points))


def _to_piece_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    """From (0, 0) to the straight line between two points."""
    dx, dy = other[0] - one[0], other[1] - one[1]
    square = dx * dx + dy * dy
    share = max(0.0, min(1.0, -(one[0] * dx + one[1] * dy) / square)) if square else 0.0
    return hypot(one[0] + share * dx, one[1] + share * dy)
