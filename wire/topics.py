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


def _feed(tenant: str, carrier: str) -> str:
    return f"feed/{VERSION}/{require_name('tenant', tenant)}/{require_name('carrier', carrier)}"


def feed_position(tenant: str, carrier: str, van: str) -> str:
    """Public, retained: the newest position of ``van``."""
    return f"{_feed(tenant, carrier)}/vehicle/{require_name('van', van)}/position"


def feed_every_position() -> str:
    """Filter of the newest positions of all vans of all tenants."""
    return f"feed/{VERSION}/+/+/vehicle/+/position"


def feed_order_status(tenant: str, carrier: str, order: str) -> str:
    """Public: a new state of an order."""
    return f"{_feed(tenant, carrier)}/order/{require_name('order', order)}/status"


def feed_route_revision(tenant: str, carrier: str, route: str) -> str:
    """Public: a route has a new revision."""
    return f"{_feed(tenant, carrier)}/route/{require_name('route', route)}/revision"


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
