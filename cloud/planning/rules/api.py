"""Pins, bans, locked routes and sequences over HTTP."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict

from cloud.foundation.clock import to_rfc3339
from cloud.foundation.given import FilledLine, Line, ServiceDate
from cloud.foundation.identity import Caller, Gate
from cloud.foundation.identity.reach import require_depot_wide
from cloud.planning.rules.model import RuleKind
from cloud.planning.rules.service import DayRules, NewRule, Standing


class NewRuleBody(BaseModel):
    """A wish for a day's plan; it holds through every re-plan until it is lifted.

    ``pin``: this van alone serves the order. ``ban``: this van does not serve it. ``lock``: the
    van's route stays as it is planned, in its sequence, and gets nothing more. ``sequence``: it
    stays so, but more may come between.
    """

    model_config = ConfigDict(extra="forbid")
    kind: RuleKind
    vehicle_id: FilledLine
    order_id: FilledLine | None = None
    note: Line = ""


class RuleBody(BaseModel):
    """A rule in force; ``obstacle`` says why it cannot be followed now, and what to do."""

    id: str
    depot_id: str
    service_date: date
    kind: RuleKind
    vehicle_id: str
    order_id: str | None
    note: str
    made_by: str
    made_at: str
    obstacle: str | None


class Rules(BaseModel):
    """The rules of a day, the first made first."""

    items: list[RuleBody]


def _body(standing: Standing) -> RuleBody:
    rule = standing.rule
    names = (
        "id", "depot_id", "service_date", "kind", "vehicle_id", "order_id", "note", "made_by",
    )  # fmt: skip
    return RuleBody(
        **{name: getattr(rule, name) for name in names},
        made_at=to_rfc3339(rule.made_at),
        obstacle=standing.obstacle,
    )


def routes(rules: DayRules, gate: Gate) -> APIRouter:
    """Lay down, list and lift a dispatcher's rules for a day."""
    router = APIRouter(tags=["planning"])
    dispatcher = Annotated[Caller, Depends(gate.roles("dispatcher"))]
    reader = Annotated[Caller, Depends(gate.roles("dispatcher", "viewer", "integrator"))]

    @router.get("/depots/{depot_id}/plans/{service_date}/rules")
    def listed(depot_id: str, service_date: ServiceDate, caller: reader) -> Rules:
        """What dispatchers have laid down for a day, and whether it can be followed."""
        require_depot_wide(caller.reach)
        found = rules.rules(caller.tenant, depot_id, service_date)
        return Rules(items=[_body(one) for one in found])

    @router.post("/depots/{depot_id}/plans/{service_date}/rules", status_code=201)
    def lay_down(
        depot_id: str,
        service_date: ServiceDate,
        body: NewRuleBody,
        caller: dispatcher,
        response: Response,
    ) -> RuleBody:
        """Pin an order to a van, ban it from one, keep a route as it is; the plan follows."""
        require_depot_wide(caller.reach)
        new = NewRule(**body.model_dump())
        made = rules.lay_down(caller.tenant, depot_id, service_date, new, caller.name)
        response.headers["Location"] = (
            f"/api/v1/depots/{depot_id}/plans/{service_date}/rules/{made.rule.id}"
        )
        return _body(made)

    @router.delete("/depots/{depot_id}/plans/{service_date}/rules/{rule_id}", status_code=204)
    def lift(depot_id: str, service_date: ServiceDate, rule_id: str, caller: dispatcher) -> None:
        """End a rule; the plan follows."""
        require_depot_wide(caller.reach)
        rules.lift(caller.tenant, depot_id, service_date, rule_id, caller.name)

    return router
