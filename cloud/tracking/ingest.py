"""Ingest, a process of its own: from the broker into the database, and only then acknowledged.

Messages are collected for a few milliseconds and written in one transaction. When the database is
locked, full or failing nothing is acknowledged: what has come is held, the rest stays with the
broker and the vans, and the same transaction is tried again.
"""

import logging
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Literal

from sqlalchemy.exc import DBAPIError

from cloud.foundation.broker import BrokerAccess
from cloud.foundation.clock import Clock, to_rfc3339
from cloud.foundation.database import Database
from cloud.foundation.layout import DataFolder
from cloud.foundation.settings import RetentionSettings
from cloud.tracking import history, store
from cloud.tracking.backlog import Backlog
from cloud.tracking.carriers import own_carrier
from cloud.tracking.complaints import Complaints
from cloud.tracking.deadletters import Errands
from cloud.tracking.fairness import FairShare, Who
from cloud.tracking.inbox import Inbox, MqttInbox
from cloud.tracking.intake import Arrived, Complaint, Group, Intake
from cloud.tracking.known import KnownVans, Register, Standing
from cloud.tracking.model import Committed, GroupLimits, StreamKey, moment_ms
from cloud.tracking.retention import Retention
from cloud.tracking.shelf import Shelf, Totals
from cloud.tracking.status import IngestStatus, write_status
from cloud.tracking.store import LiveRow
from wire import codec, topics
from wire.messages import Ack, Position

_log = logging.getLogger(__name__)

_LIVE_LANE: Final = "/up/live"
"""Moves live state at once, even while the database fails; it never becomes history."""
_COMES_AGAIN: Final = ("batch", "event", "resume")
_FEED_EVERY_S: Final = 0.05
_LIVE_ROWS_EVERY_S: Final = 1.0
_STATUS_EVERY_S: Final = 1.0
_BUSY_S: Final = 0.5
"""A locked database is tried again by us, so that the broker is not kept waiting meanwhile."""
_WEEKS_EVERY_S: Final = 3_600.0
"""So often it is seen to that the coming weeks have their parts of the history."""
_RETENTION_EVERY_S: Final = 0.1
"""So often at most a piece of what is too old is deleted."""
_KEPT: Final = RetentionSettings()
_BACKLOG_S: Final = 0.01
"""So long at a time what is stored is read and folded, before it looks for messages again."""
_LOOK_BACK_AFTER_S: Final = 0.1
"""What is stored is looked into so long after the first of it, with what comes meanwhile."""
_FEW: Final = 200
"""Messages at one time, up to which they are waited for together, and stored ones looked into."""
_RETRY_S: Final = (0.1, 0.5, 1.0, 2.0)
_MAX_HELD_MESSAGES: Final = 12_000
_MAX_HELD_BYTES: Final = 64_000_000


type InboxName = Literal["mqtt", "jetstream", "ending-jetstream"]
"""The last reads what is left in the stream while all that is new comes over MQTT."""


class Ingest:
    """The loop over inbox, intake and database."""

    def __init__(
        self,
        data: DataFolder,
        database: Database,
        broker: BrokerAccess,
        clock: Clock,
        inbox: InboxName = "mqtt",
        carrier_of: Callable[[str, str], str] = own_carrier,
        kept: RetentionSettings = _KEPT,
        read_register: Callable[[], Register] = Register,
    ) -> None:
        self._data = data
        self._carrier_of = carrier_of
        self._database = database

        def now_ms() -> int:
            return round(clock.now_s() * 1000)

        self._now_ms = now_ms
        self._inbox = _open_inbox(inbox, broker, now_ms)
        database.set_patience(_BUSY_S)
        with database.reading() as connection:
            live = store.live_rows(connection)
        self._complain = Complaints(time.monotonic, time.time)  # noqa: TID251 - compared with the system's clock
        self._known_vans = KnownVans(broker, read_register)
        self._intake = intake_over(database, self._known_vans, self._complain, live)
        self._errands = Errands(data, database, self._intake)
        self._retention = Retention(database, kept, now_ms)
        self._backlog = Backlog(database, self._intake, now_ms, self._complain)
        self._limits = GroupLimits()
        self._fair = FairShare()
        self._waiting: list[Arrived] = []
        self._waiting_since_s = 0.0
        self._is_calm = True
        self._pending: Group | None = None
        self._pending_messages: list[Arrived] = []
        self._failures = 0
        self._retry_at_s = self._look_back_at_s = 0.0
        self._database_state = "ok"
        told = ("errands", "feed", "live", "retention", "status", "weeks")
        self._due_s = dict.fromkeys(told, 0.0)
        self._told_state = ""
        self._fixes = 0
        self._set_aside = 0

    def run(self, is_stopping: Callable[[], bool]) -> None:
        """Work until ``is_stopping``; what has come by then is written if that is possible."""
        while not is_stopping():
            self.step(0.25)
        if self._pending is None:
            self._begin_group(is_last=True)
        if self._pending is not None:
            self._write_group()
        self._inbox.close()

    def step(self, idle_s: float) -> None:
        """One round: receive, write what is due, answer; then look into what is stored.

        Stored batches are read and folded only while no message can be received, or few come.
        """
        self._receive(0.0 if self._may_look_back() else idle_s)
        now_s = time.monotonic()
        if now_s >= self._retry_at_s:
            if self._pending is None and self._is_due(now_s):
                self._begin_group()
            if self._pending is not None:
                self._write_group()
        if self._may_look_back() and (self._is_calm or not self._inbox.has_news()):
            self._look_back()
        if self._pending is None:
            self._see_to_the_rest(now_s)
        if self._is_time("feed", now_s, _FEED_EVERY_S):
            self._tell_feed()
        if self._state() != self._told_state or self._is_time("status", now_s, _STATUS_EVERY_S):
            self._tell_status()

    def _may_look_back(self) -> bool:
        is_free = self._pending is None and time.monotonic() >= self._look_back_at_s
        return is_free and self._backlog.has_work()

    def _see_to_the_rest(self, now_s: float) -> None:
        if self._is_time("errands", now_s, self._errands.every_s):
            self._run_errands()
        if self._is_time("weeks", now_s, _WEEKS_EVERY_S):
            self._make_weeks()
        if self._is_time("retention", now_s, _RETENTION_EVERY_S):
            self._end_what_is_old()

    def _make_weeks(self) -> None:
        """Until it is done, the history of a new week lies with all the rest."""
        try:
            with self._database.writing() as connection:
                made = history.make_weeks(connection, self._now_ms())
        except DBAPIError as error:
            _log.warning("the coming weeks cannot be prepared", extra={"reason": str(error)})
            return
        if made:
            _log.info("weeks of history prepared", extra={"parts": ",".join(made)})

    def _look_back(self) -> None:
        try:
            self._set_aside += self._backlog.work(_BACKLOG_S)
        except DBAPIError as error:
            self._hold(str(error))
        else:
            self._note_success()

    def _run_errands(self) -> None:
        try:
            if self._errands.work():
                self._backlog.forget_ends()
                self._backlog.note_arrival()
        except DBAPIError as error:
            self._hold(str(error))

    def _end_what_is_old(self) -> None:
        if time.monotonic() < self._retry_at_s or not self._retention.has_work():
            return
        try:
            if self._retention.work():
                self._intake.note_removed()
        except DBAPIError as error:
            self._hold(str(error))

    def _receive(self, idle_s: float) -> None:
        if self._is_full():
            self._waiting = [one for one in self._waiting if self._inbox.is_current(one)]
            self._inbox.pause(0.1)
            return
        if self._waiting or self._pending is not None:
            idle_s = min(idle_s, self._limits.wait_s)
        is_free = self._inbox.is_ready and not self._waiting and self._pending is None
        gather_s = self._limits.wait_s if is_free and self._is_calm else 0.0
        arrived = self._inbox.receive(min(idle_s, _FEED_EVERY_S), gather_s=gather_s)
        self._is_calm = len(arrived) <= _FEW
        self._known_vans.look()
        if arrived and not self._waiting:
            self._waiting_since_s = time.monotonic() - gather_s
        for message in arrived:
            if message.topic.endswith(_LIVE_LANE):
                self._intake.take(message, Group())
            else:
                self._waiting.append(message)

    def _is_full(self) -> bool:
        return (
            len(self._waiting) + len(self._pending_messages) >= _MAX_HELD_MESSAGES
            or _size(self._waiting) + _size(self._pending_messages) >= _MAX_HELD_BYTES
        )

    def _is_due(self, now_s: float) -> bool:
        return self._limits.is_due(
            age_s=now_s - self._waiting_since_s,
            messages=len(self._waiting),
            payload_bytes=_size(self._waiting),
        ) or (self._intake.has_unwritten() and now_s >= self._due_s["live"])

    def _begin_group(self, *, is_last: bool = False) -> None:
        group = Group()
        messages = [one for one in self._waiting if self._inbox.is_current(one)]
        sifted = self._fair.sift([_sender(one) for one in messages], time.monotonic())
        try:
            for place in sifted.taken:
                self._intake.take(messages[place], group)
        except DBAPIError as error:
            self._hold(str(error))
            return
        if is_last or self._is_time("live", time.monotonic(), _LIVE_ROWS_EVERY_S):
            group.writes.live = [store.live_values(row) for row in self._intake.take_unwritten()]
        for tenant, van in sifted.held_back:
            self._complain(Complaint("held back a van that floods", tenant, van))
        self._waiting, self._pending, self._pending_messages = [], group, messages

    def _write_group(self) -> None:
        group = self._pending
        assert group is not None  # noqa: S101 - asked for only when there is one
        try:
            if not group.writes.is_empty():
                with self._database.writing() as connection:
                    store.write(connection, group.writes)
        except DBAPIError as error:
            self._hold(str(error))
            return
        self._committed(group)

    def _hold(self, reason: str) -> None:
        wait_s = _RETRY_S[min(self._failures, len(_RETRY_S) - 1)]
        self._retry_at_s = self._look_back_at_s = time.monotonic() + wait_s
        self._failures += 1
        state = f"database: {reason.splitlines()[0]}; nothing is lost, held until it works"
        if state != self._database_state:
            _log.error("the database does not take rows", extra={"reason": reason})
            self._database_state = state

    def _note_success(self) -> None:
        if self._failures:
            _log.info("the database takes rows again", extra={"tries": self._failures})
        self._failures, self._database_state = 0, "ok"

    def _committed(self, group: Group) -> None:
        self._note_success()
        self._fixes += sum(row.fixes for row in group.writes.arrived)
        if group.writes.arrived:
            if not self._backlog.has_work():
                self._look_back_at_s = time.monotonic() + _LOOK_BACK_AFTER_S
            self._backlog.note_arrival()
        self._set_aside += len(group.writes.set_aside)
        self._intake.settle(group)
        self._intake.follow(group.writes.arrived)
        self._inbox.acknowledge(self._pending_messages)
        self._inbox.publish([_answer(*one) for one in group.answers.items()])
        self._pending, self._pending_messages = None, []

    def _is_time(self, what: str, now_s: float, every_s: float) -> bool:
        if now_s < self._due_s[what]:
            return False
        self._due_s[what] = now_s + every_s
        return True

    def _tell_feed(self) -> None:
        if not self._inbox.is_ready:
            return
        told = []
        for row in self._intake.take_moved():
            carrier = self._carrier_of(row.tenant, row.van)
            try:
                position = codec.encode(position_of(row))
            except (ValueError, OverflowError, OSError) as error:
                self._complain(Complaint("cannot tell a position", row.tenant, row.van, str(error)))
                continue
            told.append((_feed_topic(row.tenant, carrier, row.van), position))
        self._inbox.publish(told, retain=True)

    def _state(self) -> str:
        states = [self._inbox.state, self._database_state]
        if self._is_full():
            states.append("full: it reads nothing until the database takes rows")
        return "; ".join(state for state in states if state != "ok") or "ok"

    def _tell_status(self) -> None:
        self._told_state = self._state()
        status = IngestStatus(
            state=self._told_state,
            at_s=time.time(),  # noqa: TID251 - transport time, compared with the system's clock
            fixes=self._fixes,
            set_aside=self._set_aside,
            complaints=self._complain.last,
        )
        write_status(self._data, status)


def _open_inbox(name: InboxName, broker: BrokerAccess, now_ms: Callable[[], int]) -> Inbox:
    if name == "mqtt":
        return MqttInbox(broker.address(), broker.login("ingest"), now_ms)
    from cloud.tracking.jetstream import JetStreamInbox  # only where it is wanted

    return JetStreamInbox(
        broker.address(),
        broker.login("ingest"),
        broker.stream_access(),
        now_ms,
        is_ending=name == "ending-jetstream",
    )


def _size(messages: list[Arrived]) -> int:
    return sum(len(one.payload) for one in messages)


@lru_cache(20_000)
def _sender_on(topic: str) -> Who | None:
    parts = topic.split("/")
    return (parts[2], parts[3]) if len(parts) == 6 and parts[5] in _COMES_AGAIN else None


def _sender(arrived: Arrived) -> Who | None:
    """Whose message it is; None of a kind that its van would not send again."""
    return _sender_on(arrived.topic)


def intake_over(
    database: Database,
    standing_of: Callable[[str, str], Standing],
    complain: Callable[[Complaint], None],
    live: list[LiveRow],
) -> Intake:
    """An intake that looks up in ``database`` what it does not hold."""

    def load(key: StreamKey) -> Committed:
        with database.reading() as connection:
            return store.committed_of(connection, key)

    def load_shelf(tenant: str, van: str) -> Shelf:
        with database.reading() as connection:
            return Shelf(*store.set_aside_of(connection, tenant, van))

    def load_aside() -> Totals:
        with database.reading() as connection:
            return Totals(*store.all_set_aside(connection))

    return Intake(
        standing_of=standing_of,
        load=load,
        load_shelf=load_shelf,
        load_aside=load_aside,
        complain=complain,
        live=live,
    )


def _answer(key: StreamKey, committed: Committed) -> tuple[str, bytes]:
    """``dn/ack``: its topic, and what a van is told of one of its streams."""
    upto, missing = committed.told()
    answer = Ack(stream=str(key.stream), upto=upto, missing=missing)
    return _ack_topic(key.tenant, key.van, "ack"), codec.encode(answer)


_ack_topic: Final = lru_cache(20_000)(topics.down)
_feed_topic: Final = lru_cache(20_000)(topics.feed_position)


def position_of(row: LiveRow) -> Position:
    """The public word on where a van is."""
    fix = row.fix
    assert fix is not None and row.received_at_ms is not None  # noqa: S101, PT018 - it has moved
    return Position(
        van=row.van,
        lat=fix.lat_e7 / 1e7,
        lon=fix.lon_e7 / 1e7,
        fix_time=to_rfc3339(moment_ms(fix) / 1000),
        received_at=to_rfc3339(row.received_at_ms / 1000),
        speed_mps=None if fix.speed_cmps is None else fix.speed_cmps / 100,
        course_deg=None if fix.course_ddeg is None else fix.course_ddeg / 10,
    )
