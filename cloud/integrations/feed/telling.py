"""Domain events as messages: routes to the vans, business events to third parties."""

import asyncio

from cloud.fleet.enrolment.model import GatewayLetIn, GatewayShutOut
from cloud.foundation.outbox import DomainEvent
from cloud.gateways.model import CommandSent, SettingsDesired
from cloud.integrations.readers.model import FeedReaderEnded
from cloud.integrations.reading import Reading
from cloud.integrations.vans import Forget, Publish, VanLane
from cloud.planning.events import RevisionCommitted


class Feed:
    """A consumer of the outbox that tells vans and third parties."""

    def __init__(self, reading: Reading, vans: VanLane, tell: Publish, forget: Forget) -> None:
        self._reading = reading
        self._vans = vans
        self._tell = tell
        self._forget = forget

    async def on_event(self, event: DomainEvent) -> None:
        """Publish what an event means to others; anything else is no concern of theirs."""
        if event.kind == "FeedReaderEnded":
            await self._forget(event.body(FeedReaderEnded).session)
        await self._tell_vans(event)
        for public in await asyncio.to_thread(self._reading.public, event):
            await self._tell(public.topic, public.encoded(), retain=False)

    async def _tell_vans(self, event: DomainEvent) -> None:
        match event.kind:
            case "RevisionCommitted":
                for route_id in event.body(RevisionCommitted).routes:
                    route = await asyncio.to_thread(self._reading.route, event.tenant, route_id)
                    if route is not None:
                        await self._vans.tell_route(event.tenant, route)
            case "SettingsDesired":
                desired = event.body(SettingsDesired)
                await self._vans.tell_settings(event.tenant, desired.vehicle_id)
            case "CommandSent":
                await self._vans.tell_command(event.tenant, event.body(CommandSent))
            case "GatewayLetIn":
                await self._vans.let_in(event.tenant, event.body(GatewayLetIn))
            case "GatewayShutOut":
                await self._vans.shut_out(event.tenant, event.body(GatewayShutOut))
            case _:
                return
