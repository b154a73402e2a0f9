"""Domain events that commit together with the change they tell of, and reach every consumer.

A use case appends events in its own transaction. Each consumer reads them in order from where it
stands and moves on only when it is done, so an event is delivered at least once, over any crash;
the last ones again, when it was not kept yet that they are done.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    LargeBinary,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from cloud.foundation.database import BUSINESS, ROW_NUMBER, Database

log = logging.getLogger(__name__)

outbox = Table(
    "outbox",
    BUSINESS,
    Column("position", ROW_NUMBER, primary_key=True, autoincrement=True),
    Column("tenant", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("at", Float, nullable=False),
    sqlite_autoincrement=True,
)
outbox_cursor = Table(
    "outbox_cursor",
    BUSINESS,
    Column("consumer", String, primary_key=True),
    Column("position", BigInteger, nullable=False),
)

_BATCH: Final = 200
_IDLE_S: Final = 1.0
_RETRY_S: Final = 2.0
_KEEP_S: Final = 0.25
"""So long it is not kept where a consumer stands: what all have heard is kept in one transaction,
and not while a plan is made of it, which would have to look whether the day has changed."""
_LATER_S: Final = 0.1
"""So much later those hear of an event for whom nobody waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainEvent:
    """One event as a consumer sees it; ``payload`` is the event's struct as JSON."""

    position: int
    tenant: str
    kind: str
    payload: bytes
    at: float

    def body[E: msgspec.Struct](self, kind: type[E]) -> E:
        """The event as its own type."""
        return msgspec.json.decode(self.payload, type=kind)


type Consumer = Callable[[DomainEvent], Awaitable[None]]


def append(connection: Connection, tenant: str, at: float, *events: msgspec.Struct) -> None:
    """Tell ``events``, in order, when the transaction of ``connection`` commits."""
    for event in events:
        connection.execute(
            insert(outbox).values(
                tenant=tenant, kind=type(event).__name__, payload=msgspec.json.encode(event), at=at
            )
        )


def waiting_by_consumer(connection: Connection) -> dict[str, int]:
    """How many events each consumer has still to take."""
    rows = connection.execute(
        select(outbox_cursor.c.consumer, func.count(outbox.c.position))
        .outerjoin(outbox, outbox.c.position > outbox_cursor.c.position)
        .group_by(outbox_cursor.c.consumer)
    )
    return {consumer: int(count) for consumer, count in rows}


class Outbox:
    """Brings events to their consumers, one task each; a slow or failing one holds up no other."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wakers: list[asyncio.Event] = []
        self._later: list[asyncio.Event] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reached: dict[str, int] = {}
        self._keeping: asyncio.Task[None] | None = None
        self._keeps_in_s = _KEEP_S

    def wake(self) -> None:
        """Look for new events now; safe from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake_all)

    async def run(self, name: str, consumer: Consumer, *, is_prompt: bool = True) -> None:
        """Deliver to ``consumer`` until cancelled, from where ``name`` stood at the last run.

        Where it stands is kept a moment later, for all of them in one transaction: after a crash it
        hears the last events again.

        Args:
            name: of the consumer, by which it is known in the next run.
            consumer: hears one event after the other.
            is_prompt: it is woken at once, and not a moment after those for whom an order waits.
        """
        self._loop = asyncio.get_running_loop()
        waker = asyncio.Event()
        (self._wakers if is_prompt else self._later).append(waker)
        position: int | None = None
        try:
            while True:
                waker.clear()
                try:
                    if position is None:
                        position = await asyncio.to_thread(self._position, name)
                    events = await asyncio.to_thread(self._after, position)
                except DBAPIError as error:
                    log.warning(
                        "the database does not answer; events wait",
                        extra={"consumer": name, "reason": error.orig},
                    )
                    await asyncio.sleep(_RETRY_S)
                    continue
                reached = await self._deliver(name, consumer, events, position)
                if reached != position:
                    position = self._reached[name] = reached
                    self._keep()
                if not events:
                    await _wait(waker, _IDLE_S)
        finally:
            await self._keep_now()

    def _keep(self) -> None:
        """Keep soon where the consumers stand."""
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(self._keep_soon(), name="outbox cursors")

    async def _keep_soon(self) -> None:
        """Until all is kept: what was reached meanwhile too, and what could not be at first."""
        while self._reached:
            await asyncio.sleep(self._keeps_in_s)
            await self._keep_now()

    async def _keep_now(self) -> None:
        """Keep it; what cannot be is kept later, or heard again by the next run."""
        reached, self._reached = self._reached, {}
        if not reached:
            return
        try:
            await asyncio.to_thread(self._move, reached)
            self._keeps_in_s = _KEEP_S
        except DBAPIError as error:
            self._reached = reached | self._reached
            self._keeps_in_s = _RETRY_S
            log.warning("the database does not answer", extra={"reason": error.orig})

    async def _deliver(
        self, name: str, consumer: Consumer, events: Sequence[DomainEvent], position: int
    ) -> int:
        for event in events:
            try:
                await consumer(event)
            except Exception:
                log.exception(
                    "consumer failed; it is tried again",
                    extra={"consumer": name, "kind": event.kind, "position": event.position},
                )
                await asyncio.sleep(_RETRY_S)
                return position
            position = event.position
        return position

    def _wake_all(self) -> None:
        for waker in self._wakers:
            waker.set()
        if self._loop is not None:
            self._loop.call_later(_LATER_S, self._wake_later)

    def _wake_later(self) -> None:
        for waker in self._later:
            waker.set()

    def _position(self, name: str) -> int:
        with self._database.writing() as connection:
            found = connection.execute(
                select(outbox_cursor.c.position).where(outbox_cursor.c.consumer == name)
            ).scalar()
            if found is not None:
                return int(found)
            connection.execute(insert(outbox_cursor).values(consumer=name, position=0))
            return 0

    def _after(self, position: int) -> list[DomainEvent]:
        with self._database.reading() as connection:
            rows = connection.execute(
                select(outbox)
                .where(outbox.c.position > position)
                .order_by(outbox.c.position)
                .limit(_BATCH)
            )
            return [DomainEvent(**row) for row in rows.mappings()]

    def _move(self, reached: dict[str, int]) -> None:
        with self._database.writing() as connection:
            for name, position in reached.items():
                connection.execute(
                    update(outbox_cursor)
                    .where(outbox_cursor.c.consumer == name)
                    .values(position=position)
                )
            slowest = connection.execute(select(func.min(outbox_cursor.c.position))).scalar()
            connection.execute(delete(outbox).where(outbox.c.position <= (slowest or 0)))


async def _wait(waker: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await waker.wait()
    except TimeoutError:
        return
