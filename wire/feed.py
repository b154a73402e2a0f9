"""What third parties are told, beside the positions: business events as CloudEvents 1.0.

Structured JSON, on MQTT and in webhooks alike. No name, telephone, note, address or code of a
recipient has a field here. Instants are RFC 3339 with milliseconds, UTC.
"""

from typing import Final, Literal

import msgspec

from wire.messages import OrderStatus, RouteRevised, Version
from wire.values import Name

SPEC_VERSION: Final = "1.0"
MEDIA_TYPE: Final = "application/cloudevents+json"

type Problem = Literal[
    "planning_failed",
    "orders_unserved",
    "copy_suspected",
    "promise_at_risk",
    "van_silent",
    "van_heard",
    "van_excused",
]
"""The last two end a silence, under its id: the van speaks, or need not report any more."""


class Trip(msgspec.Struct, frozen=True, kw_only=True):
    """``feed/…/vehicle/{van}/trip``: a van has set off or come to rest.

    Attributes:
        at: when, by the van. received_at: when the cloud was told, which may be much later.
        distance_m, moving_s, idling_s: of the trip; None when it begins.
    """

    van: Name
    phase: Literal["started", "ended"]
    at: str
    received_at: str
    odometer_m: int
    distance_m: int | None = None
    moving_s: int | None = None
    idling_s: int | None = None
    v: Version = 1


class GeofenceCrossed(msgspec.Struct, frozen=True, kw_only=True):
    """``feed/…/vehicle/{van}/geofence``: a van came into a geofence, stays in it, or has left it.

    Attributes:
        geofence: its id; what people call it stays with them.
        at: when, by the van.
        dwell_s: how long it had been inside then; None when it came in.
    """

    van: Name
    geofence: Name
    phase: Literal["entered", "dwelled", "left"]
    at: str
    dwell_s: int | None = None
    v: Version = 1


class ExceptionRaised(msgspec.Struct, frozen=True, kw_only=True):
    """``feed/…/exception/{id}``: something that people should look at.

    Attributes:
        van, depot, service_date: of what, as far as it has them.
        orders: the orders that it is about; ids only.
        heard_at: of a silence: when the van's last word came.
    """

    exception: Name
    problem: Problem
    at: str
    van: Name | None = None
    depot: Name | None = None
    service_date: str | None = None
    orders: tuple[Name, ...] = ()
    heard_at: str | None = None
    v: Version = 1


class Ping(msgspec.Struct, frozen=True, kw_only=True):
    """Sent to a webhook when somebody tries it; says nothing else."""

    at: str
    v: Version = 1


class TrackerDevice(msgspec.Struct, frozen=True, kw_only=True):
    """The device in Home Assistant's registry that a van is."""

    identifiers: tuple[str, ...]
    name: Name
    manufacturer: str
    model: str
    sw_version: str


class TrackerOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """Who tells Home Assistant of a device."""

    name: str
    sw_version: str


class Tracker(msgspec.Struct, frozen=True, kw_only=True):
    """``feed/…/homeassistant/device_tracker/{van}/config``, retained: Home Assistant's discovery.

    Attributes:
        name: null, so that the entity is called as its device is.
        json_attributes_topic: where the van's position stands.
        json_attributes_template: what is made of it.
    """

    unique_id: str
    object_id: str
    source_type: Literal["gps"]
    json_attributes_topic: str
    json_attributes_template: str
    device: TrackerDevice
    origin: TrackerOrigin
    name: None = None


class CloudEvent[D](msgspec.Struct, frozen=True, kw_only=True):
    """One business event (CloudEvents 1.0, JSON, structured).

    Attributes:
        id: the same whenever this event is told again; with ``source`` it is unique.
        source: which tenant tells. type: what kind of event, with its version.
        subject: the thing that it happened to. time: when, by the business's clock.
        carrier: an extension: whose topic it stands on.
    """

    id: str
    source: str
    type: str
    subject: str
    time: str
    data: D
    carrier: Name
    specversion: Literal["1.0"] = "1.0"
    datacontenttype: Literal["application/json"] = "application/json"


type Data = OrderStatus | RouteRevised | Trip | GeofenceCrossed | ExceptionRaised | Ping

KINDS: Final[dict[str, type[msgspec.Struct]]] = {
    "order.status": OrderStatus,
    "route.revision": RouteRevised,
    "trip": Trip,
    "geofence": GeofenceCrossed,
    "exception": ExceptionRaised,
    "ping": Ping,
}
"""Every kind of business event, and what it carries."""


def type_of(kind: str) -> str:
    """``type`` of a CloudEvent of one of `KINDS`."""
    return f"roundsman.{kind}.v1"
