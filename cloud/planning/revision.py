"""One published state of a day's plan, and what brought it. Pure values."""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from cloud.planning.diff import Diff
from cloud.planning.solution import Prices

type Trigger = Literal[
    "optimize",
    "new_order",
    "urgent_order",
    "cancellation",
    "changed_order",
    "failed_pickup",
    "failed_attempt",
    "changed_shift",
    "promise_at_risk",
    "van_silent",
    "van_broken_down",
    "van_off_route",
    "driver_reordered",
    "road_changed",
    "access_changed",
    "waves_changed",
    "rule",
    "undo",
    "accepted",
]
BY_HAND: Final[frozenset[Trigger]] = frozenset(
    {"optimize", "rule", "undo", "accepted", "driver_reordered"}
)
"""What a person has asked for."""


class RevisionCost(msgspec.Struct, frozen=True, kw_only=True):
    """What is still to be driven after a revision, and the lateness it accepts."""

    drive_s: int
    distance_m: int
    late_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One published state of a day's plan: why it came and what it changed.

    ``because`` tells why ``solver`` made it.
    """

    number: int
    trigger: Trigger
    reason: str
    solver: str
    created_at: float
    cost: RevisionCost
    diff: Diff
    prices: Prices | None = None
    because: str | None = None
