"""What drivers may still work on a day, over HTTP."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from cloud.foundation.clock import to_rfc3339
from cloud.foundation.given import ServiceDate
from cloud.foundation.identity import Caller, Gate
from cloud.foundation.identity.reach import require_depot_wide
from cloud.planning.working_time import Working, WorkingTime


class StrainBody(BaseModel):
    """A rule that takes something of a shift; ``found_s`` of rest or work is what was entered."""

    rule: Literal["daily_rest", "rest_in_24_hours", "weekly_rest", "six_days", "week"]
    needed_s: int
    found_s: int
    text: str


class WorkingBody(BaseModel):
    """A shift, and what rest and work of other days leave of it.

    It is planned no earlier than ``begins_at``, no later than ``ends_by``, and for ``work_s`` of
    work at the most; null is not limited.
    """

    shift_id: str
    vehicle_id: str
    driver_id: str
    driver: str
    service_date: date
    starts_at: str
    ends_at: str
    begins_at: str
    ends_by: str
    work_s: int | None
    warnings: list[StrainBody]


class WorkingTimes(BaseModel):
    """The shifts of a day, by van."""

    items: list[WorkingBody]


def _body(one: Working) -> WorkingBody:
    shift, left = one.shift, one.left
    told = zip(left.strains, one.warnings, strict=True)
    return WorkingBody(
        shift_id=shift.id,
        vehicle_id=shift.vehicle_id,
        driver_id=shift.driver_id,
        driver=one.driver,
        service_date=shift.service_date,
        starts_at=to_rfc3339(shift.starts_at),
        ends_at=to_rfc3339(shift.ends_at),
        begins_at=to_rfc3339(left.begins_at),
        ends_by=to_rfc3339(left.ends_at),
        work_s=left.work_s,
        warnings=[
            StrainBody(
                rule=strain.rule,
                needed_s=strain.needed_s,
                found_s=strain.found_s,
                text=warning.text,
            )
            for strain, warning in told
        ],
    )


def routes(working: WorkingTime, gate: Gate) -> APIRouter:
    """What rest and work of other days leave of the shifts of a day."""
    router = APIRouter(tags=["planning"])
    reader = Annotated[Caller, Depends(gate.roles("dispatcher", "viewer", "integrator"))]

    @router.get("/depots/{depot_id}/plans/{service_date}/working-time")
    def listed(depot_id: str, service_date: ServiceDate, caller: reader) -> WorkingTimes:
        """The shifts of a day, what is left of each, and what takes the rest."""
        require_depot_wide(caller.reach)
        found = working.of_day(caller.tenant, depot_id, service_date)
        return WorkingTimes(items=[_body(one) for one in found])

    return router
