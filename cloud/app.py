"""The composition root of the web process: everything is made and joined here, once."""

import asyncio
import logging
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
from fastapi import APIRouter, FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from prometheus_client import CollectorRegistry

from cloud import board, grants, health, metrics, pages
from cloud.drivers import api as drivers_api
from cloud.drivers.ordering import StopOrder
from cloud.drivers.service import DriverWork
from cloud.fleet import api as fleet_api
from cloud.fleet import files_api
from cloud.fleet.enrolment import api as enrolment_api
from cloud.fleet.enrolment.desk import RenewalDesk
from cloud.fleet.enrolment.service import Enrolments
from cloud.fleet.files_api import LONG_BODIES
from cloud.fleet.service import Fleet
from cloud.foundation.body_limit import BodyLimit
from cloud.foundation.broker import BrokerAccess
from cloud.foundation.clock import Clock, RealClock, clock_of
from cloud.foundation.database import Database
from cloud.foundation.errors import CloudError
from cloud.foundation.files import private_folder, put
from cloud.foundation.http import PROBLEM_RESPONSES, answer_problems
from cloud.foundation.identity import Gate, Identity, People, audit, people_api
from cloud.foundation.identity import api as identity_api
from cloud.foundation.identity.audited import Audited
from cloud.foundation.identity.ending import AuditRetention
from cloud.foundation.ids import random_id
from cloud.foundation.layout import DataFolder
from cloud.foundation.outbox import Consumer, DomainEvent, Outbox
from cloud.foundation.places import place_of
from cloud.foundation.ports import read_ports
from cloud.foundation.requests import Observed, RequestCounts
from cloud.foundation.retention import end_old
from cloud.foundation.settings import Settings
from cloud.gateways import api as gateways_api
from cloud.gateways.service import Gateways
from cloud.geofences import api as geofences_api
from cloud.geofences import store as geofence_store
from cloud.geofences.service import Geofences
from cloud.geofences.watching import FenceWatch
from cloud.integrations.joined import Integrations
from cloud.integrations.office import live_event
from cloud.integrations.publisher import Publisher
from cloud.integrations.vans import VanLane
from cloud.orders import api as orders_api
from cloud.orders import place_api, wave_api
from cloud.orders.api import IMPORT_PATH, MAX_CSV_BYTES
from cloud.orders.service import Orders
from cloud.phones import api as phones_api
from cloud.phones import store as phone_store
from cloud.phones.desk import PhoneDesk
from cloud.phones.lane import PhoneLane
from cloud.phones.service import Phones
from cloud.places import api as places_api
from cloud.places.service import Areas
from cloud.planning import api as planning_api
from cloud.planning import breakdowns_api, revisions_api, rules_api
from cloud.planning.arrivals import Forecasts, PromiseWatch
from cloud.planning.breaking_down import Breakdowns
from cloud.planning.carrying import Carrying
from cloud.planning.client import PlannerClient
from cloud.planning.counts import LoopCounts
from cloud.planning.deciding import Decisions
from cloud.planning.ending import PlanRetention
from cloud.planning.job_queue import JobQueue
from cloud.planning.loop import PlanningLoop
from cloud.planning.making import PlanMaker, Positions
from cloud.planning.route_watch import RouteWatch
from cloud.planning.ruling import DayRules
from cloud.planning.service import Planning
from cloud.planning.situation import At
from cloud.planning.store import orders_of_carrier
from cloud.planning.turns import searches_at_once
from cloud.roads import api as roads_api
from cloud.roads.access import access_of
from cloud.roads.client import RoadsClient
from cloud.roads.engine import engine_url
from cloud.roads.publisher import SpeedPublisher
from cloud.roads.publishing import SpeedDesk
from cloud.roads.service import Traffic
from cloud.roads.ways import TimedWays
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
from cloud.tracking.complaints import ComplaintWatch
from cloud.tracking.deadletters import DeadLetters
from cloud.tracking.erasures import Erasures
from cloud.tracking.live import Live
from cloud.tracking.matched import Matching
from cloud.tracking.past import Past
from cloud.tracking.reports import Reports
from cloud.tracking.status import is_ingest_listening
from cloud.tracking.stream import LiveStream
from cloud.tracking.watch import SilenceWatch
from cloud.traffic.client import LearnerClient
from cloud.traffic.learning import SpeedLearning
from wire import __version__

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """Everything the web process is made of."""

    data: DataFolder
    clock: Clock
    real_time: Clock
    business: Database
    telemetry: Database
    positions: Positions
    broker: BrokerAccess
    roads: RoadsClient
    matching_roads: RoadsClient
    speeds: SpeedPublisher
    learning: SpeedLearning
    traffic: Traffic
    events: Outbox
    identity: Identity
    people: People
    held: grants.Held
    gate: Gate
    fleet: Fleet
    enrolments: Enrolments
    renewals: RenewalDesk
    gateways: Gateways
    geofences: Geofences
    phones: Phones
    areas: Areas
    orders: Orders
    planning: Planning
    rules: DayRules
    breakdowns: Breakdowns
    decisions: Decisions
    loop: PlanningLoop
    forecasts: Forecasts
    drivers: DriverWork
    stop_order: StopOrder
    live: Live
    stream: LiveStream
    publisher: Publisher
    integrations: Integrations
    checks: health.Checks
    registry: CollectorRegistry
    audit_retention: AuditRetention
    plan_retention: PlanRetention


def create_app(data: DataFolder, settings: Settings) -> FastAPI:
    """The whole web application over one data folder whose databases are migrated."""
    parts = _parts(data, settings)
    _make_first_login(parts)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with _running(parts):
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


def _parts(data: DataFolder, settings: Settings) -> _Parts:
    clock, real_time = clock_of(data.root), RealClock()
    business = Database(
        place_of("business", data, settings),
        lambda connection: audit.record(connection, real_time.now_s()),
    )
    telemetry = Database(place_of("telemetry", data, settings))
    broker = BrokerAccess(data, settings)
    roads_url = engine_url(settings.roads.url, read_ports(data.ports).roads)
    roads = RoadsClient(roads_url)
    events = Outbox(business)
    identity = Identity(business, real_time, random_id)
    stream = LiveStream()
    live = Live(telemetry, broker, clock)
    registry = CollectorRegistry()
    for one in metrics.collectors(data, business, has_broker=broker.is_embedded):
        registry.register(one)

    def positions(tenant: str) -> dict[str, At]:
        return {
            van: At(at.lat, at.lon, at.fix_time_s) for van, at in live.positions(tenant).items()
        }

    fleet = Fleet(business, clock, identity, broker, random_id)
    enrolments = Enrolments(business, real_time, broker, fleet, random_id, secrets.token_hex)
    planning = Planning(business, clock, random_id)
    maker = PlanMaker(
        database=business,
        clock=clock,
        roads=TimedWays(roads, data.roads if settings.roads.url is None else None, clock),
        planner=PlannerClient(data.planner_socket),
        positions=positions,
        events=events,
        new_id=random_id,
        streets=access_of(data.city),
    )
    loop = PlanningLoop(
        clock,
        JobQueue(business, clock, events, random_id, positions),
        maker,
        LoopCounts(registry),
        at_once=searches_at_once(os.cpu_count()),
    )
    held = grants.Held(business)
    learning = SpeedLearning(
        business=business,
        clock=clock,
        vans=lambda: [(tenant, van) for tenant, van, _ in fleet.every_vehicle()],
        zone=lambda: _zone_of(fleet),
        city=data.city,
        folder=data.roads,
        learner=LearnerClient(data.learner_socket),
        changed=lambda: speeds.look(),  # noqa: PLW0108 - there is none yet
    )
    speeds = SpeedPublisher(
        database=business,
        clock=clock,
        city=data.city,
        desk=SpeedDesk(data.roads, data.roads_socket) if settings.roads.url is None else None,
        factors=learning.factors,
        hours=learning.hours,
        events=events,
    )
    gateways = Gateways(business, clock, fleet, Reports(telemetry), events, random_id)
    return _Parts(
        data=data,
        clock=clock,
        real_time=real_time,
        business=business,
        telemetry=telemetry,
        positions=positions,
        broker=broker,
        roads=roads,
        matching_roads=RoadsClient(roads_url, lane="bulk", limit_s=20.0),
        speeds=speeds,
        learning=learning,
        traffic=Traffic(
            business,
            clock,
            random_id,
            depots=lambda tenant: {one.id for one in fleet.depots(tenant)},
            changed=speeds.wake,
        ),
        events=events,
        identity=identity,
        people=People(business, identity, real_time, random_id, grants.require_reach),
        held=held,
        gate=Gate(identity, held.require),
        fleet=fleet,
        enrolments=enrolments,
        renewals=RenewalDesk(broker, enrolments),
        phones=Phones(business, clock, fleet, random_id, lambda: secrets.randbits(63)),
        gateways=gateways,
        geofences=Geofences(
            business=business,
            telemetry=telemetry,
            clock=clock,
            fleet=fleet,
            gateways=gateways,
            events=events,
            new_id=random_id,
        ),
        areas=Areas(
            business,
            clock,
            events,
            random_id,
            depots=lambda tenant: {one.id for one in fleet.depots(tenant)},
        ),
        orders=Orders(business, clock, roads, events, random_id, orders_of_carrier),
        planning=planning,
        breakdowns=Breakdowns(business, clock, events, positions),
        rules=DayRules(business, clock, events, random_id),
        decisions=Decisions(business, clock, random_id),
        loop=loop,
        forecasts=Forecasts(business, planning, positions, clock),
        drivers=DriverWork(business, clock, events),
        stop_order=StopOrder(business, clock, events, random_id),
        live=live,
        stream=stream,
        publisher=Publisher(broker),
        integrations=Integrations(
            data=data,
            settings=settings,
            business=business,
            telemetry=telemetry,
            clock=clock,
            broker=broker,
            real_time=real_time,
            events=events,
            planning=planning,
            new_id=random_id,
        ),
        checks=health.Checks(data, business, broker, roads, real_time),
        registry=registry,
        audit_retention=AuditRetention(business, settings.retention.audit_days, real_time),
        plan_retention=PlanRetention(business, settings.retention.plans_days, clock),
    )


def _api(parts: _Parts) -> APIRouter:
    router = APIRouter()
    gate = parts.gate
    for part in (
        health.routes(parts.data, parts.checks, parts.clock, gate),
        metrics.routes(parts.registry, parts.checks, gate),
        identity_api.routes(parts.identity, parts.real_time),
        people_api.routes(parts.people, gate),
        fleet_api.routes(parts.fleet, parts.broker, gate),
        files_api.routes(parts.fleet, gate),
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
        revisions_api.routes(parts.decisions, parts.loop, gate),
        drivers_api.routes(parts.drivers, parts.stop_order, parts.planning, gate),
        board.routes(parts.fleet, parts.planning, parts.live, parts.roads, parts.clock, gate),
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


def _zone_of(fleet: Fleet) -> str:
    """The zone of the first depot; a city lies in one."""
    for tenant in sorted({tenant for tenant, _, _ in fleet.every_vehicle()}):
        for depot in fleet.depots(tenant):
            return depot.zone
    return "UTC"


def _knowing_vans(fleet: Fleet) -> Callable[[str, str], bool]:
    return lambda tenant, van: any(one.id == van for one in fleet.vehicles(tenant))


def _make_first_login(parts: _Parts) -> None:
    login = parts.identity.first_login("admin")
    if login is not None:
        private_folder(parts.data.secrets)
        put(parts.data.first_login, msgspec.json.encode(login))
        log.info("made the first login", extra={"file": parts.data.first_login})


@asynccontextmanager
async def _running(parts: _Parts) -> AsyncIterator[None]:
    """The tasks of the web process: they begin before the first request and end after the last."""
    try:
        await asyncio.to_thread(parts.fleet.let_gateways_in)
    except CloudError as error:
        log.warning("the broker was not told of the gateways", extra={"reason": error.detail})
    publisher = parts.publisher
    vans = VanLane(parts.fleet, parts.planning, parts.gateways, publisher.publish, publisher.forget)
    phone_desk = PhoneDesk(parts.broker, parts.phones)
    phones = PhoneLane(
        phones=parts.phones,
        business=parts.business,
        telemetry=parts.telemetry,
        clock=parts.clock,
        publish=publisher.publish,
    )
    parts.publisher.start()
    parts.live.start()
    parts.renewals.start()
    phone_desk.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(_or_end(work), name=name)
                for name, work in (
                    ("planning", parts.loop.run()),
                    ("triggers", parts.events.run("planning", parts.loop.on_event)),
                    *parts.integrations.work(vans, publisher),
                    ("live", parts.events.run("live", _telling(parts), is_prompt=False)),
                    ("gateways", parts.gateways.run()),
                    ("live threads", parts.live.watch()),
                    ("promises", _promise_watch(parts).run()),
                    ("carrying", Carrying(parts.business, parts.clock, parts.events).run()),
                    ("routes", _route_watch(parts).run()),
                    ("silence", _silence_watch(parts).run()),
                    ("geofences", parts.geofences.run()),
                    ("fence watch", _fence_watch(parts).run()),
                    ("complaints", _complaint_watch(parts).run()),
                    ("phones", phones.run()),
                    ("audit log", end_old("audit log", parts.audit_retention.work)),
                    ("old plans", end_old("plans", parts.plan_retention.work)),
                    ("speeds", parts.speeds.run()),
                    ("learning", parts.learning.run()),
                )
            ]
            yield
            for task in running:
                task.cancel()
    finally:
        phone_desk.stop()
        parts.renewals.stop()
        parts.live.stop()
        parts.publisher.stop()
        await parts.roads.close()
        await parts.matching_roads.close()
        await asyncio.get_running_loop().shutdown_default_executor()  # what still reads or writes
        parts.business.close()
        parts.telemetry.close()


def _silence_watch(parts: _Parts) -> SilenceWatch:
    return SilenceWatch(
        parts.live,
        parts.business,
        parts.events,
        on_shift=parts.fleet.vans_on_shift,
        out_of_use=parts.fleet.vans_out_of_use,
        intervals_s=parts.gateways.live_intervals_s,
        can_hear=lambda: (
            parts.live.can_hear() and is_ingest_listening(parts.data, parts.real_time.now_s())
        ),
        clock=parts.clock,
        new_id=random_id,
    )


def _promise_watch(parts: _Parts) -> PromiseWatch:
    return PromiseWatch(
        parts.forecasts,
        tenants=lambda: [tenant.id for tenant in parts.people.tenants()],
        database=parts.business,
        events=parts.events,
        clock=parts.clock,
    )


def _route_watch(parts: _Parts) -> RouteWatch:
    return RouteWatch(
        database=parts.business,
        clock=parts.clock,
        events=parts.events,
        tenants=lambda: [tenant.id for tenant in parts.people.tenants()],
        routes=parts.planning.routes_now,
        positions=parts.positions,
    )


def _fence_watch(parts: _Parts) -> FenceWatch:
    return FenceWatch(parts.geofences, parts.live.changed, parts.clock)


def _complaint_watch(parts: _Parts) -> ComplaintWatch:
    return ComplaintWatch(
        parts.data, lambda tenant, told: parts.stream.tell(tenant, "van_complaint", told)
    )


def _telling(parts: _Parts) -> Consumer:
    async def tell(event: DomainEvent) -> None:
        shown = live_event(event)
        if shown is not None:
            parts.stream.tell(event.tenant, *shown)

    return tell


async def _or_end(work: Coroutine[None, None, None]) -> None:
    """A task without which web is a shell: when it breaks, the process ends and is started anew."""
    try:
        await work
    except Exception:
        log.critical("a task of web broke; web ends to be started anew", exc_info=True)
        os.kill(os.getpid(), signal.SIGTERM)
