"""Tracks along the streets over HTTP."""

from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import AwareDatetime, BaseModel

from cloud.foundation.clock import Clock, to_rfc3339
from cloud.foundation.identity import READERS, Caller, Gate
from cloud.tracking.asked import KnowsVan, require_van, span_s
from cloud.tracking.matched import Matching, Part

_HOUR_S: Final = 3600.0


class StreetLine(BaseModel):
    """RFC 7946: positions as [longitude, latitude]."""

    type: Literal["LineString"]
    coordinates: list[tuple[float, float]]


class StreetProperties(BaseModel):
    """``matched`` false: no street fits, the line is straight and its distance is not counted."""

    matched: bool
    started_at: str
    ended_at: str
    distance_m: float
    confidence: float | None


class StreetPart(BaseModel):
    """A part of a drive."""

    type: Literal["Feature"]
    geometry: StreetLine
    properties: StreetProperties


class MatchedTrack(BaseModel):
    """A GeoJSON collection of the parts of a van's drives.

    ``distance_m`` is along streets, ``unmatched_m`` straight over what fits none; ``confidence`` is
    0 to 1, by distance, null when nothing matched.
    """

    type: Literal["FeatureCollection"]
    vehicle_id: str
    distance_m: float
    unmatched_m: float
    confidence: float | None
    features: list[StreetPart]


_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The parts of the drives as a GeoJSON collection.",
        "model": MatchedTrack,
        "content": {
            "application/geo+json": {"schema": {"$ref": "#/components/schemas/MatchedTrack"}}
        },
    }
}


def routes(matching: Matching, clock: Clock, knows_van: KnowsVan, gate: Gate) -> APIRouter:
    """The track of a van along the streets."""
    router = APIRouter(tags=["tracking"])
    reader = Annotated[Caller, Depends(gate.roles(*READERS))]

    @router.get("/vehicles/{vehicle_id}/track/matched", responses=_ANSWER, response_class=Response)
    async def matched(
        vehicle_id: str,
        caller: reader,
        from_: Annotated[AwareDatetime | None, Query(alias="from")] = None,
        to: AwareDatetime | None = None,
    ) -> Response:
        """Which streets a van drove, and how far; in the last hour when not told otherwise.

        A day at the most. What fits no street is told as such. An answer takes as long as the road
        engine needs, up to 30 s; then it is 503.
        """
        await run_in_threadpool(require_van, knows_van, caller.tenant, vehicle_id)
        span = span_s(from_, to, clock.now_s(), _HOUR_S)
        parts = await matching.matched(caller.tenant, vehicle_id, span)
        body = await run_in_threadpool(_collection, vehicle_id, parts)
        return Response(body, media_type="application/geo+json")

    return router


def _collection(vehicle_id: str, parts: list[Part]) -> bytes:
    known = [(one.metres, one.confidence or 0.0) for one in parts if one.metres is not None]
    metres = sum(length for length, _ in known)
    weighed = sum(length * confidence for length, confidence in known)
    return msgspec.json.encode(
        {
            "type": "FeatureCollection",
            "vehicle_id": vehicle_id,
            "distance_m": round(metres, 1),
            "unmatched_m": round(sum(one.straight_m for one in parts if one.metres is None), 1),
            "confidence": round(weighed / metres, 3) if metres else None,
            "features": [_feature(one) for one in parts],
        }
    )


def _feature(part: Part) -> dict[str, Any]:
    is_matched = part.metres is not None
    return {
        "type": "Feature",
        "geometry": {"type": "LineString", "coordinates": part.line},
        "properties": {
            "matched": is_matched,
            "started_at": to_rfc3339(part.from_ms / 1000),
            "ended_at": to_rfc3339(part.to_ms / 1000),
            "distance_m": round(part.straight_m if part.metres is None else part.metres, 1),
            "confidence": None if part.confidence is None else round(part.confidence, 3),
        },
    }
