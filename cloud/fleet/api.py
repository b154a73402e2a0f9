"""Shifts, who drives what, and which box is where, over HTTP."""

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from cloud.fleet.assignments import Assignment, AssignmentKind
from cloud.fleet.handover import Handover
from cloud.fleet.model import Shift, ShiftState, ShiftWarning
from cloud.fleet.roster import Roster
from cloud.fleet.shift_bodies import (
    DrivingBody,
    EnteredShiftBody,
    FittingBody,
    NewAssignment,
    NewDriving,
    NewFitting,
    NewShiftBody,
    ShiftBody,
    ShiftChangeBody,
    ShiftWarningBody,
    instants,
)
from cloud.fleet.shifts import NewShift, ShiftChange
from cloud.foundation.clock import to_rfc3339
from cloud.foundation.errors import Invalid
from cloud.foundation.given import Instant, ServiceDate
from cloud.foundation.identity import READERS, Caller, Gate, Reach

_LONGEST_SPAN_S = 400 * 86_400.0
"""Of history that is asked for at once."""

type Warns = Callable[[Shift, Reach], Sequence[ShiftWarning]]
"""Gives what speaks against a shift."""
type Id = Annotated[str | None, Query(max_length=64)]


class ShiftPage(BaseModel):
    """Some shifts by service date and id, and the cursor of the next page."""

    items: list[ShiftBody]
    next_cursor: str | None


class Drivings(BaseModel):
    """Who drove which van, the earliest first."""

    items: list[DrivingBody]


class Fittings(BaseModel):
    """Which box was in which van, the earliest first."""

    items: list[FittingBody]


class DrivingChange(BaseModel):
    """Who drives now, and what was cut for it, as it was before."""

    driving: DrivingBody | None
    cut: list[DrivingBody]


class FittingChange(BaseModel):
    """Which box is there now, and what was cut for it, as it was before."""

    fitting: FittingBody | None
    cut: list[FittingBody]


def _shift(made: Shift) -> ShiftBody:
    return ShiftBody(
        id=made.id,
        vehicle_id=made.vehicle_id,
        driver_id=made.driver_id,
        depot_id=made.depot_id,
        service_date=made.service_date,
        starts_at=to_rfc3339(made.starts_at),
        ends_at=to_rfc3339(made.ends_at),
        crew_id=made.crew_id,
        helper_ids=list(made.helper_ids),
        breaks=instants(made.breaks),
        state=made.state,
        version=made.version,
    )


def _common(one: Assignment) -> dict[str, str | None]:
    return {
        "id": one.id,
        "vehicle_id": one.vehicle_id,
        "begin": to_rfc3339(one.begin),
        "until": None if one.end is None else to_rfc3339(one.end),
    }


def _driving(one: Assignment) -> DrivingBody:
    told = _common(one) | {"driver_id": one.holder_id, "shift_id": one.shift_id}
    return DrivingBody.model_validate(told)


def _fitting(one: Assignment) -> FittingBody:
    return FittingBody.model_validate(_common(one) | {"gateway_id": one.holder_id})


def _seconds(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()


class _Asked:
    """Which assignments are asked for, as the query says it."""

    def __init__(
        self,
        vehicle_id: Id = None,
        at: Instant | None = None,
        begin: Annotated[Instant | None, Query(alias="from")] = None,
        until: Instant | None = None,
    ) -> None:
        """``at`` an instant, or ``from`` one ``until`` another; at most 400 days."""
        self.vehicle_id = vehicle_id
        if (at is None) == (begin is None or until is None):
            raise Invalid.field(
                "at", "the time is not clear", "give at, or both from and until, RFC 3339"
            )
        if at is not None:
            self.begin = at.timestamp()
            self.end = math.nextafter(self.begin, math.inf)
            return
        assert begin is not None and until is not None  # noqa: S101, PT018 - asked above
        self.begin, self.end = begin.timestamp(), until.timestamp()
        if not 0 < self.end - self.begin <= _LONGEST_SPAN_S:
            raise Invalid.field(
                "until", "is not after from, or more than 400 days", "ask for less at once"
            )


def routes(roster: Roster, handover: Handover, gate: Gate, warns: Warns) -> APIRouter:
    """Shifts, and who or which box is with which van."""
    router = APIRouter(tags=["fleet"])
    dispatcher = Annotated[Caller, Depends(gate.roles("dispatcher"))]
    reader = Annotated[Caller, Depends(gate.roles(*READERS))]

    def entered(made: Shift, reach: Reach) -> EnteredShiftBody:
        warnings = [
            ShiftWarningBody.model_validate(one, from_attributes=True) for one in warns(made, reach)
        ]
        return EnteredShiftBody(**_shift(made).model_dump(), warnings=warnings)

    @router.post("/shifts", status_code=201)
    def add_shift(body: NewShiftBody, caller: dispatcher) -> EnteredShiftBody:
        """Send a driver with a van out on a service date."""
        return entered(roster.add_shift(caller.tenant, new_shift(body), caller.reach), caller.reach)

    @router.get("/shifts")
    def shifts(
        caller: reader,
        depot_id: Id = None,
        service_date: ServiceDate | None = None,
        vehicle_id: Id = None,
        driver_id: Id = None,
        state: ShiftState | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
        cursor: Annotated[str, Query(max_length=80)] = "",
    ) -> ShiftPage:
        """Shifts by service date, a page at a time; ``driver_id`` is who is planned to drive."""
        given = {
            "depot_id": depot_id,
            "service_date": None if service_date is None else service_date.isoformat(),
            "vehicle_id": vehicle_id,
            "driver_id": driver_id,
            "state": state,
        }
        equal = {name: value for name, value in given.items() if value is not None}
        found, following = roster.page_of_shifts(
            caller.tenant, equal=equal, cursor=cursor, limit=limit, reach=caller.reach
        )
        return ShiftPage(items=[_shift(one) for one in found], next_cursor=following)

    @router.get("/shifts/{shift_id}")
    def shift(shift_id: str, caller: reader) -> EnteredShiftBody:
        """One shift, and what speaks against it."""
        return entered(roster.shift(caller.tenant, shift_id), caller.reach)

    @router.patch("/shifts/{shift_id}")
    def change_shift(shift_id: str, body: ShiftChangeBody, caller: dispatcher) -> EnteredShiftBody:
        """Change times or people; the shift keeps its id, and its route."""
        change = ShiftChange(**_tuples(body.model_dump(exclude={"version"})))
        return entered(
            roster.change_shift(caller.tenant, shift_id, body.version, change, caller.reach),
            caller.reach,
        )

    @router.post("/shifts/{shift_id}/cancel")
    def cancel_shift(shift_id: str, caller: dispatcher) -> ShiftBody:
        """The van does not go out, or not on; its orders are planned on others."""
        return _shift(roster.cancel_shift(caller.tenant, shift_id))

    def changed(
        caller: Caller,
        kind: AssignmentKind,
        vehicle_id: str,
        holder_id: str | None,
        body: NewAssignment,
    ) -> tuple[Assignment | None, list[Assignment]]:
        return handover.assign(
            caller.tenant,
            kind,
            vehicle_id,
            holder_id,
            _seconds(body.begin),
            _seconds(body.until),
            caller.reach,
        )

    @router.put("/vehicles/{vehicle_id}/driver")
    def assign_driver(vehicle_id: str, body: NewDriving, caller: dispatcher) -> DrivingChange:
        """Who drives the van from now or an instant on; shift and route stay as they are."""
        made, cut = changed(caller, "driver", vehicle_id, body.driver_id, body)
        return DrivingChange(
            driving=None if made is None else _driving(made), cut=[_driving(one) for one in cut]
        )

    @router.get("/assignments/drivers")
    def drivings(
        caller: reader, asked: Annotated[_Asked, Depends()], driver_id: Id = None
    ) -> Drivings:
        """Who drove which van at an instant, or between two."""
        found = handover.assignments(
            caller.tenant,
            "driver",
            asked.begin,
            asked.end,
            vehicle_id=asked.vehicle_id,
            holder_id=driver_id,
            reach=caller.reach,
        )
        return Drivings(items=[_driving(one) for one in found])

    @router.put("/vehicles/{vehicle_id}/box")
    def assign_gateway(vehicle_id: str, body: NewFitting, caller: dispatcher) -> FittingChange:
        """Which box is in the van from now or an instant on.

        A box that is with its van no more does not speak for it: credentials that were made for
        it end, and POST /vehicles/{id}/gateway makes new ones.
        """
        made, cut = changed(caller, "gateway", vehicle_id, body.gateway_id, body)
        return FittingChange(
            fitting=None if made is None else _fitting(made), cut=[_fitting(one) for one in cut]
        )

    @router.get("/assignments/gateways")
    def fittings(
        caller: reader, asked: Annotated[_Asked, Depends()], gateway_id: Id = None
    ) -> Fittings:
        """Which box was in which van at an instant, or between two."""
        found = handover.assignments(
            caller.tenant,
            "gateway",
            asked.begin,
            asked.end,
            vehicle_id=asked.vehicle_id,
            holder_id=gateway_id,
            reach=caller.reach,
        )
        return Fittings(items=[_fitting(one) for one in found])

    return router


def new_shift(body: NewShiftBody) -> NewShift:
    """A shift that a body asks for."""
    return NewShift(**_tuples(body.model_dump()))


def _tuples(given: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(one) if isinstance(one, list) else one for name, one in given.items()}
