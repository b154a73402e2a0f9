"""Letting third parties in to the feed, and shutting them out."""

import asyncio
import logging
import secrets
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy.exc import DBAPIError

from cloud.foundation import outbox
from cloud.foundation.authority import RequestedKey, new_key, read_request
from cloud.foundation.broker import BrokerAccess, BrokerAddress
from cloud.foundation.broker_config import FeedReader
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import CloudError, Conflict, Invalid, NotFound
from cloud.foundation.identity import Caller
from cloud.foundation.ids import NewId
from cloud.foundation.outbox import Outbox
from cloud.integrations.carriers import require_known
from cloud.integrations.readers import store
from cloud.integrations.readers.model import DEFAULT_DAYS, MOST_READERS, FeedReaderEnded, Reader
from cloud.integrations.scope import carrier_for, sees

log = logging.getLogger(__name__)

_SWEEP_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LetIn:
    """A new reader and what it signs in with, told this once.

    Attributes:
        certificate, key, authority: PEM, on a broker that takes certificates; ``key`` is None when
            the third party made its own.
    """

    reader: Reader
    broker: FeedReader
    address: BrokerAddress
    is_embedded: bool
    certificate: str | None = None
    key: str | None = None
    authority: str | None = None


class Readers:
    """The third parties on the feed. They sign in over real connections, so time is real here."""

    def __init__(
        self,
        database: Database,
        broker: BrokerAccess,
        real_time: Clock,
        events: Outbox,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._broker = broker
        self._real_time = real_time
        self._events = events
        self._new_id = new_id
        self._changing = threading.Lock()

    def let_in(
        self, caller: Caller, *, name: str, carrier: str | None, csr: str | None, days: int | None
    ) -> LetIn:
        """Let a third party in to the feed, or to one carrier's part of it.

        Args:
            caller: who lets it in, and whose reach limits it.
            name: for people.
            carrier: None for the whole tenant's.
            csr: its certificate request; where certificates are taken and it sends none, its key
                is made here and told once.
            days: how long a certificate lasts.

        Raises:
            NotAllowed: the caller's grant does not reach so far.
            Conflict: there are too many. Invalid: the request cannot be taken.
            Unavailable: the running broker has not taken the new user.
        """
        carrier = carrier_for(caller, carrier)
        if not self._broker.is_certified and (csr is not None or days is not None):
            field = "csr" if csr is not None else "days"
            raise Invalid.field(field, "is of no use: this broker takes passwords", "leave it out")
        with self._changing:
            with self._database.reading() as connection:
                require_known(connection, caller.tenant, carrier)
                if store.count_in_force(connection, caller.tenant) >= MOST_READERS:
                    raise Conflict(f"{MOST_READERS} readers are let in; revoke one first")
            made = self._make(caller, name, carrier, csr, days or DEFAULT_DAYS)
            self._broker.set_readers(lambda _: True, made.broker)
            try:
                with self._database.writing() as connection:
                    store.add(connection, made.reader)
            except BaseException:
                self._broker.set_readers(lambda one: one.id != made.reader.id)
                raise
        return made

    def _make(
        self, caller: Caller, name: str, carrier: str | None, csr: str | None, days: int
    ) -> LetIn:
        reader_id, now_s = self._new_id("reader"), self._real_time.now_s()
        key: str | None = None
        issued = None
        if self._broker.is_certified:
            key, wanted = _key(csr)
            issued = self._broker.authority.sign_reader(
                caller.tenant, reader_id, wanted, timedelta(days=days)
            )
        expires_at = None if issued is None else issued.expires_at
        reader = Reader(
            tenant=caller.tenant,
            id=reader_id,
            name=name,
            carrier=carrier,
            made_at=now_s,
            made_by=caller.name,
            expires_at=expires_at,
        )
        broker = FeedReader(
            id=reader_id,
            tenant=caller.tenant,
            carrier=carrier,
            client_id=secrets.token_hex(16),
            username=f"{caller.tenant}.{reader_id}",
            password=secrets.token_hex(32) if issued is None else None,
            identity=None if issued is None else issued.identity,
            expires_at=expires_at,
        )
        return LetIn(
            reader=reader,
            broker=broker,
            address=self._broker.address_for_gateways(),
            is_embedded=self._broker.is_embedded,
            certificate=None if issued is None else issued.pem,
            key=key,
            authority=None if issued is None else self._broker.authority.certificate_pem(),
        )

    def of(self, caller: Caller) -> list[Reader]:
        """The readers that the caller may know of, the newest first."""
        with self._database.reading() as connection:
            every = store.of_tenant(connection, caller.tenant)
        return [one for one in every if sees(caller, one.carrier)]

    def now_s(self) -> float:
        """The time by which they are let in."""
        return self._real_time.now_s()

    def revoke(self, caller: Caller, reader_id: str) -> None:
        """Shut a reader out: it is cut off at once, and its session goes. Twice is no error.

        Raises:
            NotFound: there is none of that id. Unavailable: the broker has not taken it yet; it
                is tried again within a minute.
        """
        with self._changing:
            session = self._session(reader_id)
            with self._database.writing() as connection:
                found = store.find(connection, caller.tenant, reader_id)
                if found is None or not sees(caller, found.carrier):
                    raise NotFound(
                        f"reader {reader_id[:80]!r} is not known; GET /api/v1/feed/readers lists"
                    )
                if found.ended_at is None:
                    store.end(connection, found, self._real_time.now_s())
                    if session is not None:
                        ended = FeedReaderEnded(reader_id=reader_id, session=session)
                        outbox.append(connection, caller.tenant, self._real_time.now_s(), ended)
            self._broker.set_readers(lambda one: one.id != reader_id)
        self._events.wake()

    def _session(self, reader_id: str) -> str | None:
        return next((one.client_id for one in self._broker.readers() if one.id == reader_id), None)

    def let_exactly_those_in(self) -> None:
        """Bring the broker to what is written here: none that is revoked or has expired."""
        with self._changing:
            with self._database.reading() as connection:
                known = store.in_force(connection, self._real_time.now_s())
            if any((one.tenant, one.id) not in known for one in self._broker.readers()):
                self._broker.set_readers(lambda one: (one.tenant, one.id) in known)

    async def run(self) -> None:
        """Shut out whoever's time is over, until cancelled; a connection outlives a certificate."""
        while True:
            try:
                await asyncio.to_thread(self.let_exactly_those_in)
            except (CloudError, DBAPIError, OSError) as error:
                log.warning("the broker was not told of readers", extra={"reason": str(error)})
            await asyncio.sleep(_SWEEP_EVERY_S)


def _key(csr: str | None) -> tuple[str | None, RequestedKey]:
    return new_key() if csr is None else (None, read_request(csr))
