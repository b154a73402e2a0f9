"""Where the vans are now and how they do, in the memory of web.

Positions come from the same feed that third parties read. What the feed does not carry (presence,
health), and what passed while web was away, comes from the live rows that ingest writes about once
a second, and from the stored events. So web keeps nothing of it, and a restart finds it again.
"""

import asyncio
import logging
import secrets
import threading
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy.exc import DBAPIError

from cloud.foundation.broker import BrokerAccess
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.tracking import store
from cloud.tracking.event_log import EventLog
from cloud.tracking.halts import Halt, later
from cloud.tracking.history import fixes_between
from cloud.tracking.inbox import MqttInbox, Reading
from cloud.tracking.memory import Changes, Known, LiveMemory, LivePosition, PresenceWord, aged
from cloud.tracking.model import is_believable, moment_ms
from cloud.tracking.motion import Course, follow
from cloud.tracking.service import Tracks
from cloud.tracking.store import LiveRow
from wire import codec, topics
from wire.messages import Position, State

_log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 1.0
_GATHER_S: Final = 0.02
"""What the feed carries meanwhile is read in one go; frames are told four times a second."""
_IDLE_S: Final = 1.0
_LOOK_BACK_MS: Final = 36 * 3_600_000
"""A trip that began longer ago, and of which nothing has come since, is forgotten."""
_OVERLAP_MS: Final = 10_000
"""Events are committed a little after they are received, so some are read twice."""
_HELD_MS: Final = 900_000
"""While its database fails ingest holds what it has received about so long at most."""
_LOOKS_AT_HELD: Final = 60
"""Looks after which what was held so long is looked for."""
_RECALL_MS: Final = 600_000
_RECALL_FIXES: Final = 1_200


class Live:
    """Keeps a `LiveMemory` up to date by two threads: one at the feed, one at the live rows."""

    def __init__(self, telemetry: Database, broker: BrokerAccess, clock: Clock) -> None:
        self.tracks = Tracks(telemetry)
        self.events = EventLog(telemetry)
        self.clock = clock
        self._telemetry = telemetry
        self.memory = LiveMemory()
        login = msgspec.structs.replace(broker.login("web"), client_id=secrets.token_hex(16))
        every = Reading(reader="web", filters={topics.feed_every_position(): 0}, is_lasting=False)
        self._feed = MqttInbox(broker.address(), login, self._now_ms, every)
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._look, name="live-rows", daemon=True),
            threading.Thread(target=self._follow, name="live-feed", daemon=True),
        ]
        self._row_change = -1
        self._state_at_ms: dict[tuple[str, str], int] = {}
        self._signs = _Signs()
        self._events_seen_ms: int | None = None
        self._looks = 0

    def start(self) -> None:
        """Begin with what ingest has written, then follow the feed."""
        self._look_once()
        for one in self._threads:
            one.start()

    async def watch(self) -> None:
        """Wait until cancelled.

        Raises:
            RuntimeError: a thread has ended by itself; what web knows of vans would stand still.
        """
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            for one in self._threads:
                if not one.is_alive() and not self._stopping.is_set():
                    raise RuntimeError(f"{one.name} has ended; its trace is in the log before")

    def stop(self) -> None:
        """End both threads."""
        self._stopping.set()
        for one in self._threads:
            if one.is_alive():
                one.join(5)

    def can_hear(self) -> bool:
        """Whether what vans say would come through the broker now."""
        return self._feed.is_ready

    def positions(self, tenant: str) -> dict[str, LivePosition]:
        """Every van's newest position by the van's id, with its age now."""
        return self.memory.positions(tenant, self.clock.now_s())

    def presence(self, tenant: str) -> dict[str, PresenceWord]:
        """The last word of every gateway that said one, by the van's id."""
        return self.memory.presence(tenant)

    def known(self, tenant: str) -> dict[str, Known]:
        """What is known of every van that ever spoke, by its id."""
        return self.memory.known(tenant)

    def tenants(self) -> list[str]:
        """Whose vans have spoken."""
        return self.memory.tenants()

    def changed(self, tenant: str, after: int) -> tuple[int, list[LivePosition]]:
        """The number reached, and the positions of the vans that changed after ``after``."""
        found = self.memory.changed(tenant, after)
        now_s = self.clock.now_s()
        places = [one.position for _, one in found.vans if one.position is not None]
        return found.upto, [aged(one, now_s) for one in places]

    def changes(self, tenant: str, after: int) -> Changes:
        """The vans that changed after change number ``after`` (-1: all)."""
        return self.memory.changed(tenant, after)

    def set_silent(self, tenant: str, van: str, *, is_silent: bool) -> None:
        """A van that is due to report has fallen silent, or need not or does speak again."""
        self.memory.set_silent(tenant, van, is_silent=is_silent)

    def forget_place(self, tenant: str, van: str, from_ms: int, to_ms: int) -> None:
        """Forget place, stop, trip and engine as a van told them from ``from_ms`` up to ``to_ms``.

        Ingest has erased them before, or they are found again.
        """
        engine, trip, halt = self._signs.forget((tenant, van), from_ms, to_ms)
        self.memory.take_signs(tenant, van, is_ignited=engine, is_on_trip=trip, halt=halt)
        self.memory.forget_place(tenant, van, from_ms / 1000, to_ms / 1000)

    def hear(self, topic: str, payload: bytes) -> None:
        """Take a message of the feed; one that cannot be read is told and passed over."""
        if not payload:
            return  # it clears what was retained of a van that is gone
        try:
            tenant = topic.split("/")[2]
            self._move(tenant, _from_feed(codec.decode(payload, Position)))
        except (codec.WireError, ValueError, OverflowError, IndexError) as error:
            _log.warning("the feed carries what cannot be read", extra={"reason": error})

    def _now_ms(self) -> int:
        return round(self.clock.now_s() * 1000)

    def _follow(self) -> None:
        while not self._stopping.is_set():
            for message in self._feed.receive(_IDLE_S):
                self.hear(message.topic, message.payload)
            self._stopping.wait(_GATHER_S)
        self._feed.close()

    def _look(self) -> None:
        while not self._stopping.wait(_LOOK_EVERY_S):
            try:
                self._look_once()
            except DBAPIError as error:
                _log.warning("live rows cannot be read", extra={"reason": error.orig})

    def _look_once(self) -> None:
        is_first = self._row_change < 0
        with self._telemetry.reading() as connection:
            rows = store.live_rows(connection, self._row_change, self.memory.is_known)
        for row in rows:
            self._row_change = max(self._row_change, row.change)
            self._take(row)
        self._look_at_events()
        if is_first:
            self._recall()
        self.memory.grow_older(self.clock.now_s())

    def _take(self, row: LiveRow) -> None:
        if row.is_online is not None:
            word: PresenceWord = "online" if row.is_online else "offline"
            at_s = None if row.presence_at_ms is None else row.presence_at_ms / 1000
            self.memory.set_presence(row.tenant, row.van, word, at_s)
        who = (row.tenant, row.van)
        is_new = self._state_at_ms.get(who) != row.state_at_ms
        if row.state is not None and row.state_at_ms is not None and is_new:
            self._state_at_ms[who] = row.state_at_ms
            try:
                state = msgspec.json.decode(row.state, type=State)
            except msgspec.DecodeError:
                pass  # of another release; `Reports` tells it in the same way
            else:
                self.memory.take_state(row.tenant, row.van, state, row.state_at_ms / 1000)
        position = _from_row(row)
        if position is not None:
            self._move(row.tenant, position)

    def _look_at_events(self) -> None:
        """What has happened since the last look that tells of engines, trips and stops."""
        now_ms = round(self.clock.now_s() * 1000)
        with self._telemetry.reading() as connection:
            found = store.signs_since(connection, self._events_from_ms())
        for tenant, van, at_ms, kind, body in found:
            engine, trip, halt = self._signs.take((tenant, van), at_ms, kind, body)
            self.memory.take_signs(tenant, van, is_ignited=engine, is_on_trip=trip, halt=halt)
        self._events_seen_ms = now_ms
        self._looks += 1

    def _events_from_ms(self) -> int:
        """Received since when may be what was not seen yet."""
        seen_ms = self._events_seen_ms
        if seen_ms is None:
            return round(self.clock.now_s() * 1000) - _LOOK_BACK_MS
        is_far = self._looks % _LOOKS_AT_HELD == 0
        return seen_ms - round((_HELD_MS if is_far else _OVERLAP_MS) * max(1.0, self.clock.speed))

    def _recall(self) -> None:
        """Since when vans stand or move, which their newest fix alone does not tell."""
        for tenant in self.memory.tenants():
            for van, known in self.memory.known(tenant).items():
                if known.course is not None:
                    self.memory.stood(tenant, van, self._course(tenant, van, known.course))

    def _course(self, tenant: str, van: str, newest: Course) -> Course:
        with self._telemetry.reading() as connection:
            rows = fixes_between(
                *(connection, tenant, van, newest.at_ms - _RECALL_MS, newest.at_ms),
                limit=_RECALL_FIXES,
            )
        course: Course | None = None
        for row in rows:
            speed_mps = None if row.speed_cmps is None else row.speed_cmps / 100
            course = follow(course, row.at_ms, speed_mps)
        return newest if course is None else _going_on(course, newest)

    def _move(self, tenant: str, position: LivePosition) -> None:
        """Take a position, unless its times cannot be true; those cannot even be written down."""
        now_ms = self._now_ms()
        if is_believable(round(position.fix_time_s * 1000), now_ms) and is_believable(
            round(position.received_at_s * 1000), now_ms
        ):
            self.memory.move(tenant, position)


type _Words = tuple[bool | None, bool | None, Halt | None]
"""Engine on, trip going on, and last stop, as far as is known."""


class _Signs:
    """The newest word on each van's engine, trip and stop, in whatever order they come."""

    def __init__(self) -> None:
        self._ignition: dict[tuple[str, str], tuple[int, bool]] = {}
        self._trip: dict[tuple[str, str], tuple[int, bool]] = {}
        self._halts: dict[tuple[str, str], Halt] = {}

    def take(self, who: tuple[str, str], at_ms: int, kind: str, body: str) -> _Words:
        """What is known with this event."""
        if kind == "ignition_switched":
            is_on = bool(msgspec.json.decode(body)["is_on"])
            self._ignition[who] = max(self._ignition.get(who, (at_ms, is_on)), (at_ms, is_on))
        elif kind in {"stop_arrived", "stop_departed"}:
            told = msgspec.json.decode(body)
            is_there = kind == "stop_arrived"
            names = {"route": told["route"], "stop": told["stop"]}
            halt = Halt(**names, since_ms=at_ms, is_there=is_there)
            self._halts[who] = later(self._halts.get(who), halt)
        else:
            goes_on = kind == "trip_started"
            self._trip[who] = max(self._trip.get(who, (at_ms, goes_on)), (at_ms, goes_on))
        return self._known(who)

    def forget(self, who: tuple[str, str], from_ms: int, to_ms: int) -> _Words:
        """Forget what was told from ``from_ms`` up to ``to_ms``; what is known without it."""
        for words in (self._ignition, self._trip):
            if who in words and from_ms <= words[who][0] < to_ms:
                del words[who]
        if who in self._halts and from_ms <= self._halts[who].since_ms < to_ms:
            del self._halts[who]
        return self._known(who)

    def _known(self, who: tuple[str, str]) -> _Words:
        engine, trip = self._ignition.get(who), self._trip.get(who)
        return engine and engine[1], trip and trip[1], self._halts.get(who)


def _going_on(before: Course, newest: Course) -> Course:
    """``newest`` with its begin, when it goes on as before."""
    if before.is_moving != newest.is_moving:
        return newest
    return Course(newest.is_moving, min(before.since_ms, newest.since_ms), newest.at_ms)


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
