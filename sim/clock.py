"""The simulation's clock: real time by one linear rule, the one that lies in the data folder."""

import asyncio
import time

from wire.clock import ClockRate


def real_now_s() -> float:
    """The machine's clock, seconds since 1970: the only place in the simulation that reads it."""
    return time.time()  # noqa: TID251 - the simulation's own clock begins here


class SimulatedClock:
    """Simulated seconds since 1970."""

    def __init__(self, rate: ClockRate) -> None:
        """Run by ``rate``."""
        self.rate = rate

    def now_s(self) -> float:
        """The simulated instant."""
        return self.rate.simulated_at(real_now_s())

    async def sleep_until(self, at_s: float) -> None:
        """Wait for the simulated instant ``at_s``; at once when it has passed."""
        await asyncio.sleep(max(0.0, self.rate.real_delay_s(at_s - self.now_s())))

    async def sleep(self, seconds: float) -> None:
        """Wait so many simulated seconds."""
        await self.sleep_until(self.now_s() + seconds)
