"""Pure: correcting what was recorded before the gateway's clock was trusted.

Rows stay on the medium as they were recorded; the correction of their start is kept beside them and
applied as they are read.
"""

from typing import Any, NamedTuple

import msgspec

from gateway.spool.rows import Row, kind_of, read_fix, write_fix
from gateway.stamp import PROVED
from wire import codec
from wire.messages import Event
from wire.values import ClockQuality

_INSTANTS = ("at_ms", "started_at_ms")


class Correction(NamedTuple):
    """By how much the clock of one start was off before it was trusted, and how it is now."""

    by_ms: int
    quality: ClockQuality

    def and_then(self, by_ms: int, quality: ClockQuality) -> "Correction":
        """Corrected once more."""
        return Correction(self.by_ms + by_ms, quality)


def corrected(row: Row, correction: Correction) -> Row:
    """The row with trusted times, when its own were recorded before anything proved the clock."""
    if kind_of(row.id) == "fix":
        fix = read_fix(row.body)
        if fix.quality in PROVED:
            return row
        fix = msgspec.structs.replace(
            fix,
            recorded_at_ms=fix.recorded_at_ms + correction.by_ms,
            quality=correction.quality,
        )
        return Row(row.id, write_fix(fix))
    event = codec.decode(row.body, Event)
    if event.quality in PROVED:
        return row
    return Row(row.id, codec.encode(corrected_event(event, correction)))


def corrected_event(event: Event, correction: Correction) -> Event:
    """The event with trusted times.

    An instant in its body came either from the same clock, and is corrected too, or from a fix: the
    one it lies nearer to tells which.
    """
    changed: dict[str, Any] = {}
    for field in _INSTANTS:
        at_ms = getattr(event.body, field, None)
        if isinstance(at_ms, int):
            off_ms = at_ms - event.recorded_at_ms
            if abs(off_ms) <= abs(off_ms - correction.by_ms):
                changed[field] = at_ms + correction.by_ms
    return msgspec.structs.replace(
        event,
        recorded_at_ms=event.recorded_at_ms + correction.by_ms,
        quality=correction.quality,
        body=msgspec.structs.replace(event.body, **changed),
    )
