"""The gateway at work: reader and connection tell the inbox, one thread decides."""

import logging
import queue
import random
import secrets
import signal
import sqlite3
from collections.abc import Sequence
from types import FrameType
from typing import Final

import msgspec

from gateway.clock import Clock
from gateway.control.desired import DESIRED_FILE, DesiredSettings, applied
from gateway.enrolment.credentials import Credentials
from gateway.enrolment.giving_up import GivenUp
from gateway.enrolment.renewal import Renewal
from gateway.enrolment.sealing import Delivering, owner_of
from gateway.enrolment.tending import Tending
from gateway.fixes.trust import Reception
from gateway.inbox import (
    INBOX_SIZE,
    Delivered,
    Heard,
    Inbox,
    Measured,
    News,
    ReceiverChanged,
    Switched,
    Taken,
)
from gateway.inputs.watching import Inputs, pins_of, sensor_files
from gateway.operation import computer
from gateway.operation.health import SpoolHealth
from gateway.operation.upkeep import Operation, Ports
from gateway.receivers import Receiver
from gateway.receivers.reader import Reader
from gateway.receivers.selection import Selection
from gateway.recorder import Recorder
from gateway.settings import Settings
from gateway.spool.store import Spool
from gateway.uplink.lanes import Uplink
from gateway.uplink.link import Link
from gateway.uplink.pacing import Told
from wire import __version__, codec
from wire.desired import DesiredValues
from wire.events import ReceiverChosen
from wire.messages import Ack, Presence, ReceiverState, Route, State
from wire.values import FixSource

logger = logging.getLogger(__name__)

_TICK_S: Final = 0.25
_NO_FIX_AFTER_S: Final = 5.0
_FAREWELL_S: Final = 0.5
_CLOCK: Final = "clock"
_REMEMBER_CLOCK_MS: Final = 600_000
"""How far a board without a clock battery may wake behind the time it knew."""


class Service:
    """Wires the parts of one van's gateway and runs them until it is told to stop."""

    def __init__(
        self,
        settings: Settings,
        receivers: Sequence[Receiver],
        clock: Clock,
        delivering: Delivering,
    ) -> None:
        jitter = random.Random(secrets.randbits(64))  # noqa: S311 - spreads vans, protects nothing
        self._settings = settings
        self._clock = clock
        self._inbox: Inbox = queue.Queue(INBOX_SIZE)
        self._spool = Spool(
            settings.spool_file,
            settings.spool.max_bytes,
            keep_free_bytes=settings.spool.keep_free_bytes,
            keep_acknowledged_ms=round(settings.spool.keep_acknowledged_h * 3_600_000),
        )
        desired = DesiredSettings(
            settings.folder / DESIRED_FILE,
            settings.control.rollback_after_s,
            clock.monotonic_s(),
        )
        now = applied(settings, desired.values)
        self._link = Link(
            now.broker,
            settings.tenant,
            settings.van,
            self._inbox,
            jitter.random,
        )
        self._tending = Tending(
            Renewal(Credentials(settings.folder), self._link),
            delivering,
            GivenUp(settings.folder, self._spool),
        )
        self._uplink = Uplink(now.uplink, self._spool, self._link, jitter.random)
        self._recorder = Recorder(settings, self._spool, clock, self._uplink.offer_live)
        names = [chosen.name for chosen in settings.receivers]
        self._sources: dict[str, FixSource] = {
            name: receiver.source for name, receiver in zip(names, receivers, strict=True)
        }
        self._readers = [
            Reader(name, receiver, self._inbox, jitter)
            for name, receiver in zip(names, receivers, strict=True)
        ]
        self._inputs = Inputs(
            pins_of(settings.inputs),
            sensor_files(settings.inputs.temperatures),
            self._inbox,
            clock.monotonic_s,
        )
        self._selection = Selection(names)
        self._absent = set(names)
        self._receiver: ReceiverState = "lost"
        self._fix_at_s = 0.0
        self._commit_at_s = 0.0
        self._rest_until_s = 0.0
        self._connection: int | None = None
        self._told: State | None = None
        self._waiting_told = Told()
        self._is_stopping = False
        self._operation = Operation(
            settings,
            desired,
            link=self._link,
            uplink=self._uplink,
            clock=clock,
            renewal=self._tending.renewal,
            ports=self._ports(),
        )
        self._use(desired.values)
        self._recorder.logbook.follow(self._operation.control.route.current)

    def _ports(self) -> Ports:
        return Ports(
            connection=self._spool.connection,
            spool=self._spool_health,
            inputs=self._inputs.problems,
            failed=lambda: self._recorder.failed,
            replay=self._replay,
            use=self._use,
            follow=self._follow,
            turned=lambda: {reader.name: reader.turned_at_s for reader in self._readers},
        )

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; then commit, say goodbye and return within two seconds."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        known = self._spool.recall(_CLOCK)
        if known is not None:
            self._clock.restore(int(known))
        self._spool.begin(
            fixes=secrets.randbits(63),
            events=secrets.randbits(63),
            version=__version__,
            stamp=self._clock.stamp(),
            owner=owner_of(self._settings),
        )
        self._link.start()
        for reader in self._readers:
            reader.start()
        self._inputs.start()
        self._operation.start(self._spool.boot)
        logger.info("the gateway runs", extra={"van": self._settings.van, "boot": self._spool.boot})
        while not self._is_stopping:
            self._turn()
        self._stop()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._is_stopping = True

    def _turn(self) -> None:
        news: News | None
        try:
            news = self._inbox.get(timeout=_TICK_S)
        except queue.Empty:
            news = None
        try:
            while news is not None:
                self._hear(news)
                news = self._next()
            self._work()
        except sqlite3.Error as error:
            self._rest(self._clock.monotonic_s(), error)
        self._operation.look(self._clock.monotonic_s(), max(self._commit_at_s, self._rest_until_s))

    def _rest(self, now_s: float, error: sqlite3.Error) -> None:
        """Leave a medium that fails alone for a while; what was added is kept in memory."""
        if now_s >= self._rest_until_s:
            logger.error("the spool fails", extra={"problem": str(error)})
            self._rest_until_s = now_s + self._settings.spool.commit_every_s

    def _next(self) -> News | None:
        try:
            return self._inbox.get_nowait()
        except queue.Empty:
            return None

    def _hear(self, news: News) -> None:
        now_s = self._clock.monotonic_s()
        self._operation.hear(news, now_s)
        match news:
            case Taken():
                self._keep(news, now_s)
            case ReceiverChanged():
                self._note_receiver(news, now_s)
            case Delivered(mid=mid, at_s=at_s):
                self._uplink.on_delivered(mid, at_s)
            case Switched() | Measured():
                self._recorder.hear(news)
            case Heard(kind="ack", payload=payload):
                self._acknowledged(payload)
            case Heard(kind="certificate"):
                self._tending.renewal.hear(news)
            case _:
                return

    def _note_receiver(self, change: ReceiverChanged, now_s: float) -> None:
        context = {"receiver": change.receiver, "detail": change.detail}
        logger.info("receiver %s", change.status, extra=context)
        if change.status == "lost":
            self._absent.add(change.receiver)
            self._selection.lost(change.receiver, now_s)
        else:
            self._absent.discard(change.receiver)
        if self._selection.chosen is None or self._receiver != "ok":
            is_lost = len(self._absent) == len(self._readers)
            self._receiver = "lost" if is_lost else self._operation.vitals.reception

    def _tell_choice(self, now_s: float) -> None:
        self._selection.tick(now_s)
        for before, chosen, reason in self._selection.news():
            logger.info("fixes come from %s", chosen, extra={"before": before, "reason": reason})
            body = ReceiverChosen(receiver=chosen, before=before, reason=reason)
            self._spool.add_event(body, self._clock.stamp())
            self._commit_at_s = now_s

    def _keep(self, taken: Taken, now_s: float) -> None:
        name, at_s = taken.receiver, taken.at_s
        judged = self._recorder.judge(taken, self._sources[name])
        is_used = self._selection.took(
            name,
            is_fix=judged.fix is not None,
            is_believed=judged.is_believed,
            utc_ms=None if judged.fix is None else judged.fix.fix_time_ms,
            now_s=at_s,
        )
        if not is_used:
            return
        self._recorder.take(judged, now_s)
        if judged.is_believed:
            self._receiver = "ok"
            self._fix_at_s = at_s
            self._operation.vitals.chosen = name
        self._operation.vitals.is_on_duty = self._recorder.logbook.is_on_duty

    def _greet(self, now_s: float) -> None:
        if self._connection is None:
            self._uplink.on_disconnected()
            return
        self._link.publish("presence", codec.encode(Presence(online=True)))
        self._told = None
        self._uplink.on_connected(now_s, is_session_kept=self._link.is_session_kept)
        self._operation.control.connected()

    def _acknowledged(self, payload: bytes) -> None:
        try:
            self._uplink.on_ack(codec.decode(payload, Ack), self._clock.stamp())
        except codec.WireError as error:
            logger.warning("an acknowledgement was not readable", extra={"problem": str(error)})

    def _use(self, values: DesiredValues) -> None:
        logbook = self._recorder.logbook
        logbook.keep(values.keeping or self._settings.keeping)
        logbook.keep_shifts(values.shifts)
        logbook.guard(values.geofences)

    def _follow(self, route: Route) -> None:
        self._recorder.logbook.follow(route)

    def _replay(self, from_ms: int, to_ms: int) -> int:
        """Committed before it is told: a command that counts as done is not given again."""
        count = self._spool.replay(from_ms, to_ms)
        self._spool.commit(self._clock.stamp())
        return count

    def _spool_health(self) -> SpoolHealth:
        waiting = self._spool.waiting
        return SpoolHealth(
            fixes=waiting["fix"],
            events=waiting["event"],
            used_bytes=self._spool.connection.taken_bytes(),
            max_bytes=self._settings.spool.max_bytes,
            free_bytes=computer.free_bytes(self._settings.folder),
            condition=self._spool.condition,
        )

    def _work(self) -> None:
        now_s = self._clock.monotonic_s()
        if self._link.connection != self._connection:
            self._connection = self._link.connection
            self._greet(now_s)
        if self._receiver == "ok" and now_s > self._fix_at_s + _NO_FIX_AFTER_S:
            self._receiver = "no_fix"
        self._tell_choice(now_s)
        self._tend_spool(now_s)
        # While the medium fails, the live lane and the state still go out.
        self._tell_state()
        self._uplink.step(now_s, self._clock.stamp())
        self._operation.step(now_s)
        is_connected = self._connection is not None
        self._tending.step(now_s, self._clock.stamp(), is_connected=is_connected)

    def _tend_spool(self, now_s: float) -> None:
        if now_s < self._rest_until_s:
            return
        try:
            if self._recorder.is_urgent or now_s >= self._commit_at_s:
                self._commit(now_s)
            self._spool.tend(self._clock.stamp())
        except sqlite3.Error as error:
            self._rest(now_s, error)

    def _commit(self, now_s: float) -> None:
        self._recorder.settle()
        self._recorder.correct(self._clock.look_around())
        if self._clock.stamp().is_proved:
            now = str(self._clock.now_ms()).encode()
            self._spool.remember(_CLOCK, now, every_ms=_REMEMBER_CLOCK_MS)
        if self._spool.has_work():
            self._spool.commit(self._clock.stamp())
        self._recorder.is_urgent = False
        self._commit_at_s = now_s + self._settings.spool.commit_every_s

    def _tell_state(self) -> None:
        control = self._operation.control
        heard = self._recorder.logbook.reception or Reception(receiver="")
        state = State(
            version=__version__,
            boot=self._spool.boot,
            receiver=self._receiver,
            chosen=self._selection.chosen,
            spooled=0,
            settings=control.desired.version,
            refused=control.desired.refused,
            route_revision=control.route.revision,
            clock=self._clock.quality,
            spool=self._spool.condition,
            is_on_duty=self._recorder.logbook.is_on_duty,
            jamming=heard.jamming,
            spoofing=heard.spoofing,
            antenna=heard.antenna,
        )
        now_s, waiting = self._clock.monotonic_s(), self._uplink.waiting
        if state == self._told and not self._waiting_told.is_due(waiting, now_s):
            return
        traffic = self._link.traffic()
        told = msgspec.structs.replace(
            state,
            spooled=waiting,
            sent_bytes=traffic.sent_bytes,
            heard_bytes=traffic.heard_bytes,
            processor_celsius=self._operation.vitals.processor_celsius,
        )
        mid = self._link.publish("state", codec.encode(told))
        if mid is not None:
            control.state_told(mid)
            self._told = state
            self._waiting_told.told(waiting, now_s)

    def _stop(self) -> None:
        self._operation.stop()
        for reader in self._readers:
            reader.ask_to_stop()
        self._inputs.stop(0.0)
        for reader in self._readers:
            reader.stop(_FAREWELL_S)
        try:
            for news in iter(self._next, None):
                if isinstance(news, Taken | Switched | Measured):
                    self._hear(news)
            self._recorder.flush()
            self._uplink.hurry()
            try:
                self._spool.commit(self._clock.stamp())
            finally:  # what the medium does not take may still leave out of memory
                self._uplink.step(self._clock.monotonic_s(), self._clock.stamp())
        except sqlite3.Error:
            logger.exception("the last fixes could not be committed or sent")
        self._link.stop(codec.encode(Presence(online=False)), _FAREWELL_S)
        self._spool.close()
        self._tending.stop()
        logger.info("the gateway has stopped")
