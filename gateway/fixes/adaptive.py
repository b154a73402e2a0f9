"""Which believed fixes are kept, so that the kept track tells where the van was at every moment.

The error bound is one in time: interpolate linearly between the two kept fixes around the moment
of any believed fix, and the result is no further than ``error_m`` from that fix. So the track as a
line lies within ``error_m`` too, and nobody is shown at the right place at the wrong time.

The way there is an opening window, remembered as a cone. From the last kept fix, all constant
velocities that pass each fix since within ``error_m`` form an intersection of discs; each disc is
replaced by a regular polygon inside it, all turned the same way, so that their intersection is one
number for each side, however long the window. A fix whose own velocity lies inside may be the next
kept one. Compare Meratnia and de By, "Spatiotemporal compression techniques for moving point
objects" (EDBT 2004), for the error in time, and Imai and Iri (1986) for the cone.
"""

from math import cos, inf, pi, sin
from typing import Final

from wire.desired import Keeping
from wire.messages import Fix
from wire.track import at_ms, distance_m, offset_m

_SIDES: Final = 16
_DIRECTIONS: Final = tuple(
    (cos(2 * pi * side / _SIDES), sin(2 * pi * side / _SIDES)) for side in range(_SIDES)
)
_INSIDE: Final = cos(pi / _SIDES)
"""From the middle of a polygon to its sides, as a share of the circle around it."""

_COURSE_FROM_CMPS: Final = 150
"""A slower receiver's course is noise."""


class Keeper:
    """Decides fix by fix, in constant memory; what it keeps are fixes as they came.

    At most one fix is held back at a time: the newest, while it is not known whether the next one
    makes it needless. `settle` and `flush` end the waiting.
    """

    def __init__(self, rules: Keeping) -> None:
        self._rules = rules
        self._anchor: Fix | None = None
        self._held: Fix | None = None
        self._course_ddeg: int | None = None
        self._way_m = 0.0
        self._limits = [inf] * _SIDES

    def follow(self, rules: Keeping) -> None:
        """Keep by other rules; what the open window has passed over stays within the old bound."""
        self._rules = rules

    def take(self, fix: Fix, *, is_break: bool = False) -> tuple[Fix, ...]:
        """The fixes to keep now that ``fix`` has come, oldest first.

        Args:
            fix: believed, later than the one before.
            is_break: no way leads from the fix before to this one.
        """
        anchor = self._anchor
        if self._rules.is_all or anchor is None or is_break or at_ms(fix) <= at_ms(self._newest()):
            return (*self.flush(), *self._keep(fix))
        kept: tuple[Fix, ...] = ()
        held = self._held
        if held is not None and not self._reaches(anchor, fix):
            kept, anchor = self._keep(held), held
        if self._must_keep(anchor, fix):
            return (*kept, *self._keep(fix))
        self._hold(anchor, fix)
        return kept

    def settle(self) -> tuple[Fix, ...]:
        """The held fix, if without it the kept track would end further than ``error_m`` away.

        Called before each group commit, it lets a power cut take no more of the track than the
        group that was open.
        """
        anchor, held = self._anchor, self._held
        if anchor is None or held is None or distance_m(anchor, held) <= self._rules.error_m:
            return ()
        return self.flush()

    def flush(self) -> tuple[Fix, ...]:
        """The held fix, if there is one."""
        held = self._held
        return () if held is None else self._keep(held)

    def forget(self) -> None:
        """Begin anew: the next fix is kept, and what is held is not."""
        self._anchor = self._held = self._course_ddeg = None

    def _newest(self) -> Fix:
        newest = self._held or self._anchor
        assert newest is not None  # noqa: S101 - only asked when there is an anchor
        return newest

    def _keep(self, fix: Fix) -> tuple[Fix]:
        self._anchor, self._held = fix, None
        self._course_ddeg = _course_ddeg(fix) if _has_course(fix) else self._course_ddeg
        self._way_m = 0.0
        self._limits = [inf] * _SIDES
        return (fix,)

    def _reaches(self, anchor: Fix, fix: Fix) -> bool:
        """Whether the kept track may go from the anchor to ``fix`` at once."""
        way_m = self._way_m + distance_m(self._newest(), fix)
        if way_m > self._rules.every_m or _elapsed_s(anchor, fix) > self._rules.heartbeat_s:
            return False
        east_mps, north_mps = _velocity_mps(anchor, fix)
        return all(
            east * east_mps + north * north_mps <= limit
            for (east, north), limit in zip(_DIRECTIONS, self._limits, strict=True)
        )

    def _must_keep(self, anchor: Fix, fix: Fix) -> bool:
        """Whether ``fix`` itself says something new."""
        rules = self._rules
        if _elapsed_s(anchor, fix) >= rules.heartbeat_s or distance_m(anchor, fix) >= rules.every_m:
            return True
        if abs((fix.speed_cmps or 0) - (anchor.speed_cmps or 0)) >= rules.speed_cmps:
            return True
        if self._course_ddeg is None or not _has_course(fix):
            return False
        turned_ddeg = abs((_course_ddeg(fix) - self._course_ddeg + 1800) % 3600 - 1800)
        return turned_ddeg >= rules.turn_deg * 10

    def _hold(self, anchor: Fix, fix: Fix) -> None:
        self._way_m += distance_m(self._newest(), fix)
        self._held = fix
        east_mps, north_mps = _velocity_mps(anchor, fix)
        reach_mps = self._rules.error_m * _INSIDE / _elapsed_s(anchor, fix)
        self._limits = [
            min(limit, east * east_mps + north * north_mps + reach_mps)
            for (east, north), limit in zip(_DIRECTIONS, self._limits, strict=True)
        ]


def _elapsed_s(anchor: Fix, fix: Fix) -> float:
    return (at_ms(fix) - at_ms(anchor)) / 1000


def _velocity_mps(anchor: Fix, fix: Fix) -> tuple[float, float]:
    east_m, north_m = offset_m(anchor, fix)
    elapsed_s = _elapsed_s(anchor, fix)
    return east_m / elapsed_s, north_m / elapsed_s


def _has_course(fix: Fix) -> bool:
    return fix.course_ddeg is not None and (fix.speed_cmps or 0) >= _COURSE_FROM_CMPS


def _course_ddeg(fix: Fix) -> int:
    return fix.course_ddeg or 0
