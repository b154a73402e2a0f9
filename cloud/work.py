"""What the web process does beside answering requests: its tasks and threads."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

from cloud.foundation.errors import CloudError
from cloud.foundation.ids import random_id
from cloud.foundation.outbox import Consumer, DomainEvent
from cloud.foundation.retention import end_old
from cloud.geofences.watching import FenceWatch
from cloud.integrations.office import live_event
from cloud.integrations.vans import VanLane
from cloud.parts import Parts
from cloud.phones.desk import PhoneDesk
from cloud.phones.lane import PhoneLane
from cloud.planning.arrivals import PromiseWatch
from cloud.planning.carrying import Carrying
from cloud.planning.route_watch import RouteWatch
from cloud.tracking.complaints import ComplaintWatch
from cloud.tracking.status import is_ingest_listening
from cloud.tracking.watch import SilenceWatch

log = logging.getLogger(__name__)


@asynccontextmanager
async def running(parts: Parts) -> AsyncIterator[None]:
    """The tasks of the web process: they begin before the first request and end after the last."""
    try:
        await asyncio.to_thread(parts.access.let_in)
    except CloudError as error:
        log.warning("the broker was not told of the gateways", extra={"reason": error.detail})
    publisher = parts.publisher
    vans = VanLane(
        parts.access, parts.planning, parts.gateways, publisher.publish, publisher.forget
    )
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


def _silence_watch(parts: Parts) -> SilenceWatch:
    return SilenceWatch(
        parts.live,
        parts.business,
        parts.events,
        on_shift=parts.roster.vans_on_shift,
        out_of_use=parts.fleet.vans_out_of_use,
        intervals_s=parts.gateways.live_intervals_s,
        can_hear=lambda: (
            parts.live.can_hear() and is_ingest_listening(parts.data, parts.real_time.now_s())
        ),
        clock=parts.clock,
        new_id=random_id,
    )


def _promise_watch(parts: Parts) -> PromiseWatch:
    return PromiseWatch(
        parts.forecasts,
        tenants=lambda: [tenant.id for tenant in parts.people.tenants()],
        database=parts.business,
        events=parts.events,
        clock=parts.clock,
    )


def _route_watch(parts: Parts) -> RouteWatch:
    return RouteWatch(
        database=parts.business,
        clock=parts.clock,
        events=parts.events,
        tenants=lambda: [tenant.id for tenant in parts.people.tenants()],
        routes=parts.planning.routes_now,
        positions=parts.positions,
    )


def _fence_watch(parts: Parts) -> FenceWatch:
    return FenceWatch(parts.geofences, parts.live.changed, parts.clock)


def _complaint_watch(parts: Parts) -> ComplaintWatch:
    return ComplaintWatch(
        parts.data, lambda tenant, told: parts.stream.tell(tenant, "van_complaint", told)
    )


def _telling(parts: Parts) -> Consumer:
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
