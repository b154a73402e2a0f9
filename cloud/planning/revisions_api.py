"""What a dispatcher does with revisions and proposals, and the tenant's policy, over HTTP."""

from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from cloud.foundation.clock import to_rfc3339
from cloud.foundation.errors import NotFound
from cloud.foundation.given import Name, ServiceDate
from cloud.foundation.identity import Caller, Gate
from cloud.foundation.identity.reach import require_depot_wide
from cloud.planning.deciding import Decisions
from cloud.planning.jobs import Job
from cloud.planning.loop import PlanningLoop
from cloud.planning.plan_bodies import (
    CostBody,
    DiffBody,
    JobAccepted,
    MovedBody,
    PricesBody,
    diff_body,
    prices_body,
)
from cloud.planning.policy import TenantPolicy
from cloud.planning.proposals import Proposal
from cloud.planning.working import RULE_SETS, RuleSetName

type Price = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
type Limit = Annotated[int, Field(ge=60, le=172_800)]
type Length = Annotated[int, Field(ge=0, le=86_400)]
type Number = Annotated[int, Field(ge=1, le=1_000_000)]


class WorkRulesBody(BaseModel):
    """What a day may ask of a driver, in seconds; null is not limited.

    ``work_s`` without a break of ``break_s``; ``drive_s`` without one of ``drive_break_s``; more
    work than ``long_s`` asks for breaks of ``long_break_s`` in all. What is shorter than
    ``least_s`` is no break. ``day_s`` and ``day_drive_s``: longest work and driving of a day.
    ``rest_s`` lies between the work of two service dates, or ``short_rest_s`` up to ``short_rests``
    times between two weekly rests; within 24 hours of a day's begin with ``is_rest_daily``.
    ``week_rest_s`` begins within six times 24 hours of the first work after the one before.
    ``week_s``: longest work from Monday to Sunday.
    """

    model_config = ConfigDict(extra="forbid", from_attributes=True)
    work_s: Limit | None = None
    break_s: Length = 1_800
    drive_s: Limit | None = None
    drive_break_s: Length = 2_700
    long_s: Limit | None = None
    long_break_s: Length = 2_700
    least_s: Length = 900
    day_s: Limit | None = None
    day_drive_s: Limit | None = None
    rest_s: Limit | None = None
    short_rest_s: Limit | None = None
    short_rests: Annotated[int, Field(ge=0, le=7)] = 0
    is_rest_daily: bool = False
    week_rest_s: Limit | None = None
    week_s: Annotated[int, Field(ge=60, le=604_800)] | None = None


class RuleSetBody(BaseModel):
    """A country's rules and the text they come from."""

    name: RuleSetName
    title: str
    source: str
    rules: WorkRulesBody


class RuleSets(BaseModel):
    """The rules that come along."""

    items: list[RuleSetBody]


_UNSET: Final = TenantPolicy()
"""What holds where nobody has said anything."""


class PolicyBody(BaseModel):
    """Prices in seconds of driving, and which re-plans are proposed and not published.

    ``km`` beside its time; ``hour`` of a van that is out, beside the driving; ``vehicle`` one more
    van; ``late_s`` a second after a promise; ``late_soft_s`` a second after a soft window;
    ``unserved`` and ``unserved_urgent`` an order left out; ``wait`` leaving out what may wait, on
    its last day but one, and the less the more days are left; ``changed_vehicle`` and
    ``changed_sequence`` an order that gets another van, or another place in its round;
    ``outside_zone`` a delivery outside the zones of its driver or van; ``unfamiliar`` one at a
    door that another driver knows well and its own does not; ``slack_s`` seconds kept at each door
    beside its service; ``margin_share`` of what one van in ten comes later than forecast is kept
    before windows end, where that can be done, and lateness to be feared with less costs a
    re-plan ``late_s`` a second. ``work_rules`` is a set of
    ``GET /planning/work-rules``, or own numbers; ``work_rules_of_depots`` is that of some depots.
    Doors within ``halt_within_m`` of where a van parks may be served on foot from one halt
    (0: none), which parks once: of each service ``parking_s`` is parking.
    """

    model_config = ConfigDict(extra="forbid")
    km: Price = _UNSET.km
    hour: Price = _UNSET.hour
    vehicle: Price = _UNSET.vehicle
    late_s: Price = _UNSET.late_s
    late_soft_s: Price = _UNSET.late_soft_s
    unserved: Price = _UNSET.unserved
    unserved_urgent: Price = _UNSET.unserved_urgent
    wait: Price = _UNSET.wait
    changed_vehicle: Price = _UNSET.changed_vehicle
    changed_sequence: Price = _UNSET.changed_sequence
    outside_zone: Price = _UNSET.outside_zone
    unfamiliar: Price = _UNSET.unfamiliar
    slack_s: Annotated[int, Field(ge=0, le=3_600)] = _UNSET.slack_s
    margin_share: Annotated[float, Field(ge=0, le=3, allow_inf_nan=False)] = _UNSET.margin_share
    ask_above_moved: Annotated[int, Field(ge=0, le=100_000)] | None = _UNSET.ask_above_moved
    ask_before_moving_a_promise: bool = _UNSET.ask_before_moving_a_promise
    work_rules: RuleSetName | WorkRulesBody = "none"
    work_rules_of_depots: Annotated[
        dict[Name, RuleSetName | WorkRulesBody], Field(max_length=500)
    ] = {}
    halt_within_m: Annotated[float, Field(ge=0, le=300, allow_inf_nan=False)] = _UNSET.halt_within_m
    parking_s: Annotated[int, Field(ge=0, le=3_600)] = _UNSET.parking_s


class UndoBody(BaseModel):
    """Which revision is taken back, the current one, and to which earlier one; else the last."""

    model_config = ConfigDict(extra="forbid")
    revision: Number
    to: Number | None = None


class ProposalBody(BaseModel):
    """A re-plan that waits for a dispatcher; ``base`` is the revision it was made on.

    ``gain`` is what it saves against driving on as planned, in seconds of driving.
    """

    id: str
    base: int
    trigger: str
    reason: str
    asks_because: str
    state: Literal["open", "accepted", "rejected", "outdated"]
    created_at: str
    decided_by: str | None
    cost: CostBody
    diff: DiffBody
    prices: PricesBody | None
    gain: float


class Proposals(BaseModel):
    """The newest proposals of a day, the newest first."""

    items: list[ProposalBody]


class VisitBody(BaseModel):
    """One thing a van does for an order."""

    order_id: str
    kind: Literal["pickup", "delivery"]


class SequenceBody(BaseModel):
    """What a van would still have to visit, in its order."""

    vehicle_id: str
    visits: list[VisitBody]


class Sequences(BaseModel):
    """What each van would visit."""

    items: list[SequenceBody]


class ComparisonBody(BaseModel):
    """How a revision differs from another, by orders; what was delivered meanwhile is removed."""

    added: list[str]
    removed: list[str]
    moved: list[MovedBody]


def _body(proposal: Proposal) -> ProposalBody:
    names = ("id", "base", "trigger", "reason", "asks_because", "state", "decided_by")
    told: dict[str, Any] = {name: getattr(proposal, name) for name in names}
    return ProposalBody(
        **told,
        created_at=to_rfc3339(proposal.created_at),
        cost=CostBody.model_validate(proposal.cost, from_attributes=True),
        diff=diff_body(proposal.diff),
        prices=prices_body(proposal.prices),
        gain=round(proposal.gain, 1),
    )


def routes(decisions: Decisions, loop: PlanningLoop, gate: Gate) -> APIRouter:
    """Undo, compare, accept and reject; read and set the policy."""
    router = APIRouter(tags=["planning"])
    admin = Annotated[Caller, Depends(gate.roles("admin"))]
    dispatcher = Annotated[Caller, Depends(gate.roles("dispatcher"))]
    reader = Annotated[Caller, Depends(gate.roles("dispatcher", "viewer", "integrator"))]

    def accepted(job: Job, response: Response) -> JobAccepted:
        loop.wake()
        response.headers["Location"] = f"/api/v1/jobs/{job.id}"
        return JobAccepted(job_id=job.id)

    @router.get("/planning/policy")
    def policy(caller: reader) -> PolicyBody:
        """What driving, lateness and change cost, and which re-plans are proposed."""
        return PolicyBody.model_validate(decisions.policy(caller.tenant), from_attributes=True)

    @router.get("/planning/work-rules")
    def work_rules(_: reader) -> RuleSets:
        """The rules for breaks and working time that a policy may name, with their sources."""
        return RuleSets(
            items=[
                RuleSetBody(
                    name=one.name,
                    title=one.title,
                    source=one.source,
                    rules=WorkRulesBody.model_validate(one.rules),
                )
                for one in RULE_SETS.values()
            ]
        )

    @router.put("/planning/policy")
    def set_policy(body: PolicyBody, caller: admin) -> PolicyBody:
        """Set them; from the next re-plan on."""
        decisions.set_policy(caller.tenant, msgspec.convert(body.model_dump(), TenantPolicy))
        return body

    @router.get("/depots/{depot_id}/plans/{service_date}/comparison")
    def compare(
        depot_id: str,
        service_date: ServiceDate,
        caller: reader,
        one: Annotated[Number | None, Query(alias="from")] = None,
        other: Annotated[Number | None, Query(alias="to")] = None,
    ) -> ComparisonBody:
        """How revision ``to``, else the plan now, differs from ``from``, else the one before."""
        require_depot_wide(caller.reach)
        found = decisions.compare(caller.tenant, depot_id, service_date, one, other)
        return ComparisonBody(
            added=list(found.added),
            removed=list(found.removed),
            moved=[MovedBody.model_validate(each, from_attributes=True) for each in found.moved],
        )

    @router.post("/depots/{depot_id}/plans/{service_date}/undo", status_code=202)
    def undo(
        depot_id: str,
        service_date: ServiceDate,
        body: UndoBody,
        caller: dispatcher,
        response: Response,
    ) -> JobAccepted:
        """Take the plan back: what is still open is driven as it was; follow the job."""
        require_depot_wide(caller.reach)
        to = body.revision - 1 if body.to is None else body.to
        job = decisions.undo(caller.tenant, depot_id, service_date, body.revision, to, caller.name)
        return accepted(job, response)

    @router.get("/depots/{depot_id}/plans/{service_date}/proposals")
    def proposals(depot_id: str, service_date: ServiceDate, caller: reader) -> Proposals:
        """Re-plans that wait, or waited, for a dispatcher."""
        require_depot_wide(caller.reach)
        found = decisions.proposals(caller.tenant, depot_id, service_date)
        return Proposals(items=[_body(one) for one in found])

    path = "/depots/{depot_id}/plans/{service_date}/proposals/{proposal_id}"

    @router.get(f"{path}/sequences")
    def sequences(
        depot_id: str, service_date: ServiceDate, proposal_id: str, caller: reader
    ) -> Sequences:
        """What each van would visit, to look at a proposal before saying yes or no."""
        require_depot_wide(caller.reach)
        known = decisions.proposals(caller.tenant, depot_id, service_date)
        found = next((one for one in known if one.id == proposal_id), None)
        if found is None:
            raise NotFound(f"proposal {proposal_id!r} is not known for {service_date}")
        return Sequences(
            items=[
                SequenceBody(
                    vehicle_id=van,
                    visits=[VisitBody(order_id=step.job, kind=step.kind) for step in steps],
                )
                for van, steps in found.sequences.items()
            ]
        )

    @router.post(f"{path}/accept", status_code=202)
    def accept(
        depot_id: str,
        service_date: ServiceDate,
        proposal_id: str,
        caller: dispatcher,
        response: Response,
    ) -> JobAccepted:
        """Publish a proposal; follow the job."""
        require_depot_wide(caller.reach)
        job = decisions.accept(caller.tenant, depot_id, service_date, proposal_id, caller.name)
        return accepted(job, response)

    @router.post(f"{path}/reject", status_code=204)
    def reject(
        depot_id: str, service_date: ServiceDate, proposal_id: str, caller: dispatcher
    ) -> None:
        """Leave the plan in force as it is."""
        require_depot_wide(caller.reach)
        decisions.reject(caller.tenant, depot_id, service_date, proposal_id, caller.name)

    return router
