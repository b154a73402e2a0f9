"""The gateway at work: reader and connection tell the inbox, one thread decides."""

import logging
import queue
import random
import secrets
import signal
import sqlite3
from types import FrameType
from typing import Final, Literal

import msgspec

from gateway.clock import Clock
from gateway.commands import CommandLog
from gateway.fixes.epochs import Epoch
from gateway.fixes.keeping import to_fix
from gateway.inbox import (
    INBOX_SIZE,
    Delivered,
    Heard,
    Inbox,
    News,
    ReceiverChanged,
    Taken,
)
from gateway.link import Link
from gateway.receivers import Receiver
from gateway.receivers.reader import Reader
from gateway.route import RouteFile
from gateway.settings import Settings
from gateway.spool import Spool
from gateway.uplink import Uplink
from wire import __version__, codec
from wire.messages import Ack, Command, Presence, Route, State
from wire.values import FixSource

logger = logging.getLogger(__name__)

_TICK_S: Final = 0.25
_NO_FIX_AFTER_S: Final = 5.0
_FAREWELL_S: Final = 0.5
_RETRY_MIN_S: Final = 15
"""Longest wait between two attempts to connect is 15 to 30 s, another for each van."""


class Service:
    """Wires the parts of one van's gateway and runs them until it is told to stop."""

    def __init__(self, settings: Settings, receiver: Receiver, clock: Clock) -> None:
        jitter = random.Random(secrets.randbits(64))  # noqa: S311 - spreads vans, protects nothing
        self._settings = settings
        self._source: FixSource = receiver.source
        self._clock = clock
        self._inbox: Inbox = queue.Queue(INBOX_SIZE)
        self._spool = Spool(settings.spool_file, settings.spool.max_bytes)
        self._commands = CommandLog(self._spool.connection)
        self._route = RouteFile(settings.folder / "route.json")
        self._link = Link(
            settings.broker,
            settings.tenant,
            settings.van,
            self._inbox,
            _RETRY_MIN_S + jitter.randrange(_RETRY_MIN_S),
        )
        self._uplink = Uplink(settings.uplink, self._spool, self._link, jitter)
        self._reader = Reader(settings.receivers[0].name, receiver, self._inbox, jitter)
        self._receiver: Literal["ok", "no_fix", "lost"] = "lost"
        self._fix_at_s = 0.0
        self._commit_at_s = 0.0
        self._rest_until_s = 0.0
        self._connection: int | None = None
        self._told: State | None = None
        self._is_stopping = False

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; then commit, say goodbye and return within two seconds."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._spool.begin(
            fixes=secrets.randbits(63),
            events=secrets.randbits(63),
            version=__version__,
            stamp=self._clock.stamp(),
        )
        self._link.start()
        self._reader.start()
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
        except sqlite3.Error:
            # What was added is kept in memory and goes with a later commit.
            logger.exception("the spool takes nothing")
            self._rest_until_s = self._clock.monotonic_s() + self._settings.spool.commit_every_s

    def _next(self) -> News | None:
        try:
            return self._inbox.get_nowait()
        except queue.Empty:
            return None

    def _hear(self, news: News) -> None:
        now_s = self._clock.monotonic_s()
        match news:
            case Taken(epoch=epoch):
                self._keep(epoch, now_s)
            case ReceiverChanged(status=status, detail=detail):
                logger.info("receiver %s", status, extra={"detail": detail})
                self._receiver = "lost" if status == "lost" else "no_fix"
            case Delivered(mid=mid):
                self._commands.told(mid)
            case Heard(kind=kind, payload=payload):
                self._obey(kind, payload)
                self._link.acknowledge(news)

    def _keep(self, epoch: Epoch, now_s: float) -> None:
        fix = to_fix(epoch, self._clock.stamp(), self._source)
        if fix is None:
            return
        if fix.fix_time_ms is not None and self._source != "replay":
            self._clock.learn(fix.fix_time_ms)
            stamp = self._clock.stamp()
            fix = msgspec.structs.replace(fix, recorded_at_ms=stamp.now_ms, quality=stamp.quality)
        self._receiver = "ok"
        self._fix_at_s = now_s
        self._spool.add_fix(fix)
        self._uplink.offer_live(fix)

    def _greet(self, now_s: float) -> None:
        if self._connection is None:
            self._uplink.on_disconnected()
            return
        self._link.publish("presence", codec.encode(Presence(online=True)))
        self._told = None
        self._uplink.on_connected(now_s)
        self._tell_results()

    def _obey(self, kind: str, payload: bytes) -> None:
        try:
            match kind:
                case "ack":
                    self._uplink.on_ack(codec.decode(payload, Ack), self._clock.stamp())
                case "command":
                    self._commands.take(codec.decode(payload, Command), self._clock.now_ms())
                    self._tell_results()
                case "route":
                    self._route.take(codec.decode(payload, Route))
                case _:
                    logger.info("not understood", extra={"kind": kind})
        except codec.WireError as error:
            logger.warning(
                "a message was not readable", extra={"kind": kind, "problem": str(error)}
            )
        except OSError:
            logger.exception("the route cannot be kept")

    def _tell_results(self) -> None:
        for command, body in self._commands.untold():
            mid = self._link.publish("result", body)
            if mid is None:
                return
            self._commands.telling(command, mid)

    def _work(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s < self._rest_until_s:
            return
        if self._link.connection != self._connection:
            self._connection = self._link.connection
            self._greet(now_s)
        if self._receiver == "ok" and now_s > self._fix_at_s + _NO_FIX_AFTER_S:
            self._receiver = "no_fix"
        if now_s >= self._commit_at_s:
            if self._spool.has_work():
                self._spool.commit(self._clock.stamp())
            self._commit_at_s = now_s + self._settings.spool.commit_every_s
        self._uplink.step(now_s, self._clock.stamp())
        self._tell_state()

    def _tell_state(self) -> None:
        state = State(
            version=__version__,
            boot=self._spool.boot,
            receiver=self._receiver,
            spooled=0,
            route_revision=self._route.revision,
        )
        if state == self._told:
            return
        told = msgspec.structs.replace(state, spooled=sum(self._spool.waiting.values()))
        if self._link.publish("state", codec.encode(told)) is not None:
            self._told = state

    def _stop(self) -> None:
        self._reader.stop(_FAREWELL_S)
        for news in iter(self._next, None):
            if isinstance(news, Taken):
                self._keep(news.epoch, self._clock.monotonic_s())
        try:
            self._spool.commit(self._clock.stamp())
            self._uplink.hurry()
            self._uplink.step(self._clock.monotonic_s(), self._clock.stamp())
        except sqlite3.Error:
            logger.exception("the last fixes could not be committed or sent")
        self._link.stop(codec.encode(Presence(online=False)), _FAREWELL_S)
        self._spool.close()
        logger.info("the gateway has stopped")
