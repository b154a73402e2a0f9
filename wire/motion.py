"""How the van moves from believed fix to believed fix, and how far it has come in all."""

from typing import Final

import msgspec

from wire.messages import Fix
from wire.track import at_ms, distance_m

_SETS_OFF_MPS: Final = 1.0
_RESTS_MPS: Final = 0.5
"""A receiver that stands tells up to about 0.3 m/s; between the two it stays as it was."""

_CONNECTED_MS: Final = 10_000
"""After a longer silence nothing is known of the time between."""

_SPEED_OVER_MS: Final = 2_000
"""Without a speed from the receiver, that over so long counts: shorter ones are noise."""

_CHORD_M: Final = 3.0
"""Distance is summed in chords: at 10 Hz the noise of each step would add up."""

_DRIFT_M: Final = 50.0
"""A position that has moved less during a silence has drifted."""


class Step(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The way from one believed fix to the next.

    Attributes:
        fix: at its end. at_ms: when that was.
        speed_mps: there. is_moving: with hysteresis.
        lasted_ms: since the fix before; 0 for the first one and where no way leads from it.
        back_ms: how far the time has gone back since the fix before: the receiver's date was wrong.
        is_connected: the fix before was not long ago.
        odometer_m: at its end.
    """

    fix: Fix
    at_ms: int
    speed_mps: float
    is_moving: bool
    lasted_ms: int
    is_connected: bool
    odometer_m: float
    back_ms: int = 0


class Mark(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A place and a moment on the way."""

    lat_e7: int
    lon_e7: int
    at_ms: int


class MotionState(msgspec.Struct, frozen=True, kw_only=True):
    """What must survive a restart.

    Attributes:
        odometer_m: all that was driven since the gateway was put into the van.
        chord_from: where the open chord began. last: the last believed fix.
    """

    odometer_m: float = 0.0
    chord_from: Mark | None = None
    last: Mark | None = None


class Motion:
    """Reads fixes as motion; standing still adds nothing to the odometer, wherever the fix drifts.

    After a silence, or a restart, the straight line over it is added, if it is longer than drift.
    """

    def __init__(self, state: MotionState | None = None) -> None:
        self._state = state or MotionState()
        self._is_moving = False
        self._has_driven = False
        self._speed_from: Fix | None = None

    @property
    def state(self) -> MotionState:
        """What must survive a restart."""
        return self._state

    def take(self, fix: Fix, *, is_break: bool) -> Step:
        """The step to ``fix``; after a break no way leads there from the fix before."""
        now_ms, last = at_ms(fix), self._state.last
        lasted_ms = 0 if last is None or is_break else max(0, now_ms - last.at_ms)
        is_connected = 0 < lasted_ms <= _CONNECTED_MS
        if not is_connected:
            self._speed_from = None
        speed_mps = self._speed_mps(fix)
        self._is_moving = speed_mps >= (_RESTS_MPS if self._is_moving else _SETS_OFF_MPS)
        here = Mark(lat_e7=fix.lat_e7, lon_e7=fix.lon_e7, at_ms=now_ms)
        self._drive_to(here, is_break=is_break, is_connected=is_connected)
        return Step(
            fix=fix,
            at_ms=now_ms,
            speed_mps=speed_mps,
            is_moving=self._is_moving,
            lasted_ms=lasted_ms,
            is_connected=is_connected,
            odometer_m=self._state.odometer_m,
            back_ms=0 if last is None else max(0, last.at_ms - now_ms),
        )

    def _speed_mps(self, fix: Fix) -> float:
        if fix.speed_cmps is not None:
            return fix.speed_cmps / 100
        since = self._speed_from
        elapsed_ms = 0 if since is None else at_ms(fix) - at_ms(since)
        if since is None or elapsed_ms <= 0:
            self._speed_from = fix
            return 0.0
        if elapsed_ms < _SPEED_OVER_MS:
            return _SETS_OFF_MPS if self._is_moving else 0.0
        self._speed_from = fix
        return distance_m(since, fix) / elapsed_ms * 1000

    def _drive_to(self, here: Mark, *, is_break: bool, is_connected: bool) -> None:
        state = self._state
        begin = here if state.chord_from is None or is_break else state.chord_from
        chord_m = distance_m(begin, here)
        if not is_connected:
            driven_m, is_over = (chord_m if chord_m >= _DRIFT_M else 0.0), True
        elif self._is_moving:
            is_over = chord_m >= _CHORD_M
            driven_m = chord_m if is_over else 0.0
            self._has_driven |= is_over
        else:
            # What is left of the last chord counts once; from then on the place only drifts.
            driven_m, is_over = (chord_m if self._has_driven else 0.0), True
            self._has_driven = False
        self._state = MotionState(
            odometer_m=state.odometer_m + driven_m,
            chord_from=here if is_over else begin,
            last=here,
        )
