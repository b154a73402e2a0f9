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
import shutil
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.clock import Clock
from gateway.enrolment.credentials import AUTHORITY, CERTIFICATE, KEY, Credentials, read_held
from gateway.enrolment.sealing import SPOOL, sealed_folders
from gateway.errors import GatewayError
from gateway.inbox import INBOX_SIZE, Delivered, Heard, Inbox
from gateway.settings import BrokerSettings, Settings
from gateway.spool.store import Spool
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


def deliver(settings: Settings) -> bool:
    """Hand in all that is sealed; what is acknowledged is removed.

    Returns:
        Whether nothing is left.
    """
    with suppress(OSError):  # the unit forbids it to its processes
        os.nice(_NICE)
    left = False
    for tenant, van, folder in sealed_folders(settings.folder):
        try:
            is_done = _deliver_one(settings, tenant, van, folder)
        except (GatewayError, sqlite3.Error) as error:
            logger.warning("a sealed spool cannot be told", extra=_extra(folder, str(error)))
            is_done = False
        if is_done:
            shutil.rmtree(folder)
            logger.info("a sealed spool was handed in", extra={"folder": str(folder)})
        left = left or not is_done
    return not left


def _deliver_one(settings: Settings, tenant: str, van: str, folder: Path) -> bool:
    broker = _broker(settings, tenant, van)
    if broker is None:
        logger.warning(
            "a sealed spool cannot be told", extra=_extra(folder, f"no certificate; {_REMEDY}")
        )
        return False
    jitter = random.Random(secrets.randbits(64))  # noqa: S311 - spreads boxes, protects nothing
    inbox: Inbox = queue.Queue(INBOX_SIZE)
    link = Link(broker, tenant, van, inbox, jitter.random, is_backlog=True)
    link.start()
    try:
        if not _is_connected(link):
            extra = _extra(folder, f"{link.problem}; if it is refused: {_REMEDY}")
            logger.warning("a sealed spool cannot be told", extra=extra)
            return False
        spool = Spool(folder / SPOOL, settings.spool.max_bytes)
        try:
            return _hand_in(Uplink(settings.uplink, spool, link, jitter.random), spool, link, inbox)
        finally:
            spool.close()
    finally:
        link.stop(b"", 2.0)


def _broker(settings: Settings, tenant: str, van: str) -> BrokerSettings | None:
    folder = Credentials(settings.folder).of_van(tenant, van)
    held = None if folder is None else read_held(folder)
    if folder is None or held is None:
        return None
    return BrokerSettings(
        host=held.host,
        port=held.port,
        client_id=held.client_id,
        tls=True,
        ca_file=str(folder / AUTHORITY),
        cert_file=str(folder / CERTIFICATE),
        key_file=str(folder / KEY),
    )


def _is_connected(link: Link) -> bool:
    until_s = time.monotonic() + _CONNECT_WITHIN_S
    while link.connection is None and time.monotonic() < until_s:
        time.sleep(0.2)
    return link.connection is not None


def _hand_in(uplink: Uplink, spool: Spool, link: Link, inbox: Inbox) -> bool:
    clock = Clock()
    spool.begin(
        fixes=secrets.randbits(63),
        events=secrets.randbits(63),
        version=__version__,
        stamp=clock.stamp(),
    )
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
        _hear(uplink, inbox, clock)
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


def _extra(folder: Path, problem: str) -> dict[str, str]:
    return {"folder": str(folder), "problem": problem}
