"""Delivery: one task for each webhook that has something due, so none holds up another."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy.exc import DBAPIError

from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import CloudError
from cloud.foundation.outbox import Outbox
from cloud.foundation.sealing import Vault
from cloud.integrations.webhooks import store
from cloud.integrations.webhooks.model import (
    DISABLED_AFTER_S,
    KEPT_DELIVERIES,
    KEPT_S,
    Delivery,
    Outcome,
    Webhook,
    WebhookDisabled,
    next_try_s,
    sign,
)
from cloud.integrations.webhooks.sending import Sender
from wire import __version__
from wire.feed import MEDIA_TYPE

log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 1.0
_SWEEP_EVERY_S: Final = 3_600.0
_IN_A_ROW: Final = 50
"""Deliveries of one webhook before it is looked at anew whether it has something due."""


class Delivering:
    """Sends what waits. One for the process; a delivery is at least once, over any crash."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        real_time: Clock,
        sender: Sender,
        events: Outbox,
        draw: Callable[[], float],
        kept_s: float = KEPT_S,
    ) -> None:
        """``kept_s``: how long what has ended stays in the log."""
        self._database = database
        self._kept_s = kept_s
        self._vault = vault
        self._real_time = real_time
        self._sender = sender
        self._events = events
        self._draw = draw
        self._waker = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._busy: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._swept_at_s = 0.0

    def wake(self) -> None:
        """Look for what is due now; safe from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._waker.set)

    async def run(self) -> None:
        """Deliver until cancelled."""
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                self._waker.clear()
                try:
                    await self._look()
                except DBAPIError as error:
                    log.warning("the database does not answer", extra={"reason": error.orig})
                await self._rest()
        finally:
            for task in self._busy.values():
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)
            await self._sender.close()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_EVERY_S):
                await self._waker.wait()
        except TimeoutError:
            return

    async def _look(self) -> None:
        now_s = self._real_time.now_s()
        if now_s >= self._swept_at_s + _SWEEP_EVERY_S:
            await asyncio.to_thread(self._sweep, now_s)
            self._swept_at_s = now_s
        for one in await asyncio.to_thread(self._due, now_s):
            key = (one.tenant, one.id)
            if key not in self._busy:
                task = asyncio.create_task(self._serve(one), name=f"webhook {one.id}")
                self._busy[key] = task
                task.add_done_callback(lambda _, key=key: self._done(key))  # type: ignore[misc]

    def _done(self, key: tuple[str, str]) -> None:
        self._busy.pop(key, None)
        self._waker.set()

    async def _serve(self, to: Webhook) -> None:
        try:
            for _ in range(_IN_A_ROW):
                next_one = await asyncio.to_thread(self._next, to)
                if next_one is None:
                    return
                webhook, delivery = next_one
                outcome = await self._send(webhook, delivery)
                await asyncio.to_thread(self._note, webhook, delivery, outcome)
        except DBAPIError as error:
            log.warning("the database does not answer", extra={"reason": error.orig})
            await asyncio.sleep(_LOOK_EVERY_S)
        except Exception:
            log.exception("a webhook was not served; it is tried again", extra={"webhook": to.id})
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _send(self, to: Webhook, delivery: Delivery) -> Outcome:
        now_s = self._real_time.now_s()
        try:
            headers = self._headers(to, delivery, now_s)
        except CloudError as error:
            return Outcome(error=error.detail)
        return await self._sender.post(to.url, headers, delivery.body)

    def _headers(self, to: Webhook, delivery: Delivery, now_s: float) -> dict[str, str]:
        sealed = [to.secret]
        if to.secret_before is not None and now_s < (to.before_until or 0.0):
            sealed.append(to.secret_before)
        about, timestamp = f"webhook {to.id}", int(now_s)
        signatures = [
            sign(self._vault.open(one, about), delivery.event_id, timestamp, delivery.body)
            for one in sealed
        ]
        return {
            "Content-Type": MEDIA_TYPE,
            "User-Agent": f"Roundsman/{__version__}",
            "webhook-id": delivery.event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(signatures),
        }

    def _due(self, now_s: float) -> list[Webhook]:
        with self._database.reading() as connection:
            return store.with_something_due(connection, now_s)

    def _next(self, to: Webhook) -> tuple[Webhook, Delivery] | None:
        now_s = self._real_time.now_s()
        with self._database.reading() as connection:
            webhook = store.find(connection, to.tenant, to.id)
            if webhook is None or webhook.disabled is not None or webhook.wait_until > now_s:
                return None
            delivery = store.next_due(connection, webhook, now_s)
        return None if delivery is None else (webhook, delivery)

    def _note(self, to: Webhook, delivery: Delivery, outcome: Outcome) -> None:
        """Write down what has come of a try, and what follows of it."""
        now_s = self._real_time.now_s()
        tried = {
            "tries": delivery.tries + 1,
            "first_tried_at": delivery.first_tried_at or now_s,
            "tried_at": now_s,
            "status": outcome.status,
            "error": outcome.error,
        }
        with self._database.writing() as connection:
            if outcome.is_delivered:
                store.note(connection, delivery, state="delivered", **tried)
                values: dict[str, Any] = {"delivered_at": now_s, "failing_since": None}
                store.change(connection, to.tenant, to.id, wait_until=0.0, **values)
                return
            again_s = self._again(delivery, outcome, now_s)
            state = "failed" if again_s is None else "waiting"
            store.note(connection, delivery, state=state, due_at=again_s or now_s, **tried)
            values = _after_failure(to, outcome, again_s, now_s)
            store.change(connection, to.tenant, to.id, **values)
            if "disabled" in values:
                reason = str(values["disabled"])
                told = WebhookDisabled(webhook_id=to.id, name=to.name, reason=reason)
                outbox.append(connection, to.tenant, now_s, told)
                log.warning("a webhook is disabled", extra={"webhook": to.id, "reason": reason})
        self._events.wake()

    def _again(self, delivery: Delivery, outcome: Outcome, now_s: float) -> float | None:
        if outcome.is_gone:
            return None
        first = delivery.first_tried_at or now_s
        return next_try_s(delivery.tries + 1, first, now_s, outcome, self._draw)

    def _sweep(self, now_s: float) -> None:
        with self._database.writing() as connection:
            store.forget_old(connection, now_s - self._kept_s)
            for one in store.enabled(connection):
                store.keep_newest(connection, one, KEPT_DELIVERIES)


def _after_failure(
    to: Webhook, outcome: Outcome, again_s: float | None, now_s: float
) -> dict[str, Any]:
    """What changes of a webhook: it waits as a whole, so that order is kept, or is disabled."""
    since = to.failing_since or now_s
    if outcome.is_gone:
        return {"disabled": "the receiver answered 410 Gone", "failing_since": since}
    if now_s - since >= DISABLED_AFTER_S:
        days = (now_s - since) / 86_400
        reason = f"nothing was taken for {days:.0f} days; last: {outcome.error}"
        return {"disabled": reason, "failing_since": since}
    if outcome.is_about_message:
        return {"failing_since": since}
    wait_until = again_s if again_s is not None else now_s + 5.0
    return {"failing_since": since, "wait_until": wait_until}
