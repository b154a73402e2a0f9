"""The driver's app over HTTP; a driver's token sees only the driver's own route."""

from datetime import UTC
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from cloud.drivers.service import DriverWork, Outcome, Report
from cloud.foundation.errors import NotAllowed
from cloud.foundation.given import Instant, Line
from cloud.foundation.identity import Caller, Gate
from cloud.orders.api import ParcelBody
from cloud.planning.api import RouteBody, StopBody, route_body, stop_body
from cloud.planning.day import Stop
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


def _driver_id(caller: Caller) -> str:
    if caller.driver_id is None:
        raise NotAllowed("only a driver's own token may do this; POST /api/v1/drivers makes one")
    return caller.driver_id


def _instant(body: ArrivalBody | None) -> float | None:
    if body is None or body.at is None:
        return None
    return body.at.astimezone(UTC).timestamp()


def routes(work: DriverWork, planning: Planning, gate: Gate) -> APIRouter:
    """The route to drive, loading, arrivals and outcomes."""
    router = APIRouter(tags=["drivers"])
    driver = Annotated[Caller, Depends(gate.roles("driver"))]

    def body_of(caller: Caller, stop: Stop) -> StopBody:
        route = planning.route(caller.tenant, stop.route_id)
        orders = planning.orders_of_day(caller.tenant, route.depot_id, route.service_date)
        return stop_body(stop, orders)

    @router.get("/drivers/me/route")
    def my_route(caller: driver) -> RouteBody:
        """The route of my shift that is on, or of the next one."""
        route = work.route(caller.tenant, _driver_id(caller))
        orders = planning.orders_of_day(caller.tenant, route.depot_id, route.service_date)
        return route_body(route, orders)

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
