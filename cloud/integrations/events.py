"""Business events as third parties see them: on MQTT and in webhooks the same. Pure.

What stands in a message is named field by field: nothing of a recipient can come along.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from cloud.foundation.clock import to_rfc3339
from cloud.geofences.model import FenceCrossed
from cloud.planning.day_plan import Route
from cloud.tracking.silence import SilenceChanged
from wire import codec, feed, topics
from wire.messages import OrderStatus, RouteRevised

type Kind = Literal["order.status", "route.revision", "trip", "geofence", "exception", "ping"]

_CHANNELS: Final[dict[Kind, str]] = {
    "order.status": "order_status",
    "route.revision": "route_revision",
    "trip": "trip",
    "geofence": "geofence",
    "exception": "exception",
}
_THINGS: Final[dict[Kind, str]] = {
    "order.status": "order",
    "route.revision": "route",
    "trip": "van",
    "geofence": "van",
    "exception": "exception",
    "ping": "webhook",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicEvent:
    """One event for third parties.

    Attributes:
        id: the same whenever the event is told again.
        thing: id of what it happened to. carrier: whose topic it stands on.
        at_s: when, by domain time, seconds since 1970.
    """

    id: str
    tenant: str
    kind: Kind
    thing: str
    carrier: str
    at_s: float
    data: feed.Data

    @property
    def topic(self) -> str:
        """Where it stands on the public feed."""
        names = {"tenant": self.tenant, "carrier": self.carrier, _THINGS[self.kind]: self.thing}
        return topics.feed(_CHANNELS[self.kind], **names)

    def encoded(self) -> bytes:
        """The event as a structured CloudEvent."""
        told = feed.CloudEvent(
            id=self.id,
            source=f"urn:roundsman:{self.tenant}",
            type=feed.type_of(self.kind),
            subject=f"{_THINGS[self.kind]}/{self.thing}",
            time=to_rfc3339(self.at_s),
            data=self.data,
            carrier=self.carrier,
        )
        return codec.encode(told)


class TripTold(msgspec.Struct, frozen=True, kw_only=True):
    """A van has told of a trip's begin or end; known everywhere by (vehicle, stream, seq)."""

    vehicle_id: str
    stream: str
    seq: int
    phase: Literal["started", "ended"]
    at_s: float
    received_at_s: float
    odometer_m: int
    distance_m: int | None = None
    moving_s: int | None = None
    idling_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an event of the outbox and its place there say of each public event made of it."""

    position: int
    tenant: str
    at_s: float

    def order_moved(self, order_id: str, state: str, carrier: str) -> PublicEvent:
        """An order has a new state."""
        status = OrderStatus(order=order_id, state=state, at=to_rfc3339(self.at_s))
        return self._event("order.status", order_id, carrier, status)

    def route_revised(self, route: Route, trigger: str, carrier: str) -> PublicEvent:
        """A route has a new revision."""
        revised = RouteRevised(
            route=route.id,
            van=route.vehicle_id,
            revision=route.revision,
            trigger=trigger,
            stops=tuple(stop.id for stop in route.open_stops),
            at=to_rfc3339(self.at_s),
        )
        return self._event("route.revision", route.id, carrier, revised, about=route.id)

    def trip(self, trip: TripTold, carrier: str) -> PublicEvent:
        """A van has set off or come to rest."""
        told = feed.Trip(
            van=trip.vehicle_id,
            phase=trip.phase,
            at=to_rfc3339(trip.at_s),
            received_at=to_rfc3339(trip.received_at_s),
            odometer_m=trip.odometer_m,
            distance_m=trip.distance_m,
            moving_s=trip.moving_s,
            idling_s=trip.idling_s,
        )
        return PublicEvent(
            id=f"trip-{trip.vehicle_id}-{trip.stream}-{trip.seq}",
            tenant=self.tenant,
            kind="trip",
            thing=trip.vehicle_id,
            carrier=carrier,
            at_s=trip.at_s,
            data=told,
        )

    def geofence(self, crossed: FenceCrossed, carrier: str) -> PublicEvent:
        """A van has come into a geofence, stays in it, or has left it."""
        told = feed.GeofenceCrossed(
            van=crossed.vehicle_id,
            geofence=crossed.geofence_id,
            phase=crossed.kind,
            at=to_rfc3339(crossed.at_s),
            dwell_s=crossed.dwell_s,
        )
        return PublicEvent(
            id=f"evt-{self.position}",
            tenant=self.tenant,
            kind="geofence",
            thing=crossed.vehicle_id,
            carrier=carrier,
            at_s=crossed.at_s,
            data=told,
        )

    def exception(
        self,
        problem: feed.Problem,
        carrier: str,
        *,
        van: str | None = None,
        depot: str | None = None,
        service_date: str | None = None,
        orders: Iterable[str] = (),
    ) -> PublicEvent:
        """Something that people should look at."""
        exception = f"exc-{self.position}"
        raised = feed.ExceptionRaised(
            exception=exception,
            problem=problem,
            at=to_rfc3339(self.at_s),
            van=van,
            depot=depot,
            service_date=service_date,
            orders=tuple(orders),
        )
        return self._event("exception", exception, carrier, raised, about=problem)

    def silence(self, silence: SilenceChanged, carrier: str) -> PublicEvent:
        """A silence of a van has begun, or is over; both stand under its own id."""
        raised = feed.ExceptionRaised(
            exception=silence.silence_id,
            problem=silence.change,
            at=to_rfc3339(self.at_s),
            van=silence.vehicle_id,
            heard_at=to_rfc3339(silence.heard_at_s),
        )
        return self._event("exception", silence.silence_id, carrier, raised, about=silence.change)

    def _event(
        self, kind: Kind, thing: str, carrier: str, data: feed.Data, *, about: str = ""
    ) -> PublicEvent:
        return PublicEvent(
            id=f"evt-{self.position}" + (f"-{about}" if about else ""),
            tenant=self.tenant,
            kind=kind,
            thing=thing,
            carrier=carrier,
            at_s=self.at_s,
            data=data,
        )


def ping(event_id: str, tenant: str, webhook: str, now_s: float) -> PublicEvent:
    """What is sent when somebody tries a webhook."""
    return PublicEvent(
        id=event_id,
        tenant=tenant,
        kind="ping",
        thing=webhook,
        carrier=topics.OWN_CARRIER,
        at_s=now_s,
        data=feed.Ping(at=to_rfc3339(now_s)),
    )
