"""The gateway's clock: the monotonic clock from one known instant, and how far to trust it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from gateway.errors import SettingsError
from gateway.kernel_time import is_synchronised
from gateway.stamp import PROVED, RELEASED_MS, Stamp
from wire.clock import DEMO_MARK, ClockRate
from wire.values import ClockQuality

_STEP_MS: Final = 2_000
"""A fix is told up to a second after it was taken; only a larger difference is an error of ours."""

_WITNESSES: Final = 3
_WITNESSES_MS: Final = 1_500
"""So many fixes in a row must agree over so long before a proved clock is set again."""


class Correction(NamedTuple):
    """The clock was set: what it told before with quality ``before`` was off by ``by_ms``."""

    by_ms: int
    before: ClockQuality
    quality: ClockQuality


class Clock:
    """Domain time in the van: the monotonic clock, counted from an instant that is proved later.

    The system's clock is believed only while nothing better is known, so its steps move nothing.

    Args:
        wall_s: the system's real clock, seconds since 1970.
        monotonic_s: a clock that is never set.
        rate: simulated time, for demo data; None for real time.
        is_synchronised: whether the system's clock is kept right by others.
    """

    def __init__(
        self,
        wall_s: Callable[[], float] = time.time,  # noqa: TID251 - this is the Clock
        monotonic_s: Callable[[], float] = time.monotonic,
        rate: ClockRate | None = None,
        is_synchronised: Callable[[], bool] = is_synchronised,
    ) -> None:
        now_s = wall_s()
        self.monotonic_s = monotonic_s
        self._wall_s = wall_s
        self._is_simulated = rate is not None
        self._is_synchronised = is_synchronised
        self._speed = 1.0 if rate is None else rate.speed
        self._from_s = monotonic_s()
        self._at_from_ms = (now_s if rate is None else rate.simulated_at(now_s)) * 1000
        self.quality: ClockQuality = "rtc" if self._at_from_ms >= RELEASED_MS else "none"
        self._off_ms = 0
        self._witnesses = 0
        self._witnessed_from_s = 0.0

    def now_ms(self, at_s: float | None = None) -> int:
        """Milliseconds since 1970, as well as is known.

        Args:
            at_s: the moment by the monotonic clock; None is now.
        """
        passed_s = (self.monotonic_s() if at_s is None else at_s) - self._from_s
        return round(self._at_from_ms + passed_s * self._speed * 1000)

    def stamp(self, at_s: float | None = None) -> Stamp:
        """Now, or the moment ``at_s`` of the monotonic clock, and how well it is known."""
        return Stamp(self.now_ms(at_s), self.quality)

    def restore(self, last_known_ms: int) -> None:
        """Take the last time known before this start: it cannot be earlier now.

        A board without a clock battery wakes in the past; the order of starts is kept all the same.
        """
        if not self._is_simulated and self.now_ms() < last_known_ms:
            self._at_from_ms += last_known_ms - self.now_ms()
            self.quality = "none"

    def learn(self, gnss_ms: int, at_s: float | None = None) -> Correction | None:
        """Take the time of a fresh fix: it proves the clock, or sets it when it is wrong.

        Args:
            gnss_ms: the time that the fix tells.
            at_s: when it was read, by the monotonic clock: it may have waited since; None is now.

        Returns:
            How the clock was set; None when it was right, or too few fixes contradict a proved one.
        """
        at_s = self.monotonic_s() if at_s is None else at_s
        off_ms = gnss_ms - self.now_ms(at_s)
        if abs(off_ms) <= self._step_ms:
            before, self.quality, self._witnesses = self.quality, "gnss", 0
            return None if before == "gnss" else Correction(0, before, "gnss")
        if self.quality in PROVED and not self._is_agreed(off_ms, at_s):
            return None
        return self._set(off_ms, "gnss")

    def look_around(self) -> Correction | None:
        """Believe the system's clock once others keep it right; a fix is believed more."""
        if self._is_simulated or self.quality in PROVED or not self._is_synchronised():
            return None
        return self._set(round(self._wall_s() * 1000) - self.now_ms(), "ntp")

    @property
    def _step_ms(self) -> float:
        return _STEP_MS * max(1.0, self._speed)

    def _is_agreed(self, off_ms: int, at_s: float) -> bool:
        if not self._witnesses or abs(off_ms - self._off_ms) > self._step_ms:
            self._witnesses, self._witnessed_from_s = 0, at_s
        self._witnesses += 1
        self._off_ms = off_ms
        lasted_ms = (at_s - self._witnessed_from_s) * self._speed * 1000
        return self._witnesses >= _WITNESSES and lasted_ms >= _WITNESSES_MS

    def _set(self, off_ms: int, quality: ClockQuality) -> Correction:
        before, self.quality, self._witnesses = self.quality, quality, 0
        self._at_from_ms += off_ms
        return Correction(off_ms, before, quality)


def demo_rate(clock_file: Path) -> ClockRate:
    """The simulated clock of demo data.

    Raises:
        SettingsError: it is not demo data, or the file cannot be read.
    """
    if not clock_file.with_name(DEMO_MARK).exists():
        raise SettingsError(
            f"demo.clock_file: no {DEMO_MARK} lies beside {clock_file}, so this is not demo data; "
            "remove the [demo] table"
        )
    try:
        return msgspec.json.decode(clock_file.read_bytes(), type=ClockRate)
    except (OSError, msgspec.DecodeError) as error:
        raise SettingsError(f"demo.clock_file: {clock_file} cannot be read: {error}") from error
