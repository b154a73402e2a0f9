"""Plans, routes and arrivals over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from cloud.foundation.clock import to_rfc3339
from cloud.foundation.given import ServiceDate
from cloud.foundation.identity import READERS, Caller, Gate
from cloud.foundation.identity.reach import require_depot_wide
from cloud.planning.arrivals import Forecasts
from cloud.planning.jobs import Job
from cloud.planning.loop import PlanningLoop
from cloud.planning.plan_bodies import (
    ArrivalsBody,
    CostBody,
    DayArrivalsBody,
    JobAccepted,
    JobBody,
    OptimizeBody,
    PlanBody,
    RevisionBody,
    Revisions,
    RouteBody,
    UnservedBody,
    arrivals_body,
    diff_body,
    prices_body,
    route_body,
)
from cloud.planning.service import Planning
from cloud.planning.solvers.choice import because_asked


def routes(planning: Planning, loop: PlanningLoop, forecasts: Forecasts, gate: Gate) -> APIRouter:
    """Plan a day, follow the job, look at plan, revisions and routes."""
    router = APIRouter(tags=["planning"])
    dispatcher = Annotated[Caller, Depends(gate.roles("dispatcher"))]
    reader = Annotated[Caller, Depends(gate.roles(*READERS))]

    @router.post("/depots/{depot_id}/plans/{service_date}/optimize", status_code=202)
    def optimize(
        depot_id: str,
        service_date: ServiceDate,
        caller: dispatcher,
        response: Response,
        body: OptimizeBody | None = None,
    ) -> JobAccepted:
        """Plan what is still open of a day; follow the job at its Location."""
        require_depot_wide(caller.reach)
        wanted = body or OptimizeBody()
        job = planning.ask(
            Job(
                tenant=caller.tenant,
                id=planning.new_job_id(),
                depot_id=depot_id,
                service_date=service_date,
                trigger="optimize",
                reason=f"asked for by {caller.name}",
                solver=wanted.solver,
                seconds=wanted.seconds,
                seed=wanted.seed,
            )
        )
        loop.wake()
        response.headers["Location"] = f"/api/v1/jobs/{job.id}"
        return JobAccepted(job_id=job.id)

    @router.get("/jobs/{job_id}")
    def job(job_id: str, caller: reader) -> JobBody:
        """How far a job is."""
        found = planning.job(caller.tenant, job_id)
        return JobBody(
            id=found.id,
            state=found.state,
            revision=found.revision,
            error=found.error,
            solver=found.solver,
            because=because_asked(found.solver),
        )

    @router.get("/depots/{depot_id}/plans/{service_date}")
    def plan(depot_id: str, service_date: ServiceDate, caller: reader) -> PlanBody:
        """A day's plan in its current revision."""
        found = planning.plan(caller.tenant, depot_id, service_date, caller.reach)
        orders = planning.orders_of_day(caller.tenant, depot_id, service_date)
        return PlanBody(
            depot_id=depot_id,
            service_date=service_date,
            revision=found.revision,
            routes=[route_body(route, orders) for route in found.routes],
            unserved=[
                UnservedBody.model_validate(left, from_attributes=True) for left in found.unserved
            ],
        )

    @router.get("/depots/{depot_id}/plans/{service_date}/revisions")
    def revisions(depot_id: str, service_date: ServiceDate, caller: reader) -> Revisions:
        """Every revision of a day's plan: why it came and what it changed."""
        require_depot_wide(caller.reach)
        return Revisions(
            items=[
                RevisionBody(
                    number=one.number,
                    trigger=one.trigger,
                    reason=one.reason,
                    solver=one.solver,
                    because=one.because,
                    created_at=to_rfc3339(one.created_at),
                    cost=CostBody.model_validate(one.cost, from_attributes=True),
                    diff=diff_body(one.diff),
                    prices=prices_body(one.prices),
                )
                for one in planning.revisions(caller.tenant, depot_id, service_date)
            ]
        )

    @router.get("/routes/{route_id}")
    def route(route_id: str, caller: reader) -> RouteBody:
        """One route."""
        found = planning.route(caller.tenant, route_id)
        orders = planning.orders_of_day(caller.tenant, found.depot_id, found.service_date)
        return route_body(found, orders)

    @router.get("/routes/{route_id}/arrivals")
    def arrivals(route_id: str, caller: reader) -> ArrivalsBody:
        """When the van of a route arrives at each stop it has not arrived at yet."""
        return arrivals_body(forecasts.of_route(caller.tenant, route_id))

    @router.get("/depots/{depot_id}/plans/{service_date}/arrivals")
    def day_arrivals(depot_id: str, service_date: ServiceDate, caller: reader) -> DayArrivalsBody:
        """When the vans of a day arrive at each stop they have not arrived at yet."""
        expected = forecasts.of_day(caller.tenant, depot_id, service_date, caller.reach)
        return DayArrivalsBody(routes=[arrivals_body(one) for one in expected])

    return router
