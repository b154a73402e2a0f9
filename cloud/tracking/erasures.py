"""Erasing where a van was: recorded, done by ingest, forgotten by web and the broker."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec
from sqlalchemy import Connection

from cloud.foundation.database import Database
from cloud.foundation.identity import audit
from cloud.foundation.layout import DataFolder
from cloud.tracking.deadletters import have_done
from cloud.tracking.erasing import Erased, Erasure
from cloud.tracking.live import Live
from wire import topics

EVER_MS = 2**53


type Forget = Callable[[Connection, Erasure], None]
"""Deletes what the business database holds of where a van was."""


class Publish(Protocol):
    """Publishes with QoS 1."""

    def __call__(self, topic: str, payload: bytes, *, retain: bool) -> Awaitable[None]:
        """Return when the broker has it."""
        ...


class Erasures:
    """Has the tracks of vans erased."""

    def __init__(
        self,
        data: DataFolder,
        business: Database,
        live: Live,
        publish: Publish,
        also: Sequence[Forget] = (),
    ) -> None:
        self._data = data
        self._also = also
        self._business = business
        self._live = live
        self._publish = publish

    async def erase(
        self, tenant: str, van: str, carrier: str, span_ms: tuple[int, int] | None
    ) -> Erased:
        """Erase what is stored of where a van was in a span of time; None for all of it.

        The audit log has it before anything is gone; what ingest does not finish now it goes on
        with, after a restart too.

        Raises:
            Unavailable: ingest or the broker does not answer; ask again to see it done.
        """
        from_ms, to_ms = span_ms or (-EVER_MS, EVER_MS)
        erasure = Erasure(tenant=tenant, van=van, from_ms=from_ms, to_ms=to_ms)
        told = await asyncio.to_thread(self._recorded_and_done, erasure)
        is_shown = span_ms is None or self._is_newest_within(tenant, van, from_ms, to_ms)
        self._live.forget_place(tenant, van, from_ms, to_ms)
        if is_shown:
            await self._publish(topics.feed_position(tenant, carrier, van), b"", retain=True)
        return told

    def _recorded_and_done(self, erasure: Erasure) -> Erased:
        audit.tells(van=erasure.van, from_ms=erasure.from_ms, to_ms=erasure.to_ms)
        with self._business.writing() as connection:  # its end writes the line of the audit log
            for forget in self._also:
                forget(connection, erasure)
        return msgspec.json.decode(have_done(self._data, erasure), type=Erased)

    def _is_newest_within(self, tenant: str, van: str, from_ms: int, to_ms: int) -> bool:
        known = self._live.known(tenant).get(van)
        if known is None or known.position is None:
            return False
        return from_ms <= known.position.fix_time_s * 1000 < to_ms
