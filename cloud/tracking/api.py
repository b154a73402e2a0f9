"""Tracks, events and the live stream over HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel

from cloud.foundation.clock import to_rfc3339
from cloud.foundation.identity import READERS, Caller, Gate
from cloud.tracking.asked import require_van
from cloud.tracking.event_log import KINDS, Happened
from cloud.tracking.live import Live, LivePosition, LiveStream, Telling, sse_frame
from cloud.tracking.sight import FULL, Sight
from wire.values import ClockQuality

_FRAME_EVERY_S: Final = 0.25
_HEARTBEAT_S: Final = 15.0
_ASK_EVERY_S: Final = 15.0
_HOUR_S: Final = 3600.0
_DAY_S: Final = 86_400.0


class EventBodyItem(BaseModel):
    """One event of a van, known everywhere by ``stream`` and ``seq``.

    ``at`` is when it happened, or when it came where no time that the van told can be true;
    ``body`` is that of the wire, with its units in its names.
    """

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
            "Server-sent events: `vehicles` (all at first, then those that changed, at most four "
            "frames a second), `revision` and `order`."
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

    @router.get("/vehicles/{vehicle_id}/events")
    def events(
        vehicle_id: str,
        caller: reader,
        from_: Annotated[AwareDatetime | None, Query(alias="from")] = None,
        to: AwareDatetime | None = None,
        kind: Annotated[list[str] | None, Query(max_length=len(KINDS))] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
    ) -> EventPage:
        """What happened in a van, by time, a page at a time: trips, arrivals, driving, gaps.

        From ``from`` up to ``to``; the last day when not told otherwise. A page is asked for with
        the same span as the one before it.
        """
        require_van(knows_van, caller.tenant, vehicle_id)
        to_s = live.clock.now_s() if to is None else to.timestamp()
        from_s = to_s - _DAY_S if from_ is None else from_.timestamp()
        found, following = live.events.page(
            caller.tenant, vehicle_id, (from_s, to_s), kinds=kind or (), cursor=cursor, limit=limit
        )
        return EventPage(items=[_event_item(one) for one in found], next_cursor=following)

    @router.get("/live", responses=_LIVE_ANSWER, response_class=StreamingResponse)
    async def live_stream(caller: reader, is_still_let_in: watch) -> StreamingResponse:
        """What moves, as it moves; it ends when the token or session does."""
        return StreamingResponse(
            frames(live, stream, caller.tenant, is_still_let_in, sight_of(caller)),
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


async def frames(
    live: Live,
    stream: LiveStream,
    tenant: str,
    is_still_let_in: Callable[[], bool],
    sight: Sight = FULL,
    *,
    ask_every_s: float = _ASK_EVERY_S,
) -> AsyncIterator[bytes]:
    """The live stream of one client: what it has not seen yet, and never more than that.

    A client that reads slowly gets fewer frames, each with the newest of what changed. One that
    lets 256 events wait is let go; it finds everything in its first frame when it comes again.
    Every ``ask_every_s`` seconds, however busy it is, a client is asked for again, and one that is
    not let in any more is let go. It is told of what is in its ``sight`` only.
    """
    with stream.listening(tenant) as told:
        vans = await asyncio.to_thread(sight.vans)
        seen, is_first = -1, True
        frame_due_s = heartbeat_due_s = 0.0
        ask_due_s = time.monotonic() + ask_every_s
        while not told.is_overrun:
            now_s = time.monotonic()
            if now_s >= ask_due_s:
                if not await asyncio.to_thread(is_still_let_in):
                    return
                vans = await asyncio.to_thread(sight.vans)
                ask_due_s = now_s + ask_every_s
            for telling in told.take():
                frame = await _frame(telling, sight)
                if frame is not None:
                    yield frame
            if now_s >= frame_due_s:
                seen, moved = live.changed(tenant, seen)
                moved = [one for one in moved if vans is None or one.van in vans]
                if moved or is_first:
                    yield _vehicles(live, moved)
                    is_first, heartbeat_due_s = False, now_s + _HEARTBEAT_S
                frame_due_s = now_s + _FRAME_EVERY_S
            if now_s >= heartbeat_due_s:
                yield b": still here\n\n"
                heartbeat_due_s = now_s + _HEARTBEAT_S
            await told.wait(max(0.01, frame_due_s - time.monotonic()))


async def _frame(telling: Telling, sight: Sight) -> bytes | None:
    if sight is FULL:
        return telling.frame
    shown = await asyncio.to_thread(sight.shown, telling.payload)
    return None if shown is None else sse_frame(telling.event, shown)


def _vehicles(live: Live, moved: list[LivePosition]) -> bytes:
    items = [
        {
            "id": one.van,
            "lat": one.lat,
            "lon": one.lon,
            "speed_mps": one.speed_mps,
            "course_deg": one.course_deg,
            "fix_time": to_rfc3339(one.fix_time_s),
            "age_s": one.age_s,
            "presence": one.presence,
        }
        for one in moved
    ]
    return sse_frame("vehicles", {"now": to_rfc3339(live.clock.now_s()), "items": items})
