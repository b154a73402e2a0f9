"""What people have laid down for a day: it survives every re-plan until it is lifted. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

import msgspec

type RuleKind = Literal["pin", "ban", "lock", "sequence"]
type Maker = Literal["office", "driver"]

MOST_RULES: Final = 2_000
"""In force for one depot and date."""
_OF_ROUTE: Final[frozenset[RuleKind]] = frozenset({"lock", "sequence"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One wish of a dispatcher, or of a driver, for a depot's service date.

    Attributes:
        kind: ``pin``: this van alone serves the order. ``ban``: this van does not serve it.
            ``lock``: the van's route stays as it is planned, in its sequence, and gets nothing
            more; what is cancelled still leaves it. ``sequence``: what is on the van's route stays
            on it in its sequence, and more may come between; a driver's own order of stops.
        order_id: of a pin or a ban. note: why, for colleagues.
        made_by: the user's or driver's name. made_at: in seconds since 1970.
        maker: what a driver has laid down a driver lifts; what the office has, the office alone.
    """

    tenant: str
    id: str
    depot_id: str
    service_date: date
    kind: RuleKind
    vehicle_id: str
    order_id: str | None
    note: str
    made_by: str
    made_at: float
    maker: Maker = "office"

    @property
    def is_of_route(self) -> bool:
        """Whether it is of a van's whole route, and of no single order."""
        return self.kind in _OF_ROUTE

    @property
    def in_words(self) -> str:
        """The rule as a dispatcher would say it."""
        match self.kind:
            case "pin":
                return f"order {self.order_id} is pinned to {self.vehicle_id}"
            case "ban":
                return f"order {self.order_id} is banned from {self.vehicle_id}"
            case "lock":
                return f"the route of {self.vehicle_id} is locked"
            case "sequence":
                return f"the stops of {self.vehicle_id} keep their order"


class RuleChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has laid down or lifted a rule; ``text`` says which, in words.

    ``with_revision``: the one that it came with, which follows it already; None asks for a plan.
    """

    depot_id: str
    service_date: str
    rule_id: str
    text: str
    with_revision: int | None = None


def against(rule: Rule, known: Iterable[Rule]) -> str | None:
    """What speaks against a further rule among those in force; None when nothing does."""
    for other in known:
        is_same_van = other.vehicle_id == rule.vehicle_id
        if rule.kind in _OF_ROUTE:
            if is_same_van and other.kind in {rule.kind, "lock"}:
                return f"{other.in_words} already"
            continue
        if other.order_id != rule.order_id:
            continue
        if other.kind == rule.kind and (is_same_van or rule.kind == "pin"):
            return f"{other.in_words} already; lift rule {other.id} first"
        if is_same_van:
            return f"{other.in_words}; lift rule {other.id} first"
    return None
