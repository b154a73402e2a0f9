"""What an event looks like on the live stream of the office."""

from typing import Final

import msgspec

from cloud.foundation.outbox import DomainEvent

_COMPLAINTS: Final = {
    "PlanningFailed": "planning_failed",
    "CopySuspected": "copy_suspected",
    "WebhookDisabled": "webhook_disabled",
    "PromiseAtRisk": "promise_at_risk",
}


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
        case "PlanningFailed" | "CopySuspected" | "WebhookDisabled" | "PromiseAtRisk" as kind:
            return _COMPLAINTS[kind], fields
        case _:
            return None
