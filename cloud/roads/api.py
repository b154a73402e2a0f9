"""Closures, slow zones and speeds of streets over HTTP, as GeoJSON."""

from math import nan
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from cloud.foundation.clock import to_rfc3339
from cloud.foundation.errors import Invalid
from cloud.foundation.identity import Caller, Gate
from cloud.roads.client import RoadsClient
from cloud.roads.model import Path, PlaceError, Point
from cloud.roads.publisher import SpeedPublisher
from cloud.roads.service import Traffic
from cloud.roads.speed_files import MAX_FILE_BYTES, as_geojson
from cloud.roads.speeds import MAX_KMH, MAX_POINTS, MIN_KMH, RoadRule

type Lon = Annotated[float, Field(ge=-180, le=180)]
type Lat = Annotated[float, Field(ge=-90, le=90)]
type Position = tuple[Lon, Lat]
type Points = Annotated[
    list[Annotated[str, StringConstraints(max_length=60)]],
    Query(min_length=2, max_length=25),
]
type Name = Annotated[str, Query(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]

FILE_PATH: Final = "/roads/files"
LONG_BODIES: Final = {FILE_PATH: MAX_FILE_BYTES}
_FILE_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            "application/geo+json": {"schema": {"type": "object"}},
        },
    }
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StreetLine(_Strict):
    """A line along the street; streets beside it are not meant."""

    type: Literal["LineString"]
    coordinates: Annotated[list[Position], Field(min_length=2, max_length=MAX_POINTS)]


class StreetArea(_Strict):
    """An area without holes; RFC 7946: its last position is its first."""

    type: Literal["Polygon"]
    coordinates: Annotated[
        list[Annotated[list[Position], Field(min_length=4, max_length=MAX_POINTS + 1)]],
        Field(min_length=1, max_length=1),
    ]


class RuleProperties(_Strict):
    """What is said of a rule beside its shape; ``kmh`` is of a slow zone."""

    kind: Literal["closed", "slow"]
    name: Annotated[str, Field(max_length=200)] = ""
    kmh: Annotated[float, Field(ge=MIN_KMH, le=MAX_KMH)] | None = None
    one_way: bool = False
    depot_id: Annotated[str, Field(max_length=64)] | None = None
    from_: Annotated[AwareDatetime | None, Field(alias="from")] = None
    until: AwareDatetime | None = None


class RuleBody(_Strict):
    """A GeoJSON feature."""

    type: Literal["Feature"]
    geometry: Annotated[StreetLine | StreetArea, Field(discriminator="type")]
    properties: RuleProperties


class RuleTold(BaseModel):
    """The same, where it came from, who changed it last and when."""

    kind: Literal["closed", "slow"]
    name: str
    kmh: float | None
    one_way: bool
    depot_id: str | None
    from_: Annotated[str | None, Field(serialization_alias="from")]
    until: str | None
    source: str
    changed_at: str
    changed_by: str


class RuleFeature(BaseModel):
    """A rule as a GeoJSON feature."""

    type: Literal["Feature"] = "Feature"
    id: str
    geometry: dict[str, Any]
    properties: RuleTold


class RuleCollection(BaseModel):
    """All rules as a GeoJSON collection."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[RuleFeature]


class FileTold(BaseModel):
    """A file whose speeds are in force."""

    name: str
    rows: int
    changed_at: str
    changed_by: str


class FileList(BaseModel):
    """Files, in the order in which they came; a later one goes before an earlier one."""

    items: list[FileTold]


class TakenBody(BaseModel):
    """How many speeds of segments, and how many closures and slow zones a file brought."""

    speeds: int
    rules: int


class StepBody(BaseModel):
    """One thing a driver has to do; ``text`` says it as a sentence."""

    action: Literal[
        "depart", "arrive", "turn", "keep", "straight", "merge", "roundabout", "u_turn", "ferry"
    ]
    side: Literal["left", "right", ""]
    degree: str
    exit: int | None
    street: str
    metres: int
    seconds: int
    lat: float
    lon: float
    text: str


class LegBody(BaseModel):
    """From one of the points to the next."""

    seconds: int
    metres: int
    steps: list[StepBody]


class WayBody(BaseModel):
    """A way along the streets by the speeds of now; ``geometry`` is a GeoJSON line."""

    seconds: int
    metres: int
    geometry: dict[str, Any]
    legs: list[LegBody]


class SpeedsBody(BaseModel):
    """What the engine drives by: since when, and how many segments differ from the profile."""

    at: str | None
    took_s: float
    changed_segments: int
    closed_segments: int
    problem: str


def routes(
    traffic: Traffic, publisher: SpeedPublisher, roads: RoadsClient, gate: Gate
) -> APIRouter:
    """Closures, slow zones, files, and what is in force."""
    router = APIRouter(tags=["roads"])
    reader = Annotated[Caller, Depends(gate.roles("dispatcher", "viewer", "integrator"))]
    dispatcher = Annotated[Caller, Depends(gate.roles("dispatcher"))]
    admin = Annotated[Caller, Depends(gate.roles("admin"))]
    on_the_way = Annotated[
        Caller, Depends(gate.roles("dispatcher", "driver", "viewer", "integrator"))
    ]

    @router.get("/roads/rules")
    def rules(caller: reader) -> RuleCollection:
        """All closures and slow zones, those of other times too."""
        found = traffic.rules(caller.tenant, caller.reach)
        return RuleCollection(features=[_feature(one) for one in found])

    @router.post("/roads/rules", status_code=201)
    def add(body: RuleBody, caller: dispatcher, response: Response) -> RuleFeature:
        """Close a street or an area, or slow it; new travel times follow within seconds."""
        made = traffic.add(caller.tenant, _rule("", body), caller.name, caller.reach)
        response.headers["Location"] = f"/api/v1/roads/rules/{made.id}"
        return _feature(made)

    @router.get("/roads/rules/{road_rule_id}")
    def rule(road_rule_id: str, caller: reader) -> RuleFeature:
        """One closure or slow zone."""
        return _feature(traffic.rule(caller.tenant, road_rule_id))

    @router.put("/roads/rules/{road_rule_id}")
    def change(road_rule_id: str, body: RuleBody, caller: dispatcher) -> RuleFeature:
        """Draw it anew."""
        changed = traffic.change(
            caller.tenant, _rule(road_rule_id, body), caller.name, caller.reach
        )
        return _feature(changed)

    @router.delete("/roads/rules/{road_rule_id}", status_code=204)
    def remove(road_rule_id: str, caller: dispatcher) -> None:
        """Open the street again."""
        traffic.remove(caller.tenant, road_rule_id, caller.reach)

    @router.get("/roads/files")
    def files(caller: reader) -> FileList:
        """The files whose speeds are in force."""
        return FileList(
            items=[
                FileTold(
                    name=one.name,
                    rows=one.rows,
                    changed_at=to_rfc3339(one.changed_at),
                    changed_by=one.changed_by,
                )
                for one in traffic.files(caller.tenant)
            ]
        )

    @router.put(FILE_PATH, openapi_extra=_FILE_BODY)
    async def take(
        name: Name,
        caller: admin,
        request: Request,
        format_: Annotated[Literal["csv", "geojson"], Query(alias="format")] = "csv",
    ) -> TakenBody:
        """Take speeds (``from_node,to_node,kmh``, 0 closes) or closures and slow zones (GeoJSON).

        In the place of what a file of that name brought before; a file that is wrong anywhere
        changes nothing.
        """
        body = await request.body()
        taken = await run_in_threadpool(
            traffic.take_file, caller.tenant, name, format_, body, caller.name
        )
        return TakenBody(speeds=taken.speeds, rules=taken.rules)

    @router.delete(FILE_PATH, status_code=204)
    def forget(name: Name, caller: admin) -> None:
        """Forget what a file brought."""
        traffic.remove_file(caller.tenant, name)

    @router.get("/roads/way")
    async def way(caller: on_the_way, point: Points) -> WayBody:
        """The way through points (``lat,lon``, 2 to 25 of them), and what to do on it."""
        places = [_place(number, one) for number, one in enumerate(point)]
        try:
            found = await roads.route(places, with_steps=True)
        except PlaceError as error:
            raise Invalid(error.detail, *error.problems) from error
        return _way(found)

    @router.get("/roads/speeds")
    def speeds(caller: reader) -> SpeedsBody:
        """Whether the engine has the newest speeds, and since when."""
        now = publisher.in_force
        return SpeedsBody(
            at=None if now.at is None else to_rfc3339(now.at),
            took_s=now.seconds,
            changed_segments=now.changed,
            closed_segments=now.closed,
            problem=now.problem,
        )

    return router


def _rule(rule_id: str, body: RuleBody) -> RoadRule:
    told = body.properties
    match body.geometry:
        case StreetArea(coordinates=[ring, *_]):
            places = ring[:-1] if ring[0] == ring[-1] else ring
        case StreetLine(coordinates=line):
            places = line
        case _:
            places = []
    return RoadRule(
        id=rule_id,
        name=told.name,
        kind=told.kind,
        points=tuple((lat, lon) for lon, lat in places),
        is_area=isinstance(body.geometry, StreetArea),
        kmh=told.kmh,
        is_one_way=told.one_way,
        depot_id=told.depot_id,
        from_s=None if told.from_ is None else told.from_.timestamp(),
        until_s=None if told.until is None else told.until.timestamp(),
    )


def _feature(rule: RoadRule) -> RuleFeature:
    return RuleFeature(
        id=rule.id,
        geometry=as_geojson(rule),
        properties=RuleTold(
            kind=rule.kind,
            name=rule.name,
            kmh=rule.kmh,
            one_way=rule.is_one_way,
            depot_id=rule.depot_id,
            from_=None if rule.from_s is None else to_rfc3339(rule.from_s),
            until=None if rule.until_s is None else to_rfc3339(rule.until_s),
            source=rule.source,
            changed_at=to_rfc3339(rule.changed_at),
            changed_by=rule.changed_by,
        ),
    )


def _place(number: int, told: str) -> Point:
    try:
        lat, lon = (float(one) for one in told.split(","))
    except ValueError:
        lat = lon = nan
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise Invalid.field(
            f"point[{number}]", f"{told!r} is no place", "give lat,lon, such as -29.9027,-71.2519"
        )
    return Point(lat, lon)


def _way(path: Path) -> WayBody:
    return WayBody(
        seconds=path.seconds,
        metres=path.metres,
        geometry={"type": "LineString", "coordinates": [list(one) for one in path.geometry]},
        legs=[
            LegBody(
                seconds=leg.seconds,
                metres=leg.metres,
                steps=[StepBody.model_validate(one, from_attributes=True) for one in steps],
            )
            for leg, steps in zip(path.legs, path.steps, strict=True)
        ],
    )
