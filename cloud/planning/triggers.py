"""Which news asks for a new plan of a day, and in which words. Pure."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Final, NamedTuple

from cloud.fleet.events import ShiftChanged
from cloud.foundation.outbox import DomainEvent
from cloud.orders.model import OrderChanged, OrderMoved, OrderReceived
from cloud.planning.day import PromiseAtRisk, Trigger
from cloud.planning.rules import RuleChanged

_REPLANNED_FIELDS: Final = frozenset(
    {"window", "service_s", "weight_kg", "volume_litres", "needs", "ready_from"}
)


class Cause(NamedTuple):
    """Why a depot's service date is to be planned anew."""

    depot_id: str
    service_date: date
    trigger: Trigger
    reason: str


def cause_of(event: DomainEvent) -> Cause | None:
    """What an event asks for; None when it changes no plan."""
    rule = _RULES.get(event.kind)
    return None if rule is None else rule(event)


def _received(event: DomainEvent) -> Cause | None:
    order = event.body(OrderReceived)
    trigger: Trigger = "urgent_order" if order.priority == "urgent" else "new_order"
    return _cause(order, trigger, f"{trigger.replace('_', ' ')} {order.order_id}")


def _moved(event: DomainEvent) -> Cause | None:
    order = event.body(OrderMoved)
    if order.after == "cancelled" and order.before != "received":
        return _cause(order, "cancellation", f"order {order.order_id} was cancelled")
    if order.after == "failed_attempt" and order.before != "out_for_delivery":
        return _cause(order, "failed_pickup", f"order {order.order_id} could not be loaded")
    return None


def _changed(event: DomainEvent) -> Cause | None:
    order = event.body(OrderChanged)
    if not _REPLANNED_FIELDS.intersection(order.fields):
        return None
    return _cause(order, "changed_order", f"order {order.order_id}: new {', '.join(order.fields)}")


def _shift(event: DomainEvent) -> Cause | None:
    shift = event.body(ShiftChanged)
    return _cause(shift, "changed_shift", f"shift of {shift.vehicle_id} was {shift.change}")


def _risk(event: DomainEvent) -> Cause | None:
    risk = event.body(PromiseAtRisk)
    late_min = round((risk.expected_at - risk.promised_until) / 60)
    reason = f"order {risk.order_id} is expected {late_min} min after its promise"
    return _cause(risk, "promise_at_risk", reason)


def _rule(event: DomainEvent) -> Cause | None:
    rule = event.body(RuleChanged)
    return _cause(rule, "rule", rule.text)


def _cause(
    event: OrderReceived | OrderMoved | OrderChanged | ShiftChanged | PromiseAtRisk | RuleChanged,
    trigger: Trigger,
    reason: str,
) -> Cause:
    return Cause(event.depot_id, date.fromisoformat(event.service_date), trigger, reason)


_RULES: Final[Mapping[str, Callable[[DomainEvent], Cause | None]]] = {
    "OrderReceived": _received,
    "OrderMoved": _moved,
    "OrderChanged": _changed,
    "ShiftChanged": _shift,
    "PromiseAtRisk": _risk,
    "RuleChanged": _rule,
}
