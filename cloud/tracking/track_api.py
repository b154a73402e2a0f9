"""Tracks over HTTP, as GeoJSON, GPX or CSV."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel

from cloud.foundation.clock import Clock
from cloud.foundation.errors import Invalid
from cloud.foundation.identity import READERS, Caller, Gate
from cloud.tracking.asked import KnowsVan, require_van, span_s
from cloud.tracking.formats import FIELDS, GPX_FIELDS, Field, csv, geojson, gpx
from cloud.tracking.service import Drawing, Tracks, require_span

type Format = Literal["geojson", "gpx", "csv"]

_MEDIA_TYPES: Final[dict[Format, str]] = {
    "geojson": "application/geo+json",
    "gpx": "application/gpx+xml",
    "csv": "text/csv; charset=utf-8",
}
_ACCEPTED: Final[dict[str, Format]] = {
    "application/geo+json": "geojson",
    "application/json": "geojson",
    "application/gpx+xml": "gpx",
    "text/csv": "csv",
    "application/*": "geojson",
    "text/*": "csv",
    "*/*": "geojson",
}
_HOUR_S: Final = 3600.0
_DEFAULT_FIELDS: Final[tuple[Field, ...]] = ("speed", "course")


class LineString(BaseModel):
    """RFC 7946: positions as [longitude, latitude]."""

    type: Literal["LineString"]
    coordinates: list[tuple[float, float]]


class MultiLineString(BaseModel):
    """RFC 7946: several lines; a line through a single fix has its position twice."""

    type: Literal["MultiLineString"]
    coordinates: list[list[tuple[float, float]]]


class TrackGap(BaseModel):
    """Nothing is known from ``from`` to ``to``: a silence, or what the van has told in a gap."""

    model_config = {"json_schema_extra": {"required": ["from", "to", "reason"]}}
    to: str
    reason: str


class TrackProperties(BaseModel):
    """One entry a fix in each list; those of ``fields`` only.

    ``pieces`` tells how many fixes each line has, ``fixes`` how many there were before the track
    was simplified.
    """

    vehicle_id: str
    fixes: int
    pieces: list[int]
    gaps: list[TrackGap]
    times: list[str]
    speeds_mps: list[float | None] | None = None
    courses_deg: list[float | None] | None = None
    altitudes_m: list[float | None] | None = None
    hdops: list[float | None] | None = None
    satellites: list[int | None] | None = None
    modes: list[int] | None = None
    sources: list[str] | None = None
    clocks: list[str] | None = None


class TrackFeature(BaseModel):
    """A van's track; ``geometry`` is null while there are fewer than two fixes."""

    type: Literal["Feature"]
    geometry: LineString | MultiLineString | None
    properties: TrackProperties


_TRACK_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The track as a GeoJSON feature, a GPX 1.1 file or CSV.",
        "model": TrackFeature,
        "content": {
            "application/geo+json": {"schema": {"$ref": "#/components/schemas/TrackFeature"}},
            "application/gpx+xml": {"schema": {"type": "string"}},
            "text/csv": {"schema": {"type": "string"}},
        },
    }
}


def routes(tracks: Tracks, clock: Clock, knows_van: KnowsVan, gate: Gate) -> APIRouter:
    """The track of a van."""
    router = APIRouter(tags=["tracking"])
    reader = Annotated[Caller, Depends(gate.roles(*READERS))]

    @router.get("/vehicles/{vehicle_id}/track", responses=_TRACK_ANSWER, response_class=Response)
    def track(
        vehicle_id: str,
        caller: reader,
        *,
        from_: Annotated[AwareDatetime | None, Query(alias="from")] = None,
        to: AwareDatetime | None = None,
        format: Format | None = None,  # noqa: A002 - the parameter's name
        fields: Annotated[str | None, Query(max_length=200)] = None,
        tolerance_m: Annotated[float | None, Query(ge=0.1, le=10_000)] = None,
        silent_s: Annotated[float, Query(ge=1, le=86_400)] = 180.0,
        accept: Annotated[str, Header(max_length=1000)] = "*/*",
    ) -> Response:
        """Where a van was, from ``from`` up to ``to``; the last hour when not told otherwise.

        As ``format``, or as the header Accept prefers. GeoJSON has 100,000 fixes at the most, GPX
        and CSV any number. With ``tolerance_m`` fixes are left out, none of which lies further
        from the line. The line breaks where the van was silent for longer than ``silent_s`` or has
        told that something is lost. ``fields``: speed, course, altitude, hdop, satellites, mode,
        source, clock, with commas; speed and course when not told otherwise.
        """
        require_van(knows_van, caller.tenant, vehicle_id)
        span = span_s(from_, to, clock.now_s(), _HOUR_S)
        require_span(*span)
        chosen = format or _preferred(accept)
        told = GPX_FIELDS if chosen == "gpx" else _read_fields(fields)
        how = Drawing(fields=told, tolerance_m=tolerance_m, silent_s=silent_s)
        headers = {
            "Content-Disposition": _disposition(vehicle_id, span, chosen),
            "Vary": "Accept",
        }
        if chosen == "geojson":
            drawn = tracks.drawn(caller.tenant, vehicle_id, span, how)
            body = geojson(vehicle_id, drawn, told)
            return Response(body, media_type=_MEDIA_TYPES[chosen], headers=headers)
        parts = tracks.parts(caller.tenant, vehicle_id, span, how)
        lines: Iterator[bytes] = gpx(vehicle_id, parts) if chosen == "gpx" else csv(parts, told)
        return StreamingResponse(lines, media_type=_MEDIA_TYPES[chosen], headers=headers)

    return router


def _preferred(accept: str) -> Format:
    """What the header Accept likes best of what there is; GeoJSON when it likes none of it."""
    best: tuple[float, Format] = (0.0, "geojson")
    for one in accept.split(","):
        name, *parameters = (part.strip() for part in one.split(";"))
        found = _ACCEPTED.get(name.lower())
        weight = next((_weight(part[2:]) for part in parameters if part.startswith("q=")), 1.0)
        if found is not None and weight > best[0]:
            best = (weight, found)
    return best[1]


def _weight(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0


def _read_fields(text: str | None) -> tuple[Field, ...]:
    if text is None:
        return _DEFAULT_FIELDS
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in FIELDS:
            raise Invalid.field(
                "fields", f"{name[:80]!r} is not known", f"use some of {', '.join(FIELDS)}"
            )
    return tuple(field for field in FIELDS if field in names)


def _disposition(vehicle_id: str, span: tuple[float, float], chosen: Format) -> str:
    """A name for the file; what is not read at once is to be saved."""
    begin, end = (_stamp(instant_s) for instant_s in span)
    kind = "inline" if chosen == "geojson" else "attachment"
    return f'{kind}; filename="{vehicle_id}_{begin}_{end}.{chosen}"'


def _stamp(instant_s: float) -> str:
    try:
        return datetime.fromtimestamp(instant_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    except (ValueError, OverflowError):
        return "ever"
