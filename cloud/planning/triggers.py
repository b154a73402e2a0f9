"""Which news asks for a new plan of a day, and in which words. Pure."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Final, NamedTuple

from cloud.fleet.events import ShiftChanged, VehicleDisabled
from cloud.foundation.outbox import DomainEvent
from cloud.orders.model import OrderChanged, OrderMoved, OrderReceived
from cloud.planning.breakdowns.model import VanBrokeDown, VanRepaired
from cloud.planning.events import MarginUsed, PromiseAtRisk
from cloud.planning.jobs import About
from cloud.planning.reordering import DriverReordered
from cloud.planning.revision import Trigger
from cloud.planning.rules.model import RuleChanged
from cloud.planning.straying import VanOffRoute
from cloud.tracking.silence import SilenceChanged

_REPLANNED_FIELDS: Final = frozenset(
    {
        "window",
        "window_kind",
        "service_s",
        "weight_kg",
        "volume_litres",
        "needs",
        "ready_from",
        "wait_until",
        "service_date",
    }
)
_SETTLE_S: Final[Mapping[Trigger, float]] = {
    "urgent_order": 0.0,
    "driver_reordered": 0.0,
    "rule": 1.0,
}
SETTLE_S: Final = 3.0
"""How long further news is waited for, where `_SETTLE_S` says nothing else; domain time."""


class Cause(NamedTuple):
    """Why a depot's service date is to be planned anew."""

    depot_id: str
    service_date: date
    reason: str
    about: About


class VanCause(NamedTuple):
    """Why whatever a van has still to do is to be planned anew."""

    vehicle_id: str
    reason: str
    about: About


def cause_of(event: DomainEvent) -> Cause | VanCause | None:
    """What an event asks for; None when it changes no plan."""
    rule = _RULES.get(event.kind)
    return None if rule is None else rule(event)


def settles_in_s(trigger: Trigger) -> float:
    """How long further news of the same day is waited for before it is planned, domain time."""
    return _SETTLE_S.get(trigger, SETTLE_S)


def _received(event: DomainEvent) -> Cause | None:
    order = event.body(OrderReceived)
    trigger: Trigger = "urgent_order" if order.priority == "urgent" else "new_order"
    return _of_order(order, trigger, f"{trigger.replace('_', ' ')} {order.order_id}")


def _moved(event: DomainEvent) -> Cause | None:
    order = event.body(OrderMoved)
    if order.after == "cancelled" and order.before != "received":
        return _of_order(order, "cancellation", f"order {order.order_id} was cancelled")
    if order.after == "failed_attempt":
        if order.before == "out_for_delivery":
            reason = f"order {order.order_id} could not be delivered"
            return _of_order(order, "failed_attempt", reason)
        return _of_order(order, "failed_pickup", f"order {order.order_id} could not be loaded")
    return None


def _changed(event: DomainEvent) -> Cause | None:
    order = event.body(OrderChanged)
    if not _REPLANNED_FIELDS.intersection(order.fields):
        return None
    reason = f"order {order.order_id}: new {', '.join(order.fields)}"
    return _of_order(order, "changed_order", reason)


def _shift(event: DomainEvent) -> Cause | None:
    shift = event.body(ShiftChanged)
    about = About(trigger="changed_shift", vehicle_id=shift.vehicle_id)
    return _cause(shift, f"shift of {shift.vehicle_id} was {shift.change}", about)


def _disabled(event: DomainEvent) -> VanCause | None:
    van = event.body(VehicleDisabled).vehicle_id
    about = About(trigger="changed_shift", vehicle_id=van)
    return VanCause(van, f"{van} is not sent out any more", about)


def _risk(event: DomainEvent) -> Cause | None:
    risk = event.body(PromiseAtRisk)
    late_min = round((risk.expected_at - risk.promised_until) / 60)
    reason = f"order {risk.order_id} is expected {late_min} min after its promise"
    return _of_order(risk, "promise_at_risk", reason)


def _margin(event: DomainEvent) -> Cause | None:
    told = event.body(MarginUsed)
    left_min = round((told.promised_until - told.expected_at) / 60)
    reason = f"order {told.order_id} is expected {left_min} min before its promise ends"
    return _of_order(told, "promise_at_risk", reason)


def _rule(event: DomainEvent) -> Cause | None:
    rule = event.body(RuleChanged)
    if rule.with_revision is not None:
        return None
    return _cause(rule, rule.text, About(trigger="rule"))


def _reordered(event: DomainEvent) -> Cause:
    told = event.body(DriverReordered)
    about = About(trigger="driver_reordered", order_id=told.order_id, vehicle_id=told.vehicle_id)
    return _cause(told, told.text, about)


def _silence(event: DomainEvent) -> VanCause | None:
    silence = event.body(SilenceChanged)
    if silence.change != "van_silent":
        return None
    van = silence.vehicle_id
    return VanCause(van, f"{van} is silent", About(trigger="van_silent", vehicle_id=van))


def _off_route(event: DomainEvent) -> VanCause:
    told = event.body(VanOffRoute)
    van = told.vehicle_id
    reason = f"{van} drives away from its next stop, {told.off_m} m off its route"
    return VanCause(van, reason, About(trigger="van_off_route", vehicle_id=van))


def _broke_down(event: DomainEvent) -> VanCause:
    told = event.body(VanBrokeDown)
    van = told.vehicle_id
    reason = f"{van} has broken down" + (f": {told.note}" if told.note else "")
    return VanCause(van, reason, About(trigger="van_broken_down", vehicle_id=van))


def _repaired(event: DomainEvent) -> VanCause:
    van = event.body(VanRepaired).vehicle_id
    about = About(trigger="changed_shift", vehicle_id=van)
    return VanCause(van, f"{van} goes out again", about)


type _OfOrder = OrderReceived | OrderMoved | OrderChanged | PromiseAtRisk | MarginUsed
type _OfDay = _OfOrder | ShiftChanged | RuleChanged | DriverReordered


def _of_order(event: _OfOrder, trigger: Trigger, reason: str) -> Cause:
    return _cause(event, reason, About(trigger=trigger, order_id=event.order_id))


def _cause(event: _OfDay, reason: str, about: About) -> Cause:
    return Cause(event.depot_id, date.fromisoformat(event.service_date), reason, about)


_RULES: Final[Mapping[str, Callable[[DomainEvent], Cause | VanCause | None]]] = {
    "OrderReceived": _received,
    "OrderMoved": _moved,
    "OrderChanged": _changed,
    "ShiftChanged": _shift,
    "VehicleDisabled": _disabled,
    "PromiseAtRisk": _risk,
    "MarginUsed": _margin,
    "RuleChanged": _rule,
    "SilenceChanged": _silence,
    "VanOffRoute": _off_route,
    "DriverReordered": _reordered,
    "VanBrokeDown": _broke_down,
    "VanRepaired": _repaired,
}
