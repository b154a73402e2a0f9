"""Whether the van is on duty: outside its shifts no coordinate leaves it."""

from collections.abc import Iterable, Sequence

import msgspec

from wire.desired import Shift
from wire.events import EventBody
from wire.messages import Fix
from wire.track import at_ms


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


def known_ms(fix: Fix) -> int | None:
    """When ``fix`` was taken, None when no clock that was right for it is known."""
    return None if fix.fix_time_ms is None and fix.quality == "none" else at_ms(fix)


def without_where(events: Iterable[EventBody]) -> tuple[EventBody, ...]:
    """``events`` without their coordinates."""
    return tuple(
        msgspec.structs.replace(event, where=None) if getattr(event, "where", None) else event
        for event in events
    )
