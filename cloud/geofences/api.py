"""Geofences over HTTP, as GeoJSON."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from cloud.foundation.clock import Clock, to_rfc3339
from cloud.foundation.identity import Caller, Gate
from cloud.geofences.model import MAX_POINTS, Fence
from cloud.geofences.service import Crossed, Geofences
from cloud.geofences.zones import Zone
from cloud.tracking.asked import span_s

type Lon = Annotated[float, Field(ge=-180, le=180)]
type Lat = Annotated[float, Field(ge=-90, le=90)]
type Position = tuple[Lon, Lat]
type Ring = Annotated[list[Position], Field(min_length=4, max_length=MAX_POINTS + 1)]

_DAY_S: Final = 86_400.0


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CirclePoint(_Strict):
    """The centre of a circle; ``properties.radius_m`` says how large."""

    type: Literal["Point"]
    coordinates: Position


class CorridorLine(_Strict):
    """The line of a corridor; ``properties.width_m`` says how wide, from edge to edge."""

    type: Literal["LineString"]
    coordinates: Annotated[list[Position], Field(min_length=2, max_length=MAX_POINTS)]


class AreaPolygon(_Strict):
    """A polygon without holes; RFC 7946: its last position is its first."""

    type: Literal["Polygon"]
    coordinates: Annotated[list[Ring], Field(min_length=1, max_length=1)]


class FenceProperties(_Strict):
    """What is said of a fence beside its shape."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    radius_m: Annotated[float, Field(gt=0, le=100_000)] | None = None
    width_m: Annotated[float, Field(ge=2, le=10_000)] | None = None
    depot_id: Annotated[str, Field(max_length=64)] | None = None
    dwell_after_s: Annotated[int, Field(ge=10, le=7 * 86_400)] | None = None
    for_vans: bool = True


class FenceBody(_Strict):
    """A GeoJSON feature."""

    type: Literal["Feature"]
    geometry: Annotated[CirclePoint | CorridorLine | AreaPolygon, Field(discriminator="type")]
    properties: FenceProperties


class FenceTold(FenceProperties):
    """The same, and when it was last changed."""

    changed_at: str


class FenceFeature(BaseModel):
    """A fence as a GeoJSON feature."""

    type: Literal["Feature"] = "Feature"
    id: str
    geometry: CirclePoint | CorridorLine | AreaPolygon
    properties: FenceTold


class FenceCollection(BaseModel):
    """All fences as a GeoJSON collection."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[FenceFeature]


class FenceEvent(BaseModel):
    """A van came in, has stayed for ``dwell_after_s``, or left; [longitude, latitude] there."""

    vehicle_id: str
    kind: Literal["entered", "dwelled", "left"]
    at: str
    position: tuple[float, float] | None
    dwell_s: int | None


class FenceEvents(BaseModel):
    """What happened at a fence, by time."""

    items: list[FenceEvent]


class ZoneHolder(BaseModel):
    """A van or a driver with that zone."""

    id: str
    name: str


class ZoneBody(BaseModel):
    """A geofence that is somebody's zone; one that is not drawn any more limits nobody."""

    geofence_id: str
    is_drawn: bool
    vehicles: list[ZoneHolder]
    drivers: list[ZoneHolder]


class Zones(BaseModel):
    """All zones of vans and drivers, by geofence."""

    items: list[ZoneBody]


def routes(geofences: Geofences, clock: Clock, gate: Gate) -> APIRouter:
    """Fences, and what happened at them."""
    router = APIRouter(tags=["geofences"])
    reader = Annotated[Caller, Depends(gate.roles("dispatcher", "viewer", "integrator"))]
    dispatcher = Annotated[Caller, Depends(gate.roles("dispatcher"))]

    @router.get("/geofences")
    def fences(caller: reader) -> FenceCollection:
        """All fences."""
        found = geofences.fences(caller.tenant, caller.reach)
        return FenceCollection(features=[_feature(one) for one in found])

    @router.post("/geofences", status_code=201)
    def add(body: FenceBody, caller: dispatcher, response: Response) -> FenceFeature:
        """Draw a fence: a polygon, a corridor along a line, or a circle around a point."""
        made = geofences.add(caller.tenant, _fence("", body), caller.reach)
        response.headers["Location"] = f"/api/v1/geofences/{made.id}"
        return _feature(made)

    @router.get("/geofences/{geofence_id}")
    def fence(geofence_id: str, caller: reader) -> FenceFeature:
        """One fence."""
        return _feature(geofences.fence(caller.tenant, geofence_id))

    @router.put("/geofences/{geofence_id}")
    def change(geofence_id: str, body: FenceBody, caller: dispatcher) -> FenceFeature:
        """Draw a fence anew; what happened at it is told of its new shape from then on."""
        return _feature(geofences.change(caller.tenant, _fence(geofence_id, body), caller.reach))

    @router.delete("/geofences/{geofence_id}", status_code=204)
    def remove(geofence_id: str, caller: dispatcher) -> None:
        """Take a fence away."""
        geofences.remove(caller.tenant, geofence_id, caller.reach)

    @router.get("/zones")
    def zones(caller: reader) -> Zones:
        """Which geofences are zones of which vans and drivers; those drawn no more among them."""
        found = geofences.zones(caller.tenant, caller.reach)
        return Zones(items=[_zone(one) for one in found])

    @router.get("/geofences/{geofence_id}/events")
    def events(
        geofence_id: str,
        caller: reader,
        from_: Annotated[AwareDatetime | None, Query(alias="from")] = None,
        to: AwareDatetime | None = None,
        vehicle_id: Annotated[str | None, Query(max_length=64)] = None,
    ) -> FenceEvents:
        """Which vans came in, stayed and left; in the last day when not told otherwise.

        As the vans told it, and where they told nothing, as their tracks tell it: of phones and of
        late batches too, and of the time before the fence was drawn.
        """
        span = span_s(from_, to, clock.now_s(), _DAY_S)
        found = geofences.crossed(
            caller.tenant, geofence_id, span, vehicle_id=vehicle_id, reach=caller.reach
        )
        return FenceEvents(items=[_event(one) for one in found])

    return router


def _fence(fence_id: str, body: FenceBody) -> Fence:
    told = body.properties
    match body.geometry:
        case CirclePoint(coordinates=centre):
            places = [centre]
        case CorridorLine(coordinates=line):
            places = line
        case AreaPolygon(coordinates=[ring, *_]):
            places = ring[:-1] if ring[0] == ring[-1] else ring
        case _:
            places = []
    return Fence(
        id=fence_id,
        name=told.name,
        points=tuple((round(lat * 1e7), round(lon * 1e7)) for lon, lat in places),
        radius_m=told.radius_m,
        width_m=told.width_m,
        depot_id=told.depot_id,
        dwell_after_s=told.dwell_after_s,
        is_for_vans=told.for_vans,
    )


def _feature(fence: Fence) -> FenceFeature:
    places = [(lon / 1e7, lat / 1e7) for lat, lon in fence.points]
    return FenceFeature(
        id=fence.id,
        geometry=_geometry(fence, places),
        properties=FenceTold(
            name=fence.name,
            radius_m=fence.radius_m,
            width_m=fence.width_m,
            depot_id=fence.depot_id,
            dwell_after_s=fence.dwell_after_s,
            for_vans=fence.is_for_vans,
            changed_at=to_rfc3339(fence.changed_at),
        ),
    )


def _geometry(
    fence: Fence, places: list[tuple[float, float]]
) -> CirclePoint | CorridorLine | AreaPolygon:
    if fence.radius_m is not None:
        return CirclePoint(type="Point", coordinates=places[0])
    if fence.width_m is not None:
        return CorridorLine(type="LineString", coordinates=places)
    return AreaPolygon(type="Polygon", coordinates=[[*places, places[0]]])


def _event(one: Crossed) -> FenceEvent:
    where = one.crossing.where
    return FenceEvent(
        vehicle_id=one.vehicle_id,
        kind=one.crossing.kind,
        at=to_rfc3339(one.crossing.at_ms / 1000),
        position=None if where is None else (where.lon_e7 / 1e7, where.lat_e7 / 1e7),
        dwell_s=one.crossing.dwell_s,
    )


def _zone(zone: Zone) -> ZoneBody:
    return ZoneBody(
        geofence_id=zone.geofence_id,
        is_drawn=zone.is_drawn,
        vehicles=[ZoneHolder(id=one.id, name=one.name) for one in zone.vehicles],
        drivers=[ZoneHolder(id=one.id, name=one.name) for one in zone.drivers],
    )
