"""Use cases of webhooks, one transaction each."""

import secrets
from collections.abc import Callable, Iterable
from typing import Final

from sqlalchemy import Connection

from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import Conflict, Invalid, NotFound
from cloud.foundation.identity import Caller
from cloud.foundation.ids import NewId
from cloud.foundation.outbox import DomainEvent
from cloud.foundation.sealing import Vault
from cloud.integrations.carriers import require_known
from cloud.integrations.events import PublicEvent, ping
from cloud.integrations.reading import Reading
from cloud.integrations.scope import carrier_for, sees
from cloud.integrations.webhooks import store
from cloud.integrations.webhooks.addresses import Network
from cloud.integrations.webhooks.model import (
    BEFORE_S,
    KINDS,
    MOST_WAITING,
    MOST_WEBHOOKS,
    Delivery,
    State,
    Webhook,
    position_of,
    require_url,
    shown,
)

_SECRET_BYTES: Final = 32


class Webhooks:
    """The webhooks of every tenant. Deliveries live in real time, as receivers do."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        real_time: Clock,
        reading: Reading,
        new_id: NewId,
        allowed: tuple[Network, ...],
    ) -> None:
        self._database = database
        self._vault = vault
        self._real_time = real_time
        self._reading = reading
        self._new_id = new_id
        self._allowed = allowed
        self._woken: Callable[[], None] = lambda: None

    def on_queued(self, wake: Callable[[], None]) -> None:
        """Call ``wake``, from any thread, when something is queued."""
        self._woken = wake

    def make(
        self, caller: Caller, *, name: str, url: str, kinds: Iterable[str], carrier: str | None
    ) -> tuple[Webhook, str]:
        """A new webhook, and its secret, told this once.

        Raises:
            Invalid: the URL or a kind is not acceptable. Conflict: there are too many.
            NotAllowed: the caller's grant does not reach so far.
        """
        secret, webhook_id = secrets.token_bytes(_SECRET_BYTES), self._new_id("hook")
        made = Webhook(
            tenant=caller.tenant,
            id=webhook_id,
            name=name,
            url=require_url(url, self._allowed),
            kinds=_kinds(kinds),
            carrier=carrier_for(caller, carrier),
            secret=self._vault.seal(secret, f"webhook {webhook_id}"),
            made_at=self._real_time.now_s(),
            made_by=caller.name,
        )
        with self._database.writing() as connection:
            require_known(connection, caller.tenant, made.carrier)
            if len(store.of_tenant(connection, caller.tenant)) >= MOST_WEBHOOKS:
                raise Conflict(f"there are {MOST_WEBHOOKS} webhooks; remove one first")
            store.add(connection, made)
        return made, shown(secret)

    def of(self, caller: Caller) -> list[Webhook]:
        """The webhooks that the caller may know of, the newest first."""
        with self._database.reading() as connection:
            every = store.of_tenant(connection, caller.tenant)
        return [one for one in every if sees(caller, one.carrier)]

    def one(self, caller: Caller, webhook_id: str) -> Webhook:
        """One webhook.

        Raises:
            NotFound: there is none of that id.
        """
        with self._database.reading() as connection:
            return _require(connection, caller, webhook_id)

    def waiting(self, webhook: Webhook) -> int:
        """How many deliveries wait for it."""
        with self._database.reading() as connection:
            return store.count_waiting(connection, webhook)

    def change(
        self,
        caller: Caller,
        webhook_id: str,
        *,
        name: str | None = None,
        url: str | None = None,
        kinds: Iterable[str] | None = None,
        is_enabled: bool | None = None,
    ) -> Webhook:
        """Change what is not None. Enabling one sends what waits at once.

        Raises:
            NotFound: there is none of that id. Invalid: a value is not acceptable.
        """
        values: dict[str, object] = {}
        if name is not None:
            values["name"] = name
        if url is not None:
            values["url"] = require_url(url, self._allowed)
        if kinds is not None:
            values["kinds"] = _kinds(kinds)
        if is_enabled is not None:
            by_hand = None if is_enabled else f"by {caller.name}"
            values |= {"disabled": by_hand, "failing_since": None, "wait_until": 0.0}
        with self._database.writing() as connection:
            found = _require(connection, caller, webhook_id)
            if values:
                store.change(connection, caller.tenant, webhook_id, **values)
            found = _require(connection, caller, webhook_id)
        self._woken()
        return found

    def new_secret(self, caller: Caller, webhook_id: str) -> str:
        """Another secret, told this once; the one before signs beside it for a day.

        Raises:
            NotFound: there is none of that id.
        """
        secret = secrets.token_bytes(_SECRET_BYTES)
        sealed = self._vault.seal(secret, f"webhook {webhook_id}")
        with self._database.writing() as connection:
            found = _require(connection, caller, webhook_id)
            store.change(
                connection,
                caller.tenant,
                webhook_id,
                secret=sealed,
                secret_before=found.secret,
                before_until=self._real_time.now_s() + BEFORE_S,
            )
        return shown(secret)

    def remove(self, caller: Caller, webhook_id: str) -> None:
        """Forget a webhook, what waits for it, and its log.

        Raises:
            NotFound: there is none of that id.
        """
        with self._database.writing() as connection:
            _require(connection, caller, webhook_id)
            store.remove(connection, caller.tenant, webhook_id)

    def try_out(self, caller: Caller, webhook_id: str) -> Delivery:
        """Queue a ping.

        Raises:
            NotFound: there is none of that id. Conflict: it is disabled, or too much waits.
        """
        now_s = self._real_time.now_s()
        event = ping(self._new_id("ping"), caller.tenant, webhook_id, now_s)
        with self._database.writing() as connection:
            to = _require_enabled(connection, caller, webhook_id)
            position = store.queue(
                connection,
                to,
                event_id=event.id,
                kind="ping",
                body=event.encoded(),
                now_s=now_s,
            )
            queued = _require_delivery(connection, to, position)
        self._woken()
        return queued

    def deliveries(
        self,
        caller: Caller,
        webhook_id: str,
        *,
        cursor: int | None,
        states: Iterable[State],
        limit: int,
    ) -> tuple[list[Delivery], int | None]:
        """The log, the newest first, and the cursor of the next page.

        Raises:
            NotFound: there is none of that id.
        """
        with self._database.reading() as connection:
            of = _require(connection, caller, webhook_id)
            found = store.page(connection, of, before=cursor, states=states, limit=limit + 1)
        more = found[limit - 1].position if len(found) > limit else None
        return list(found[:limit]), more

    def resend(self, caller: Caller, webhook_id: str, delivery_id: str) -> Delivery:
        """Queue an event of the log again, under the id that it had.

        Raises:
            NotFound: there is no such webhook or delivery. Conflict: it still waits, the webhook
                is disabled, or too much waits.
        """
        with self._database.writing() as connection:
            to = _require_enabled(connection, caller, webhook_id)
            old = _require_delivery(connection, to, position_of(delivery_id), delivery_id)
            if old.state == "waiting":
                raise Conflict(f"delivery {delivery_id} still waits, and is tried by itself")
            new = store.queue(
                connection,
                to,
                event_id=old.event_id,
                kind=old.kind,
                body=old.body,
                now_s=self._real_time.now_s(),
                resend=store.resends(connection, to, old.event_id) + 1,
            )
            queued = _require_delivery(connection, to, new)
        self._woken()
        return queued

    def take(self, event: DomainEvent) -> None:
        """A consumer of the outbox: queue what the event means to each webhook that wants it.

        An event that comes again is queued once. When a webhook's queue is full, its oldest
        deliveries give way.
        """
        with self._database.reading() as connection:
            known = [one for one in store.enabled(connection) if one.tenant == event.tenant]
        if not known:
            return
        public = self._reading.public(event)
        wanted = [(to, one) for one in public for to in known if to.wants(one)]
        if not wanted:
            return
        now_s = self._real_time.now_s()
        with self._database.writing() as connection:
            for to, one in wanted:
                _queue_once(connection, to, one, now_s)
        self._woken()


def _queue_once(connection: Connection, to: Webhook, event: PublicEvent, now_s: float) -> None:
    if store.find(connection, to.tenant, to.id) is None:
        return
    if store.is_queued(connection, to, event.id):
        return
    too_many = store.count_waiting(connection, to) + 1 - MOST_WAITING
    if too_many > 0:
        store.drop_oldest(connection, to, too_many)
    body = event.encoded()
    store.queue(connection, to, event_id=event.id, kind=event.kind, body=body, now_s=now_s)


def _kinds(kinds: Iterable[str]) -> tuple[str, ...]:
    asked = set(kinds)
    unknown = sorted(asked - set(KINDS))
    if unknown or not asked:
        problem = f"{unknown[0][:80]!r} is not known" if unknown else "is empty"
        raise Invalid.field("kinds", problem, f"use some of {', '.join(KINDS)}")
    return tuple(one for one in KINDS if one in asked)


def _require(connection: Connection, caller: Caller, webhook_id: str) -> Webhook:
    found = store.find(connection, caller.tenant, webhook_id)
    if found is None or not sees(caller, found.carrier):
        raise NotFound(f"webhook {webhook_id[:80]!r} is not known; GET /api/v1/webhooks lists them")
    return found


def _require_enabled(connection: Connection, caller: Caller, webhook_id: str) -> Webhook:
    found = _require(connection, caller, webhook_id)
    if found.disabled is not None:
        raise Conflict(f"the webhook is disabled ({found.disabled}); enable it first")
    if store.count_waiting(connection, found) >= MOST_WAITING:
        raise Conflict(f"{MOST_WAITING} deliveries wait already; see why none is taken")
    return found


def _require_delivery(
    connection: Connection, to: Webhook, position: int | None, called: str = ""
) -> Delivery:
    found = None if position is None else store.find_delivery(connection, to, position)
    if found is None:
        where = f"/api/v1/webhooks/{to.id}/deliveries"
        raise NotFound(f"delivery {called[:80]!r} is not known; GET {where} lists them")
    return found
