"""Domain events as messages: routes to the vans, states and revisions to third parties.

No name, telephone, note or code of a recipient ever enters a message here.
"""

from typing import Protocol

import msgspec

from cloud.foundation.clock import to_rfc3339
from cloud.foundation.outbox import DomainEvent
from cloud.gateways.model import CommandSent, SettingsDesired
from cloud.gateways.service import Gateways
from cloud.orders.model import OrderMoved
from cloud.planning.day import RevisionCommitted, Route, Stop
from cloud.planning.service import Planning
from wire import codec, messages, topics

_E7 = 10_000_000


class Publish(Protocol):
    """Publishes one message and returns when the broker has it."""

    async def __call__(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish, or raise so that it is tried again."""
        ...


class Feed:
    """A consumer of the outbox that tells vans and third parties."""

    def __init__(self, planning: Planning, gateways: Gateways, publish: Publish) -> None:
        self._planning = planning
        self._gateways = gateways
        self._publish = publish

    async def on_event(self, event: DomainEvent) -> None:
        """Publish what an event means to others; anything else is no concern of theirs."""
        match event.kind:
            case "OrderMoved":
                await self._order(event, event.body(OrderMoved))
            case "RevisionCommitted":
                await self._revision(event, event.body(RevisionCommitted))
            case "SettingsDesired":
                await self._settings(event, event.body(SettingsDesired))
            case "CommandSent":
                await self._command(event, event.body(CommandSent))
            case _:
                return

    async def _settings(self, event: DomainEvent, desired: SettingsDesired) -> None:
        message = self._gateways.desired_message(event.tenant, desired.vehicle_id)
        if message is not None:
            topic = topics.down(event.tenant, desired.vehicle_id, "desired")
            await self._publish(topic, codec.encode(message), retain=True)

    async def _command(self, event: DomainEvent, sent: CommandSent) -> None:
        message = self._gateways.command_message(event.tenant, sent)
        if message is not None:
            topic = topics.down(event.tenant, sent.vehicle_id, "command")
            await self._publish(topic, codec.encode(message), retain=False)

    async def _order(self, event: DomainEvent, moved: OrderMoved) -> None:
        topic = topics.feed_order_status(event.tenant, topics.OWN_CARRIER, moved.order_id)
        status = messages.OrderStatus(
            order=moved.order_id, state=moved.after, at=to_rfc3339(event.at)
        )
        await self._publish(topic, codec.encode(status), retain=False)

    async def _revision(self, event: DomainEvent, committed: RevisionCommitted) -> None:
        for route_id in committed.routes:
            route = self._planning.route(event.tenant, route_id)
            await self._publish(
                topics.down(event.tenant, route.vehicle_id, "route"),
                codec.encode(route_message(route)),
                retain=True,
            )
            revised = messages.RouteRevised(
                route=route.id,
                van=route.vehicle_id,
                revision=route.revision,
                trigger=committed.trigger,
                stops=tuple(stop.id for stop in route.open_stops),
                at=to_rfc3339(event.at),
            )
            await self._publish(
                topics.feed_route_revision(event.tenant, topics.OWN_CARRIER, route.id),
                codec.encode(revised),
                retain=False,
            )


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


def live_event(event: DomainEvent) -> tuple[str, dict[str, object]] | None:
    """What an event looks like on the live stream of the office; None when it is not shown."""
    fields = msgspec.json.decode(event.payload, type=dict[str, object])
    match event.kind:
        case "OrderReceived":
            return "order", {"order_id": fields["order_id"], "state": "received"}
        case "OrderMoved":
            return "order", {"order_id": fields["order_id"], "state": fields["after"]}
        case "OrderChanged":
            return "order", {"order_id": fields["order_id"], "state": "changed"}
        case "RevisionCommitted":
            return "revision", {
                "depot_id": fields["depot_id"],
                "service_date": fields["service_date"],
                "revision": fields["number"],
                "trigger": fields["trigger"],
                "reason": fields["reason"],
                "route_ids": fields["routes"],
            }
        case "PlanningFailed":
            return "planning_failed", fields
        case _:
            return None
