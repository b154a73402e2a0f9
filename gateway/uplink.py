"""Two lanes: the newest fix at once, and every committed row until it is acknowledged."""

import itertools
import logging
import math
import random
from collections.abc import Iterable, Iterator
from typing import Final

from gateway.link import Link
from gateway.rows import Kind, Row, read_fix
from gateway.settings import UplinkSettings
from gateway.spool import Spool
from gateway.stamp import Stamp
from gateway.window import InFlight, Window, is_refused
from wire import codec
from wire.messages import Ack, Batch, Fix, Live, Resume

logger = logging.getLogger(__name__)

_RESUME_WAIT_S: Final = 2.0
"""How long history waits for the answer to ``up/resume``, which may spare it."""

_RESUME_STREAMS: Final = 64


class Uplink:
    """What to publish next; `step` is called by one thread, often.

    Args:
        settings: the pace. spool: the committed rows. link: the connection.
        jitter: spreads repeated sendings of many vans.
    """

    def __init__(
        self, settings: UplinkSettings, spool: Spool, link: Link, jitter: random.Random
    ) -> None:
        self._settings = settings
        self._spool = spool
        self._link = link
        self._windows: dict[Kind, Window] = {
            kind: Window(settings.window, settings.resend_after_s, jitter)
            for kind in ("event", "fix")
        }
        self._cursor: dict[Kind, int] = {"event": -1, "fix": -1}
        self._is_connected = False
        self._asked: set[str] = set()
        self._history_from_s = 0.0
        self._tail_since_s: float | None = None
        self._live: Fix | None = None
        self._live_from_s = 0.0

    def on_connected(self, now_s: float) -> None:
        """Ask the cloud what it has; events go at once, history after the answer."""
        self._is_connected = True
        self._history_from_s = now_s + _RESUME_WAIT_S
        self._ask(str(stream) for stream in self._spool.streams_left())

    def on_disconnected(self) -> None:
        """Nothing more is handed to the connection; what is in flight stays so."""
        self._is_connected = False

    def on_ack(self, ack: Ack, stamp: Stamp) -> None:
        """Free what the cloud has committed.

        Raises:
            sqlite3.Error: the medium takes nothing; the rows go with a later commit.
        """
        self._asked.discard(ack.stream)
        told = self._spool.release(ack)
        if told is None:
            return
        window = self._windows[told.kind]
        window.settle(told.committed)
        window.name_missing(told.missing)
        if any(last > self._cursor[told.kind] for _, last in told.committed):
            self._spool.commit(stamp)

    def offer_live(self, fix: Fix) -> None:
        """The newest fix, for the live lane; an older one that still waits is forgotten."""
        self._live = fix

    def hurry(self) -> None:
        """Wait for no more fixes: the gateway is about to stop."""
        self._tail_since_s = -math.inf

    def step(self, now_s: float, stamp: Stamp) -> None:
        """Publish all that may be published now.

        Raises:
            sqlite3.Error: the spool cannot be read or written.
        """
        if not self._is_connected:
            return
        self._send_live(now_s)
        for window in self._windows.values():
            self._repeat(window, now_s, stamp)
        self._send_events(now_s)
        is_answered = not self._asked or now_s >= self._history_from_s
        if is_answered and not self._has_unsent("event"):
            self._send_history(now_s)

    def _send_live(self, now_s: float) -> None:
        if self._live is None or now_s < self._live_from_s or not self._link.is_idle:
            return
        if self._link.publish("live", codec.encode_live(Live(fix=self._live)), qos=0) is not None:
            self._live_from_s = now_s + self._settings.live_every_s
            self._live = None

    def _ask(self, streams: Iterable[str]) -> None:
        for chunk in itertools.batched(streams, _RESUME_STREAMS):
            self._asked.update(chunk)
            self._link.publish("resume", codec.encode(Resume(streams=chunk)))

    def _repeat(self, window: Window, now_s: float, stamp: Stamp) -> None:
        late = window.to_ask(now_s)
        if late:
            self._ask(sorted({str(self._spool.stream_of(m.first).id) for m in late}))
        for message in window.due(now_s):
            # It leaves the window only when the spool has answered; an error leaves it due.
            if is_refused(message):
                logger.warning("the cloud refuses rows; they are set aside", extra=_extra(message))
                self._spool.refuse(message.first, message.last, stamp)
                window.forget(message)
                continue
            rows = self._spool.rows(message.first, message.last)
            window.forget(message)
            for run in _runs(rows):
                self._publish(window, run, now_s, message.tries + 1)

    def _has_unsent(self, kind: Kind) -> bool:
        return self._cursor[kind] < self._spool.last(kind)

    def _send_events(self, now_s: float) -> None:
        window = self._windows["event"]
        while self._has_unsent("event") and window.has_room:
            rows = self._spool.rows_after("event", self._cursor["event"], 1)
            if not rows:
                self._cursor["event"] = self._spool.last("event")
            elif not self._publish(window, rows, now_s):
                return
            else:
                self._cursor["event"] = rows[-1].id

    def _send_history(self, now_s: float) -> None:
        window = self._windows["fix"]
        while self._has_unsent("fix") and window.has_room:
            rows = self._spool.rows_after("fix", self._cursor["fix"], self._settings.batch_fixes)
            if not rows:
                self._cursor["fix"] = self._spool.last("fix")
                return
            run = next(_runs(rows))
            if self._may_grow(run) and self._is_worth_waiting(now_s):
                return
            if not self._publish(window, run, now_s):
                return
            self._cursor["fix"] = run[-1].id
            self._tail_since_s = None

    def _may_grow(self, run: list[Row]) -> bool:
        is_of_this_start = self._spool.stream_of(run[-1].id).boot == self._spool.boot
        is_short = len(run) < self._settings.batch_fixes
        return is_of_this_start and is_short and run[-1].id == self._spool.last("fix")

    def _is_worth_waiting(self, now_s: float) -> bool:
        if self._tail_since_s is None:
            self._tail_since_s = now_s
        return now_s < self._tail_since_s + self._settings.batch_wait_s

    def _publish(self, window: Window, run: list[Row], now_s: float, tries: int = 1) -> bool:
        first, last = run[0], run[-1]
        stream = self._spool.stream_of(first.id)
        if stream.kind == "event":
            mid = self._link.publish("event", first.body)
        else:
            fixes = tuple(read_fix(row.body) for row in run)
            batch = Batch(stream=stream.id, first=first.seq, fixes=fixes)
            mid = self._link.publish("batch", codec.encode_batch(batch))
        if mid is None and tries == 1:
            return False
        window.sent(first.id, last.id, now_s, tries)
        return True


def _runs(rows: list[Row]) -> Iterator[list[Row]]:
    """Consecutive rows of one stream; rows of two streams are never consecutive."""
    start = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or rows[end].id != rows[end - 1].id + 1:
            yield rows[start:end]
            start = end


def _extra(message: InFlight) -> dict[str, int]:
    return {"first": message.first, "last": message.last, "tries": message.tries}
