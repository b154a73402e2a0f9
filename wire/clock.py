"""The simulated clock of demo data: one linear rule that every process of a demo reads."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

CLOCK_FILE: Final = "clock.json"
DEMO_MARK: Final = "demo.json"
"""Beside a clock file lies this one, or the clock file is refused: real data keeps real time."""


class ClockRate(msgspec.Struct, frozen=True, kw_only=True):
    """Simulated time as a function of real time.

    Attributes:
        real_s: an instant of the real clock, seconds since 1970.
        simulated_s: the simulated instant at that moment, seconds since 1970.
        speed: simulated seconds in one real second.
    """

    real_s: float
    simulated_s: float
    speed: Annotated[float, Meta(gt=0, le=1000)]

    def simulated_at(self, real_s: float) -> float:
        """The simulated instant at the real instant ``real_s``, both seconds since 1970."""
        return self.simulated_s + (real_s - self.real_s) * self.speed

    def real_delay_s(self, simulated_delay_s: float) -> float:
        """How long to wait really until so much simulated time has passed."""
        return simulated_delay_s / self.speed
