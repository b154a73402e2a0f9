"""The parts that serve third parties, made and joined in one place for the composition root."""

import asyncio
import random
from collections.abc import Coroutine

from fastapi import APIRouter

from cloud.fleet import kinds, register
from cloud.fleet import store as fleet_store
from cloud.foundation.broker import BrokerAccess
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.identity import Gate
from cloud.foundation.ids import NewId
from cloud.foundation.layout import DataFolder
from cloud.foundation.outbox import DomainEvent, Outbox
from cloud.foundation.sealing import Vault
from cloud.foundation.settings import Settings
from cloud.integrations import options, options_api
from cloud.integrations.asyncapi import api as asyncapi_api
from cloud.integrations.feed.retained import RetainedFeed, Wanted
from cloud.integrations.feed.telling import Feed
from cloud.integrations.publisher import Publisher
from cloud.integrations.readers import api as readers_api
from cloud.integrations.readers.service import Readers
from cloud.integrations.reading import Reading
from cloud.integrations.trips import Trips
from cloud.integrations.vans import VanLane
from cloud.integrations.webhooks import api as webhooks_api
from cloud.integrations.webhooks.delivering import Delivering
from cloud.integrations.webhooks.sending import Sender, SystemResolver
from cloud.integrations.webhooks.service import Webhooks
from cloud.planning.service import Planning
from wire import topics


class Integrations:
    """The public feed and webhooks of every tenant."""

    def __init__(
        self,
        *,
        data: DataFolder,
        settings: Settings,
        business: Database,
        telemetry: Database,
        clock: Clock,
        broker: BrokerAccess,
        real_time: Clock,
        events: Outbox,
        planning: Planning,
        new_id: NewId,
    ) -> None:
        self._business, self._broker, self._events = business, broker, events
        self._reading = Reading(planning, self.carrier_of)
        self._readers = Readers(business, broker, real_time, events, new_id)
        self._trips = Trips(telemetry, business, clock, events)
        vault, allowed = Vault(data.seal_key), settings.webhooks.networks
        self._webhooks = Webhooks(business, vault, real_time, self._reading, new_id, allowed)
        self._delivering = Delivering(
            business,
            vault,
            real_time,
            Sender(SystemResolver(), allowed),
            events,
            random.SystemRandom().random,
            kept_s=settings.retention.deliveries_days * 86_400,
        )
        self._webhooks.on_queued(self._delivering.wake)

    def routes(self, gate: Gate) -> list[APIRouter]:
        """All that third parties, and those who let them in, ask for."""
        return [
            asyncapi_api.routes(),
            options_api.routes(self._business, gate),
            readers_api.routes(self._readers, gate),
            webhooks_api.routes(self._webhooks, gate),
        ]

    def work(
        self, vans: VanLane, publisher: Publisher
    ) -> list[tuple[str, Coroutine[None, None, None]]]:
        """The tasks that run as long as the web process, by name."""
        feed = Feed(self._reading, vans, publisher.tell, publisher.forget)
        return [
            ("feed", self._events.run("feed", feed.on_event, is_prompt=False)),
            ("retained", RetainedFeed(self._broker, self._wanted, publisher.tell).run()),
            ("readers", self._readers.run()),
            ("trips", self._trips.run()),
            ("webhooks", self._events.run("webhooks", self._queue, is_prompt=False)),
            ("deliveries", self._delivering.run()),
        ]

    def carrier_of(self, tenant: str, van: str) -> str:
        """Whose topics a van's news stands on; a van that is gone is the tenant's own."""
        with self._business.reading() as connection:
            found = register.find(connection, kinds.VEHICLES, tenant, van)
        return topics.OWN_CARRIER if found is None else found.carrier_id

    def _wanted(self) -> Wanted:
        with self._business.reading() as connection:
            return Wanted(
                vans=fleet_store.carriers_of_vans(connection),
                home_assistant=options.tenants_with_home_assistant(connection),
            )

    async def _queue(self, event: DomainEvent) -> None:
        await asyncio.to_thread(self._webhooks.take, event)
