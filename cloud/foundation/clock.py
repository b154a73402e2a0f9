"""Domain time: real, or the simulated clock of demo data. Transport time never comes from here."""

import asyncio
import math
import time
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import msgspec

from wire.clock import CLOCK_FILE, DEMO_MARK, ClockRate


class Clock(Protocol):
    """Domain time. ``speed`` is domain seconds in one real second."""

    speed: float

    def now_s(self) -> float:
        """Seconds since 1970, UTC."""
        ...

    async def sleep_until(self, instant_s: float) -> None:
        """Return when domain time has reached ``instant_s``, seconds since 1970."""
        ...


class RealClock:
    """The system's clock."""

    speed = 1.0

    def now_s(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time()  # noqa: TID251 - the one place where real time enters

    async def sleep_until(self, instant_s: float) -> None:
        """Return when the system's clock has reached ``instant_s``."""
        await asyncio.sleep(max(0.0, instant_s - self.now_s()))


class SimulatedClock:
    """The demo's clock: a linear rule over the system's clock, the same in every process."""

    def __init__(self, rate: ClockRate, real: Clock) -> None:
        self._rate = rate
        self._real = real
        self.speed = rate.speed

    def now_s(self) -> float:
        """Simulated seconds since 1970, UTC."""
        return self._rate.simulated_at(self._real.now_s())

    async def sleep_until(self, instant_s: float) -> None:
        """Return when simulated time has reached ``instant_s``."""
        await asyncio.sleep(max(0.0, self._rate.real_delay_s(instant_s - self.now_s())))


def clock_of(root: Path) -> Clock:
    """The clock that the data below ``root`` lives by.

    Raises:
        ValueError: a clock file lies in a folder that is not marked as demo data, or is damaged.
    """
    clock_file = root / CLOCK_FILE
    if not clock_file.exists():
        return RealClock()
    if not (root / DEMO_MARK).exists():
        raise ValueError(
            f"{clock_file}: a simulated clock is for demo data only, and {DEMO_MARK} is missing "
            "beside it; remove the clock file"
        )
    try:
        rate = msgspec.json.decode(clock_file.read_bytes(), type=ClockRate)
    except msgspec.DecodeError as error:
        raise ValueError(f"{clock_file}: {error}; remove it to start a new demo day") from error
    return SimulatedClock(rate, RealClock())


def to_datetime(instant_s: float) -> datetime:
    """Seconds since 1970 as an aware datetime in UTC."""
    return datetime.fromtimestamp(instant_s, UTC)


def to_rfc3339(instant_s: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC with milliseconds."""
    rest, whole = math.modf(instant_s)
    microseconds = round(rest * 1e6)  # as `datetime` rounds
    seconds, microseconds = int(whole) + microseconds // 1_000_000, microseconds % 1_000_000
    return f"{_to_the_second(seconds)}.{microseconds // 1000:03d}Z"


@lru_cache(256)
def _to_the_second(instant_s: int) -> str:
    """The instants that are told at one time lie near each other."""
    return to_datetime(instant_s).isoformat(timespec="seconds").removesuffix("+00:00")
