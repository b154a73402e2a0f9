"""The rules of tracking: what is committed of a stream, when a group is due, which fix is live.

All are functions of values. Permuted, repeated and late delivery converge to the same state.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from wire.messages import MAX_ACK_RANGES, Fix

MAX_RANGES: Final = 4_096
"""More holes than this are not kept of one stream: what would make another is refused for now."""
FUTURE_TOLERANCE_MS: Final = 5 * 60_000
"""A fix from further ahead is history only: one bad clock must not freeze the live marker."""
EARLIEST_LIVE_MS: Final = 946_684_800_000
"""2000-01-01T00:00:00Z: a fix from before it is history only, its clock was never set."""


class TooManyHoles(ValueError):
    """A stream has more holes than are kept; the van sends what is missing and then this again."""


class StreamKey(NamedTuple):
    """One stream of one van."""

    tenant: str
    van: str
    stream: int


NOTHING_KEPT: Final = 0
"""The step of a piece of which no row is kept: a gap, or what was set aside."""
_FINENESS: Final = {NOTHING_KEPT: 0, 8: 1, 4: 2, 2: 3, 1: 4}

type Piece = tuple[int, int, int]
"""First and last seq, and the step: the multiples of it are kept."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The seqs of one stream that are committed, and which of them are kept as rows.

    Attributes:
        pieces: ascending, apart, and as few as can be.
    """

    pieces: tuple[Piece, ...] = ()

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """What is committed: inclusive ranges, ascending, never touching."""
        ranges: list[tuple[int, int]] = []
        for first, last, _ in self.pieces:
            if ranges and ranges[-1][1] == first - 1:
                first = ranges.pop()[0]  # noqa: PLW2901 - the one before grows
            ranges.append((first, last))
        return tuple(ranges)

    def adding(self, first: int, last: int, step: int = NOTHING_KEPT) -> "Committed":
        """These and ``first`` to ``last`` inclusive, of which the multiples of ``step`` are kept.

        Where a range is added twice the finer step counts, so the order makes no difference. A
        stream of more than `MAX_RANGES` pieces forgets what is kept: what comes again is kept
        again then, and found to be double when it is folded.

        Raises:
            TooManyHoles: it would be more than `MAX_RANGES` ranges.
            ValueError: ``first`` is negative or after ``last``.
        """
        if not 0 <= first <= last:
            raise ValueError(f"range: {first} to {last} is not ascending from 0")
        if self.pieces:
            begin, end, kept = self.pieces[-1]
            if first == end + 1 and step == kept:
                return Committed((*self.pieces[:-1], (begin, last, step)))
        return self._laying(first, last, step, _finer).bounded()

    def losing(self, first: int, last: int) -> "Committed":
        """The same is committed, but nothing is kept of ``first`` to ``last``."""
        return self._laying(first, last, NOTHING_KEPT, min).bounded()

    def news(self, first: int, last: int, step: int) -> list[tuple[int, int]]:
        """Where in ``first`` to ``last`` multiples of ``step`` are not kept yet."""
        if not self.pieces or self.pieces[-1][1] < first:
            return [(first, last)]
        fineness, at = _FINENESS[step], first
        found: list[tuple[int, int]] = []
        for low, high, known in self.pieces[self._after(first) :]:
            if low > last:
                break
            if _FINENESS[known] >= fineness:
                if at < low:
                    found.append((at, low - 1))
                at = max(at, high + 1)
        return [*found, (at, last)] if at <= last else found

    def holds(self, first: int, last: int) -> bool:
        """Whether every seq from ``first`` to ``last`` is committed."""
        for low, high, _ in self.pieces[self._after(first) :]:
            if low > first or high >= last:
                return low <= first
            first = high + 1
        return False

    def bounded(self) -> "Committed":
        """These; what is kept is forgotten when it takes too many pieces to tell.

        Raises:
            TooManyHoles: it is more than `MAX_RANGES` ranges.
        """
        if len(self.pieces) <= MAX_RANGES:
            return self
        ranges = self.ranges
        if len(ranges) > MAX_RANGES:
            raise TooManyHoles(f"stream: {len(ranges)} separate ranges; at most {MAX_RANGES}")
        return Committed(tuple((*one, NOTHING_KEPT) for one in ranges))

    def _after(self, first: int) -> int:
        """The place of the first piece that does not end before ``first``."""
        return bisect_left(self.pieces, first, key=lambda one: one[1])

    def _laying(
        self, first: int, last: int, step: int, wins: Callable[[int, int], int]
    ) -> "Committed":
        """These with ``first`` to ``last`` laid over; ``wins`` chooses where a piece is known."""
        begin = self._after(first - 1)
        end = bisect_right(self.pieces, last + 1, key=lambda one: one[0])
        parts: list[Piece] = []
        at = first
        for low, high, known in self.pieces[begin:end]:
            inside = (max(low, first), min(high, last), wins(known, step))
            parts += [(low, min(high, first - 1), known), (at, min(last, low - 1), step)]
            parts += [inside, (max(low, last + 1), high, known)]
            at = max(at, min(high, last) + 1)
        parts.append((at, last, step))
        told = sorted(part for part in parts if part[0] <= part[1])
        return Committed((*self.pieces[:begin], *_joined(told), *self.pieces[end:]))

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


def _finer(one: int, other: int) -> int:
    return max(one, other, key=_FINENESS.__getitem__)


def _joined(pieces: list[Piece]) -> list[Piece]:
    joined: list[Piece] = []
    for first, last, step in pieces:
        if joined and joined[-1][1:] == (first - 1, step):
            first = joined.pop()[0]  # noqa: PLW2901 - the one before grows
        joined.append((first, last, step))
    return joined


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
