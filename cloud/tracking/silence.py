"""When a van that should report is silent. Pure.

It is silent when it is due (its shift is on, or its ignition) and nothing has come for so many of
its reporting intervals, counted from its last word or from when it became due, whichever is later,
that it is told within three. Time in which nobody could have been heard does not count: a stop of
ours is no silence of the vans. Only a newer word ends a silence, or that the van need not report
any more; so one silence is told once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

INTERVALS: Final = 3
"""Within so many a silence is told."""
_SURELY: Final = 2
"""Before so many have passed no silence is certain: one live fix may be lost."""

_MOST_SPANS: Final = 32

type Span = tuple[float, float]
"""From when to when, seconds since 1970 UTC."""
type Change = Literal["van_silent", "van_heard", "van_excused"]


class SilenceChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A silence of a van has begun, or is over; ``heard_at_s`` is the van's last word."""

    vehicle_id: str
    silence_id: str
    change: Change
    heard_at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """What is known of one van's reports. Instants are seconds since 1970 UTC.

    Attributes:
        due_since_s: since when it should report without a break; None while it need not.
        silent_since_s: the last word before its silence; None while it is not silent.
    """

    due_since_s: float | None = None
    silent_since_s: float | None = None


def patience_s(interval_s: float, look_every_s: float) -> float:
    """How long a van may say nothing.

    Args:
        interval_s: how often it should report.
        look_every_s: how often it is looked at; the next look and what follows it take time too.
    """
    return max(_SURELY * interval_s, INTERVALS * interval_s - 2 * look_every_s)


def also_deaf(deaf: Sequence[Span], begin_s: float, end_s: float) -> tuple[Span, ...]:
    """Spans in which nobody could be heard, and one more after them, in order and apart.

    Where it would be too many, what lies between the oldest two counts as deaf too.
    """
    if deaf and begin_s <= deaf[-1][1]:
        return (*deaf[:-1], (deaf[-1][0], max(end_s, deaf[-1][1])))
    if len(deaf) < _MOST_SPANS:
        return (*deaf, (begin_s, end_s))
    return ((deaf[0][0], deaf[1][1]), *deaf[2:], (begin_s, end_s))


def heard_nothing_s(since_s: float, now_s: float, deaf: Sequence[Span]) -> float:
    """How long nothing was heard since then, of the time in which something could have been."""
    lost_s = sum(max(0.0, min(end, now_s) - max(begin, since_s)) for begin, end in deaf)
    return now_s - since_s - lost_s


def listen(
    before: Listening,
    *,
    heard_s: float | None,
    is_due: bool,
    now_s: float,
    patience_s: float,
    deaf: Sequence[Span] = (),
) -> tuple[Listening, Change | None]:
    """How it stands at ``now_s``, and what that changes.

    Args:
        before: at the last look.
        heard_s: when the van's last word came; a van that never spoke is never silent.
        is_due: whether it should report now.
        now_s: the moment of this look.
        patience_s: how long it may say nothing.
        deaf: when it could not have been heard.
    """
    is_silent = before.silent_since_s is not None
    if not is_due or heard_s is None:
        return Listening(), "van_excused" if is_silent else None
    due_since_s = now_s if before.due_since_s is None else before.due_since_s
    if before.silent_since_s is not None:
        if heard_s > before.silent_since_s:
            return Listening(due_since_s=due_since_s), "van_heard"
        return before, None
    if heard_nothing_s(max(heard_s, due_since_s), now_s, deaf) >= patience_s:
        return Listening(due_since_s=due_since_s, silent_since_s=heard_s), "van_silent"
    return Listening(due_since_s=due_since_s), None
