"""Tracks, events and the live stream over HTTP."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Final

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel

from cloud.foundation.clock import to_rfc3339
from cloud.foundation.errors import Invalid
from cloud.foundation.fields import FieldsQuery, Selectable, chosen, selected
from cloud.foundation.identity import READERS, Caller, Gate
from cloud.tracking.asked import require_van
from cloud.tracking.event_log import KINDS, Happened
from cloud.tracking.live import Live
from cloud.tracking.places import box_of
from cloud.tracking.sight import Sight
from cloud.tracking.stream import Client, LiveStream, View, frames
from wire.values import ClockQuality

_ASK_EVERY_S: Final = 15.0
_HOUR_S: Final = 3600.0
_DAY_S: Final = 86_400.0
_MAX_VANS: Final = 500
_IDS: Final = r"^[a-z0-9_,-]*$"
"""Plain ids with commas between: an address that a server takes holds as many as are allowed."""


class EventBodyItem(Selectable):
    """One event of a van, known everywhere by ``stream`` and ``seq``.

    ``at`` is when it happened, or when it came where no time that the van told can be true;
    ``body`` is that of the wire, with its units in its names.
    """

    always: ClassVar[tuple[str, ...]] = ("stream", "seq")

    stream: str
    seq: int
    kind: str
    at: str
    clock: ClockQuality
    received_at: str
    body: dict[str, Any]


class EventPage(BaseModel):
    """Some events by time, and the cursor of the next page when there are more."""

    items: list[EventBodyItem]
    next_cursor: str | None


_LIVE_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": (
            "Server-sent events. `snapshot`: every van of the view, at first and whenever the "
            "client's place is no longer known. `vans`: those that changed since, at most four "
            "frames a second; `gone` names those that left the area. A van is a row of the "
            "`columns` that a snapshot names; `now` is the time of the business. Beside them, each "
            "as it happens: `van_silent`, `van_heard`, `van_excused`, `geofence`, `revision`, "
            "`order` and what needs a person. An `id` comes with every frame; sent back as "
            "`Last-Event-ID` the stream goes on from there. A comment comes at least every 15 s."
        ),
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


def routes(
    live: Live,
    stream: LiveStream,
    knows_van: Callable[[str, str], bool],
    sight_of: Callable[[Caller], Sight],
    gate: Gate,
) -> APIRouter:
    """The events of a van and the live stream. ``knows_van``: whether a tenant has a van."""
    router = APIRouter(tags=["tracking"])
    reader = Annotated[Caller, Depends(gate.roles(*READERS))]
    watch = Annotated[Callable[[], bool], Depends(gate.watch(*READERS))]

    @router.get("/vehicles/{vehicle_id}/events", response_model=EventPage)
    def events(
        vehicle_id: str,
        caller: reader,
        from_: Annotated[AwareDatetime | None, Query(alias="from")] = None,
        to: AwareDatetime | None = None,
        kind: Annotated[list[str] | None, Query(max_length=len(KINDS))] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
        fields: FieldsQuery = None,
    ) -> EventPage | Response:
        """What happened in a van, by time, a page at a time: trips, arrivals, driving, gaps.

        From ``from`` up to ``to``; the last day when not told otherwise. A page is asked for with
        the same span as the one before it.
        """
        require_van(knows_van, caller.tenant, vehicle_id)
        names = chosen(fields, EventBodyItem)
        to_s = live.clock.now_s() if to is None else to.timestamp()
        from_s = to_s - _DAY_S if from_ is None else from_.timestamp()
        found, following = live.events.page(
            caller.tenant, vehicle_id, (from_s, to_s), kinds=kind or (), cursor=cursor, limit=limit
        )
        page = EventPage(items=[_event_item(one) for one in found], next_cursor=following)
        return selected(page, names)

    @router.get("/live", responses=_LIVE_ANSWER, response_class=StreamingResponse)
    async def live_stream(
        caller: reader,
        is_still_let_in: watch,
        bbox: Annotated[str | None, Query(max_length=200)] = None,
        vans: Annotated[str | None, Query(max_length=20_000, pattern=_IDS)] = None,
        last_event_id: Annotated[str | None, Header(max_length=100)] = None,
    ) -> StreamingResponse:
        """What moves, as it moves; it ends when the token or session does.

        Of the vans within ``bbox`` (west,south,east,north in degrees), or of ``vans`` (their ids
        with commas between), or of all within reach.
        """
        box = None if bbox is None else box_of(bbox)
        asked = None if vans is None else _names(vans)
        sight, tenant = sight_of(caller), caller.tenant

        def view() -> View | None:
            if not is_still_let_in():
                return None
            return View(held=sight.vans(), vans=asked, box=box, shown=sight.shown)

        client = Client(live, stream, tenant, last_event_id)
        return StreamingResponse(
            frames(client, stream, tenant, view, ask_every_s=_ASK_EVERY_S),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return router


def _event_item(event: Happened) -> EventBodyItem:
    return EventBodyItem(
        stream=str(event.stream),
        seq=event.seq,
        kind=event.kind,
        at=to_rfc3339(event.at_s),
        clock=event.clock,
        received_at=to_rfc3339(event.received_at_s),
        body=event.body,
    )


def _names(vans: str) -> frozenset[str]:
    names = frozenset(filter(None, vans.split(",")))
    if not 1 <= len(names) <= _MAX_VANS:
        raise Invalid.field(
            "vans", f"names {len(names)} vans", f"name 1 to {_MAX_VANS}, or leave it out for all"
        )
    return names
