"""``gateway deliver-sealed``: hands in what was recorded for an earlier van, as that van's.

A process of its own beside the running service, of low priority: it speaks with the certificate
the box had then, of which the cloud has left the right to do just this. Without one the backlog
stays sealed, and is told.
"""

import logging
import os
import queue
import random
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from gateway.clock import Clock
from gateway.control.desired import proved
from gateway.enrolment.credentials import (
    AUTHORITY,
    CERTIFICATE,
    KEY,
    Credentials,
    Held,
    read_held,
)
from gateway.enrolment.sealing import SPOOL, alone_with_sealed, remove, sealed_folders
from gateway.errors import GatewayError
from gateway.inbox import INBOX_SIZE, Delivered, Heard, Inbox
from gateway.settings import BrokerSettings, Settings
from gateway.spool.store import Spool
from gateway.uplink.backoff import Jitter
from gateway.uplink.lanes import Uplink
from gateway.uplink.link import Link
from wire import __version__, codec
from wire.messages import Ack

logger = logging.getLogger(__name__)

_NICE: Final = 10
_CONNECT_WITHIN_S: Final = 60.0
_LONGEST_S: Final = 3_000.0
_REMEDY: Final = (
    "let an administrator make a claim of purpose backlog for that van, then run: "
    "roundsman gateway enrol --sealed VAN"
)


class NotLetIn(GatewayError):
    """This box may not speak for an earlier van, or not any more."""


class NotNow(GatewayError):
    """The broker does not answer now."""


class Lane(NamedTuple):
    """A connection as an earlier van, which brings what it hears into the inbox."""

    link: Link
    inbox: Inbox
    jitter: Jitter


def deliver(settings: Settings) -> bool:
    """Hand in all that is sealed; what is acknowledged is removed.

    Returns:
        Whether nothing is left.

    Raises:
        SpoolError: another process does so now.
    """
    with suppress(OSError):  # the unit forbids it to its processes
        os.nice(_NICE)
    left = False
    with alone_with_sealed(settings.folder):
        for tenant, van, folder in sealed_folders(settings.folder):
            try:
                with lane_as(settings, tenant, van) as lane, opened(settings, folder) as spool:
                    is_done = hand_in(settings, spool, lane)
                if is_done:
                    remove(folder, SPOOL)
                    logger.info("a sealed spool was handed in", extra={"folder": str(folder)})
            except (GatewayError, sqlite3.Error, OSError) as error:
                extra = {"folder": str(folder), "problem": str(error)}
                logger.warning("a sealed spool cannot be told", extra=extra)
                is_done = False
            left = left or not is_done
    return not left


@contextmanager
def lane_as(
    settings: Settings, tenant: str, van: str, within_s: float = _CONNECT_WITHIN_S
) -> Iterator[Lane]:
    """Speak as an earlier van of this box, once it is connected ``within_s``.

    Raises:
        NotLetIn: there is no certificate for it, or the broker does not take it.
        NotNow: the broker does not answer.
    """
    broker = _broker(settings, tenant, van)
    if broker is None:
        raise NotLetIn(f"no certificate; {_REMEDY}")
    jitter = random.Random(secrets.randbits(64))  # noqa: S311 - spreads boxes, protects nothing
    inbox: Inbox = queue.Queue(INBOX_SIZE)
    link = Link(broker, tenant, van, inbox, jitter.random, is_backlog=True)
    link.start()
    try:
        _require_connection(link, within_s)
        yield Lane(link, inbox, jitter.random)
    finally:
        link.stop(b"", 2.0)


@contextmanager
def opened(settings: Settings, folder: Path) -> Iterator[Spool]:
    """The spool in a sealed folder, at a start of its own."""
    spool = Spool(folder / SPOOL, settings.spool.max_bytes)
    try:
        spool.begin(
            fixes=secrets.randbits(63),
            events=secrets.randbits(63),
            version=__version__,
            stamp=Clock().stamp(),
        )
        yield spool
    finally:
        spool.close()


def _broker(settings: Settings, tenant: str, van: str) -> BrokerSettings | None:
    folder = Credentials(settings.folder).of_van(tenant, van)
    held = None if folder is None else read_held(folder)
    if folder is None or held is None:
        return None
    host, port = _place(settings, folder, held)
    return BrokerSettings(
        host=host,
        port=port,
        client_id=secrets.token_hex(16),  # a van's own gateway may be connected with the other one
        tls=True,
        ca_file=str(folder / AUTHORITY),
        cert_file=str(folder / CERTIFICATE),
        key_file=str(folder / KEY),
    )


def _place(settings: Settings, folder: Path, held: Held) -> tuple[str, int]:
    """Where the broker is that takes the certificate in ``folder``.

    The same cloud's may have moved since that was issued, and is where the present van finds it;
    another cloud's is where it was.
    """
    here = proved(settings).broker
    try:
        is_same = here.ca_file is not None and (
            Path(here.ca_file).read_bytes() == (folder / AUTHORITY).read_bytes()
        )
    except OSError:
        is_same = False
    return (here.host, here.port) if is_same else (held.host, held.port)


def _require_connection(link: Link, within_s: float) -> None:
    until_s = time.monotonic() + within_s
    while link.connection is None:
        if link.is_refused:
            raise NotLetIn(f"{link.problem}; {_REMEDY}")
        if time.monotonic() > until_s:
            raise NotNow(f"{link.problem}")
        time.sleep(0.2)


def hand_in(settings: Settings, spool: Spool, lane: Lane) -> bool:
    """Send what waits until all of it is acknowledged; False when that takes too long."""
    link, clock = lane.link, Clock()
    uplink = Uplink(settings.uplink, spool, link, lane.jitter)
    connection: int | None = None
    until_s = clock.monotonic_s() + _LONGEST_S
    while clock.monotonic_s() < until_s:
        now_s = clock.monotonic_s()
        if link.connection != connection:
            connection = link.connection
            if connection is None:
                uplink.on_disconnected()
            else:
                uplink.on_connected(now_s, is_session_kept=link.is_session_kept)
        uplink.hurry()
        uplink.step(now_s, clock.stamp())
        _hear(uplink, lane.inbox, clock)
        spool.tend(clock.stamp())
        if spool.has_work():
            spool.commit(clock.stamp())
        if uplink.waiting == 0 and not spool.is_repairing:
            return True
    return False


def _hear(uplink: Uplink, inbox: Inbox, clock: Clock) -> None:
    try:
        news = inbox.get(timeout=0.2)
    except queue.Empty:
        return
    match news:
        case Delivered(mid=mid, at_s=at_s):
            uplink.on_delivered(mid, at_s)
        case Heard(kind="ack", payload=payload):
            try:
                uplink.on_ack(codec.decode(payload, Ack), clock.stamp())
            except codec.WireError as error:
                logger.warning("an acknowledgement was not readable", extra={"problem": str(error)})
        case _:
            return
