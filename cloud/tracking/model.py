"""The rules of tracking: what is committed of a stream, when a group is due, which fix is live.

All are functions of values. Permuted, repeated and late delivery converge to the same state.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Final

from wire.messages import MAX_ACK_RANGES, Fix

MAX_RANGES: Final = 4_096
"""More holes than this are not kept of one stream: what would make another is refused for now."""
FUTURE_TOLERANCE_MS: Final = 5 * 60_000
"""A fix from further ahead is history only: one bad clock must not freeze the live marker."""
EARLIEST_LIVE_MS: Final = 946_684_800_000
"""2000-01-01T00:00:00Z: a fix from before it is history only, its clock was never set."""


class TooManyHoles(ValueError):
    """A stream has more holes than are kept; the van sends what is missing and then this again."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The seqs of one stream that are committed: inclusive ranges, ascending, never touching."""

    ranges: tuple[tuple[int, int], ...] = ()

    def adding(self, first: int, last: int) -> "Committed":
        """These and ``first`` to ``last`` inclusive; the order of adding makes no difference.

        Raises:
            TooManyHoles: it would be more than `MAX_RANGES` ranges.
            ValueError: ``first`` is negative or after ``last``.
        """
        if not 0 <= first <= last:
            raise ValueError(f"range: {first} to {last} is not ascending from 0")
        begin = bisect_left(self.ranges, first - 1, key=lambda one: one[1])
        end = bisect_right(self.ranges, last + 1, key=lambda one: one[0])
        if begin < end:
            first = min(first, self.ranges[begin][0])
            last = max(last, self.ranges[end - 1][1])
        ranges = (*self.ranges[:begin], (first, last), *self.ranges[end:])
        if len(ranges) > MAX_RANGES:
            raise TooManyHoles(f"stream: {len(ranges)} separate ranges; at most {MAX_RANGES}")
        return Committed(ranges)

    def holds(self, first: int, last: int) -> bool:
        """Whether every seq from ``first`` to ``last`` is committed."""
        place = bisect_left(self.ranges, last, key=lambda one: one[1])
        return place < len(self.ranges) and self.ranges[place][0] <= first

    def told(self) -> tuple[int, tuple[tuple[int, int], ...]]:
        """``upto`` and ``missing`` of `wire.messages.Ack`, as far as its ranges reach."""
        upto = -1
        missing: list[tuple[int, int]] = []
        for first, last in self.ranges:
            if first > upto + 1:
                if len(missing) == MAX_ACK_RANGES:
                    break
                missing.append((upto + 1, first - 1))
            upto = last
        return upto, tuple(missing)


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """How long and how much is collected for one transaction."""

    wait_s: float = 0.02
    messages: int = 1_000
    payload_bytes: int = 4_000_000

    def is_due(self, *, age_s: float, messages: int, payload_bytes: int) -> bool:
        """Whether what has come since ``age_s`` is written now."""
        return messages > 0 and (
            age_s >= self.wait_s or messages >= self.messages or payload_bytes >= self.payload_bytes
        )


def moment_ms(fix: Fix) -> int:
    """When the van was there: the GNSS time, or the gateway's where the receiver told none."""
    return fix.recorded_at_ms if fix.fix_time_ms is None else fix.fix_time_ms


def happened_ms(told_ms: int | None, recorded_at_ms: int, received_at_ms: int) -> int:
    """When an event happened: by its own word, or the gateway's clock, or else when it came.

    The first of these that can be true; a van without a clock battery may tell any other.
    """
    for instant_ms in (told_ms, recorded_at_ms):
        if instant_ms is not None and is_believable(instant_ms, received_at_ms):
            return instant_ms
    return received_at_ms


def moves_live(current: Fix | None, candidate: Fix, now_ms: int) -> bool:
    """Whether ``candidate`` becomes the van's newest fix.

    A late fix never does, and neither does one whose time cannot be true. One that is known and
    cannot be true gives way.
    """
    moment = moment_ms(candidate)
    if not is_believable(moment, now_ms):
        return False
    if current is None or not is_believable(moment_ms(current), now_ms):
        return True
    return moment > moment_ms(current)


def is_believable(instant_ms: int, now_ms: int) -> bool:
    """Whether something can have happened then: from 2000 up to now, and a little tolerance."""
    return EARLIEST_LIVE_MS <= instant_ms <= now_ms + FUTURE_TOLERANCE_MS
