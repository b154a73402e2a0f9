"""Hands what phones have told to ingest, as a gateway would, and waits for its commit."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from sqlalchemy.exc import DBAPIError

from cloud.fleet.store import vans_out_of_use
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import Unavailable
from cloud.phones import store
from cloud.phones.model import KNOWN_FOR_MS, Phone
from cloud.phones.service import Phones
from cloud.tracking.model import StreamKey
from cloud.tracking.store import committed_of
from wire import codec, topics
from wire.messages import Batch, Fix

log = logging.getLogger(__name__)

_BATCH_FIXES: Final = 300
_LOOK_EVERY_S: Final = 0.2
_IDLE_S: Final = 10.0
_AGAIN_AFTER_S: Final = 60.0
_FORGET_EVERY_S: Final = 3_600.0


class Publish(Protocol):
    """Publishes one message and returns when the broker has it."""

    async def __call__(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish.

        Raises:
            Unavailable: the broker has not taken it.
        """
        ...


@dataclass(frozen=True, slots=True)
class _OnTheWay:
    """A batch that ingest has not committed yet, and when to send it again."""

    first: int
    last: int
    again_at_s: float


class PhoneLane:
    """One batch of each phone at a time; what is not committed is sent again, under its seqs."""

    def __init__(
        self,
        *,
        phones: Phones,
        business: Database,
        telemetry: Database,
        clock: Clock,
        publish: Publish,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._phones = phones
        self._business = business
        self._telemetry = telemetry
        self._clock = clock
        self._publish = publish
        self._monotonic_s = monotonic_s
        self._on_the_way: dict[tuple[str, str], _OnTheWay] = {}
        self._forget_at_s = 0.0

    async def run(self) -> None:
        """Work until cancelled; nothing is lost by that, or by a kill."""
        news = asyncio.Event()
        self._phones.hear_of_news(news)
        while True:
            news.clear()
            try:
                if self._monotonic_s() >= self._forget_at_s:
                    await asyncio.to_thread(self.forget)
                    self._forget_at_s = self._monotonic_s() + _FORGET_EVERY_S
                is_waiting = await self.step()
            except (DBAPIError, Unavailable) as error:
                log.warning("positions of phones wait", extra={"reason": str(error)[:300]})
                await asyncio.sleep(1.0)
                continue
            if is_waiting:
                await asyncio.sleep(_LOOK_EVERY_S)
            else:
                await _wait(news, _IDLE_S)

    async def step(self) -> bool:
        """Note what ingest has committed, send what is due; whether anything still waits.

        Raises:
            DBAPIError: a database does not answer. Unavailable: the broker does not.
        """
        waiting = await asyncio.to_thread(self._waiting)
        for phone, first in waiting:
            key = (phone.tenant, phone.id)
            sent = self._on_the_way.get(key)
            if sent is not None and await asyncio.to_thread(self._settle, phone, sent):
                del self._on_the_way[key]
                first, sent = sent.last + 1, None  # noqa: PLW2901 - it has moved on
            if sent is None or self._monotonic_s() >= sent.again_at_s:
                await self._send(phone, first)
        return bool(waiting)

    def _waiting(self) -> list[tuple[Phone, int]]:
        """Of each phone the first seq that waits; a disabled van's wait until it is enabled."""
        with self._business.reading() as connection:
            waiting = store.with_waiting(connection)
            disabled = vans_out_of_use(connection) if waiting else set()
        return [one for one in waiting if (one[0].tenant, one[0].vehicle_id) not in disabled]

    def _settle(self, phone: Phone, sent: _OnTheWay) -> bool:
        key = StreamKey(phone.tenant, phone.vehicle_id, phone.stream)
        with self._telemetry.reading() as connection:
            if not committed_of(connection, key).holds(sent.first, sent.last):
                return False
        with self._business.writing() as connection:
            store.note_committed(connection, phone, sent.last + 1)
        return True

    def forget(self) -> int:
        """Forget what need not be told apart any more, of a phone that is silent or ended too.

        Raises:
            DBAPIError: the database does not answer.
        """
        before_ms = round(self._clock.now_s() * 1000) - KNOWN_FOR_MS
        with self._business.reading() as connection:
            phones = store.remembered(connection, before_ms)
        gone = 0
        for one in phones:
            with self._business.writing() as connection:
                gone += store.forget_fixes(connection, *one, before_ms)
        return gone

    async def _send(self, phone: Phone, first: int) -> None:
        fixes = await asyncio.to_thread(self._fixes, phone, first)
        if not fixes:
            return
        key = (phone.tenant, phone.id)
        if key in self._on_the_way:
            log.warning(
                "ingest has not taken the positions of a phone; they are sent again",
                extra={"tenant": phone.tenant, "van": phone.vehicle_id, "phone": phone.id},
            )
        batch = Batch(stream=phone.stream, first=first, fixes=tuple(fixes))
        topic = topics.up(phone.tenant, phone.vehicle_id, "batch")
        await self._publish(topic, codec.encode_batch(batch), retain=False)
        self._on_the_way[key] = _OnTheWay(
            first, first + len(fixes) - 1, self._monotonic_s() + _AGAIN_AFTER_S
        )

    def _fixes(self, phone: Phone, first: int) -> list[Fix]:
        with self._business.reading() as connection:
            return store.waiting_fixes(connection, phone, first, _BATCH_FIXES)


async def _wait(news: asyncio.Event, at_most_s: float) -> None:
    try:
        async with asyncio.timeout(at_most_s):
            await news.wait()
    except TimeoutError:
        return
