"""The web application: its routes over the parts, and what stands before them."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
from fastapi import APIRouter, FastAPI
from fastapi.middleware.gzip import GZipMiddleware

from cloud import board, health, metrics, pages
from cloud.drivers import api as drivers_api
from cloud.fleet import api as fleet_api
from cloud.fleet import files_api, gateway_access_api, register_api
from cloud.fleet.enrolment import api as enrolment_api
from cloud.fleet.files_api import LONG_BODIES
from cloud.fleet.service import Fleet
from cloud.foundation.body_limit import BodyLimit
from cloud.foundation.files import private_folder, put
from cloud.foundation.http import PROBLEM_RESPONSES, answer_problems
from cloud.foundation.identity import api as identity_api
from cloud.foundation.identity import people_api
from cloud.foundation.identity.audited import Audited
from cloud.foundation.ids import random_id
from cloud.foundation.layout import DataFolder
from cloud.foundation.requests import Observed, RequestCounts
from cloud.foundation.settings import Settings
from cloud.gateways import api as gateways_api
from cloud.geofences import api as geofences_api
from cloud.geofences import store as geofence_store
from cloud.orders import api as orders_api
from cloud.orders import place_api, wave_api
from cloud.orders.api import IMPORT_PATH, MAX_CSV_BYTES
from cloud.parts import Parts, parts_of
from cloud.phones import api as phones_api
from cloud.phones import store as phone_store
from cloud.places import api as places_api
from cloud.planning import api as planning_api
from cloud.planning import revisions_api, working_time_api
from cloud.planning.breakdowns import api as breakdowns_api
from cloud.planning.rules import api as rules_api
from cloud.roads import api as roads_api
from cloud.tracking import api as tracking_api
from cloud.tracking import (
    days_api,
    deadletters_api,
    erasures_api,
    matched_api,
    passages_api,
    past_api,
    track_api,
)
from cloud.tracking.deadletters import DeadLetters
from cloud.tracking.erasures import Erasures
from cloud.tracking.matched import Matching
from cloud.tracking.past import Past
from cloud.work import running
from wire import __version__

log = logging.getLogger(__name__)


def create_app(data: DataFolder, settings: Settings) -> FastAPI:
    """The whole web application over one data folder whose databases are migrated."""
    parts = parts_of(data, settings)
    _make_first_login(parts)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with running(parts):
            yield

    app = FastAPI(
        title="Roundsman",
        version=__version__,
        summary="Last-mile telematics and dispatch",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.add_middleware(GZipMiddleware, minimum_size=2_000, compresslevel=5)
    app.add_middleware(Audited, writing=parts.business.writing, real_time=parts.real_time)
    longer = {IMPORT_PATH: MAX_CSV_BYTES, **LONG_BODIES, **roads_api.LONG_BODIES}
    app.add_middleware(BodyLimit, longer={f"/api/v1{path}": most for path, most in longer.items()})
    app.add_middleware(Observed, counts=RequestCounts(parts.registry), new_id=random_id)
    answer_problems(app)
    app.include_router(_api(parts), prefix="/api/v1", responses=PROBLEM_RESPONSES)
    app.include_router(pages.routes(parts.gate))
    return app


def _api(parts: Parts) -> APIRouter:
    router = APIRouter()
    gate = parts.gate
    for part in (
        health.routes(parts.data, parts.checks, parts.clock, gate),
        metrics.routes(parts.registry, parts.checks, gate),
        identity_api.routes(parts.identity, parts.real_time),
        people_api.routes(parts.people, gate),
        fleet_api.routes(parts.roster, parts.handover, gate, parts.working_time.against),
        gateway_access_api.routes(parts.access, parts.broker, gate),
        register_api.routes(parts.fleet, gate),
        files_api.routes(parts.fleet, parts.roster, gate),
        gateways_api.routes(parts.gateways, gate),
        geofences_api.routes(parts.geofences, parts.clock, gate),
        roads_api.routes(parts.traffic, parts.speeds, parts.roads, gate),
        phones_api.routes(parts.phones, gate),
        enrolment_api.routes(parts.enrolments, parts.real_time, gate),
        orders_api.routes(parts.orders, parts.planning.places_in_plan, gate),
        place_api.routes(parts.orders, gate),
        wave_api.routes(wave_api.Waves(parts.business, parts.clock, parts.events), gate),
        places_api.routes(parts.areas, gate),
        planning_api.routes(parts.planning, parts.loop, parts.forecasts, gate),
        rules_api.routes(parts.rules, gate),
        breakdowns_api.routes(parts.breakdowns, gate),
        working_time_api.routes(parts.working_time, gate),
        revisions_api.routes(parts.decisions, parts.loop, gate),
        drivers_api.routes(parts.drivers, parts.stop_order, parts.planning, gate),
        board.routes(
            fleet=parts.fleet,
            roster=parts.roster,
            handover=parts.handover,
            planning=parts.planning,
            live=parts.live,
            roads=parts.roads,
            clock=parts.clock,
            gate=gate,
        ),
        track_api.routes(parts.live.tracks, parts.clock, _knowing_vans(parts.fleet), gate),
        matched_api.routes(
            Matching(parts.live.tracks, parts.matching_roads),
            parts.clock,
            _knowing_vans(parts.fleet),
            gate,
        ),
        past_api.routes(
            Past(parts.telemetry, parts.live.tracks),
            parts.clock,
            parts.fleet,
            _knowing_vans(parts.fleet),
            gate,
        ),
        passages_api.routes(parts.telemetry, parts.clock, parts.fleet, gate),
        days_api.routes(parts.telemetry, parts.clock, parts.fleet, gate),
        deadletters_api.routes(DeadLetters(parts.data, parts.telemetry), gate),
        erasures_api.routes(
            Erasures(
                parts.data,
                parts.business,
                parts.live,
                parts.publisher.publish,
                [phone_store.forget_places, geofence_store.forget_presence],
            ),
            parts.clock,
            parts.fleet,
            gate,
        ),
        tracking_api.routes(
            parts.live, parts.stream, _knowing_vans(parts.fleet), parts.held.sight, gate
        ),
        *parts.integrations.routes(gate),
    ):
        router.include_router(part)
    return router


def _knowing_vans(fleet: Fleet) -> Callable[[str, str], bool]:
    return lambda tenant, van: any(one.id == van for one in fleet.vehicles(tenant))


def _make_first_login(parts: Parts) -> None:
    login = parts.identity.first_login("admin")
    if login is not None:
        private_folder(parts.data.secrets)
        put(parts.data.first_login, msgspec.json.encode(login))
        log.info("made the first login", extra={"file": parts.data.first_login})
