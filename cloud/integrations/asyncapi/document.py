"""The AsyncAPI 3.0 document: every public topic and what stands on it. Pure.

It is made from `wire.topics.FEED_CHANNELS` and the types that are encoded, so it cannot tell of a
field that is not sent. It holds nothing of any tenant.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from wire import __version__, feed, topics
from wire.messages import OrderStatus, Position, RouteRevised

_REF: Final = "#/components/schemas/{name}"
_PARAMETERS: Final = {
    "tenant": "Whose fleet it is.",
    "carrier": "Who runs the van: own, or a subcontractor.",
    "van": "Id of the van.",
    "order": "Id of the order.",
    "route": "Id of the route.",
    "exception": "Id of the exception.",
}


@dataclass(frozen=True, slots=True)
class _Channel:
    """One kind of public topic; ``kind`` of a business event, None for what is no CloudEvent."""

    title: str
    message: Any
    kind: str | None = None

    @property
    def is_retained(self) -> bool:
        """Whether the newest is told to whoever subscribes."""
        return self.kind is None


_CHANNELS: Final = {
    "position": _Channel("A van's newest position", Position),
    "trip": _Channel("A van has set off or come to rest", feed.CloudEvent[feed.Trip], "trip"),
    "geofence": _Channel(
        "A van has come into a geofence, stays in it, or has left it",
        feed.CloudEvent[feed.GeofenceCrossed],
        "geofence",
    ),
    "order_status": _Channel(
        "An order has a new state", feed.CloudEvent[OrderStatus], "order.status"
    ),
    "route_revision": _Channel(
        "A route has a new revision", feed.CloudEvent[RouteRevised], "route.revision"
    ),
    "exception": _Channel(
        "Something that people should look at",
        feed.CloudEvent[feed.ExceptionRaised],
        "exception",
    ),
    "tracker": _Channel("Home Assistant's discovery of a van, where it is wanted", feed.Tracker),
}


def document() -> dict[str, Any]:
    """The whole document, as JSON values."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Roundsman's public feed",
            "version": __version__,
            "description": "Positions and business events of a fleet over MQTT 3.1.1, QoS 0. "
            "Business events are structured CloudEvents 1.0, and the same as webhooks post. "
            "Nothing tells who a recipient is.",
            "license": {
                "name": "Apache 2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0.html",
            },
        },
        "defaultContentType": "application/json",
        "servers": {"broker": _server()},
        "channels": {name: _channel(name, of) for name, of in _CHANNELS.items()},
        "operations": {f"tell_{name}": _operation(name, of) for name, of in _CHANNELS.items()},
        "components": {
            "messages": {name: _message(name, of) for name, of in _CHANNELS.items()},
            "schemas": _schemas(),
            "securitySchemes": {
                "password": {
                    "type": "userPassword",
                    "description": "As POST /api/v1/feed/readers tells them.",
                },
                "certificate": {
                    "type": "X509",
                    "description": "Where the broker takes certificates only.",
                },
            },
        },
    }


def _server() -> dict[str, Any]:
    return {
        "host": "{host}:{port}",
        "protocol": "mqtt",
        "protocolVersion": "3.1.1",
        "description": "The fleet's broker; POST /api/v1/feed/readers tells host and port.",
        "variables": {
            "host": {"default": "localhost", "description": "Name or address of the broker."},
            "port": {"default": "1883", "description": "Its MQTT port."},
        },
        "security": [
            {"$ref": "#/components/securitySchemes/password"},
            {"$ref": "#/components/securitySchemes/certificate"},
        ],
    }


def _channel(name: str, of: _Channel) -> dict[str, Any]:
    address = topics.FEED_CHANNELS[name]
    return {
        "address": address,
        "title": of.title,
        "servers": [{"$ref": "#/servers/broker"}],
        "parameters": {
            one: {"description": _PARAMETERS[one]} for one in re.findall(r"{([a-z]+)}", address)
        },
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
    }


def _operation(name: str, of: _Channel) -> dict[str, Any]:
    return {
        "action": "send",
        "title": of.title,
        "channel": {"$ref": f"#/channels/{name}"},
        "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
        "bindings": {"mqtt": {"qos": 0, "retain": of.is_retained, "bindingVersion": "0.2.0"}},
    }


def _message(name: str, of: _Channel) -> dict[str, Any]:
    content_type = "application/json" if of.kind is None else feed.MEDIA_TYPE
    return {
        "name": name,
        "title": of.title,
        "contentType": content_type,
        "payload": _payload(of),
    }


def _payload(of: _Channel) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([of.message], ref_template=_REF)
    if of.kind is None:
        return schema
    return {
        "allOf": [
            schema,
            {"type": "object", "properties": {"type": {"const": feed.type_of(of.kind)}}},
        ]
    }


def _schemas() -> dict[str, Any]:
    every = [of.message for of in _CHANNELS.values()]
    _, found = msgspec.json.schema_components(every, ref_template=_REF)
    return {name: _required(schema) for name, schema in sorted(found.items())}


def _required(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of what is sent and not of what is taken: no field is ever left out."""
    if "properties" not in schema:
        return schema
    return schema | {"required": list(schema["properties"])}
