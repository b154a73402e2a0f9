"""When a van that should report is silent. Pure.

It is silent when it is due (its shift is on, or its ignition) and nothing has come within three of
its reporting intervals, counted from its last word or from when it became due, whichever is later.
Only a newer word ends that, or that it need not report any more; so one silence is told once.
"""

from dataclasses import dataclass
from typing import Final, Literal

INTERVALS: Final = 3

type Change = Literal["van_silent", "van_heard"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """What is known of one van's reports. Instants are seconds since 1970 UTC.

    Attributes:
        due_since_s: since when it should report without a break; None while it need not.
        silent_since_s: the last word before its silence; None while it is not silent.
    """

    due_since_s: float | None = None
    silent_since_s: float | None = None


def listen(
    before: Listening, *, heard_s: float | None, is_due: bool, now_s: float, interval_s: float
) -> tuple[Listening, Change | None]:
    """How it stands at ``now_s``, and what that changes.

    Args:
        before: at the last look.
        heard_s: when the van's last word came; a van that never spoke is never silent.
        is_due: whether it should report now.
        now_s: the moment of this look.
        interval_s: how often it should report.
    """
    if not is_due or heard_s is None:
        return Listening(), None
    due_since_s = now_s if before.due_since_s is None else before.due_since_s
    if before.silent_since_s is not None:
        if heard_s > before.silent_since_s:
            return Listening(due_since_s=due_since_s), "van_heard"
        return before, None
    if now_s - max(heard_s, due_since_s) >= INTERVALS * interval_s:
        return Listening(due_since_s=due_since_s, silent_since_s=heard_s), "van_silent"
    return Listening(due_since_s=due_since_s), None
