"""What the broker holds for each van: what its gateway should hear, and nothing without one.

A retained message and a lasting session survive the right to read them (MQTT 3.1.1, 3.3.1.3 and
3.1.2.4), so both are cleared when a box is shut out, and told again to the next one.
"""

import asyncio
from typing import Protocol

from cloud.fleet.enrolment.model import GatewayLetIn, GatewayShutOut
from cloud.fleet.gateway_access import GatewayAccess
from cloud.gateways.model import CommandSent
from cloud.gateways.service import Gateways
from cloud.planning.day_plan import Route, Stop
from cloud.planning.service import Planning
from wire import codec, messages, topics

_E7 = 10_000_000
_CLEARED = b""
"""Takes a retained message off the broker (MQTT 3.1.1, 3.3.1.3)."""
_OFFLINE = messages.Presence(online=False)


class Publish(Protocol):
    """Publishes one message and returns when the broker has it."""

    async def __call__(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish, or raise so that it is tried again."""
        ...


class Forget(Protocol):
    """Has the broker drop a session and all that waits in it, and returns when that is done."""

    async def __call__(self, client_id: str) -> None:
        """Drop it, or raise so that it is tried again."""
        ...


class VanLane:
    """Tells the gateways of vans; used by one consumer of the outbox, so that order is kept."""

    def __init__(
        self,
        access: GatewayAccess,
        planning: Planning,
        gateways: Gateways,
        publish: Publish,
        forget: Forget,
    ) -> None:
        self._access = access
        self._planning = planning
        self._gateways = gateways
        self._publish = publish
        self._forget = forget

    async def tell_settings(self, tenant: str, vehicle_id: str) -> None:
        """Retain what is desired of the van's gateway."""
        message = self._gateways.desired_message(tenant, vehicle_id)
        if message is not None:
            await self._retain(tenant, vehicle_id, "desired", codec.encode(message))

    async def tell_route(self, tenant: str, route: Route) -> None:
        """Retain a route for the van that drives it."""
        told = codec.encode(route_message(route))
        await self._retain(tenant, route.vehicle_id, "route", told)

    async def tell_command(self, tenant: str, sent: CommandSent) -> None:
        """Ask the box that the command was sent to, while it is the van's gateway."""
        message = self._gateways.command_message(tenant, sent)
        if message is not None:
            topic = topics.down(tenant, sent.vehicle_id, "command")
            await self._publish(topic, codec.encode(message), retain=False)

    async def let_in(self, tenant: str, let_in: GatewayLetIn) -> None:
        """Tell a new gateway what the one before was told, once the broker lets it in.

        Raises:
            CloudError: the broker does not answer; it is to be done again.
        """
        await asyncio.to_thread(self._access.let_in)
        await self.tell_settings(tenant, let_in.vehicle_id)
        route = self._planning.route_of_vehicle(tenant, let_in.vehicle_id)
        if route is not None:
            await self.tell_route(tenant, route)

    async def shut_out(self, tenant: str, ended: GatewayShutOut) -> None:
        """Leave nothing on the broker for boxes that were a van's gateway.

        Raises:
            CloudError: the broker does not answer; it is to be done again, which changes nothing
                that was done.
        """
        # Before the broker knows, a box that is cut off here would come back and be told again.
        await asyncio.to_thread(self._access.let_in)
        current = self._access.session_now(tenant, ended.vehicle_id)
        for session in ended.sessions:
            if session != current:
                await self._forget(session)
        if current is None:
            await self._clear(tenant, ended.vehicle_id)

    async def _clear(self, tenant: str, vehicle_id: str) -> None:
        for kind in topics.RETAINED_DOWN:
            await self._publish(topics.down(tenant, vehicle_id, kind), _CLEARED, retain=True)
        state, presence = (topics.up(tenant, vehicle_id, kind) for kind in ("state", "presence"))
        await self._publish(state, _CLEARED, retain=True)
        await self._publish(presence, codec.encode(_OFFLINE), retain=True)

    async def _retain(self, tenant: str, vehicle_id: str, kind: str, told: bytes) -> None:
        """Retain ``told`` for the van's gateway; without one, see that nothing is retained."""
        if self._access.session_now(tenant, vehicle_id) is None:
            told = _CLEARED
        await self._publish(topics.down(tenant, vehicle_id, kind), told, retain=True)


def route_message(route: Route) -> messages.Route:
    """A route as its van gets it: where and when, and nothing about whom."""
    return messages.Route(
        route=route.id,
        revision=route.revision,
        stops=tuple(_stop(stop) for stop in route.open_stops),
        path=tuple((round(lat * _E7), round(lon * _E7)) for lon, lat in route.geometry),
    )


def _stop(stop: Stop) -> messages.RouteStop:
    window = stop.window
    return messages.RouteStop(
        stop=stop.id,
        kind=stop.kind,
        lat_e7=round(stop.lat * _E7),
        lon_e7=round(stop.lon * _E7),
        planned_arrival_ms=round(stop.planned_arrival * 1000),
        window_from_ms=None if window is None else round(window.begin * 1000),
        window_to_ms=None if window is None else round(window.end * 1000),
    )
