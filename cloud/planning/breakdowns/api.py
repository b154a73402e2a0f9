"""Vans that cannot drive on, over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cloud.foundation.clock import to_rfc3339
from cloud.foundation.errors import NotAllowed
from cloud.foundation.given import Line
from cloud.foundation.identity import Caller, Gate
from cloud.planning.breakdowns.model import Breakdown
from cloud.planning.breakdowns.service import Breakdowns, Report

type Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
type Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


class BreakdownReport(BaseModel):
    """Where the van stands, both or none: then it is where it was seen last."""

    model_config = ConfigDict(extra="forbid")
    lat: Latitude | None = None
    lon: Longitude | None = None
    note: Line = ""

    @model_validator(mode="after")
    def _is_whole(self) -> "BreakdownReport":
        if (self.lat is None) != (self.lon is None):
            raise ValueError("lat and lon belong together; give both or none")
        return self


class BreakdownBody(BaseModel):
    """A van that stands; its parcels are fetched there by others until it goes out again."""

    vehicle_id: str
    lat: float
    lon: float
    note: str
    reported_by: str
    reported_at: str


class BreakdownList(BaseModel):
    """The vans that stand now."""

    items: list[BreakdownBody]


def _body(found: Breakdown) -> BreakdownBody:
    names = ("vehicle_id", "lat", "lon", "note", "reported_by")
    told = {name: getattr(found, name) for name in names}
    return BreakdownBody(**told, reported_at=to_rfc3339(found.reported_at))


def _report(body: BreakdownReport | None, caller: Caller) -> Report:
    told = body or BreakdownReport()
    return Report(lat=told.lat, lon=told.lon, note=told.note, by=caller.name)


def routes(breakdowns: Breakdowns, gate: Gate) -> APIRouter:
    """Report that a van stands, and that it goes out again."""
    router = APIRouter(tags=["planning"])
    driver = Annotated[Caller, Depends(gate.roles("driver"))]
    dispatcher = Annotated[Caller, Depends(gate.roles("dispatcher"))]
    reader = Annotated[Caller, Depends(gate.roles("dispatcher", "viewer", "integrator"))]

    @router.get("/breakdowns")
    def standing(caller: reader) -> BreakdownList:
        """The vans that cannot drive on."""
        found = breakdowns.standing(caller.tenant, caller.reach)
        return BreakdownList(items=[_body(one) for one in found])

    @router.put("/vehicles/{vehicle_id}/breakdown")
    def report(
        vehicle_id: str, caller: dispatcher, body: BreakdownReport | None = None
    ) -> BreakdownBody:
        """The van cannot drive on: others fetch its parcels where it stands; the plan follows."""
        return _body(breakdowns.report(caller.tenant, vehicle_id, _report(body, caller)))

    @router.delete("/vehicles/{vehicle_id}/breakdown", status_code=204)
    def end(vehicle_id: str, caller: dispatcher) -> None:
        """The van goes out again; the plan follows."""
        breakdowns.end(caller.tenant, vehicle_id)

    @router.put("/drivers/me/breakdown")
    def report_own(caller: driver, body: BreakdownReport | None = None) -> BreakdownBody:
        """My van cannot drive on."""
        if caller.driver_id is None:
            raise NotAllowed(
                "only a driver's own token may do this; POST /api/v1/drivers makes one"
            )
        told = _report(body, caller)
        return _body(breakdowns.report_own(caller.tenant, caller.driver_id, told))

    return router
