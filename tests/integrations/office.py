"""Webhooks over a real database in this process, with a clock that a test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import select

from cloud.foundation import outbox
from cloud.foundation.database import Database
from cloud.foundation.identity import Caller
from cloud.foundation.ids import random_id
from cloud.foundation.outbox import DomainEvent, Outbox
from cloud.foundation.sealing import Vault
from cloud.integrations.reading import Reading
from cloud.integrations.webhooks import model
from cloud.integrations.webhooks.addresses import Network
from cloud.integrations.webhooks.delivering import Delivering
from cloud.integrations.webhooks.model import Delivery, Webhook
from cloud.integrations.webhooks.sending import Resolve, Sender
from cloud.integrations.webhooks.service import Webhooks
from cloud.orders.model import OrderMoved
from cloud.planning.service import Planning
from tests.parts.migrated import upgrade

NOW_S = 1_795_600_000.0
ADMIN = Caller(tenant="main", user_id="user-1", name="ana", role="admin")


class MovedClock:
    """Stands still until a test moves it."""

    speed = 1.0

    def __init__(self, now_s: float = NOW_S) -> None:
        self.at_s = now_s

    def now_s(self) -> float:
        return self.at_s

    async def sleep_until(self, instant_s: float) -> None:
        self.at_s = max(self.at_s, instant_s)


async def loopback(_host: str, _port: int) -> list[str]:
    """Every name leads to this machine."""
    return ["127.0.0.1"]


class Office:
    """Makes webhooks, lets orders move, and looks into the log."""

    def __init__(
        self, root: Path, allowed: tuple[Network, ...], resolve: Resolve, within_s: float = 2.0
    ) -> None:
        self.database = Database(root / "business.db")
        upgrade(self.database, "business")
        self.clock = MovedClock()
        self.key_file = root / "secrets" / "seal.key"
        self.vault = Vault(self.key_file)
        self.events = Outbox(self.database)
        planning = Planning(self.database, self.clock, random_id)
        reading = Reading(planning, lambda _tenant, _van: "own")
        self.hooks = Webhooks(self.database, self.vault, self.clock, reading, random_id, allowed)
        self.sender = Sender(resolve, allowed, within_s=within_s)
        self.position = 0

    def hook(self, url: str, **wanted: Any) -> tuple[Webhook, str]:
        """A new webhook and its secret."""
        asked = {"name": "erp", "kinds": list(model.KINDS), "carrier": None} | wanted
        return self.hooks.make(ADMIN, url=url, **asked)

    def order_moves(self, order_id: str, state: Any = "loaded", position: int = 0) -> None:
        """What the outbox brings when an order moves."""
        self.position += 1
        moved = OrderMoved(
            order_id=order_id,
            depot_id="d-1",
            service_date="2026-11-26",
            before="planned",
            after=state,
        )
        event = DomainEvent(
            position=position or self.position,
            tenant="main",
            kind="OrderMoved",
            payload=msgspec.json.encode(moved),
            at=self.clock.now_s(),
        )
        self.hooks.take(event)

    def log(self, hook: Webhook) -> list[Delivery]:
        """The deliveries of a webhook, the oldest first."""
        found, _ = self.hooks.deliveries(ADMIN, hook.id, cursor=None, states=(), limit=200)
        return found[::-1]

    def told(self, kind: str) -> list[dict[str, Any]]:
        """What the outbox tells of one kind."""
        with self.database.reading() as connection:
            rows = connection.execute(
                select(outbox.outbox.c.payload).where(outbox.outbox.c.kind == kind)
            )
            return [msgspec.json.decode(row.payload) for row in rows]

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[Delivering]:
        """Deliveries go out."""
        running = Delivering(
            self.database, self.vault, self.clock, self.sender, self.events, lambda: 0.0
        )
        self.hooks.on_queued(running.wake)
        task = asyncio.create_task(running.run())
        try:
            yield running
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(condition: Callable[[], bool], what: str, within_s: float = 15.0) -> None:
    """Return when ``condition()`` holds."""
    try:
        async with asyncio.timeout(within_s):
            while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited {within_s} s for {what}") from None
