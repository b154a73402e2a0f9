"""When the level of a wire has really changed. Pure."""

from typing import Final

HOLD_S: Final = 0.05
"""Contacts of relays and doors bounce for some milliseconds."""


class Debounce:
    """Tells a level once it has been the same for ``hold_s``; the first one too."""

    def __init__(self, hold_s: float = HOLD_S) -> None:
        self._hold_s = hold_s
        self._told: bool | None = None
        self._seen: bool | None = None
        self._since_s = 0.0

    @property
    def is_settled(self) -> bool:
        """Whether nothing is waiting to be told."""
        return self._seen is self._told

    def take(self, now_s: float, *, is_on: bool) -> bool | None:
        """The level that is certain now and was not before; None when there is none."""
        if is_on is not self._seen:
            self._seen, self._since_s = is_on, now_s
        if self.is_settled or now_s - self._since_s < self._hold_s:
            return None
        self._told = is_on
        return is_on
