"""Who is with which van when: dated assignments that never overlap. Pure.

A driver drives one van at a time and a van has one driver; the same holds for a gateway and a van.
An assignment lasts from an instant (inclusive) until another (exclusive), or without end. A new one
takes its time from those before it on either side: these are cut, and what lies on both sides of it
stays, so that history tells who it was at every instant.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cloud.foundation.errors import Invalid

type AssignmentKind = Literal["driver", "gateway"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """``holder_id``, a driver or a gateway, is with a van for a time.

    Attributes:
        begin: seconds since 1970, inclusive. end: exclusive; None is open.
        shift_id: the shift it was made for, if any.
    """

    id: str
    vehicle_id: str
    holder_id: str
    begin: float
    end: float | None = None
    shift_id: str | None = None

    def __post_init__(self) -> None:
        if self.end is not None and self.end <= self.begin:
            raise Invalid.field("until", "is not after from", "swap or mend them")

    @property
    def until(self) -> float:
        """The end, or infinity."""
        return math.inf if self.end is None else self.end

    def holds_at(self, instant_s: float) -> bool:
        """Whether it is in force at an instant."""
        return self.begin <= instant_s < self.until

    def touches(self, begin: float, until: float) -> bool:
        """Whether it is in force at any instant from ``begin`` until ``until``."""
        return self.begin < until and begin < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What a new assignment, or a time that is made free, does to the others.

    Attributes:
        gone: ids of those that are no more as they were.
        kept: what is left of them; the first piece of each keeps its id, a second has none.
    """

    gone: tuple[str, ...]
    kept: tuple[Assignment, ...]


def free(known: Iterable[Assignment], begin: float, until: float) -> Cut:
    """Take the time from ``begin`` until ``until`` out of ``known``."""
    touched = [one for one in known if one.touches(begin, until)]
    return Cut(
        gone=tuple(one.id for one in touched),
        kept=tuple(piece for one in touched for piece in _rest(one, begin, until)),
    )


def _rest(one: Assignment, begin: float, until: float) -> list[Assignment]:
    """What is left of one assignment outside a time: nothing, one piece, or two."""
    pieces = []
    if one.begin < begin:
        pieces.append(replace(one, end=begin))
    if until < one.until:
        pieces.append(replace(one, id="" if pieces else one.id, begin=until))
    return pieces


def at_instant(known: Iterable[Assignment], instant_s: float) -> Assignment | None:
    """The assignment in force at an instant, of one van or of one holder."""
    return next((one for one in known if one.holds_at(instant_s)), None)


def end_by_default(known: Sequence[Assignment], vehicle_id: str, begin: float) -> float | None:
    """Until when a change in mid-shift lasts when nobody says: as long as what it replaces.

    Where the van has nobody at that instant, until somebody is known to come; else without end.
    """
    of_van = [one for one in known if one.vehicle_id == vehicle_id]
    replaced = at_instant(of_van, begin)
    if replaced is not None:
        return replaced.end
    return min((one.begin for one in of_van if one.begin > begin), default=None)


def require_apart(known: Iterable[Assignment]) -> None:
    """No van and no holder is in two assignments at one instant.

    Raises:
        Invalid: two overlap.
    """
    ordered = sorted(known, key=lambda one: one.begin)
    for field in ("vehicle_id", "holder_id"):
        last: dict[str, Assignment] = {}
        for one in ordered:
            key = getattr(one, field)
            before = last.get(key)
            if before is not None and before.until > one.begin:
                raise Invalid.field(field, f"{key!r} is in two places", "end one before the other")
            last[key] = one
