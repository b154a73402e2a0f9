"""Rules of webhooks: what is sent to whom, how it is signed, when it is tried again. Pure.

Signatures follow Standard Webhooks 1.0 (https://www.standardwebhooks.com).
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from cloud.foundation.errors import Invalid
from cloud.integrations.events import Kind, PublicEvent
from cloud.integrations.webhooks.addresses import Network, parse_address

MOST_WEBHOOKS: Final = 20
"""Of one tenant."""
MOST_WAITING: Final = 10_000
"""Deliveries that may wait for one webhook; then the oldest are dropped, and stay in the log."""
KEPT_DELIVERIES: Final = 20_000
KEPT_S: Final = 30 * 86_400.0
"""How many ended deliveries stay in the log, and for how long."""
BEFORE_S: Final = 86_400.0
"""How long the secret before still signs, too."""
DISABLED_AFTER_S: Final = 5 * 86_400.0
"""A webhook that has taken nothing for so long while it was tried is disabled."""
GIVEN_UP_AFTER_S: Final = 3 * 86_400.0
_MAX_URL: Final = 2_000
_HOUR: Final = 3_600.0
_WAITS_S: Final = (
    *(5.0, 60.0, 300.0, 1_800.0, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 12 * _HOUR, 18 * _HOUR),
    24 * _HOUR,
)
"""Waits between the tries: 71 h and 36 min in all."""
_JITTER: Final = 0.2
_DELIVERY: Final = "dlv-"

type State = Literal["waiting", "delivered", "failed", "dropped"]
KINDS: Final[tuple[Kind, ...]] = ("order.status", "route.revision", "trip", "geofence", "exception")
"""What may be asked for; a ping comes on request only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address of a tenant to which business events are posted.

    Attributes:
        kinds: what it is sent. carrier: only events of this carrier; None for all.
        secret, secret_before: sealed. before_until: how long the latter signs too.
        disabled: why nothing is sent; None while something is.
        failing_since: of the first failure after the last success. delivered_at: the last success.
        wait_until: nothing is sent before. dropped: deliveries given up because too many waited.
            Instants are seconds since 1970 of the real clock.
    """

    tenant: str
    id: str
    name: str
    url: str
    kinds: tuple[str, ...]
    carrier: str | None
    secret: bytes
    secret_before: bytes | None = None
    before_until: float | None = None
    disabled: str | None = None
    made_at: float
    made_by: str
    failing_since: float | None = None
    delivered_at: float | None = None
    wait_until: float = 0.0
    dropped: int = 0

    def wants(self, event: PublicEvent) -> bool:
        """Whether an event is to be sent to it."""
        is_its = self.carrier is None or self.carrier == event.carrier
        return event.tenant == self.tenant and event.kind in self.kinds and is_its


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for one webhook, and what has come of it.

    Attributes:
        position: in the order of queueing. resend: 0, or the how-manieth sending by hand.
        body: as it is sent. due_at: not before. status: of the last answer, by HTTP.
        error: why the last try failed.
    """

    position: int
    tenant: str
    webhook_id: str
    event_id: str
    resend: int
    kind: str
    body: bytes
    state: State
    tries: int
    due_at: float
    made_at: float
    first_tried_at: float | None
    tried_at: float | None
    status: int | None
    error: str | None

    @property
    def id(self) -> str:
        """By which people call it."""
        return f"{_DELIVERY}{self.position}"


def position_of(delivery_id: str) -> int | None:
    """The position of the delivery that is called so; None when none ever is."""
    number = delivery_id.removeprefix(_DELIVERY)
    is_id = delivery_id.startswith(_DELIVERY) and number.isascii() and number.isdigit()
    return int(number) if is_id and len(number) < 16 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What has come of one try.

    Attributes:
        status: of the answer; None when there was none. error: what went wrong, for a person.
        retry_after_s: how long the receiver asks to be left alone.
    """

    status: int | None = None
    error: str | None = None
    retry_after_s: float | None = None

    @property
    def is_delivered(self) -> bool:
        """Whether it was taken: any 2xx."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants nothing more, ever."""
        return self.status == 410

    @property
    def is_about_message(self) -> bool:
        """Whether only this message is refused, so that the next ones need not wait for it."""
        return self.status is not None and 400 <= self.status < 500 and self.status not in _LATER


_LATER: Final = frozenset({401, 403, 404, 408, 425, 429})
"""Refusals that every other message would meet, too."""


class WebhookDisabled(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing more is sent to a webhook until somebody enables it."""

    webhook_id: str
    name: str
    reason: str


def next_try_s(
    tries: int, first_tried_at: float, now_s: float, outcome: Outcome, draw: Callable[[], float]
) -> float | None:
    """When to try again after ``tries`` tries; None when it is given up, after three days.

    Args:
        tries: with the one that has just failed.
        first_tried_at: of the first of them, seconds since 1970.
        now_s: the real time.
        outcome: of the last.
        draw: gives a number from 0 up to 1, so that not all come back at once.
    """
    if tries > len(_WAITS_S):
        return None
    wait_s = _WAITS_S[tries - 1] * (1 - _JITTER * draw())
    if outcome.retry_after_s is not None:
        wait_s = max(wait_s, min(outcome.retry_after_s, _WAITS_S[-1]))
    due_s = now_s + wait_s
    return None if due_s > first_tried_at + GIVEN_UP_AFTER_S else due_s


def sign(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The signature of one message by one secret (Standard Webhooks, symmetric, v1)."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def shown(secret: bytes) -> str:
    """A secret as a receiver is told it."""
    return "whsec_" + base64.b64encode(secret).decode()


def require_url(url: str, allowed: tuple[Network, ...]) -> str:
    """``url`` when something may be posted there, as far as it tells by itself.

    Where a name leads is looked at anew at each delivery.

    Raises:
        Invalid: it is no address for a webhook; says what is.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _bad_url("cannot be read") from error
    if len(url) > _MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise _bad_url("is too long, or holds what no URL holds")
    if not parts.hostname or parts.username is not None or parts.fragment or port == 0:
        raise _bad_url("has no host, or has a user or a fragment")
    if parts.scheme == "http" and not allowed:
        raise _bad_url("is not encrypted")
    if parts.scheme not in {"http", "https"}:
        raise _bad_url(f"begins with {parts.scheme[:20]!r}")
    address = parse_address(parts.hostname)
    if address is not None:
        problem = address.problem(allowed)
        if problem is not None:
            raise _bad_url(problem)
    return url


def _bad_url(problem: str) -> Invalid:
    return Invalid.field(
        "url",
        problem,
        "give an https URL of a public host; one in your own house must be allowed in cloud.toml "
        "under [webhooks] allowed_networks",
    )
