"""Who passed here, over HTTP."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, BaseModel

from cloud.fleet.service import Fleet
from cloud.foundation.clock import Clock, to_rfc3339
from cloud.foundation.database import Database
from cloud.foundation.errors import Invalid
from cloud.foundation.fields import FieldsQuery, Selectable, chosen, selected
from cloud.foundation.identity import READERS, Caller, Gate
from cloud.tracking.asked import span_s
from cloud.tracking.passages import passages
from cloud.tracking.passing import Passed
from cloud.tracking.places import Area, area_of

_HOUR_S: Final = 3600.0


class PassedVehicle(Selectable):
    """A van that was there.

    ``first_at`` and ``last_at`` are when it was first and last there in the span, ``inside_s`` how
    long it is known to have been there. It passes anew when it comes back after a minute or more
    elsewhere. ``fixes`` were taken there; 0 when it only went through between two. ``nearest_m``
    is from the middle of the circle, null of a box.
    """

    id: str
    first_at: str
    last_at: str
    passes: int
    fixes: int
    inside_s: int
    nearest_m: float | None
    nearest_at: str | None


class PassedPage(BaseModel):
    """Vans by id; while there is a cursor there may be more, however few these are."""

    items: list[PassedVehicle]
    next_cursor: str | None


def routes(telemetry: Database, clock: Clock, fleet: Fleet, gate: Gate) -> APIRouter:
    """Who passed a place between two times."""
    router = APIRouter(tags=["tracking"])
    reader = Annotated[Caller, Depends(gate.roles(*READERS))]

    @router.get("/passed-vehicles", response_model=PassedPage)
    def passed_vehicles(
        caller: reader,
        *,
        bbox: Annotated[str | None, Query(max_length=200)] = None,
        around: Annotated[str | None, Query(max_length=200)] = None,
        from_: Annotated[AwareDatetime | None, Query(alias="from")] = None,
        to: AwareDatetime | None = None,
        depot_id: Annotated[str | None, Query(max_length=64)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[str, Query(max_length=64)] = "",
        fields: FieldsQuery = None,
    ) -> PassedPage | Response:
        """Which vans were within an area from ``from`` up to ``to``; the last hour if not told.

        ``around`` (lat,lon,radius in degrees and metres) or ``bbox`` (west,south,east,north in
        degrees). Exact on fixes, and between two fixes of a stream no more than 3 minutes apart a
        van counts as having gone straight, unless it has told that something between is lost.
        """
        area = _require_area(area_of(bbox, around))
        names = chosen(fields, PassedVehicle)
        vans = sorted(
            one.id
            for one in fleet.vehicles(caller.tenant, caller.reach)
            if one.id > cursor and depot_id in {None, one.depot_id}
        )
        span = span_s(from_, to, clock.now_s(), _HOUR_S)
        found = passages(telemetry, caller.tenant, area, span, vans, limit)
        page = PassedPage(
            items=[_item(van, one) for van, one in found.vans], next_cursor=found.following
        )
        return selected(page, names)

    return router


def _require_area(area: Area | None) -> Area:
    if area is None:
        raise Invalid.field("around", "is missing", "give around or bbox")
    return area


def _item(van: str, one: Passed) -> PassedVehicle:
    return PassedVehicle(
        id=van,
        first_at=to_rfc3339(one.first_ms / 1000),
        last_at=to_rfc3339(one.last_ms / 1000),
        passes=one.passes,
        fixes=one.fixes,
        inside_s=one.inside_ms // 1000,
        nearest_m=one.nearest_m,
        nearest_at=None if one.nearest_ms is None else to_rfc3339(one.nearest_ms / 1000),
    )
