"""What an event looks like on the live stream of the office."""

from typing import Final

import msgspec

from cloud.foundation.clock import to_rfc3339
from cloud.foundation.outbox import DomainEvent
from cloud.geofences.model import FenceCrossed
from cloud.tracking.silence import SilenceChanged

_STATES: Final = {"OrderReceived": "received", "OrderChanged": "changed"}
_CROSSED: Final = ("vehicle_id", "geofence_id", "name", "kind", "dwell_s")
_COMPLAINTS: Final = {
    "PlanningFailed": "planning_failed",
    "CopySuspected": "copy_suspected",
    "WebhookDisabled": "webhook_disabled",
    "PromiseAtRisk": "promise_at_risk",
    "PlanProposed": "plan_proposed",
    "VanBrokeDown": "van_broke_down",
    "VanRepaired": "van_repaired",
    "RuleChanged": "rule",
}


def live_event(event: DomainEvent) -> tuple[str, dict[str, object]] | None:
    """What an event looks like on the live stream of the office; None when it is not shown."""
    fields = msgspec.json.decode(event.payload, type=dict[str, object])
    match event.kind:
        case "OrderReceived" | "OrderChanged" as kind:
            return "order", {"order_id": fields["order_id"], "state": _STATES[kind]}
        case "OrderMoved":
            return "order", {"order_id": fields["order_id"], "state": fields["after"]}
        case "RevisionCommitted":
            return "revision", {
                "depot_id": fields["depot_id"],
                "service_date": fields["service_date"],
                "revision": fields["number"],
                "trigger": fields["trigger"],
                "reason": fields["reason"],
                "route_ids": fields["routes"],
            }
        case kind if kind in _COMPLAINTS:
            return _COMPLAINTS[kind], fields
        case _:
            return _of_van(event)


def _of_van(event: DomainEvent) -> tuple[str, dict[str, object]] | None:
    match event.kind:
        case "SilenceChanged":
            silence = event.body(SilenceChanged)
            return silence.change, {
                "vehicle_id": silence.vehicle_id,
                "at": to_rfc3339(event.at),
                "heard_at": to_rfc3339(silence.heard_at_s),
            }
        case "FenceCrossed":
            crossed = event.body(FenceCrossed)
            told = {name: getattr(crossed, name) for name in _CROSSED}
            return "geofence", told | {"at": to_rfc3339(crossed.at_s)}
        case _:
            return None
