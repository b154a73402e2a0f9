"""An instant as the gateway tells it."""

from typing import Final, NamedTuple

from wire.values import ClockQuality

RELEASED_MS: Final = 1_735_689_600_000
"""2025-01-01: nothing was recorded before this program existed; an earlier clock is wrong."""

PROVED: Final = frozenset({"ntp", "gnss"})
"""Qualities of a clock that others or a fix have confirmed; any other may be off by years."""


class Stamp(NamedTuple):
    """An instant in milliseconds since 1970, and how far the clock that told it can be trusted."""

    now_ms: int
    quality: ClockQuality

    @property
    def is_proved(self) -> bool:
        """Whether the clock that told it had been confirmed."""
        return self.quality in PROVED
