"""Pure: which speed a serial line has, found by trying and proved by what is heard."""

from typing import Final

SPEEDS: Final = (9600, 115200, 38400, 4800, 57600, 19200, 230400, 460800, 921600)
"""In the order in which receivers are shipped: most speak 9600, newer ones 38400 or 115200."""

_LISTEN_S: Final = 1.3
"""A little longer than the pause between the epochs of a receiver at 1 Hz."""
_MAX_LISTEN_S: Final = 6.0
_GARBAGE_BYTES: Final = 600
"""So many bytes without a sentence are not of this speed."""
_ENOUGH: Final = 2
"""Sentences or frames with a right checksum that prove a speed before the time is up."""
_DOUBT_AFTER_S: Final = 5.0
_SILENCE_S: Final = 30.0
"""A receiver that lost its settings speaks another speed, which some lines hear as silence."""


class SpeedSearch:
    """Tries one speed after another until sentences with a right checksum are heard.

    A proved speed is doubted again when only garbage comes for 5 s, or nothing for 30 s. Each
    round over all speeds listens twice as long as the one before, up to 6 s, so that receivers
    slower than 1 Hz are found too.
    """

    def __init__(self, remembered: int | None, now_s: float) -> None:
        """``remembered`` is the speed proved before, tried first."""
        self._order = self._beginning_with(remembered)
        self._listen_s = _LISTEN_S
        self._at = self._proved = self._bytes = 0
        self._began_s = self._proved_at_s = self._heard_at_s = now_s
        self.is_proved = False

    @property
    def speed(self) -> int:
        """The speed to listen at now, in bits a second."""
        return self._order[self._at]

    def heard(self, proved: int, size_bytes: int, now_s: float) -> bool:
        """Take note of what has come since the last call, perhaps nothing.

        Args:
            proved: sentences and frames with a right checksum.
            size_bytes: all bytes.
            now_s: of a clock that is never set.

        Returns:
            Whether ``speed`` is another one now.
        """
        self._proved += proved
        self._bytes += size_bytes
        if proved:
            self._proved_at_s = now_s
        if size_bytes:
            self._heard_at_s = now_s
        if self.is_proved:
            return self._is_doubtful(now_s) and self._start_over(now_s)
        is_over = now_s - self._began_s >= self._listen_s
        if self._proved >= _ENOUGH or (self._proved and is_over):
            self.is_proved = True
            self._listen_s = _LISTEN_S
            return False
        if is_over or (not self._proved and self._bytes >= _GARBAGE_BYTES):
            return self._next(now_s)
        return False

    def _is_doubtful(self, now_s: float) -> bool:
        is_garbage = self._heard_at_s - self._proved_at_s > _DOUBT_AFTER_S
        return is_garbage or now_s - self._heard_at_s > _SILENCE_S

    def _start_over(self, now_s: float) -> bool:
        self._order = self._beginning_with(self.speed)
        self._begin(1, now_s)
        return True

    def _next(self, now_s: float) -> bool:
        at = (self._at + 1) % len(self._order)
        if at == 0:
            self._listen_s = min(self._listen_s * 2, _MAX_LISTEN_S)
        self._begin(at, now_s)
        return True

    def _begin(self, at: int, now_s: float) -> None:
        self._at = at
        self.is_proved = False
        self._proved = self._bytes = 0
        self._began_s = self._proved_at_s = self._heard_at_s = now_s

    @staticmethod
    def _beginning_with(remembered: int | None) -> tuple[int, ...]:
        first = () if remembered is None else (remembered,)
        return (*first, *(speed for speed in SPEEDS if speed != remembered))
