"""Which fixes are believed. Each refusal has a name, and is counted by it."""

from typing import Final, Literal, NamedTuple

import msgspec

from gateway.stamp import Stamp
from wire.messages import Fix
from wire.track import at_ms, distance_m

type Refusal = Literal[
    "no_fix", "speed_absurd", "time_far", "repeated", "time_back", "jump", "frozen"
]

_FROZEN_MIN_MPS: Final = 1.0
_FROZEN_STEP_S: Final = 5.0


class ValidationRules(msgspec.Struct, frozen=True, kw_only=True):
    """From where on a fix is not believed.

    Attributes:
        max_mps: no van is faster, by its receiver's word or between two believed fixes.
        far_ms: a fix time so far from a clock that is trusted is wrong.
        frozen_m: a receiver whose position stays bit for bit the same, while by its own speed it
            has gone so far, tells an old position.
        recover_fixes, recover_ms: so many refused fixes in a row over so long that agree with each
            other are believed against those before, so that one bad fix locks nothing out.
    """

    max_mps: float = 250 / 3.6
    far_ms: int = 600_000
    frozen_m: float = 50.0
    recover_fixes: int = 5
    recover_ms: int = 4_000


class Verdict(NamedTuple):
    """Why a fix is refused, None when it is believed.

    ``is_break``: it is believed against the fixes before it, so no way leads from them to it.
    """

    refused: Refusal | None
    is_break: bool = False


_BELIEVED: Final = Verdict(None)
_RECOVERED: Final = Verdict(None, is_break=True)


class Validation:
    """Judges each fix by the believed ones before it."""

    def __init__(self, rules: ValidationRules) -> None:
        self._rules = rules
        self._last: Fix | None = None
        self._frozen_m = 0.0
        self._suspect: Fix | None = None
        self._run = 0
        self._run_s = 0.0

    def judge(self, fix: Fix, told_mps: float | None, stamp: Stamp) -> Verdict:
        """Whether ``fix`` is believed.

        Args:
            fix: in the order of taking.
            told_mps: the receiver's speed, also one that the wire cannot carry.
            stamp: now.
        """
        refused = self._alone(fix, told_mps, stamp)
        if refused is None:
            refused, self._frozen_m = self._after_last(fix)
        if refused is None:
            self._believe(fix)
            return _BELIEVED
        # A recording may be pieced together from several.
        is_next_piece = refused == "time_back" and fix.source == "replay"
        if is_next_piece or (refused in {"time_back", "jump"} and self._is_recovered(fix)):
            self._believe(fix)
            return _RECOVERED
        return Verdict(refused)

    def is_witness(self, fix: Fix, told_mps: float | None) -> bool:
        """Whether nothing but its date can be held against ``fix``; judges nothing yet.

        The clock learns from fixes that are believed, and from those whose date alone is wrong, as
        it may be the clock that is.
        """
        is_possible = told_mps is None or 0 <= told_mps <= self._rules.max_mps
        return is_possible and self._after_last(fix)[0] in {None, "time_back"}

    def _alone(self, fix: Fix, told_mps: float | None, stamp: Stamp) -> Refusal | None:
        """What can be said of the fix without those before it."""
        if told_mps is not None and not 0 <= told_mps <= self._rules.max_mps:
            return "speed_absurd"
        is_known = fix.fix_time_ms is not None and fix.source != "replay"
        if is_known and stamp.is_proved:
            return "time_far" if abs(at_ms(fix) - stamp.now_ms) > self._rules.far_ms else None
        return None

    def _after_last(self, fix: Fix) -> tuple[Refusal | None, float]:
        """What the last believed fix holds against it, and how far it drove on one spot."""
        last, frozen_m = self._last, self._frozen_m
        if last is None:
            return None, frozen_m
        is_same_place = (fix.lat_e7, fix.lon_e7) == (last.lat_e7, last.lon_e7)
        elapsed_s = _elapsed_s(last, fix)
        if elapsed_s <= 0:
            return "repeated" if elapsed_s == 0 and is_same_place else "time_back", frozen_m
        if not is_same_place:
            is_too_far = distance_m(last, fix) > self._rules.max_mps * elapsed_s
            return "jump" if is_too_far else None, 0.0
        speed_mps = (fix.speed_cmps or 0) / 100
        if speed_mps >= _FROZEN_MIN_MPS:
            frozen_m += speed_mps * min(elapsed_s, _FROZEN_STEP_S)
        return "frozen" if frozen_m > self._rules.frozen_m else None, frozen_m

    def _is_recovered(self, fix: Fix) -> bool:
        suspect, self._suspect = self._suspect, fix
        if suspect is None or not self._agrees(suspect, fix):
            self._run, self._run_s = 1, 0.0
            return False
        self._run += 1
        self._run_s += _elapsed_s(suspect, fix)
        is_long = self._run_s * 1000 >= self._rules.recover_ms
        return is_long and self._run >= self._rules.recover_fixes

    def _agrees(self, suspect: Fix, fix: Fix) -> bool:
        elapsed_s = _elapsed_s(suspect, fix)
        return elapsed_s > 0 and distance_m(suspect, fix) <= self._rules.max_mps * elapsed_s

    def _believe(self, fix: Fix) -> None:
        self._last, self._suspect, self._run = fix, None, 0


def _elapsed_s(before: Fix, fix: Fix) -> float:
    """By the receiver's time, or by ours where it has told none for one of the two."""
    if before.fix_time_ms is None or fix.fix_time_ms is None:
        return (fix.recorded_at_ms - before.recorded_at_ms) / 1000
    return (fix.fix_time_ms - before.fix_time_ms) / 1000
