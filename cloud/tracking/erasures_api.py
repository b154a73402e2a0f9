"""Erasing where a van was, over HTTP."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from cloud.fleet.service import Fleet
from cloud.foundation.clock import Clock
from cloud.foundation.errors import Invalid
from cloud.foundation.given import Instant
from cloud.foundation.identity import Caller, Gate
from cloud.tracking.erasures import Erasures


class ErasureBody(BaseModel):
    """What is erased: all of it, or from one instant up to another."""

    model_config = ConfigDict(extra="forbid")
    from_: Instant | None = Field(None, alias="from")
    to: Instant | None = None
    is_everything: bool = False


class ErasedBody(BaseModel):
    """How many fixes, events and messages set aside are gone for good."""

    fixes: int
    events: int
    set_aside: int


def routes(erasures: Erasures, clock: Clock, fleet: Fleet, gate: Gate) -> APIRouter:
    """For administrators."""
    router = APIRouter(tags=["tracking"])
    admin = Annotated[Caller, Depends(gate.roles())]

    @router.post("/vehicles/{vehicle_id}/erasures")
    async def erase(vehicle_id: str, body: ErasureBody, caller: admin) -> ErasedBody:
        """Erase where a van was: fixes, trips, events with places, what was set aside of it.

        Of a van that is retired, too. It cannot be undone. What the van still holds and hands in
        later is stored; backups keep what they have until they are deleted.
        """
        van = await asyncio.to_thread(fleet.vehicle, caller.tenant, vehicle_id)
        span_ms = _span_ms(body, clock.now_s())
        told = await erasures.erase(caller.tenant, van.id, van.carrier_id, span_ms)
        return ErasedBody(fixes=told.fixes, events=told.events, set_aside=told.set_aside)

    return router


def _span_ms(body: ErasureBody, now_s: float) -> tuple[int, int] | None:
    """From when to when; None for all.

    Raises:
        Invalid: neither is told, both are, or the span is empty.
    """
    if body.is_everything:
        if body.from_ is not None or body.to is not None:
            raise Invalid.field("is_everything", "is given beside a span", "give one of the two")
        return None
    if body.from_ is None:
        raise Invalid.field("from", "is missing", "give from and to, or is_everything")
    to_s = now_s if body.to is None else body.to.timestamp()
    if body.from_.timestamp() >= to_s:
        raise Invalid.field("from", "is not before to", "give an earlier from")
    return round(body.from_.timestamp() * 1000), round(to_s * 1000)
