"""Where on its path a van is. Pure.

A path may cross itself and lead through one street twice, so the nearest point of the whole path
may lie on another visit of the same place. What is done bounds it: a van on the way to its next
stop is between the stop before and that one. Nothing is remembered: a restart changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import cos, radians
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    type Floats = npt.NDArray[np.float64]

_DEGREE_M: Final = 111_195.0
NEAR_M: Final = 100.0
"""A path that leads to a stop comes as near as that, unless its door is far from any street."""
_SAME_PLACE_M: Final = 15.0
"""Passes of a place that lie so much further away than the nearest are passes of it too."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A place on a path: metres from its begin, and how far beside it."""

    along_m: float
    off_m: float


class Line:
    """A path as (lat, lon) in degrees, at least one point; lengths are right to a part in 1,000."""

    def __init__(self, points: Sequence[tuple[float, float]]) -> None:
        if not points:
            raise ValueError("points: a path needs one at least")
        self._points = points
        self._lat, self._lon = points[0]
        self._east_m = _DEGREE_M * cos(radians(self._lat))

    @cached_property
    def _plane(self) -> "Floats":
        import numpy as np  # the process starts sooner without it

        plane = np.array([self._flat(*point) for point in self._points], dtype=np.float64)
        return plane if len(plane) > 1 else np.vstack([plane, plane])

    @cached_property
    def _steps_m(self) -> "Floats":
        import numpy as np

        lengths: Floats = np.hypot(*np.diff(self._plane, axis=0).T)
        return lengths

    @cached_property
    def _begins_m(self) -> "Floats":
        import numpy as np

        return np.concatenate([[0.0], np.cumsum(self._steps_m)])

    @property
    def length_m(self) -> float:
        """Of the whole path."""
        return float(self._begins_m[-1])

    def rest(self, from_m: float) -> list[tuple[float, float]]:
        """What is left of the path from a place on it, as (lat, lon); two points at least."""
        import numpy as np

        from_m = min(max(0.0, from_m), self.length_m)
        step = min(
            int(np.searchsorted(self._begins_m, from_m, side="right")), len(self._points) - 1
        )
        x, y = (float(np.interp(from_m, self._begins_m, self._plane[:, axis])) for axis in (0, 1))
        here = self._lat + y / _DEGREE_M, self._lon + x / self._east_m
        return [here, *self._points[max(step, 0) :]]

    def part(self, from_m: float, to_m: float) -> list[tuple[float, float]]:
        """The path between two of its places, as (lat, lon); two points at least."""
        import numpy as np

        rest, end = self.rest(from_m), self.rest(to_m)[0]
        behind = len(self._points) - int(np.searchsorted(self._begins_m, to_m, side="left"))
        return [*rest[: max(1, len(rest) - behind)], end]

    def place(
        self, lat: float, lon: float, *, from_m: float = 0.0, to_m: float | None = None
    ) -> Placed:
        """The nearest place of the path between two of its places."""
        along, off = self._passes(lat, lon, from_m, to_m)
        best = int(off.argmin())
        return Placed(float(along[best]), float(off[best]))

    def first_pass(self, lat: float, lon: float, *, from_m: float = 0.0) -> Placed:
        """The first place from ``from_m`` on that is about as near as the nearest."""
        along, off = self._passes(lat, lon, from_m, None)
        near = off <= off.min() + _SAME_PLACE_M
        first = int(near.argmax())
        last = first + int((~near[first:]).argmax() if not near[first:].all() else len(near))
        best = first + int(off[first:last].argmin())
        return Placed(float(along[best]), float(off[best]))

    def _passes(
        self, lat: float, lon: float, from_m: float, to_m: float | None
    ) -> "tuple[Floats, Floats]":
        """Of each step of the path within bounds: where it passes nearest, and how near."""
        import numpy as np

        begins, steps, plane = self._begins_m, self._steps_m, self._plane
        end_m = self.length_m if to_m is None else min(max(to_m, from_m), self.length_m)
        from_m = min(from_m, end_m)
        first = max(0, int(np.searchsorted(begins, from_m, side="right")) - 1)
        last = max(first + 1, int(np.searchsorted(begins, end_m, side="left")))
        first = min(first, len(steps) - 1)
        rows = slice(first, min(last, len(steps)))
        ways = np.diff(plane, axis=0)[rows]
        towards = np.array(self._flat(lat, lon)) - plane[:-1][rows]
        length2 = np.maximum(steps[rows] ** 2, 1e-12)
        along = begins[:-1][rows] + np.clip((towards * ways).sum(1) / length2, 0, 1) * steps[rows]
        along = np.clip(along, from_m, end_m)
        share = (along - begins[:-1][rows]) / np.maximum(steps[rows], 1e-6)
        off = np.hypot(*(towards - ways * share[:, None]).T)
        return along, off

    def _flat(self, lat: float, lon: float) -> tuple[float, float]:
        return (lon - self._lon) * self._east_m, (lat - self._lat) * _DEGREE_M


def led_through(
    line: Line, stops: Sequence[tuple[float, float]], done: int
) -> Sequence[tuple[float, float]]:
    """Which of ``stops`` a path leads through: those that were open when it was made.

    A path that was made on the way begins where the van was, and may pass what was done before it,
    such as the depot at its end, but not in the order of the stops. ``done``: how many are by now.
    """
    following = stops[done : done + 1]
    first = (at for at in range(done) if _is_in_order(line, stops[at:done], following))
    return stops[next(first, done) :]


def _is_in_order(
    line: Line, done: Sequence[tuple[float, float]], following: Sequence[tuple[float, float]]
) -> bool:
    """Whether a path comes by each of the stops that are done, and then to what follows."""
    along_m = 0.0
    for stop in done:
        passed = line.first_pass(*stop, from_m=along_m)
        if passed.off_m > NEAR_M:
            return False
        along_m = passed.along_m
    return all(
        line.first_pass(*stop, from_m=along_m).off_m <= line.place(*stop).off_m + NEAR_M
        for stop in following
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a van is along its path.

    Attributes:
        fraction: driven of the path, 0 to 1. left_m: still to drive. to_next_m: to the next stop;
            None when no stop is left. off_m: how far beside the path the van is.
    """

    fraction: float
    left_m: float
    to_next_m: float | None
    off_m: float


def progress(
    line: Line, stops: Sequence[tuple[float, float]], done: int, at: tuple[float, float]
) -> Progress:
    """How far a van at ``at`` is; places are (lat, lon) in degrees.

    Args:
        line: its path, through ``stops`` in their order.
        stops: the stops the path leads through.
        done: how many of them are done.
        at: where the van is.
    """
    before_m, next_m = 0.0, None
    for number, stop in enumerate(stops[: done + 1]):
        found_m = line.first_pass(*stop, from_m=before_m).along_m
        if number < done:
            before_m = found_m
        else:
            next_m = found_m
    here = line.place(*at, from_m=before_m, to_m=next_m)
    return Progress(
        fraction=here.along_m / line.length_m if line.length_m else 1.0,
        left_m=line.length_m - here.along_m,
        to_next_m=None if next_m is None else next_m - here.along_m,
        off_m=here.off_m,
    )
