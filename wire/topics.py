"""Every topic string of the product, built and read in this file only."""

import re
from typing import Final, NamedTuple

VERSION: Final = "v1"
OWN_CARRIER: Final = "own"

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")

UP_KINDS: Final = ("live", "batch", "event", "resume", "state", "presence", "result")
RETAINED_UP: Final = ("state", "presence")
DOWN_KINDS: Final = ("ack", "desired", "command", "route", "certificate")
RETAINED_DOWN: Final = ("desired", "route")
RENEW: Final = "renew"
"""The one kind below ``up/`` that is meant for the office and not for ingest."""
BACKLOG_KINDS: Final = ("batch", "event", "resume")
"""All that a box may say which is no longer a van's gateway and still holds what it recorded."""


class TopicError(ValueError):
    """A name or topic does not follow the wire's rules; the message names which and the remedy."""


class UpTopic(NamedTuple):
    """Who published below ``up/``, and what kind of message it is."""

    tenant: str
    van: str
    kind: str


def require_name(field: str, value: str) -> str:
    """Return ``value`` when it may stand in a topic as one level.

    Args:
        field: what the name is for, named in the error.
        value: 1 to 64 lower-case letters, digits, ``-`` and ``_``; a letter or digit at both ends.

    Raises:
        TopicError: the name would break, widen or leave its topic level.
    """
    if _NAME.fullmatch(value) is None:
        raise TopicError(
            f"{field}: {value[:80]!r} is not a name; use 1 to 64 of a-z 0-9 - _, "
            "with a letter or digit first and last"
        )
    return value


def _root(tenant: str, van: str) -> str:
    return f"fleet/{VERSION}/{require_name('tenant', tenant)}/{require_name('van', van)}"


def up(tenant: str, van: str, kind: str) -> str:
    """Topic on which ``van`` tells the cloud something; one of `UP_KINDS`, or `RENEW`."""
    if kind not in (*UP_KINDS, RENEW):
        raise TopicError(f"kind: {kind!r} is not one of {', '.join(UP_KINDS)}")
    return f"{_root(tenant, van)}/up/{kind}"


def down(tenant: str, van: str, kind: str) -> str:
    """Topic on which the cloud tells ``van`` something; ``kind`` is one of `DOWN_KINDS`."""
    if kind not in DOWN_KINDS:
        raise TopicError(f"kind: {kind!r} is not one of {', '.join(DOWN_KINDS)}")
    return f"{_root(tenant, van)}/dn/{kind}"


def up_all(tenant: str, van: str) -> str:
    """Filter of everything ``van`` may write."""
    return f"{_root(tenant, van)}/up/+"


def down_all(tenant: str, van: str) -> str:
    """Filter of everything ``van`` may read.

    ``+`` and not ``#``: the latter also asks for the parent level, which is not permitted.
    """
    return f"{_root(tenant, van)}/dn/+"


def every_up(kind: str) -> str:
    """Filter by which the cloud reads one kind of message from all vans of all tenants."""
    if kind not in (*UP_KINDS, RENEW):
        raise TopicError(f"kind: {kind!r} is not one of {', '.join(UP_KINDS)}")
    return f"fleet/{VERSION}/+/+/up/{kind}"


def parse_up(topic: str) -> UpTopic:
    """Read a topic below ``up/``.

    Raises:
        TopicError: the topic is not one that `up` would build.
    """
    parts = topic.split("/")
    match parts:
        case ["fleet", version, tenant, van, "up", kind] if version == VERSION and kind in (
            *UP_KINDS,
            RENEW,
        ):
            return UpTopic(require_name("tenant", tenant), require_name("van", van), kind)
        case _:
            raise TopicError(f"topic: {topic[:120]!r} is not fleet/{VERSION}/tenant/van/up/kind")


FEED_CHANNELS: Final = {
    "position": "feed/v1/{tenant}/{carrier}/vehicle/{van}/position",
    "trip": "feed/v1/{tenant}/{carrier}/vehicle/{van}/trip",
    "geofence": "feed/v1/{tenant}/{carrier}/vehicle/{van}/geofence",
    "order_status": "feed/v1/{tenant}/{carrier}/order/{order}/status",
    "route_revision": "feed/v1/{tenant}/{carrier}/route/{route}/revision",
    "exception": "feed/v1/{tenant}/{carrier}/exception/{exception}",
    "tracker": "feed/v1/{tenant}/{carrier}/homeassistant/device_tracker/{van}/config",
}
"""Every kind of public topic, with its parameters in braces."""


class FeedTopic(NamedTuple):
    """Whose retained public topic of a van it is."""

    tenant: str
    carrier: str
    van: str


def feed(channel: str, **names: str) -> str:
    """A public topic: one of `FEED_CHANNELS` with each of its parameters named.

    Raises:
        TopicError: a name would leave its level.
    """
    for field, value in names.items():
        require_name(field, value)
    return FEED_CHANNELS[channel].format(**names)


def feed_all(tenant: str, carrier: str | None = None) -> str:
    """Filter of all that is public of a tenant, or of one of its carriers."""
    if carrier is None:
        return f"feed/{VERSION}/{require_name('tenant', tenant)}/#"
    whose = f"{require_name('tenant', tenant)}/{require_name('carrier', carrier)}"
    return f"feed/{VERSION}/{whose}/#"


def feed_position(tenant: str, carrier: str, van: str) -> str:
    """Public, retained: the newest position of ``van``."""
    return feed("position", tenant=tenant, carrier=carrier, van=van)


def feed_every(channel: str) -> str:
    """Filter of one kind of public topic, of all tenants."""
    return re.sub(r"{[a-z]+}", "+", FEED_CHANNELS[channel])


def feed_every_position() -> str:
    """Filter of the newest positions of all vans of all tenants."""
    return feed_every("position")


def parse_feed(channel: str, topic: str) -> FeedTopic | None:
    """Whose ``topic`` it is, of a channel of vans; None when it is not of that channel."""
    pattern = re.sub(r"{([a-z]+)}", r"(?P<\1>[^/]+)", FEED_CHANNELS[channel])
    found = re.fullmatch(pattern, topic)
    if found is None or any(_NAME.fullmatch(one) is None for one in found.groups()):
        return None
    return FeedTopic(**found.groupdict())


def owntracks(tenant: str, phone: str) -> str:
    """Topic on which the OwnTracks app of a phone tells where it is, on a fleet's own broker."""
    return f"owntracks/{require_name('tenant', tenant)}/{require_name('phone', phone)}"


def owntracks_every() -> str:
    """Filter of what every such phone tells."""
    return "owntracks/+/+"


def parse_owntracks(topic: str) -> tuple[str, str]:
    """Tenant and phone of a topic.

    Raises:
        TopicError: the topic is not one that `owntracks` would build.
    """
    match topic.split("/"):
        case ["owntracks", tenant, phone]:
            return require_name("tenant", tenant), require_name("phone", phone)
        case _:
            raise TopicError(f"topic: {topic[:120]!r} is not owntracks/tenant/phone")
