"""The live stream: server-sent events of what moves and what happened, each client by its own view.

Nothing is kept for one client but how far it has come: vans are told newest first by their change,
events lie in one ring a tenant. So a slow client gets fewer frames, each with the newest of what
changed, and one that stalls costs no memory; its connection ends when the system's own patience
does (`cloud.roles`). A client that comes again with ``Last-Event-ID`` goes on where it was; one
whose place is no longer known begins with a ``snapshot``.
"""

import asyncio
import secrets
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from cloud.foundation.clock import to_rfc3339
from cloud.tracking.live import Live
from cloud.tracking.memory import Known
from cloud.tracking.places import Box
from cloud.tracking.sight import FULL

FRAME_EVERY_S: Final = 0.25
HEARTBEAT_S: Final = 15.0
MAX_KEPT_EVENTS: Final = 512
"""Events of one tenant that a client can have missed and still be told."""
COLUMNS: Final = (
    *("id", "lat", "lon", "speed_mps", "course_deg", "fix_time_ms"),
    *("presence", "motion", "is_silent"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What one client may and wants to see.

    Attributes:
        held: the vans within the client's reach; None for every one.
        vans: the vans asked for; None for every one. box: only while they are within it.
        shown: what it is told of an event with this payload, see `Sight`.
    """

    held: Collection[str] | None = None
    shown: Callable[[Mapping[str, object]], Mapping[str, object] | None] = FULL.shown
    vans: Collection[str] | None = None
    box: Box | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every van is told of, wherever it is."""
        return self.held is None and self.vans is None and self.box is None

    def wants(self, van: str) -> bool:
        """Whether the van is told of at all."""
        return (self.held is None or van in self.held) and (self.vans is None or van in self.vans)

    def shows(self, van: str, known: Known) -> bool:
        """Whether the van is told of where it is now."""
        if not self.wants(van):
            return False
        at = known.position
        return self.box is None or (at is not None and self.box.contains(at.lat, at.lon))

    async def heard(self, event: "Happening") -> bytes | None:
        """An event as this client is told of it; None when it is not."""
        van = event.payload.get("vehicle_id")
        if self.vans is not None and van is not None and van not in self.vans:
            return None
        if self.shown is FULL.shown:
            return event.data
        shown = await asyncio.to_thread(self.shown, event.payload)
        return None if shown is None else msgspec.json.encode(shown)


class Place(NamedTuple):
    """How far a client has come: the last change of a van, and the last event, it was told."""

    change: int = -1
    event: int = -1


class Happening(NamedTuple):
    """One event, and its data for who sees all of it."""

    number: int
    name: str
    payload: Mapping[str, object]
    data: bytes


@dataclass(slots=True)
class _Ring:
    """The last events of one tenant, and who waits for the next."""

    events: deque[Happening] = field(default_factory=lambda: deque(maxlen=MAX_KEPT_EVENTS))
    count: int = 0
    listeners: set["Listener"] = field(default_factory=set)


class LiveStream:
    """The events of every tenant, for every client that listens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rings: dict[str, _Ring] = {}
        self.epoch = secrets.token_hex(4)

    def tell(self, tenant: str, event: str, payload: Mapping[str, object]) -> None:
        """Tell every client of ``tenant`` that may hear it; from any thread, never blocks."""
        data = msgspec.json.encode(payload)
        with self._lock:
            ring = self._rings.setdefault(tenant, _Ring())
            ring.events.append(Happening(ring.count, event, payload, data))
            ring.count += 1
            listeners = list(ring.listeners)
        for listener in listeners:
            listener.wake()

    def since(self, tenant: str, event: int) -> tuple[int, list[Happening]] | None:
        """The last event's number, and those after ``event``; None when some are forgotten."""
        with self._lock:
            ring = self._rings.setdefault(tenant, _Ring())
            oldest = ring.events[0].number if ring.events else ring.count
            if not oldest <= event + 1 <= ring.count:
                return None
            missed = ring.count - event - 1
            return ring.count - 1, list(ring.events)[len(ring.events) - missed :]

    def newest(self, tenant: str) -> int:
        """The last event's number; -1 before the first."""
        with self._lock:
            return self._rings.setdefault(tenant, _Ring()).count - 1

    @contextmanager
    def listening(self, tenant: str) -> Iterator["Listener"]:
        """Be woken by each event, in the running event loop."""
        listener = Listener(asyncio.get_running_loop())
        with self._lock:
            listeners = self._rings.setdefault(tenant, _Ring()).listeners
            listeners.add(listener)
        try:
            yield listener
        finally:
            with self._lock:
                listeners.discard(listener)

    def place(self, text: str | None) -> Place | None:
        """Where a client was that comes again; None when that is not known any more."""
        epoch, _, rest = (text or "").partition("-")
        change, _, event = rest.partition("-")
        if epoch != self.epoch or not (_is_number(change) and _is_number(event)):
            return None
        return Place(int(change) - 1, int(event) - 1)

    def label(self, place: Place) -> str:
        """The ``id`` of a frame after which a client has come to ``place``."""
        return f"{self.epoch}-{place.change + 1}-{place.event + 1}"


class Listener:
    """One client that waits for news."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._news = asyncio.Event()

    def wake(self) -> None:
        """There is news; from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._news.set)
        except RuntimeError:  # its loop has ended with the server
            return

    async def wait(self, at_most_s: float) -> None:
        """Return when something was told, or after ``at_most_s``."""
        try:
            async with asyncio.timeout(at_most_s):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()


class Client:
    """What one client has been told, and the frames that bring it up to date."""

    def __init__(self, live: Live, stream: LiveStream, tenant: str, last_id: str | None) -> None:
        self._live = live
        self._stream = stream
        self._tenant = tenant
        self._place = stream.place(last_id)
        self._shown: set[str] | None = None
        self._view: View | None = None

    def look_by(self, view: View) -> None:
        """See by another view from now on; a narrower or wider one begins anew."""
        if self._view is not None and view != self._view:
            self._place = None
        self._view = view

    async def events(self) -> list[bytes]:
        """The events that were not told yet; when some are forgotten, everything is told anew."""
        if self._place is None:
            return []
        found = self._stream.since(self._tenant, self._place.event)
        if found is None:
            self._place = None
            return []
        assert self._view is not None  # noqa: S101 - a client looks by a view
        frames = []
        for event in found[1]:
            self._place = self._place._replace(event=event.number)
            data = await self._view.heard(event)
            if data is not None:
                frames.append(_frame(event.name, data, self._stream.label(self._place)))
        return frames

    def vans(self) -> bytes | None:
        """What changed of the vans; None when nothing did."""
        view = self._view
        assert view is not None  # noqa: S101 - a client looks by a view
        is_first = self._place is None
        event = self._stream.newest(self._tenant) if self._place is None else self._place.event
        after = -1 if self._place is None else self._place.change
        changes = self._live.changes(self._tenant, after)
        shown = changes.vans
        if not view.is_whole:
            shown = [(van, one) for van, one in shown if view.shows(van, one)]
        gone = self._gone(view, changes.vans, shown, is_first=is_first)
        self._place = Place(changes.upto, event)
        if not (shown or gone or is_first):
            return None
        now = to_rfc3339(self._live.clock.now_s()).encode()
        columns = b',"columns":' + _COLUMNS if is_first else b""
        left = b',"gone":' + msgspec.json.encode(gone) if gone else b""
        rows = b",".join([one.told for _, one in shown])
        data = b'{"now":"' + now + b'"' + columns + left + b',"vans":[' + rows + b"]}"
        return _frame("snapshot" if is_first else "vans", data, self._stream.label(self._place))

    def _gone(
        self,
        view: View,
        changed: list[tuple[str, Known]],
        shown: list[tuple[str, Known]],
        *,
        is_first: bool,
    ) -> list[str]:
        """Vans that have left the area since they were told."""
        if view.box is None:
            return []
        inside = {van for van, _ in shown}
        if is_first or self._shown is None:
            gone = [] if is_first else [van for van, _ in changed if van not in inside]
            self._shown = inside
        else:
            gone = [van for van, _ in changed if van in self._shown and van not in inside]
            self._shown = (self._shown - set(gone)) | inside
        return [van for van in gone if view.wants(van)]


async def frames(
    client: Client,
    stream: LiveStream,
    tenant: str,
    view: Callable[[], View | None],
    *,
    ask_every_s: float,
) -> AsyncIterator[bytes]:
    """The live stream of one client: what it has not been told yet, at most four times a second.

    Every ``ask_every_s`` seconds, however busy it is, ``view`` is asked what it may see; a client
    that is not let in any more (None) is let go.
    """
    frame_due_s = ask_due_s = 0.0
    heartbeat_due_s = time.monotonic() + HEARTBEAT_S
    with stream.listening(tenant) as news:
        while True:
            now_s = time.monotonic()
            if now_s >= ask_due_s:
                seen_by = await asyncio.to_thread(view)
                if seen_by is None:
                    return
                client.look_by(seen_by)
                ask_due_s = now_s + ask_every_s
            told = await client.events()
            if now_s >= frame_due_s:
                moved = client.vans()
                told += [] if moved is None else [moved]
                frame_due_s = now_s + FRAME_EVERY_S
            if told:
                yield b"".join(told)
                heartbeat_due_s = now_s + HEARTBEAT_S
            elif now_s >= heartbeat_due_s:
                yield b": still here\n\n"
                heartbeat_due_s = now_s + HEARTBEAT_S
            await news.wait(max(0.01, frame_due_s - time.monotonic()))


_COLUMNS: Final = msgspec.json.encode(COLUMNS)


def _frame(event: str, data: bytes, label: str) -> bytes:
    """One server-sent event, its data in one line of JSON."""
    head = f"id: {label}\nevent: {event}\ndata: ".encode()
    return head + data + b"\n\n"


def _is_number(text: str) -> bool:
    return 0 < len(text) <= 18 and text.isascii() and text.isdecimal()
