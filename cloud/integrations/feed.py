"""Domain events as messages: routes to the vans, states and revisions to third parties.

No name, telephone, note or code of a recipient ever enters a message here.
"""

from typing import Final

import msgspec

from cloud.fleet.enrolment.model import GatewayLetIn, GatewayShutOut
from cloud.foundation.clock import to_rfc3339
from cloud.foundation.outbox import DomainEvent
from cloud.gateways.model import CommandSent, SettingsDesired
from cloud.integrations.vans import Publish, VanLane
from cloud.orders.model import OrderMoved
from cloud.planning.day import RevisionCommitted
from cloud.planning.service import Planning
from wire import codec, messages, topics


class Feed:
    """A consumer of the outbox that tells vans and third parties."""

    def __init__(self, planning: Planning, vans: VanLane, publish: Publish) -> None:
        self._planning = planning
        self._vans = vans
        self._publish = publish

    async def on_event(self, event: DomainEvent) -> None:
        """Publish what an event means to others; anything else is no concern of theirs."""
        match event.kind:
            case "OrderMoved":
                await self._order(event, event.body(OrderMoved))
            case "RevisionCommitted":
                await self._revision(event, event.body(RevisionCommitted))
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

    async def _order(self, event: DomainEvent, moved: OrderMoved) -> None:
        topic = topics.feed_order_status(event.tenant, topics.OWN_CARRIER, moved.order_id)
        status = messages.OrderStatus(
            order=moved.order_id, state=moved.after, at=to_rfc3339(event.at)
        )
        await self._publish(topic, codec.encode(status), retain=False)

    async def _revision(self, event: DomainEvent, committed: RevisionCommitted) -> None:
        for route_id in committed.routes:
            route = self._planning.route(event.tenant, route_id)
            await self._vans.tell_route(event.tenant, route)
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


_COMPLAINTS: Final = {"PlanningFailed": "planning_failed", "CopySuspected": "copy_suspected"}


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
        case "PlanningFailed" | "CopySuspected" as kind:
            return _COMPLAINTS[kind], fields
        case _:
            return None
