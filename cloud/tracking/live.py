"""Where the vans are now, in the memory of web, and the stream that tells the office.

Positions come from the same feed that third parties read. What the feed does not carry (presence),
and what passed while web was away, comes from the live rows that ingest writes about once a second.
"""

import asyncio
import logging
import secrets
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from sqlalchemy.exc import DBAPIError

from cloud.foundation.broker import BrokerAccess
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.mqtt import make_client
from cloud.tracking import store
from cloud.tracking.event_log import EventLog
from cloud.tracking.model import is_believable, moment_ms
from cloud.tracking.service import Tracks
from cloud.tracking.store import LiveRow
from wire import codec, topics
from wire.messages import Position

_log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 1.0
_KEEPALIVE_S: Final = 20
MAX_WAITING_EVENTS: Final = 256

type PresenceWord = Literal["online", "offline", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePosition:
    """A van's newest fix. Instants are seconds since 1970 UTC of the domain clock.

    Attributes:
        age_s: how old the fix is by the domain clock, never negative.
    """

    van: str
    lat: float
    lon: float
    speed_mps: float | None
    course_deg: float | None
    fix_time_s: float
    received_at_s: float
    age_s: float
    presence: PresenceWord


@dataclass(frozen=True, slots=True)
class _Known:
    """What is in memory of one van."""

    position: LivePosition | None = None
    presence: PresenceWord = "unknown"
    change: int = 0


class LiveMemory:
    """The newest of every van, in the order of change. Safe for use by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tenants: dict[str, dict[str, _Known]] = {}
        self._change = 0

    def move(self, tenant: str, position: LivePosition) -> None:
        """A van has a fix; an older one than is known changes nothing."""
        with self._lock:
            known = self._known(tenant, position.van)
            before = known.position
            if before is None or position.fix_time_s > before.fix_time_s:
                told = replace(position, presence=known.presence)
                self._put(tenant, position.van, replace(known, position=told))

    def set_presence(self, tenant: str, van: str, presence: PresenceWord) -> None:
        """A gateway has come or gone."""
        with self._lock:
            known = self._known(tenant, van)
            if known.presence != presence:
                moved = known.position and replace(known.position, presence=presence)
                self._put(tenant, van, replace(known, position=moved, presence=presence))

    def positions(self, tenant: str, now_s: float) -> dict[str, LivePosition]:
        """Every van's newest position, with its age."""
        with self._lock:
            return {
                van: _aged(known.position, now_s)
                for van, known in self._tenants.get(tenant, {}).items()
                if known.position is not None
            }

    def presence(self, tenant: str) -> dict[str, PresenceWord]:
        """The last word of every gateway that said one."""
        with self._lock:
            return {van: one.presence for van, one in self._tenants.get(tenant, {}).items()}

    def changed(self, tenant: str, after: int, now_s: float) -> tuple[int, list[LivePosition]]:
        """Positions that changed after change number ``after``, and the number reached."""
        found: list[LivePosition] = []
        with self._lock:
            for known in reversed(self._tenants.get(tenant, {}).values()):
                if known.change <= after:
                    break
                if known.position is not None:
                    found.append(_aged(known.position, now_s))
            return self._change, found

    def _known(self, tenant: str, van: str) -> _Known:
        return self._tenants.get(tenant, {}).get(van, _Known())

    def _put(self, tenant: str, van: str, known: _Known) -> None:
        self._change += 1
        vans = self._tenants.setdefault(tenant, {})
        vans.pop(van, None)
        vans[van] = replace(known, change=self._change)


class Live:
    """Keeps a `LiveMemory` up to date by two threads: one at the feed, one at the live rows."""

    def __init__(self, telemetry: Database, broker: BrokerAccess, clock: Clock) -> None:
        self.tracks = Tracks(telemetry)
        self.events = EventLog(telemetry)
        self.clock = clock
        self._telemetry = telemetry
        self._memory = LiveMemory()
        self._address = broker.address()
        login = msgspec.structs.replace(broker.login("web"), client_id=secrets.token_hex(16))
        self._client = make_client(self._address, login, is_lasting=False)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._stopping = threading.Event()
        self._looker = threading.Thread(target=self._look, name="live-rows", daemon=True)
        self._row_change = -1

    def start(self) -> None:
        """Begin with what ingest has written, then follow the feed."""
        self._look_once()
        self._looker.start()
        self._client.reconnect_delay_set(1, 5)
        self._client.connect_async(self._address.host, self._address.port, _KEEPALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        """End both threads."""
        self._stopping.set()
        self._client.disconnect()
        self._client.loop_stop()
        if self._looker.is_alive():
            self._looker.join(5)

    def positions(self, tenant: str) -> dict[str, LivePosition]:
        """Every van's newest position by the van's id, with its age now."""
        return self._memory.positions(tenant, self.clock.now_s())

    def presence(self, tenant: str) -> dict[str, PresenceWord]:
        """The last word of every gateway that said one, by the van's id."""
        return self._memory.presence(tenant)

    def changed(self, tenant: str, after: int) -> tuple[int, list[LivePosition]]:
        """Positions that changed after change number ``after`` (-1: all), and the new number."""
        return self._memory.changed(tenant, after, self.clock.now_s())

    def _on_connect(self, client: Any, _data: Any, _flags: Any, reason: Any, _: Any) -> None:
        if reason.is_failure:
            _log.warning("the broker refuses web", extra={"reason": reason})
        else:
            client.subscribe(topics.feed_every_position(), qos=0)

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        if not message.payload:
            return  # it clears what was retained of a van that is gone
        try:
            tenant = message.topic.split("/")[2]
            self._move(tenant, _from_feed(codec.decode(bytes(message.payload), Position)))
        except (codec.WireError, ValueError, OverflowError, IndexError) as error:
            _log.warning("the feed carries what cannot be read", extra={"reason": error})

    def _look(self) -> None:
        while not self._stopping.wait(_LOOK_EVERY_S):
            try:
                self._look_once()
            except DBAPIError as error:
                _log.warning("live rows cannot be read", extra={"reason": error.orig})

    def _look_once(self) -> None:
        with self._telemetry.reading() as connection:
            rows = store.live_rows(connection, self._row_change)
        for row in rows:
            self._row_change = max(self._row_change, row.change)
            if row.is_online is not None:
                word: PresenceWord = "online" if row.is_online else "offline"
                self._memory.set_presence(row.tenant, row.van, word)
            position = _from_row(row)
            if position is not None:
                self._move(row.tenant, position)

    def _move(self, tenant: str, position: LivePosition) -> None:
        """Take a position, unless its times cannot be true; those cannot even be written down."""
        now_ms = round(self.clock.now_s() * 1000)
        instants_s = (position.fix_time_s, position.received_at_s)
        if all(is_believable(round(one * 1000), now_ms) for one in instants_s):
            self._memory.move(tenant, position)


class LiveStream:
    """Passes events of a tenant on to every client that listens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, set[Listener]] = {}

    def tell(self, tenant: str, event: str, payload: Mapping[str, object]) -> None:
        """Tell every client of ``tenant``; may be called from any thread, never blocks."""
        telling = Telling(event, payload, sse_frame(event, payload))
        with self._lock:
            listeners = list(self._listeners.get(tenant, ()))
        for listener in listeners:
            listener.push(telling)

    @contextmanager
    def listening(self, tenant: str) -> Iterator["Listener"]:
        """Listen, from the running event loop."""
        listener = Listener(asyncio.get_running_loop())
        with self._lock:
            self._listeners.setdefault(tenant, set()).add(listener)
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners[tenant].discard(listener)


@dataclass(frozen=True, slots=True)
class Telling:
    """An event, and its frame for who sees all of it."""

    event: str
    payload: Mapping[str, object]
    frame: bytes


class Listener:
    """The events one client has not taken yet. One that takes none for long is let go."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._frames: deque[Telling] = deque()
        self._news = asyncio.Event()
        self.is_overrun = False

    def push(self, telling: Telling) -> None:
        """Queue ``telling``; from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._push, telling)
        except RuntimeError:  # its loop has ended with the server
            self.is_overrun = True

    def _push(self, telling: Telling) -> None:
        if len(self._frames) >= MAX_WAITING_EVENTS:
            self.is_overrun = True
            self._frames.clear()
        if not self.is_overrun:
            self._frames.append(telling)
        self._news.set()

    def take(self) -> list[Telling]:
        """What has been told since the last call."""
        frames = list(self._frames)
        self._frames.clear()
        self._news.clear()
        return frames

    async def wait(self, at_most_s: float) -> None:
        """Return when something was told, or after ``at_most_s``."""
        try:
            async with asyncio.timeout(at_most_s):
                await self._news.wait()
        except TimeoutError:
            return


def sse_frame(event: str, payload: object) -> bytes:
    """One server-sent event, its data in one line of JSON."""
    return b"event: " + event.encode() + b"\ndata: " + msgspec.json.encode(payload) + b"\n\n"


def _aged(position: LivePosition, now_s: float) -> LivePosition:
    return replace(position, age_s=round(max(0.0, now_s - position.fix_time_s), 1))


def _from_feed(told: Position) -> LivePosition:
    return LivePosition(
        van=told.van,
        lat=told.lat,
        lon=told.lon,
        speed_mps=told.speed_mps,
        course_deg=told.course_deg,
        fix_time_s=datetime.fromisoformat(told.fix_time).timestamp(),
        received_at_s=datetime.fromisoformat(told.received_at).timestamp(),
        age_s=0.0,
        presence="unknown",
    )


def _from_row(row: LiveRow) -> LivePosition | None:
    fix = row.fix
    if fix is None or row.received_at_ms is None:
        return None
    return LivePosition(
        van=row.van,
        lat=fix.lat_e7 / 1e7,
        lon=fix.lon_e7 / 1e7,
        speed_mps=None if fix.speed_cmps is None else fix.speed_cmps / 100,
        course_deg=None if fix.course_ddeg is None else fix.course_ddeg / 10,
        fix_time_s=moment_ms(fix) / 1000,
        received_at_s=row.received_at_ms / 1000,
        age_s=0.0,
        presence="unknown",
    )
