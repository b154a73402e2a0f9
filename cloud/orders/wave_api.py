"""A depot's waves over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from cloud.fleet.service import require_depot
from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.given import Line
from cloud.foundation.identity import Caller, Gate
from cloud.foundation.identity.reach import require_depot_wide
from cloud.orders import wave_store
from cloud.orders.waves import MOST_WAVES, Wave, WavesChanged, require_waves


class WaveBody(BaseModel):
    """What has come in by ``cutoff`` of the service date is ready at ``ready``; local, HH:MM."""

    model_config = ConfigDict(extra="forbid")
    cutoff: Line
    ready: Line


class WavesBody(BaseModel):
    """Waves in order. What comes after the last cut-off, and what is urgent, is ready at once."""

    model_config = ConfigDict(extra="forbid")
    waves: Annotated[list[WaveBody], Field(max_length=MOST_WAVES)]


class Waves:
    """Use cases of waves, one transaction each."""

    def __init__(self, database: Database, clock: Clock, events: outbox.Outbox) -> None:
        self._database = database
        self._clock = clock
        self._events = events

    def waves(self, tenant: str, depot_id: str) -> tuple[Wave, ...]:
        """A depot's waves.

        Raises:
            NotFound: no such depot.
        """
        with self._database.reading() as connection:
            require_depot(connection, tenant, depot_id)
            return wave_store.waves_of(connection, tenant, depot_id)

    def set_waves(self, tenant: str, depot_id: str, waves: tuple[Wave, ...]) -> None:
        """Write a depot's waves; days whose orders they concern are planned anew.

        Raises:
            NotFound: no such depot.
        """
        with self._database.writing() as connection:
            require_depot(connection, tenant, depot_id)
            before = wave_store.waves_of(connection, tenant, depot_id)
            wave_store.put_waves(connection, tenant, depot_id, waves)
            if waves != before:
                told = WavesChanged(depot_id=depot_id, before=before, after=waves)
                outbox.append(connection, tenant, self._clock.now_s(), told)
        self._events.wake()


def routes(waves: Waves, gate: Gate) -> APIRouter:
    """When a depot's parcels are ready."""
    router = APIRouter(tags=["orders"])
    reader = Annotated[Caller, Depends(gate.roles("dispatcher", "viewer", "integrator"))]
    dispatcher = Annotated[Caller, Depends(gate.roles("dispatcher"))]

    @router.get("/depots/{depot_id}/waves")
    def listed(depot_id: str, caller: reader) -> WavesBody:
        """A depot's waves."""
        return _body(waves.waves(caller.tenant, depot_id))

    @router.put("/depots/{depot_id}/waves")
    def put(depot_id: str, body: WavesBody, caller: dispatcher) -> WavesBody:
        """Say when parcels are ready; days whose orders it concerns are planned anew."""
        require_depot_wide(caller.reach)
        told = require_waves(Wave(one.cutoff, one.ready) for one in body.waves)
        waves.set_waves(caller.tenant, depot_id, told)
        return _body(told)

    return router


def _body(waves: tuple[Wave, ...]) -> WavesBody:
    return WavesBody(waves=[WaveBody(cutoff=one.cutoff, ready=one.ready) for one in waves])
