"""How long a leg takes that begins at a given time, when speeds change with the hour. Pure.

The hours of a week fall into a few classes, each with a travel time for the leg. While a class
holds, the van covers the leg at that class's rate; where it changes on the way, the rest is driven
at the next one's. A later departure so never arrives earlier (Ichoua, Gendreau and Potvin, "Vehicle
dispatching with time-dependent travel times", EJOR 144, 2003).
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import msgspec

from cloud.roads.model import NO_WAY, Ints, Matrix

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


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

    def lasts_s(self, from_s: float, until_s: float) -> dict[int, float]:
        """How long each class holds in a span; those that never do are left out."""
        found: dict[int, float] = {self.class_at(from_s): 0.0}
        ends = *self.changes[1:], inf
        for place, number in enumerate(self.classes):
            begins = self.changes[place] if place else -inf
            lasts_s = min(ends[place], until_s) - max(begins, from_s)
            if lasts_s > 0:
                found[number] = found.get(number, 0.0) + lasts_s
        return found


_QUARTER_S: Final = 900
"""Zones are off by whole quarters of an hour."""


class Week(msgspec.Struct, frozen=True, kw_only=True):
    """Which class of hours each hour of a week belongs to.

    Attributes:
        zone: IANA name of the zone whose hours they are.
        classes: of the 24 hours of a working day, then of a Saturday, then of a Sunday.
    """

    zone: str
    classes: tuple[int, ...]

    def class_at(self, at_s: float) -> int:
        """The class at an instant."""
        local = datetime.fromtimestamp(at_s, ZoneInfo(self.zone))
        return self.classes[bucket(local)]

    def timetable(self, from_s: int, until_s: int) -> Timetable:
        """The same as instants, over a span of time."""
        first = from_s // _QUARTER_S * _QUARTER_S
        changes: list[tuple[int, int]] = [(from_s, self.class_at(from_s))]
        for at_s in range(first + _QUARTER_S, until_s, _QUARTER_S):
            now = self.class_at(at_s)
            if now != changes[-1][1]:
                changes.append((at_s, now))
        return Timetable(
            changes=tuple(at_s for at_s, _ in changes), classes=tuple(one for _, one in changes)
        )


def bucket(local: datetime) -> int:
    """The hour of a working day, a Saturday or a Sunday: 0 to 71."""
    return max(0, local.weekday() - 4) * 24 + local.hour


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class TimedMatrix:
    """Travel times between places in each class of hours.

    Attributes:
        seconds: classes x places x places. metres: places x places, of the longest of the
            classes' ways, so that a range holds at every hour; `NO_WAY` where none of them leads.
    """

    hours: Timetable
    seconds: Ints
    metres: Ints

    def leg(self, origin: int, goal: int, departs_s: int) -> tuple[int, int]:
        """Seconds and metres from one place to another for who leaves at ``departs_s`` (UTC)."""
        return self.travel_s(origin, goal, departs_s), self.metres.item(origin, goal)

    def travel_s(self, origin: int, goal: int, departs_s: int) -> int:
        """Seconds from one place to another for who leaves at ``departs_s`` (UTC)."""
        hours = self.hours
        place = hours.place(departs_s)
        lasts_s = self.seconds.item(hours.classes[place], origin, goal)
        # Most legs end before the hours change; the walk over classes costs four times as much.
        if lasts_s < NO_WAY and (
            place + 1 == len(hours.changes) or departs_s + lasts_s <= hours.changes[place + 1]
        ):
            return lasts_s
        return travel_s(self.seconds[:, origin, goal].tolist(), hours, departs_s)

    def cut(self, kept: Sequence[int]) -> "TimedMatrix":
        """The same between the places ``kept`` only, in that order."""
        import numpy as np  # web asks for no matrix and starts sooner without it

        rows = np.asarray(kept, dtype=np.intp)
        at = np.ix_(rows, rows)
        return TimedMatrix(
            hours=self.hours,
            seconds=np.stack([one[at] for one in self.seconds]),
            metres=self.metres[at],
        )

    def at(self, at_s: float) -> Matrix:
        """The matrix of the class that holds at ``at_s``."""
        return Matrix(self.seconds[self.hours.class_at(at_s)], self.metres)

    def mean(self, weights: "npt.NDArray[np.float64]") -> Matrix:
        """One matrix out of all: the mean of the classes, as they count for each destination.

        A leg that leads nowhere in some classes is that of the others.

        Args:
            weights: classes x places.
        """
        import numpy as np  # web asks for no matrix and starts sooner without it

        total = np.zeros(self.metres.shape)
        weight = np.zeros(self.metres.shape)
        for number, counts in enumerate(weights):
            leads = self.seconds[number] < NO_WAY
            total += np.where(leads, self.seconds[number], 0) * counts
            weight += leads * counts
        seconds = np.where(weight > 0, np.rint(total / np.maximum(weight, 1e-9)), NO_WAY)
        return Matrix(seconds.astype(self.seconds.dtype), self.metres)


type Travel = Matrix | TimedMatrix
"""How long each leg takes, by the hour or always alike: `leg` tells of one that begins at a time.
"""


_NEWEST_HOLD: Final = ((900, 1.0), (1_800, 0.4))
"""So many seconds the newest speeds count in full, then so many at that share beside the usual."""
NEWEST_S: Final = sum(lasts_s for lasts_s, _ in _NEWEST_HOLD)
"""After so long nothing is left of them: what vans meet now says little of the hour after next."""


def with_newest(
    usual: TimedMatrix, newest: Matrix, now_s: int, alone_until_s: int | None = None
) -> TimedMatrix:
    """The usual hours, begun by the newest speeds, which give way to them step by step.

    What is closed by the newest speeds stays so until they no longer count.

    Args:
        usual: of each hour.
        newest: those of now.
        now_s: UTC seconds.
        alone_until_s: when a street closes or opens next: from then on they count in part at most.
    """
    import numpy as np  # web asks for no matrix and starts sooner without it

    steps = [now_s]
    for lasts_s, _ in _NEWEST_HOLD:
        steps.append(steps[-1] + lasts_s)
    if alone_until_s is not None and now_s < alone_until_s < steps[1]:
        steps[1] = alone_until_s
    changes = sorted({*usual.hours.changes, *steps})
    kinds: dict[tuple[float, int], int] = {}
    classes: list[int] = []
    for at_s in changes:
        place = bisect_right(steps, at_s) - 1
        share = _NEWEST_HOLD[place][1] if 0 <= place < len(_NEWEST_HOLD) else 0.0
        kind = share, usual.hours.class_at(at_s) if share < 1 else 0
        classes.append(kinds.setdefault(kind, len(kinds)))

    def seconds(share: float, number: int) -> Ints:
        then: Ints = usual.seconds[number]
        if share in {0, 1}:
            return newest.seconds if share else then
        mixed = np.rint(share * newest.seconds + (1 - share) * then)
        is_closed = (newest.seconds >= NO_WAY) | (then >= NO_WAY)
        found: Ints = np.where(is_closed, NO_WAY, mixed).astype(newest.seconds.dtype)
        return found

    return TimedMatrix(
        hours=Timetable(changes=tuple(changes), classes=tuple(classes)),
        seconds=np.stack([seconds(*kind) for kind in kinds]),
        metres=_longest([usual.metres, newest.metres]),
    )


def of_classes(hours: Timetable, matrices: Sequence[Matrix]) -> TimedMatrix:
    """The travel times of each class, in order, as one matrix."""
    import numpy as np  # web asks for no matrix and starts sooner without it

    return TimedMatrix(
        hours=hours,
        seconds=np.stack([one.seconds for one in matrices]),
        metres=_longest([one.metres for one in matrices]),
    )


def _longest(metres: "Sequence[Ints]") -> "Ints":
    """The longest of the ways that lead: a van's range holds whichever of them it drives."""
    import numpy as np  # web asks for no matrix and starts sooner without it

    leading = np.stack([np.where(one < NO_WAY, one, -1) for one in metres]).max(axis=0)
    found: Ints = np.where(leading < 0, NO_WAY, leading).astype(metres[0].dtype)
    return found


def untimed(matrix: Matrix) -> TimedMatrix:
    """The same travel times at every hour."""
    return TimedMatrix(hours=ALWAYS, seconds=matrix.seconds[None], metres=matrix.metres)
