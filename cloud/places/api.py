"""Areas with access hours over HTTP, as GeoJSON."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from cloud.fleet.calendar_bodies import CalendarBody, calendar_body
from cloud.foundation.clock import to_rfc3339
from cloud.foundation.given import FilledLine
from cloud.foundation.identity import Caller, Gate
from cloud.places.areas import MAX_POINTS, AccessArea
from cloud.places.service import Areas

type Lon = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
type Lat = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
type Position = tuple[Lon, Lat]
type Ring = Annotated[list[Position], Field(min_length=4, max_length=MAX_POINTS + 1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AccessPolygon(_Strict):
    """A polygon without holes; RFC 7946: its last position is its first."""

    type: Literal["Polygon"]
    coordinates: Annotated[list[Ring], Field(min_length=1, max_length=1)]


class AccessProperties(_Strict):
    """When vans may be in it, by the clock of their depot; without ``depot_id`` of all depots."""

    name: FilledLine
    hours: CalendarBody
    depot_id: Annotated[str, Field(max_length=64)] | None = None


class AccessBody(_Strict):
    """A GeoJSON feature."""

    type: Literal["Feature"]
    geometry: AccessPolygon
    properties: AccessProperties


class AccessTold(AccessProperties):
    """The same, who changed it last and when."""

    changed_at: str
    changed_by: str


class AccessFeature(BaseModel):
    """An area as a GeoJSON feature."""

    type: Literal["Feature"] = "Feature"
    id: str
    geometry: AccessPolygon
    properties: AccessTold


class AccessCollection(BaseModel):
    """All areas as a GeoJSON collection."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[AccessFeature]


def routes(areas: Areas, gate: Gate) -> APIRouter:
    """Areas that vans may enter at some hours only."""
    router = APIRouter(tags=["places"])
    reader = Annotated[Caller, Depends(gate.roles("dispatcher", "viewer", "integrator"))]
    dispatcher = Annotated[Caller, Depends(gate.roles("dispatcher"))]

    @router.get("/access-areas")
    def listed(caller: reader) -> AccessCollection:
        """All areas."""
        found = areas.areas(caller.tenant, caller.reach)
        return AccessCollection(features=[_feature(one) for one in found])

    @router.post("/access-areas", status_code=201)
    def add(body: AccessBody, caller: dispatcher, response: Response) -> AccessFeature:
        """Draw an area; days whose orders its hours concern are planned anew."""
        made = areas.add(caller.tenant, _area("", body), caller.name, caller.reach)
        response.headers["Location"] = f"/api/v1/access-areas/{made.id}"
        return _feature(made)

    @router.get("/access-areas/{access_area_id}")
    def one(access_area_id: str, caller: reader) -> AccessFeature:
        """One area."""
        return _feature(areas.area(caller.tenant, access_area_id))

    @router.put("/access-areas/{access_area_id}")
    def change(access_area_id: str, body: AccessBody, caller: dispatcher) -> AccessFeature:
        """Draw an area anew, or change its hours."""
        wanted = _area(access_area_id, body)
        return _feature(areas.change(caller.tenant, wanted, caller.name, caller.reach))

    @router.delete("/access-areas/{access_area_id}", status_code=204)
    def remove(access_area_id: str, caller: dispatcher) -> None:
        """Take an area away."""
        areas.remove(caller.tenant, access_area_id, caller.reach)

    return router


def _area(area_id: str, body: AccessBody) -> AccessArea:
    (ring,) = body.geometry.coordinates
    corners = ring[:-1] if ring[0] == ring[-1] else ring
    told = body.properties
    return AccessArea(
        id=area_id,
        name=told.name,
        points=tuple((lat, lon) for lon, lat in corners),
        hours=told.hours.calendar(),
        depot_id=told.depot_id,
    )


def _feature(area: AccessArea) -> AccessFeature:
    ring = [(lon, lat) for lat, lon in (*area.points, area.points[0])]
    return AccessFeature(
        id=area.id,
        geometry=AccessPolygon(type="Polygon", coordinates=[ring]),
        properties=AccessTold(
            name=area.name,
            hours=calendar_body(area.hours),
            depot_id=area.depot_id,
            changed_at=to_rfc3339(area.changed_at),
            changed_by=area.changed_by,
        ),
    )
