"""Whether the van is on duty: outside its shifts no coordinate leaves it."""

from collections.abc import Sequence

from wire.desired import Shift


def is_on_duty(shifts: Sequence[Shift] | None, now_ms: int | None) -> bool:
    """Whether ``now_ms`` lies in a shift, its end excluded; without any rule it always does.

    Args:
        shifts: None is always on duty, none at all never.
        now_ms: None while the time is not known: then nothing may be told either.
    """
    if shifts is None:
        return True
    if now_ms is None:
        return False
    return any(shift.from_ms <= now_ms < shift.to_ms for shift in shifts)
