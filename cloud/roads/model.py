"""Places on streets, travel times and paths, and what can be wrong with them. Pure values.

Every distance is along streets. Degrees are WGS 84, spans whole seconds, distances whole metres.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Final

from cloud.foundation.errors import CloudError, FieldProblem, Unavailable
from cloud.roads.guidance import Step

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

type Ints = npt.NDArray[np.int32]

NEAR_M: Final = 250.0
"""A place farther than this from every street cannot be driven to."""
NO_WAY: Final = 100_000_000
"""Stands in a matrix, as seconds and metres, where no way leads: longer than any shift."""


@dataclass(frozen=True, slots=True)
class Point:
    """A place in degrees."""

    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Snapped:
    """The nearest place on a street: its street's name (empty when nameless), how far away."""

    lat: float
    lon: float
    street: str
    distance_m: float


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """From each origin (row) to each destination (column); `NO_WAY` where none leads."""

    seconds: Ints
    metres: Ints

    def leg(self, origin: int, goal: int, departs_s: float) -> tuple[int, int]:
        """Seconds and metres from one place to another, the same at every hour."""
        del departs_s
        return int(self.seconds[origin, goal]), int(self.metres[origin, goal])

    def cut(self, kept: Sequence[int]) -> "Matrix":
        """The square matrix between the places ``kept``, in that order."""
        import numpy as np  # web asks for no matrix and starts sooner without it

        rows = np.asarray(kept, dtype=np.intp)
        return Matrix(self.seconds[np.ix_(rows, rows)], self.metres[np.ix_(rows, rows)])


@dataclass(frozen=True, slots=True)
class Leg:
    """The part of a path between two of its points: ``geometry[first : last + 1]``."""

    seconds: int
    metres: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Path:
    """A way along streets through given points; ``geometry`` is (lon, lat) as in GeoJSON.

    ``steps`` are of each leg, when they were asked for.
    """

    seconds: int
    metres: int
    legs: tuple[Leg, ...]
    geometry: tuple[tuple[float, float], ...]
    steps: tuple[tuple[Step, ...], ...] = ()


class RoadsUnavailable(Unavailable):
    """The road engine does not answer, answers too late, or has too much to do."""


class CityError(CloudError):
    """The street network cannot be imported or served; the text names the remedy."""


class EngineMissing(CityError):
    """The road engine's programs or the imported city are not there."""


class PlaceError(CloudError):
    """A place cannot be driven to or from."""


class NoStreetNear(PlaceError):
    """The nearest street is too far away.

    Attributes:
        far_m: how far each is, by its index among the given points; infinite when the engine
            finds no street at all.
    """

    def __init__(self, points: Sequence[Point], far: dict[int, float], within_m: float) -> None:
        problems = [_far(points, at, far[at], within_m) for at in sorted(far)]
        shown = [f"{each.field}: {each.problem}; {each.remedy}" for each in problems[:3]]
        super().__init__(". ".join(shown), *problems)
        self.far_m = dict(far)


class NoWay(PlaceError):
    """No way leads through the given points in that order."""

    def __init__(self, field: str) -> None:
        problem = "no way along streets leads there"
        remedy = "move the place to a street that is connected, or import a larger map"
        super().__init__(f"{field}: {problem}; {remedy}", FieldProblem(field, problem, remedy))


def _far(points: Sequence[Point], at: int, distance_m: float, within_m: float) -> FieldProblem:
    point = points[at]
    field = "lat, lon" if len(points) == 1 else f"points[{at}]"
    away = f"{distance_m:.0f} m from the nearest" if isfinite(distance_m) else "far from any"
    return FieldProblem(
        field,
        f"{point.lat:.6f}, {point.lon:.6f} is {away} street",
        f"give a place within {within_m:.0f} m of a street of this city",
    )
