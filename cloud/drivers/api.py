"""The driver's app over HTTP; a driver's token sees only the driver's own route."""

from datetime import UTC
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from cloud.drivers.ordering import StopOrder
from cloud.drivers.service import DriverWork, Outcome, Report
from cloud.foundation.clock import to_rfc3339
from cloud.foundation.errors import NotAllowed
from cloud.foundation.given import FilledLine, Instant, Line
from cloud.foundation.identity import Caller, Gate
from cloud.orders.api import ParcelBody
from cloud.planning.day_plan import Route, Stop
from cloud.planning.plan_bodies import (
    DiffBody,
    RouteBody,
    StopBody,
    diff_body,
    route_body,
    stop_body,
)
from cloud.planning.revision import Revision
from cloud.planning.service import Planning


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ArrivalBody(_Body):
    """When the van arrived, by the driver's telephone; now when it is left out."""

    at: Instant | None = None


class OutcomeBody(ArrivalBody):
    """What came of a stop, for all its orders or for one."""

    outcome: Outcome
    reason: Line | None = None
    order_id: Line | None = None


type Seen = Annotated[int, Field(ge=1, le=1_000_000)]


class StopOrderBody(_Body):
    """The open stops of the driver's route in the order wanted; ``revision`` of the route seen."""

    revision: Seen
    stop_ids: Annotated[list[FilledLine], Field(min_length=1, max_length=2_000)]


class NextStopBody(_Body):
    """Which revision of the route the driver has seen."""

    revision: Seen


class RouteChangeBody(BaseModel):
    """Why the driver's route is what it is; ``diff`` is of this route alone, by orders.

    What came from another van is ``added``, what went to one ``removed``. Promises that the route
    does not keep stand in ``diff.sacrificed``.
    """

    revision: int
    trigger: str
    reason: str
    created_at: str
    diff: DiffBody


def _change_body(revision: Revision) -> RouteChangeBody:
    return RouteChangeBody(
        revision=revision.number,
        trigger=revision.trigger,
        reason=revision.reason,
        created_at=to_rfc3339(revision.created_at),
        diff=diff_body(revision.diff),
    )


def _driver_id(caller: Caller) -> str:
    if caller.driver_id is None:
        raise NotAllowed("only a driver's own token may do this; POST /api/v1/drivers makes one")
    return caller.driver_id


def _instant(body: ArrivalBody | None) -> float | None:
    if body is None or body.at is None:
        return None
    return body.at.astimezone(UTC).timestamp()


def routes(work: DriverWork, order: StopOrder, planning: Planning, gate: Gate) -> APIRouter:
    """The route to drive and its order, loading, arrivals and outcomes."""
    router = APIRouter(tags=["drivers"])
    driver = Annotated[Caller, Depends(gate.roles("driver"))]

    def body_of(caller: Caller, stop: Stop) -> StopBody:
        route = planning.route(caller.tenant, stop.route_id)
        orders = planning.orders_of_day(caller.tenant, route.depot_id, route.service_date)
        return stop_body(stop, orders)

    def whole(caller: Caller, route: Route) -> RouteBody:
        orders = planning.orders_of_day(caller.tenant, route.depot_id, route.service_date)
        return route_body(route, orders)

    @router.get("/drivers/me/route")
    def my_route(caller: driver) -> RouteBody:
        """The route of my shift that is on, or of the next one."""
        return whole(caller, work.route(caller.tenant, _driver_id(caller)))

    @router.get("/drivers/me/route/change")
    def last_change(caller: driver) -> RouteChangeBody:
        """The revision that made my route what it is: why, and what it costs."""
        return _change_body(order.last_change(caller.tenant, _driver_id(caller)))

    @router.put("/drivers/me/route/order", status_code=202)
    def choose(body: StopOrderBody, caller: driver) -> RouteBody:
        """Visit my open stops in this order; times follow with the next revision.

        It holds until it is let go. What it costs is told by `GET /drivers/me/route/change`.
        """
        mine = _driver_id(caller)
        return whole(caller, order.choose(caller.tenant, mine, body.revision, body.stop_ids))

    @router.delete("/drivers/me/route/order", status_code=204)
    def release(caller: driver) -> None:
        """Leave the order of my stops to the plan again."""
        order.release(caller.tenant, _driver_id(caller))

    @router.post("/stops/{stop_id}/next", status_code=202)
    def choose_next(stop_id: str, body: NextStopBody, caller: driver) -> RouteBody:
        """Visit this stop next, the others as they stand; times follow with the next revision."""
        mine = _driver_id(caller)
        return whole(caller, order.choose_next(caller.tenant, mine, body.revision, stop_id))

    @router.post("/parcels/{parcel_id}/load")
    def load(parcel_id: str, caller: driver) -> ParcelBody:
        """Take a parcel aboard; again is no error."""
        parcel = work.load(caller.tenant, _driver_id(caller), parcel_id)
        return ParcelBody.model_validate(parcel, from_attributes=True)

    @router.post("/stops/{stop_id}/arrive")
    def arrive(stop_id: str, caller: driver, body: ArrivalBody | None = None) -> StopBody:
        """The van stands at a stop; again is no error."""
        stop = work.arrive(caller.tenant, _driver_id(caller), stop_id, _instant(body))
        return body_of(caller, stop)

    @router.post("/stops/{stop_id}/outcome")
    def outcome(stop_id: str, body: OutcomeBody, caller: driver) -> StopBody:
        """What came of a stop; the same again is no error, another one is a conflict."""
        report = Report(outcome=body.outcome, reason=body.reason, order_id=body.order_id)
        stop = work.report(caller.tenant, _driver_id(caller), stop_id, report, _instant(body))
        return body_of(caller, stop)

    return router
