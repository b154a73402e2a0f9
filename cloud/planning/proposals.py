"""A re-plan that waits for a dispatcher's word, and how two revisions differ. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

import msgspec

from cloud.planning.day_plan import Route
from cloud.planning.diff import Diff, RouteChange
from cloud.planning.problem import RouteStep
from cloud.planning.revision import RevisionCost, Trigger
from cloud.planning.sequence import out_of_order
from cloud.planning.solution import Prices

type Sequences = Mapping[str, tuple[RouteStep, ...]]
"""The visits of each van in their order."""
type ProposalState = Literal["open", "accepted", "rejected", "outdated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What the next revision would be.

    Attributes:
        base: the revision it was made on; it can be accepted while that is current.
        asks_because: what the tenant's policy says.
        created_at: in seconds since 1970.
        prices: what it costs; None of one made before that was kept.
        gain: what it saves against driving on as planned, in seconds of driving.
    """

    tenant: str
    id: str
    depot_id: str
    service_date: date
    base: int
    trigger: Trigger
    reason: str
    asks_because: str
    state: ProposalState
    created_at: float
    decided_by: str | None
    cost: RevisionCost
    diff: Diff
    sequences: Sequences
    prices: Prices | None = None
    gain: float = 0.0


class PlanProposed(msgspec.Struct, frozen=True, kw_only=True):
    """A re-plan waits for a dispatcher."""

    depot_id: str
    service_date: str
    proposal_id: str
    trigger: Trigger
    reason: str
    asks_because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How one revision's deliveries differ from another's, by orders."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    moved: tuple[RouteChange, ...]


def sequences_of_routes(routes: Iterable[Route]) -> dict[str, tuple[RouteStep, ...]]:
    """What is still to be visited on each route, in its order."""
    return {
        route.vehicle_id: tuple(
            RouteStep(job=order_id, kind=stop.kind)
            for stop in route.open_stops
            for order_id in stop.order_ids
        )
        for route in routes
    }


def compared(before: Sequences, after: Sequences) -> Comparison:
    """What changed from ``before`` to ``after``; what was delivered meanwhile counts as removed."""
    was, now = _vans(before), _vans(after)
    moved = {
        order: RouteChange(order_id=order, from_vehicle=was[order], to_vehicle=now[order])
        for order in was.keys() & now.keys()
        if was[order] != now[order]
    }
    for van in before.keys() & after.keys():
        for order in out_of_order(_deliveries(before[van]), _deliveries(after[van])):
            moved[order] = RouteChange(order_id=order, from_vehicle=van, to_vehicle=van)
    return Comparison(
        added=tuple(sorted(now.keys() - was.keys())),
        removed=tuple(sorted(was.keys() - now.keys())),
        moved=tuple(moved[order] for order in sorted(moved)),
    )


def _deliveries(steps: Iterable[RouteStep]) -> list[str]:
    return [step.job for step in steps if step.kind == "delivery"]


def _vans(sequences: Sequences) -> dict[str, str]:
    return {order: van for van, steps in sequences.items() for order in _deliveries(steps)}
