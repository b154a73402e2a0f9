"""An instant as the gateway tells it."""

from typing import Final, NamedTuple

from wire.values import ClockQuality

RELEASED_MS: Final = 1_735_689_600_000
"""2025-01-01: nothing was recorded before this program existed; an earlier clock is wrong."""


class Stamp(NamedTuple):
    """An instant in milliseconds since 1970, and how far the clock that told it can be trusted."""

    now_ms: int
    quality: ClockQuality
