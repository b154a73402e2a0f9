"""The dispatcher's board: every van with where it is, who drives it and what it does."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from cloud.fleet.service import Fleet
from cloud.foundation.clock import Clock, to_rfc3339
from cloud.foundation.identity import READERS, Caller, Gate
from cloud.planning.service import Planning
from cloud.tracking.live import Live
from cloud.tracking.memory import LivePosition


class PositionBody(BaseModel):
    """A van's newest fix; ``age_s`` is its age now, by the clock of the business."""

    lat: float
    lon: float
    speed_mps: float | None
    course_deg: float | None
    fix_time: str
    received_at: str
    age_s: float


class BoardVehicle(BaseModel):
    """A van as it stands now: who drives it, the route of the shift that is on, what it can.

    A van without a gateway is one all the same; its position is null.
    """

    id: str
    name: str
    depot_id: str
    carrier_id: str
    capacity_parcels: int
    capacity_kg: float | None
    capacity_litres: float | None
    skills: list[str]
    is_active: bool
    driver_id: str | None
    route_id: str | None
    presence: Literal["online", "offline", "unknown"]
    position: PositionBody | None


class BoardPage(BaseModel):
    """Some vans by id, and the cursor of the next page when there are more."""

    items: list[BoardVehicle]
    next_cursor: str | None


def _position(found: LivePosition | None, now: float) -> PositionBody | None:
    if found is None:
        return None
    return PositionBody(
        lat=found.lat,
        lon=found.lon,
        speed_mps=found.speed_mps,
        course_deg=found.course_deg,
        fix_time=to_rfc3339(found.fix_time_s),
        received_at=to_rfc3339(found.received_at_s),
        age_s=round(max(0.0, now - found.fix_time_s), 1),
    )


def routes(fleet: Fleet, planning: Planning, live: Live, clock: Clock, gate: Gate) -> APIRouter:
    """Every van with its position."""
    router = APIRouter(tags=["fleet"])
    reader = Annotated[Caller, Depends(gate.roles(*READERS))]

    @router.get("/vehicles")
    def vehicles(
        caller: reader,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
        cursor: Annotated[str, Query(max_length=64)] = "",
    ) -> BoardPage:
        """Every van with its position, by id, a page at a time."""
        now = clock.now_s()
        vans = [van for van in fleet.vehicles(caller.tenant, caller.reach) if van.id > cursor]
        positions, presence = live.positions(caller.tenant), live.presence(caller.tenant)
        drivers = fleet.drivers_now(caller.tenant)
        driven = {route.vehicle_id: route.id for route in planning.routes_now(caller.tenant)}
        return BoardPage(
            items=[
                BoardVehicle(
                    id=van.id,
                    name=van.name,
                    depot_id=van.depot_id,
                    carrier_id=van.carrier_id,
                    capacity_parcels=van.capacity_parcels,
                    capacity_kg=van.capacity_kg,
                    capacity_litres=van.capacity_litres,
                    skills=list(van.skills),
                    is_active=van.is_active,
                    driver_id=drivers.get(van.id),
                    route_id=driven.get(van.id),
                    presence=presence.get(van.id, "unknown"),
                    position=_position(positions.get(van.id), now),
                )
                for van in vans[:limit]
            ],
            next_cursor=vans[limit - 1].id if len(vans) > limit else None,
        )

    return router
