"""Pure: whether a receiver that is open speaks, is silent, or says what nobody can read."""

from typing import Final, Literal, NamedTuple

type HearingStatus = Literal["starting", "speaks", "silent", "unreadable"]

SILENT_AFTER_S: Final = 15.0
UNREADABLE_AFTER_S: Final = 15.0
"""Longer than the first search through all speeds of a line takes."""

_STILL_UNREADABLE_S: Final = 60.0
"""A wire that picks up noise now and then is not silent in between."""


class Hearing(NamedTuple):
    """What can be told of a receiver besides its epochs.

    Attributes:
        status: ``speaks`` is with sentences or reports that can be read, with a position or not;
            ``silent`` is open without a byte, ``unreadable`` is bytes that are none of these.
        remedy: what to look at.
    """

    status: HearingStatus
    remedy: str = ""


class Listening:
    """Follows what comes from one receiver.

    Args:
        now_s: when it was opened, by a clock that is never set.
        silent: the remedy for silence. unreadable: for what cannot be read.
    """

    def __init__(self, now_s: float, *, silent: str, unreadable: str = "") -> None:
        self._silent = Hearing("silent", silent)
        self._unreadable = Hearing("unreadable", unreadable)
        self._bytes_at_s = self._read_at_s = now_s
        self._hearing = Hearing("starting")

    def heard(self, size_bytes: int, readable: int, now_s: float) -> Hearing:
        """What to tell, now that this has come since the last call, perhaps nothing.

        Args:
            size_bytes: all bytes.
            readable: sentences, frames or reports among them.
            now_s: of a clock that is never set.
        """
        if size_bytes:
            self._bytes_at_s = now_s
            if self._hearing.status == "silent":
                self._read_at_s, self._hearing = now_s, Hearing("starting")
        if readable:
            self._read_at_s = now_s
            self._hearing = Hearing("speaks")
        is_noisy = self._hearing.status == "unreadable"
        patience_s = _STILL_UNREADABLE_S if is_noisy else SILENT_AFTER_S
        if now_s - self._bytes_at_s > patience_s:
            self._hearing = self._silent
        elif size_bytes and now_s - self._read_at_s > UNREADABLE_AFTER_S:
            self._hearing = self._unreadable
        return self._hearing
