"""What an event of the outbox means to third parties, with what has to be looked up for it."""

from collections.abc import Callable
from datetime import date

from cloud.fleet.enrolment.model import CopySuspected
from cloud.foundation.errors import NotFound
from cloud.foundation.outbox import DomainEvent
from cloud.geofences.model import FenceCrossed
from cloud.integrations.events import PublicEvent, Told, TripTold
from cloud.orders.model import OrderMoved
from cloud.planning.day_plan import Route
from cloud.planning.events import PlanningFailed, PromiseAtRisk, RevisionCommitted
from cloud.planning.service import Planning
from cloud.tracking.silence import SilenceChanged
from wire import topics

type CarrierOf = Callable[[str, str], str]
"""The carrier of a (tenant, van)."""


class Reading:
    """Turns events of the outbox into public ones; reads, and changes nothing."""

    def __init__(self, planning: Planning, carrier_of: CarrierOf) -> None:
        self._planning = planning
        self._carrier_of = carrier_of

    def public(self, event: DomainEvent) -> list[PublicEvent]:
        """What third parties are told of ``event``; nothing for most kinds."""
        told = Told(position=event.position, tenant=event.tenant, at_s=event.at)
        match event.kind:
            case "OrderMoved":
                return [self._order(told, event.body(OrderMoved))]
            case "RevisionCommitted":
                return self._revision(told, event.body(RevisionCommitted))
            case "PlanningFailed":
                failed = event.body(PlanningFailed)
                day = {"depot": failed.depot_id, "service_date": failed.service_date}
                return [told.exception("planning_failed", topics.OWN_CARRIER, **day)]
            case _:
                return self._of_van(told, event)

    def _of_van(self, told: Told, event: DomainEvent) -> list[PublicEvent]:
        """News of one van stands on its carrier's topics."""
        match event.kind:
            case "TripTold":
                trip = event.body(TripTold)
                return [told.trip(trip, self._carrier_of(event.tenant, trip.vehicle_id))]
            case "FenceCrossed":
                crossed = event.body(FenceCrossed)
                carrier = self._carrier_of(event.tenant, crossed.vehicle_id)
                return [told.geofence(crossed, carrier)]
            case "CopySuspected":
                van = event.body(CopySuspected).vehicle_id
                carrier = self._carrier_of(event.tenant, van)
                return [told.exception("copy_suspected", carrier, van=van)]
            case "PromiseAtRisk":
                risk = event.body(PromiseAtRisk)
                van, orders = risk.vehicle_id, (risk.order_id,)
                carrier = self._carrier_of(event.tenant, van)
                return [told.exception("promise_at_risk", carrier, van=van, orders=orders)]
            case "SilenceChanged":
                silence = event.body(SilenceChanged)
                carrier = self._carrier_of(event.tenant, silence.vehicle_id)
                return [told.silence(silence, carrier)]
            case _:
                return []

    def route(self, tenant: str, route_id: str) -> Route | None:
        """A route as it stands; None when a later revision has dropped it."""
        try:
            return self._planning.route(tenant, route_id)
        except NotFound:
            return None

    def _order(self, told: Told, moved: OrderMoved) -> PublicEvent:
        place = self._planning.places_in_plan(told.tenant, [moved.order_id]).get(moved.order_id)
        route = None if place is None or place[0] is None else self.route(told.tenant, place[0])
        carrier = topics.OWN_CARRIER
        if route is not None:
            carrier = self._carrier_of(told.tenant, route.vehicle_id)
        return told.order_moved(moved.order_id, moved.after, carrier)

    def _revision(self, told: Told, committed: RevisionCommitted) -> list[PublicEvent]:
        routes = [self.route(told.tenant, one) for one in committed.routes]
        events = [
            told.route_revised(
                route, committed.trigger, self._carrier_of(told.tenant, route.vehicle_id)
            )
            for route in routes
            if route is not None
        ]
        orders = self._unserved(told.tenant, committed)
        if orders:
            raised = told.exception(
                "orders_unserved",
                topics.OWN_CARRIER,
                depot=committed.depot_id,
                service_date=committed.service_date,
                orders=orders,
            )
            events.append(raised)
        return events

    def _unserved(self, tenant: str, committed: RevisionCommitted) -> list[str]:
        day = date.fromisoformat(committed.service_date)
        try:
            plan = self._planning.plan(tenant, committed.depot_id, day)
        except NotFound:
            return []
        return [left.order_id for left in plan.unserved if left.waits_until is None]
