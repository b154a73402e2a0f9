"""Whether something on this board keeps the system's clock right: chrony or timesyncd."""

import ctypes
from typing import ClassVar, Final, NamedTuple

_LIMIT_US: Final = 16_000_000
"""The kernel's bound for a clock that nobody keeps (``NTP_PHASE_LIMIT``); it grows to that in nine
hours without a correction, and is set to it by each step."""


class _Timex(ctypes.Structure):
    """The begin of ``struct timex``, with room for the rest."""

    _fields_: ClassVar = [
        ("modes", ctypes.c_uint),  # 0: only read
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("rest", ctypes.c_char * 512),
    ]


class Told(NamedTuple):
    """What the kernel says of its clock: adjtimex(2)'s result and the bound of its error."""

    state: int
    max_error_us: int

    @property
    def is_synchronised(self) -> bool:
        """Systemd's rule: the bound alone.

        chronyd without ``rtcsync`` keeps a right clock marked as unsynchronised, so that the kernel
        leaves the battery clock alone; only the bound tells that it is kept.
        """
        return self.state >= 0 and self.max_error_us < _LIMIT_US


def ask() -> Told:
    """Ask the kernel; the state is below 0 when it may not be asked."""
    answer = _Timex()
    state = int(ctypes.CDLL(None).adjtimex(ctypes.byref(answer)))
    return Told(state, int(answer.maxerror))


def is_synchronised() -> bool:
    """Whether the clock is kept right; False also when the kernel may not be asked."""
    return ask().is_synchronised
