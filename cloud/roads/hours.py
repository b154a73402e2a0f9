"""How long a leg takes that begins at a given time, when speeds change with the hour. Pure.

The hours of a week fall into a few classes, each with a travel time for the leg. While a class
holds, the van covers the leg at that class's rate; where it changes on the way, the rest is driven
at the next one's. A later departure so never arrives earlier (Ichoua, Gendreau and Potvin, "Vehicle
dispatching with time-dependent travel times", EJOR 144, 2003).
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from cloud.roads.model import NO_WAY, Ints, Matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """Which class of hours holds when.

    Attributes:
        changes: UTC seconds, ascending, at which another class begins. classes: from each of them
            on; the first holds before its change, too, and the last for ever.
    """

    changes: tuple[int, ...]
    classes: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.changes or len(self.changes) != len(self.classes):
            raise ValueError("timetable: give a class for each change, and one change at least")
        if any(one >= other for one, other in pairwise(self.changes)):
            raise ValueError("timetable: changes do not ascend")

    def place(self, at_s: float) -> int:
        """The index of the change whose class holds at ``at_s``."""
        return max(0, bisect_right(self.changes, at_s) - 1)

    def class_at(self, at_s: float) -> int:
        """The class that holds at ``at_s``."""
        return self.classes[self.place(at_s)]


ALWAYS = Timetable(changes=(0,), classes=(0,))
"""One class of hours that holds for ever."""


def travel_s(by_class: Sequence[float], hours: Timetable, departs_s: int) -> int:
    """Seconds that a leg takes when it begins at ``departs_s``.

    Args:
        by_class: its seconds when one class would hold all the way, by class; `NO_WAY` or more
            where no way leads then: the van waits until another class begins.
        hours: which class holds when.
        departs_s: UTC seconds.

    Returns:
        Whole seconds; `NO_WAY` when no way leads at any later time either.
    """
    place, at_s, left = hours.place(departs_s), float(departs_s), 1.0
    while True:
        lasts_s = by_class[hours.classes[place]]
        ends_s = hours.changes[place + 1] if place + 1 < len(hours.changes) else inf
        if lasts_s < NO_WAY:
            if at_s + left * lasts_s <= ends_s:
                return round(at_s + left * lasts_s) - departs_s
            left -= (ends_s - at_s) / lasts_s
        elif ends_s == inf:
            return NO_WAY
        place, at_s = place + 1, float(ends_s)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TimedMatrix:
    """Travel times between places in each class of hours.

    Attributes:
        seconds: classes x places x places. metres: places x places, of the first class.
    """

    hours: Timetable
    seconds: Ints
    metres: Ints

    def travel_s(self, origin: int, goal: int, departs_s: int) -> int:
        """Seconds from one place to another for who leaves at ``departs_s`` (UTC)."""
        return travel_s(self.seconds[:, origin, goal].tolist(), self.hours, departs_s)

    def at(self, at_s: float) -> Matrix:
        """The matrix a solver may search on around ``at_s``."""
        return Matrix(self.seconds[self.hours.class_at(at_s)], self.metres)


def untimed(matrix: Matrix) -> TimedMatrix:
    """The same travel times at every hour."""
    return TimedMatrix(hours=ALWAYS, seconds=matrix.seconds[None], metres=matrix.metres)
