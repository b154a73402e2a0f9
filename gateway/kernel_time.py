"""Whether something on this board keeps the system's clock right: chrony or timesyncd, by NTP."""

import ctypes
from typing import Final

_UNSYNCHRONISED: Final = 5
_ROOM_BYTES: Final = 512
"""More than any kernel's ``struct timex``, whose first field 0 means: only read."""


def is_synchronised() -> bool:
    """What the kernel says of its clock (adjtimex(2)); False also when it may not be asked."""
    answer = int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_ROOM_BYTES)))
    return 0 <= answer < _UNSYNCHRONISED
