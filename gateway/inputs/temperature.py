"""Temperatures of 1-Wire sensors (DS18B20 and kin), from the files of the kernel's w1_therm."""

import re
from typing import Final

_ANSWER: Final = re.compile(
    r"\s*(?:[0-9a-f]{2} ){9}: crc=[0-9a-f]{2} YES\s+(?:[0-9a-f]{2} ){9}t=(-?[0-9]{1,6})\s*"
)
"""Two lines of the nine bytes read: the first ends in the check of their sum, the second in
millidegrees (Linux, Documentation/w1/slaves/w1_therm.rst)."""

_POWER_ON: Final = 85_000
"""What the sensor holds before its first conversion (DS18B20 data sheet, table 1)."""

SENSOR_ID: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{12}")
TELL_FROM_D: Final = 5
TELL_EVERY_S: Final = 300.0


def read_answer(text: str) -> int | None:
    """Tenths of a degree Celsius; None when the sum is wrong, or nothing was measured."""
    match = _ANSWER.fullmatch(text)
    if match is None:
        return None
    thousandths = int(match[1])
    if thousandths == _POWER_ON or not -55_000 <= thousandths <= 125_000:
        return None
    return round(thousandths / 100)


class Telling:
    """Tells a temperature when it has changed by half a degree, and every five minutes."""

    def __init__(self) -> None:
        self._told_d: int | None = None
        self._told_at_s = 0.0

    def take(self, celsius_d: int, now_s: float) -> bool:
        """Whether to tell it now."""
        is_due = (
            self._told_d is None
            or abs(celsius_d - self._told_d) >= TELL_FROM_D
            or now_s - self._told_at_s >= TELL_EVERY_S
        )
        if is_due:
            self._told_d, self._told_at_s = celsius_d, now_s
        return is_due
