"""Everything that the web process is made of, made and joined once."""

import os
import secrets
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from cloud import grants, health, metrics
from cloud.drivers.ordering import StopOrder
from cloud.drivers.service import DriverWork
from cloud.fleet.enrolment.desk import RenewalDesk
from cloud.fleet.enrolment.service import Enrolments
from cloud.fleet.gateway_access import GatewayAccess
from cloud.fleet.handover import Handover
from cloud.fleet.roster import Roster
from cloud.fleet.service import Fleet
from cloud.foundation.broker import BrokerAccess
from cloud.foundation.clock import Clock, RealClock, clock_of
from cloud.foundation.database import Database
from cloud.foundation.identity import Gate, Identity, People, audit
from cloud.foundation.identity.ending import AuditRetention
from cloud.foundation.ids import random_id
from cloud.foundation.layout import DataFolder
from cloud.foundation.outbox import Outbox
from cloud.foundation.places import place_of
from cloud.foundation.ports import read_ports
from cloud.foundation.settings import Settings
from cloud.gateways.service import Gateways
from cloud.geofences import store as geofence_store
from cloud.geofences.service import Geofences
from cloud.integrations.joined import Integrations
from cloud.integrations.publisher import Publisher
from cloud.orders.service import Orders
from cloud.phones.service import Phones
from cloud.places.service import Areas
from cloud.planning.arrivals import Forecasts
from cloud.planning.breakdowns.service import Breakdowns
from cloud.planning.client import PlannerClient
from cloud.planning.counts import LoopCounts
from cloud.planning.deciding import Decisions
from cloud.planning.ending import PlanRetention
from cloud.planning.job_queue import JobQueue
from cloud.planning.loop import PlanningLoop
from cloud.planning.making import PlanMaker, Positions
from cloud.planning.rules.service import DayRules
from cloud.planning.service import Planning
from cloud.planning.situation import At
from cloud.planning.turns import searches_at_once
from cloud.planning.within import orders_of_carrier
from cloud.planning.working_time import WorkingTime
from cloud.roads.access import access_of
from cloud.roads.client import RoadsClient
from cloud.roads.engine import engine_url
from cloud.roads.publisher import SpeedPublisher
from cloud.roads.publishing import SpeedDesk
from cloud.roads.service import Traffic
from cloud.roads.ways import TimedWays
from cloud.tracking.live import Live
from cloud.tracking.reports import Reports
from cloud.tracking.stream import LiveStream
from cloud.traffic.client import LearnerClient
from cloud.traffic.learning import SpeedLearning


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
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
    roster: Roster
    handover: Handover
    access: GatewayAccess
    enrolments: Enrolments
    renewals: RenewalDesk
    gateways: Gateways
    geofences: Geofences
    phones: Phones
    areas: Areas
    orders: Orders
    planning: Planning
    rules: DayRules
    working_time: WorkingTime
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


def parts_of(data: DataFolder, settings: Settings) -> Parts:
    """The parts over one data folder whose databases are migrated; none of them works yet."""
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

    access = GatewayAccess(business, clock, broker, random_id)
    fleet = Fleet(business, clock, identity, access, geofence_store.ids)
    roster = Roster(business, clock, random_id)
    enrolments = Enrolments(business, real_time, broker, access, random_id, secrets.token_hex)
    planning = Planning(business, clock, random_id)
    maker = PlanMaker(
        database=business,
        clock=clock,
        roads=TimedWays(roads, data.roads if settings.roads.url is None else None, clock),
        planner=PlannerClient(data.planner_socket, data.quick_planner_socket),
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
    gateways = Gateways(
        database=business,
        clock=clock,
        fleet=fleet,
        access=access,
        roster=roster,
        reports=Reports(telemetry),
        events=events,
        new_id=random_id,
    )
    return Parts(
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
        roster=roster,
        handover=Handover(business, clock, access, random_id),
        access=access,
        enrolments=enrolments,
        renewals=RenewalDesk(broker, enrolments),
        phones=Phones(business, clock, fleet, roster, random_id, lambda: secrets.randbits(63)),
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
        working_time=WorkingTime(business, clock),
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


def _zone_of(fleet: Fleet) -> str:
    """The zone of the first depot; a city lies in one."""
    for tenant in sorted({tenant for tenant, _, _ in fleet.every_vehicle()}):
        for depot in fleet.depots(tenant):
            return depot.zone
    return "UTC"
