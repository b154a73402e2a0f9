"""What driving, lateness and change cost a tenant, and when a dispatcher is asked. Pure."""

from typing import Annotated

import msgspec
from msgspec import Meta

from cloud.planning.bounds import Price
from cloud.planning.diff import Diff
from cloud.planning.halts import Walking
from cloud.planning.problem import Policy
from cloud.planning.revision import BY_HAND, Trigger
from cloud.planning.working import NO_RULES, RuleSetName, WorkRules, rules_of


class TenantPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's prices in seconds of driving, its slack, and when a re-plan asks a dispatcher.

    Attributes:
        km: one kilometre, beside the time it takes. hour: of a van that is out, beside the driving.
        vehicle: one more van sent out. A van may have prices of its own.
        late_s: one second after a promise. late_soft_s: one second after a soft window, of what
            was not promised yet. unserved, unserved_urgent: an order left out.
        wait: leaving out what may wait, on its last day but one; of a second, third, fourth last
            day a half, a third, a quarter of it.
        changed_vehicle: an order that gets another van than in the plan in force.
        changed_sequence: an order that gets another place in its round.
        outside_zone: a delivery outside all zones of who has some. unfamiliar: one at a door that
            another driver of the day knows well, and this one not at all.
        slack_s: kept at each door beside its service: finding a place to stand, and whatever the
            speeds of the streets do not tell.
        margin_share: how much of what vans come later in one of ten cases is kept before the end
            of a window, where that can be done, and so by how much lateness is feared, at
            ``late_s`` a second; 0 keeps and fears nothing.
        ask_above_moved: a re-plan that moves more orders than this is proposed, not published;
            None publishes all.
        ask_before_moving_a_promise: propose whatever tells a customer another time.
        work_rules: a country's rules for breaks and working time, or own ones.
        work_rules_of_depots: other ones for some depots, by id.
        halt_within_m: doors so near to where a van parks may be served on foot; 0 is none.
        parking_s: of each service, what parking takes; a halt parks once.
    """

    km: Price = 60.0
    hour: Price = 0.0
    vehicle: Price = 0.0
    late_s: Price = 5.0
    late_soft_s: Price = 0.5
    unserved: Price = 36_000.0
    unserved_urgent: Price = 360_000.0
    wait: Price = 1_800.0
    changed_vehicle: Price = 300.0
    changed_sequence: Price = 120.0
    outside_zone: Price = 600.0
    unfamiliar: Price = 60.0
    slack_s: Annotated[int, Meta(ge=0, le=3_600)] = 60
    margin_share: Annotated[float, Meta(ge=0, le=3)] = 1.0
    ask_above_moved: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    ask_before_moving_a_promise: bool = False
    work_rules: RuleSetName | WorkRules = "none"
    work_rules_of_depots: Annotated[dict[str, RuleSetName | WorkRules], Meta(max_length=500)] = {}
    halt_within_m: Annotated[float, Meta(ge=0, le=300)] = 0.0
    parking_s: Annotated[int, Meta(ge=0, le=3_600)] = 60

    @property
    def walking(self) -> Walking:
        """What one halt may serve."""
        return Walking(self.halt_within_m, self.parking_s)

    def work_rules_at(self, depot_id: str) -> WorkRules | None:
        """What holds at a depot; None when nothing is limited."""
        rules = rules_of(self.work_rules_of_depots.get(depot_id, self.work_rules))
        return None if rules == NO_RULES else rules

    @property
    def prices(self) -> Policy:
        """The same as the planner takes it."""
        return Policy(
            km=self.km,
            hour=self.hour,
            vehicle=self.vehicle,
            late_s=self.late_s,
            unserved=self.unserved,
            unserved_urgent=self.unserved_urgent,
            changed_vehicle=self.changed_vehicle,
            changed_sequence=self.changed_sequence,
            outside_zone=self.outside_zone,
            unfamiliar=self.unfamiliar,
        )


def why_ask(policy: TenantPolicy, trigger: Trigger, diff: Diff) -> str | None:
    """Why a re-plan waits for a dispatcher; None when it is published at once."""
    if trigger in BY_HAND:  # what a person has asked for is not asked again
        return None
    most = policy.ask_above_moved
    if most is not None and len(diff.moved) > most:
        return f"it moves {len(diff.moved)} orders, more than {most}"
    if policy.ask_before_moving_a_promise and diff.promises_moved:
        return f"it moves the promises of {', '.join(diff.promises_moved)}"
    return None
