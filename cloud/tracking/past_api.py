"""Trips, dwells and replay over HTTP."""

from typing import Annotated, Final, Literal

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, BaseModel

from cloud.fleet.service import Fleet
from cloud.foundation.clock import Clock, to_rfc3339
from cloud.foundation.errors import NotFound
from cloud.foundation.identity import READERS, Caller, Gate
from cloud.tracking.asked import KnowsVan, require_van, span_s
from cloud.tracking.journeys import Dwell, Trip
from cloud.tracking.past import Past
from wire.events import Where

_DAY_S: Final = 86_400.0
_HOUR_S: Final = 3600.0


class Place(BaseModel):
    """A position in degrees."""

    lat: float
    lon: float


class TripItem(BaseModel):
    """From where a van set off to where it came to rest.

    What only its end tells is null while it goes on, and a place that may not be told is null too.
    """

    started_at: str
    ended_at: str | None
    started: Place | None
    ended: Place | None
    distance_m: int | None
    duration_s: int | None
    moving_s: int | None
    idling_s: int | None
    top_speed_mps: float | None


class DwellItem(BaseModel):
    """A van at rest between two trips; without an end it still is."""

    started_at: str
    ended_at: str | None
    place: Place | None
    duration_s: int | None


class JourneyList(BaseModel):
    """Trips and dwells that reach into the span, and whether the van told them or its track."""

    told_by: Literal["van", "track"]
    trips: list[TripItem]
    dwells: list[DwellItem]


class ReplayVehicle(BaseModel):
    """Positions as [longitude, latitude], one a frame; null where nothing is known."""

    id: str
    positions: list[tuple[float, float] | None]


class Replay(BaseModel):
    """Frame 0 is of ``started_at``, and each of ``step_s`` after the one before."""

    started_at: str
    step_s: float
    frames: int
    vehicles: list[ReplayVehicle]
    next_cursor: str | None


def routes(past: Past, clock: Clock, fleet: Fleet, knows_van: KnowsVan, gate: Gate) -> APIRouter:
    """Trips and dwells of a van, and the replay of a depot's."""
    router = APIRouter(tags=["tracking"])
    reader = Annotated[Caller, Depends(gate.roles(*READERS))]

    @router.get("/vehicles/{vehicle_id}/trips")
    def trips(
        vehicle_id: str,
        caller: reader,
        from_: Annotated[AwareDatetime | None, Query(alias="from")] = None,
        to: AwareDatetime | None = None,
        told_by: Literal["van", "track"] | None = None,
    ) -> JourneyList:
        """A van's trips and the dwells between them; of the last day when not told otherwise.

        Those that the van told, or, where it told none, those that its track tells by the same
        rule; ``told_by`` chooses.
        """
        require_van(knows_van, caller.tenant, vehicle_id)
        span = span_s(from_, to, clock.now_s(), _DAY_S)
        found = past.journeys(caller.tenant, vehicle_id, span, told_by)
        return JourneyList(
            told_by=found.told_by,
            trips=[_trip(one) for one in found.trips],
            dwells=[_dwell(one) for one in found.dwells],
        )

    @router.get(
        "/depots/{depot_id}/replay", responses={200: {"model": Replay}}, response_class=Response
    )
    def replay(
        depot_id: str,
        caller: reader,
        *,
        from_: Annotated[AwareDatetime | None, Query(alias="from")] = None,
        to: AwareDatetime | None = None,
        step_s: Annotated[float, Query(ge=1, le=3600)] = 60.0,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        cursor: Annotated[str, Query(max_length=64)] = "",
    ) -> Response:
        """Where a depot's vans were, every ``step_s``; in the last hour when not told otherwise.

        Vans come by id, ``limit`` at a time; at most 2,000 frames and 100,000 places an answer.
        Between fixes a van goes straight; where it was silent for 5 minutes nothing is known.
        """
        if all(one.id != depot_id for one in fleet.depots(caller.tenant, caller.reach)):
            raise NotFound(f"depot {depot_id[:80]!r} is not known; GET /api/v1/depots lists them")
        span = span_s(from_, to, clock.now_s(), _HOUR_S)
        ids = sorted(
            one.id
            for one in fleet.vehicles(caller.tenant, caller.reach)
            if one.depot_id == depot_id and one.id > cursor
        )
        first_ms, found = past.replay(caller.tenant, ids[:limit], span, step_s)
        told = {
            "started_at": to_rfc3339(first_ms / 1000),
            "step_s": step_s,
            "frames": len(found[0].places) if found else 0,
            "vehicles": [{"id": one.van, "positions": one.places} for one in found],
            "next_cursor": ids[limit - 1] if len(ids) > limit else None,
        }
        return Response(msgspec.json.encode(told), media_type="application/json")

    return router


def _trip(trip: Trip) -> TripItem:
    top = trip.top_speed_cmps
    return TripItem(
        started_at=to_rfc3339(trip.started_at_ms / 1000),
        ended_at=_instant(trip.ended_at_ms),
        started=_place(trip.began),
        ended=_place(trip.ended),
        distance_m=trip.distance_m,
        duration_s=_lasted_s(trip),
        moving_s=trip.moving_s,
        idling_s=trip.idling_s,
        top_speed_mps=None if top is None else top / 100,
    )


def _dwell(dwell: Dwell) -> DwellItem:
    return DwellItem(
        started_at=to_rfc3339(dwell.started_at_ms / 1000),
        ended_at=_instant(dwell.ended_at_ms),
        place=_place(dwell.where),
        duration_s=_lasted_s(dwell),
    )


def _lasted_s(one: Trip | Dwell) -> int | None:
    return None if one.ended_at_ms is None else (one.ended_at_ms - one.started_at_ms) // 1000


def _instant(at_ms: int | None) -> str | None:
    return None if at_ms is None else to_rfc3339(at_ms / 1000)


def _place(where: Where | None) -> Place | None:
    return None if where is None else Place(lat=where.lat_e7 / 1e7, lon=where.lon_e7 / 1e7)
