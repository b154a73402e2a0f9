"""The gateway's clock: the monotonic clock from one known instant, and how far to trust it."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from gateway.errors import SettingsError
from gateway.stamp import RELEASED_MS, Stamp
from wire.clock import DEMO_MARK, ClockRate
from wire.values import ClockQuality

logger = logging.getLogger(__name__)

_STEP_MS: Final = 2_000
"""A fix is told up to a second after it was taken; only a larger difference is an error of ours."""


class Clock:
    """Domain time in the van. It never steps back by itself: the system's clock is read once.

    Args:
        wall_s: the system's real clock, seconds since 1970.
        monotonic_s: a clock that is never set.
        rate: simulated time, for demo data; None for real time.
    """

    def __init__(
        self,
        wall_s: Callable[[], float] = time.time,  # noqa: TID251 - this is the Clock
        monotonic_s: Callable[[], float] = time.monotonic,
        rate: ClockRate | None = None,
    ) -> None:
        now_s = wall_s()
        self.monotonic_s = monotonic_s
        self._speed = 1.0 if rate is None else rate.speed
        self._from_s = monotonic_s()
        self._at_from_ms = (now_s if rate is None else rate.simulated_at(now_s)) * 1000
        self.quality: ClockQuality = "rtc" if self._at_from_ms >= RELEASED_MS else "none"

    def now_ms(self) -> int:
        """Milliseconds since 1970, as well as is known."""
        return round(self._at_from_ms + (self.monotonic_s() - self._from_s) * self._speed * 1000)

    def stamp(self) -> Stamp:
        """Now, and how well it is known."""
        return Stamp(self.now_ms(), self.quality)

    def learn(self, gnss_ms: int) -> None:
        """Take the time of a fresh fix: it proves the clock, or sets it when it is wrong."""
        off_ms = gnss_ms - self.now_ms()
        if abs(off_ms) > _STEP_MS * max(1.0, self._speed):
            self._at_from_ms += off_ms
            level = logging.DEBUG if self.quality == "gnss" else logging.INFO
            logger.log(level, "the clock was set by a fix", extra={"off_ms": off_ms})
        self.quality = "gnss"


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
