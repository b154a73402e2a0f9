"""The dispatcher's board: every van with where it is, who drives it and what it does."""

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from cloud.fleet.handover import Handover
from cloud.fleet.roster import Roster
from cloud.fleet.service import Fleet
from cloud.foundation.clock import Clock, to_rfc3339
from cloud.foundation.fields import FieldsQuery, Selectable, chosen, selected
from cloud.foundation.identity import READERS, Caller, Gate
from cloud.planning.day_plan import Route
from cloud.planning.service import Planning
from cloud.roads.client import RoadsClient
from cloud.tracking.asked import require_van
from cloud.tracking.halts import Standing, standing
from cloud.tracking.live import Live
from cloud.tracking.memory import NOTHING, Known, LivePosition
from cloud.tracking.nearest import Candidate, soonest
from cloud.tracking.places import Area, area_of
from cloud.tracking.progress import Line, led_through, progress

_FRESH_S: Final = 600.0


class PositionBody(BaseModel):
    """A van's newest fix; ``age_s`` is its age now, by the clock of the business."""

    lat: float
    lon: float
    speed_mps: float | None
    course_deg: float | None
    fix_time: str
    received_at: str
    age_s: float


class BoardVehicle(Selectable):
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
    motion: Literal["moving", "idling", "parked", "offline", "no_fix"]
    is_silent: bool
    position: PositionBody | None


class HealthBody(BaseModel):
    """What the van's gateway last said of itself."""

    version: str
    receiver: Literal["ok", "no_fix", "silent", "unreadable", "lost"]
    spool: Literal["ok", "degraded"]
    spooled: int
    clock: Literal["none", "rtc", "ntp", "gnss"]
    is_on_duty: bool
    processor_celsius: float | None


class ProgressBody(BaseModel):
    """How far the van is on its path; metres along streets.

    At which stop it is, and since when, is the van's own word where it has told one.
    """

    route_id: str
    open_stops: int
    next_stop_id: str | None
    is_at_stop: bool
    current_stop_id: str | None
    arrived_at: str | None
    fraction: float | None
    left_m: int | None
    to_next_m: int | None
    off_m: int | None


class LiveBody(Selectable):
    """One van now. ``since`` is since when it moves or stands; parts that nobody told are null."""

    id: str
    presence: Literal["online", "offline", "unknown"]
    motion: Literal["moving", "idling", "parked", "offline", "no_fix"]
    since: str | None
    is_silent: bool
    is_ignited: bool | None
    is_on_trip: bool | None
    heard_at: str | None
    driver_id: str | None
    position: PositionBody | None
    health: HealthBody | None
    progress: ProgressBody | None


class NearVehicle(Selectable):
    """A free van, and how far it is; by the straight line when roads did not answer for it."""

    id: str
    lat: float
    lon: float
    seconds: int
    metres: int
    is_straight_line: bool
    open_stops: int


class NearPage(BaseModel):
    """Free vans, the soonest first."""

    items: list[NearVehicle]


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


def _health(known: Known) -> HealthBody | None:
    state = known.state
    if state is None:
        return None
    return HealthBody(
        version=state.version,
        receiver=state.receiver,
        spool=state.spool,
        spooled=state.spooled,
        clock=state.clock,
        is_on_duty=state.is_on_duty,
        processor_celsius=state.processor_celsius,
    )


@lru_cache(2_000)
def _line(geometry: tuple[tuple[float, float], ...]) -> Line:
    return Line([(lat, lon) for lon, lat in geometry])


def _standing(route: Route, known: Known) -> Standing:
    left = route.open_stops
    is_at_first = bool(left) and left[0].state != "open"
    return standing(known.halt, route.id, [one.id for one in left], is_at_first=is_at_first)


def _progress(route: Route | None, known: Known) -> ProgressBody | None:
    if route is None:
        return None
    left, now = route.open_stops, _standing(route, known)
    body = ProgressBody(
        route_id=route.id,
        open_stops=len(left),
        next_stop_id=left[now.passed].id if len(left) > now.passed else None,
        is_at_stop=now.stop is not None,
        current_stop_id=now.stop,
        arrived_at=None if now.since_ms is None else to_rfc3339(now.since_ms / 1000),
        fraction=None,
        left_m=None,
        to_next_m=None,
        off_m=None,
    )
    at = known.position
    if at is None or not route.geometry:
        return body
    line, places = _line(route.geometry), [(stop.lat, stop.lon) for stop in route.stops]
    through = led_through(line, places, len(places) - len(left))
    done = len(through) - len(left) + now.passed
    found = progress(line, through, done, (at.lat, at.lon))
    return body.model_copy(
        update={
            "fraction": round(found.fraction, 4),
            "left_m": round(found.left_m),
            "to_next_m": None if found.to_next_m is None else round(found.to_next_m),
            "off_m": round(found.off_m),
        }
    )


def _candidate(known: Known, route: Route | None, now: float) -> Candidate | None:
    """The van when it is free: heard of lately, and not at a stop just now."""
    at = known.position
    if at is None or now - at.fix_time_s > _FRESH_S or known.is_silent:
        return None
    if known.motion in {"offline", "no_fix"}:
        return None
    if route is not None and _standing(route, known).stop is not None:
        return None
    return Candidate(van=at.van, lat=at.lat, lon=at.lon)


def _near(found: Candidate, stops: Mapping[str, int]) -> NearVehicle:
    return NearVehicle(
        id=found.van,
        lat=found.lat,
        lon=found.lon,
        seconds=found.seconds,
        metres=found.metres,
        is_straight_line=found.is_straight_line,
        open_stops=stops.get(found.van, 0),
    )


def routes(
    *,
    fleet: Fleet,
    roster: Roster,
    handover: Handover,
    planning: Planning,
    live: Live,
    roads: RoadsClient,
    clock: Clock,
    gate: Gate,
) -> APIRouter:
    """Every van with its position."""
    router = APIRouter(tags=["fleet"])
    reader = Annotated[Caller, Depends(gate.roles(*READERS))]

    @router.get("/vehicles", response_model=BoardPage)
    def vehicles(
        caller: reader,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
        cursor: Annotated[str, Query(max_length=64)] = "",
        bbox: Annotated[str | None, Query(max_length=200)] = None,
        around: Annotated[str | None, Query(max_length=200)] = None,
        fields: FieldsQuery = None,
    ) -> BoardPage | Response:
        """Every van with its position, by id, a page at a time.

        With ``bbox`` (west,south,east,north in degrees) or ``around`` (lat,lon,radius in degrees
        and metres) those that are there now.
        """
        names = chosen(fields, BoardVehicle)
        now = clock.now_s()
        area, known = area_of(bbox, around), live.known(caller.tenant)
        vans = [
            van
            for van in fleet.vehicles(caller.tenant, caller.reach)
            if van.id > cursor and (area is None or _is_within(area, known.get(van.id)))
        ]
        drivers = handover.drivers_now(caller.tenant)
        driven = {route.vehicle_id: route.id for route in planning.routes_now(caller.tenant)}
        page = BoardPage(
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
                    presence=known.get(van.id, NOTHING).presence,
                    motion=known.get(van.id, NOTHING).motion,
                    is_silent=known.get(van.id, NOTHING).is_silent,
                    position=_position(known.get(van.id, NOTHING).position, now),
                )
                for van in vans[:limit]
            ],
            next_cursor=vans[limit - 1].id if len(vans) > limit else None,
        )
        return selected(page, names)

    @router.get("/vehicles/{vehicle_id}/live", response_model=LiveBody)
    def one(vehicle_id: str, caller: reader, fields: FieldsQuery = None) -> LiveBody | Response:
        """One van now: motion, health, who drives it, and how far it is on its route."""
        names = chosen(fields, LiveBody)
        require_van(
            lambda tenant, van: any(it.id == van for it in fleet.vehicles(tenant, caller.reach)),
            caller.tenant,
            vehicle_id,
        )
        known = live.known(caller.tenant).get(vehicle_id, NOTHING)
        on_route = {route.vehicle_id: route for route in planning.routes_now(caller.tenant)}
        body = LiveBody(
            id=vehicle_id,
            presence=known.presence,
            motion=known.motion,
            since=None if known.course is None else to_rfc3339(known.course.since_ms / 1000),
            is_silent=known.is_silent,
            is_ignited=known.is_ignited,
            is_on_trip=known.is_on_trip,
            heard_at=None if known.heard_s is None else to_rfc3339(known.heard_s),
            driver_id=handover.drivers_now(caller.tenant).get(vehicle_id),
            position=_position(known.position, clock.now_s()),
            health=_health(known),
            progress=_progress(on_route.get(vehicle_id), known),
        )
        return selected(body, names)

    @router.get("/nearest-vehicles", response_model=NearPage)
    async def nearest(
        caller: reader,
        lat: Annotated[float, Query(ge=-90, le=90)],
        lon: Annotated[float, Query(ge=-180, le=180)],
        limit: Annotated[int, Query(ge=1, le=50)] = 5,
        fields: FieldsQuery = None,
    ) -> NearPage | Response:
        """The free vans that are soonest at a place, by driving time.

        A van is free when its shift is on, it was heard of in the last ten minutes, and it is at
        no stop just now. Room aboard is not judged.
        """
        names = chosen(fields, NearVehicle)
        free, stops = await asyncio.to_thread(_free, caller)
        found = await soonest(roads, free, lat, lon, limit)
        return selected(NearPage(items=[_near(it, stops) for it in found]), names)

    def _free(caller: Caller) -> tuple[list[Candidate], dict[str, int]]:
        now, known = clock.now_s(), live.known(caller.tenant)
        on_shift = roster.vans_on_shift(caller.tenant)
        on_route = {route.vehicle_id: route for route in planning.routes_now(caller.tenant)}
        found = [
            _candidate(known.get(van.id, NOTHING), on_route.get(van.id), now)
            for van in fleet.vehicles(caller.tenant, caller.reach)
            if van.id in on_shift
        ]
        stops = {van: len(route.open_stops) for van, route in on_route.items()}
        return [one for one in found if one is not None], stops

    return router


def _is_within(area: Area, known: Known | None) -> bool:
    at = None if known is None else known.position
    return at is not None and area.contains(at.lat, at.lon)
