"""Two lanes: the newest fix at once, and every committed row until it is acknowledged."""

import itertools
import logging
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from gateway.settings import UplinkSettings
from gateway.spool.rows import Kind, Row, read_fix
from gateway.spool.store import Spool
from gateway.stamp import Stamp
from gateway.uplink.backoff import STUCK_S, Jitter, is_stuck
from gateway.uplink.held import Held
from gateway.uplink.link import Link
from gateway.uplink.pacing import Budget, LiveTurn, Pipe, pace_of
from gateway.uplink.window import REPEATED, InFlight, Window, is_refused, refusals_of
from wire import codec
from wire.messages import Ack, Batch, Fix, Live, Resume

logger = logging.getLogger(__name__)

_RESUME_STREAMS: Final = 64
_ASK_AGAIN_S: Final = 5.0
_ASK_AGAIN_MAX_S: Final = 60.0
_UNHEARD_S: Final = 60.0
_LIVE_LATE_S: Final = 10.0
"""A live fix that the socket has not taken by then is followed by a newer one all the same."""
_PROVE_AFTER_S: Final = 40.0
"""After such silence a live fix asks for a receipt: 80 bytes more, where a ping costs 200."""
_FIX_BYTES: Final = 12
"""What a fix of a batch is taken to need until the first batch has been made."""


_UNHEARD: Final = (
    "the broker takes what the van says, but the cloud answers nothing: permit the van "
    "fleet/v1/TENANT/VAN/up/+ and dn/+, and look whether ingest runs; nothing is lost"
)
_UNTAKEN: Final = (
    "the broker confirms rows that never reach the cloud, however often they are sent: permit "
    "the van fleet/v1/TENANT/VAN/up/+; nothing is lost"
)


class _Sent(msgspec.Struct, frozen=True):
    """A message of rows that the broker has not confirmed yet."""

    window: Window
    first: int
    last: int


class Uplink:
    """What to publish next; `step` is called by one thread, often.

    Args:
        settings: the pace. spool: the committed rows. link: the connection.
        jitter: gives a number from 0 up to 1; spreads the vans' repeated sendings.
    """

    def __init__(self, settings: UplinkSettings, spool: Spool, link: Link, jitter: Jitter) -> None:
        self._spool = spool
        self._link = link
        self._windows: dict[Kind, Window] = {
            kind: Window(settings.window, settings.resend_after_s, jitter)
            for kind in ("event", "fix")
        }
        self._held = Held(settings, spool)
        self._pace = pace_of(settings)
        self._clock_wait_s = settings.clock_wait_s
        self._began_s: float | None = None
        self._cursor: dict[Kind, int] = {"event": -1, "fix": -1}
        self._pipe = Pipe()
        self._budget = Budget(0.0)
        self._unconfirmed: dict[int, _Sent] = {}
        self._fix_bytes = float(_FIX_BYTES)
        self._is_connected = False
        self._connected_at_s = 0.0
        self._is_heard = False
        self._problem: str | None = None
        self._asked: set[str] = set()
        self._ask_again_s = 0.0
        self._ask_wait_s = _ASK_AGAIN_S
        self._at_once_to = -1
        self._tail_since_s: float | None = None
        self._live: Fix | None = None
        self._live_taken_s = 0.0
        self._live_number: int | None = None
        self._live_sent_s = 0.0
        self._turn = LiveTurn()

    def pace(self, settings: UplinkSettings) -> None:
        """Go by other settings from now on; the windows keep their size."""
        self._pace = pace_of(settings)

    @property
    def waiting(self) -> int:
        """Rows that wait for the cloud's acknowledgement."""
        return sum(self._spool.waiting.values())

    @property
    def in_flight(self) -> int:
        """Messages that the broker has not confirmed yet."""
        return len(self._unconfirmed)

    @property
    def problem(self) -> str | None:
        """What keeps rows here although there is a connection, with a remedy; None when nothing.

        A broker confirms what it then drops because the van may not say it or nobody hears it.
        """
        return self._problem

    def _look(self, now_s: float) -> str | None:
        is_late = now_s > self._connected_at_s + _UNHEARD_S
        if is_late and not self._is_heard:
            return _UNHEARD
        if any(window.most_tries >= REPEATED for window in self._windows.values()):
            return _UNTAKEN
        return None

    def on_connected(self, now_s: float, *, is_session_kept: bool = True) -> None:
        """Ask the cloud what it has; events go at once, history after the answer.

        Args:
            now_s: now.
            is_session_kept: whether the broker still has what it had confirmed.
        """
        self._is_connected, self._is_heard = True, False
        self._connected_at_s = now_s
        self._pipe = Pipe()
        self._unconfirmed.clear()
        self._live_number = None
        self._held.again()
        self._at_once_to = self._spool.last("fix")
        for window in self._windows.values():
            window.lost(now_s, is_session_kept=is_session_kept)
        self._asked.clear()
        self._ask_wait_s = _ASK_AGAIN_S
        self._ask((str(stream) for stream in self._spool.streams_left()), now_s)

    def on_disconnected(self) -> None:
        """Nothing more is handed to the connection; what is in flight stays so."""
        self._is_connected = False

    def on_delivered(self, number: int, at_s: float) -> None:
        """The broker has message ``number`` since ``at_s``, or the socket has a live fix."""
        if number == self._live_number:
            self._live_number = None
        self._pipe.confirmed(number, at_s)
        sent = self._unconfirmed.pop(number, None)
        if sent is not None:
            sent.window.confirmed(sent.first)
            self._spool.delivered(sent.first, sent.last)

    def on_ack(self, ack: Ack, stamp: Stamp) -> None:
        """Free what the cloud has committed.

        Raises:
            sqlite3.Error: the medium takes nothing; the rows go with a later commit.
        """
        self._asked.discard(ack.stream)
        self._is_heard = True
        told = self._spool.release(ack)
        if told is None:
            return
        window = self._windows[told.kind]
        window.settle(told.committed)
        window.name_missing(told.missing)
        if any(last > self._cursor[told.kind] for _, last in told.committed):
            self._spool.commit(stamp)

    def offer_live(self, fix: Fix, now_s: float) -> None:
        """The newest fix, for the live lane; an older one that still waits is forgotten."""
        self._live, self._live_taken_s = fix, now_s

    def hurry(self) -> None:
        """Wait for no more fixes and for no better clock: the gateway is about to stop."""
        self._tail_since_s = -math.inf
        self._clock_wait_s = 0.0
        self._held.hurry()

    def step(self, now_s: float, stamp: Stamp) -> None:
        """Publish all that may be published now.

        Raises:
            sqlite3.Error: the spool cannot be read or written.
        """
        if self._began_s is None:
            self._began_s = now_s
        for kind in self._windows:
            waits_again = self._spool.returned(kind)
            if waits_again is not None:
                self._cursor[kind] = min(self._cursor[kind], waits_again - 1)
        if not self._is_connected:
            return
        self._watch(now_s)
        self._send_live(now_s)
        is_timeless = not stamp.is_proved and now_s < self._began_s + self._clock_wait_s
        self._send_held(now_s, is_timeless=is_timeless)
        if self._asked and now_s >= self._ask_again_s:
            self._ask_wait_s = min(self._ask_wait_s * 2, _ASK_AGAIN_MAX_S)
            self._ask(sorted(self._asked), now_s)
        self._repeat("event", now_s, stamp)
        self._send_events(now_s, is_timeless=is_timeless)
        if not self._asked:
            self._repeat("fix", now_s, stamp)
            if is_timeless or not self._has_unsent("event"):
                self._send_history(now_s)

    def _watch(self, now_s: float) -> None:
        self._pipe.write_off(now_s)
        owed_s = self._pipe.oldest_s(now_s)
        if owed_s > STUCK_S and is_stuck(owed_s, self._link.silent_s()):
            self._is_connected = False
            self._link.drop(f"the broker owes a receipt for {owed_s:.0f} s")
        before, self._problem = self._problem, self._look(now_s)
        if self._problem not in {before, None}:
            logger.warning("rows stay in the van", extra={"problem": self._problem})

    def _send_live(self, now_s: float) -> None:
        is_busy = self._live_number is not None and now_s < self._live_sent_s + _LIVE_LATE_S
        if self._live is None or is_busy:
            return
        if not self._turn.is_due(self._live_taken_s, now_s, self._pace.live_every_s):
            return
        payload = codec.encode_live(Live(fix=self._live))
        if self._link.silent_s() > _PROVE_AFTER_S:
            number = self._hand_over("live", payload, now_s)
        else:
            number = self._link.publish("live", payload, qos=0)
            self._live_number, self._live_sent_s = number, now_s
        if number is not None:
            self._turn.went(self._live_taken_s, now_s)
            self._live = None

    def _send_held(self, now_s: float, *, is_timeless: bool) -> None:
        for kind in self._windows:
            while not (kind == "event" and is_timeless) and self._may_send(kind, now_s):
                rows = self._held.due(kind, now_s)
                if not rows or not self._spend(*self._held.message(kind, rows), now_s):
                    break
                self._held.went(kind, rows)

    def _spend(self, kind: str, payload: bytes, now_s: float) -> bool:
        """Hand a message over, out of the budget of the history; whether it was taken."""
        is_taken = self._hand_over(kind, payload, now_s) is not None
        if is_taken and kind == "batch":
            self._budget.spend(self._link.cost_bytes(kind, payload))
        return is_taken

    def _ask(self, streams: Iterable[str], now_s: float) -> None:
        self._ask_again_s = now_s + self._ask_wait_s
        for chunk in itertools.batched(streams, _RESUME_STREAMS):
            self._asked.update(chunk)
            self._hand_over("resume", codec.encode(Resume(streams=chunk)), now_s)

    def _hand_over(self, kind: str, payload: bytes, now_s: float) -> int | None:
        number = self._link.publish(kind, payload)
        if number is not None:
            self._pipe.sent(number, self._link.cost_bytes(kind, payload), now_s)
        return number

    def _repeat(self, kind: Kind, now_s: float, stamp: Stamp) -> None:
        window = self._windows[kind]
        late = window.to_ask(now_s)
        if late:
            streams = {str(self._spool.stream_of(m.first).id) for m in late}
            self._ask(sorted(streams - self._asked), now_s)
        for message in window.due(now_s):
            # It leaves the window only when the spool has answered; an error leaves it due.
            if is_refused(message):
                logger.warning("the cloud refuses rows; they are set aside", extra=_extra(message))
                self._spool.refuse(message.first, message.last, stamp)
                window.forget(message)
                continue
            if not self._may_send(kind, now_s):
                return
            rows = self._spool.rows(message.first, message.last)
            window.forget(message)
            for run in _runs(rows, self._spool.step_of):
                self._publish(window, run, now_s, message)

    def _may_send(self, kind: Kind, now_s: float) -> bool:
        if not self._pipe.may_send(now_s):
            return False
        return kind == "event" or self._budget.has_some(self._pace.history_bytes_a_second, now_s)

    def _has_unsent(self, kind: Kind) -> bool:
        return self._cursor[kind] < self._spool.last(kind)

    def _send_events(self, now_s: float, *, is_timeless: bool) -> None:
        window = self._windows["event"]
        while self._has_unsent("event") and window.has_room and self._may_send("event", now_s):
            rows = self._spool.rows_after("event", self._cursor["event"], 1)
            if not rows:
                self._cursor["event"] = self._spool.last("event")
            elif (is_timeless and self._is_own(rows[0])) or not self._publish(window, rows, now_s):
                return
            else:
                self._cursor["event"] = rows[-1].id

    def _is_own(self, row: Row) -> bool:
        """Whether this start recorded it."""
        return self._spool.stream_of(row.id).boot == self._spool.boot

    def _send_history(self, now_s: float) -> None:
        window = self._windows["fix"]
        while self._has_unsent("fix") and window.has_room and self._may_send("fix", now_s):
            if self._may_grow() and self._is_worth_waiting(now_s):
                return
            rows = self._spool.rows_after("fix", self._cursor["fix"], self._batch_fixes())
            if not rows:
                self._cursor["fix"] = self._spool.last("fix")
                return
            run = next(_runs(rows, self._spool.step_of))
            if not self._publish(window, run, now_s):
                return
            self._cursor["fix"] = run[-1].id
            self._tail_since_s = None

    def _batch_fixes(self) -> int:
        """As many as the pipe takes at once: on a very slow link a full batch would take long."""
        fitting = int(self._pipe.limit_bytes / self._fix_bytes)
        return max(1, min(self._pace.batch_fixes, fitting))

    def _may_grow(self) -> bool:
        """Whether the next batch is a short one of this start's fixes, so that more may join it."""
        following = self._spool.rows_after("fix", self._cursor["fix"], 1)
        if not following or following[0].id <= self._at_once_to:
            return False
        waiting = self._spool.last("fix") - following[0].id + 1
        return self._is_own(following[0]) and waiting < self._pace.batch_fixes

    def _is_worth_waiting(self, now_s: float) -> bool:
        if self._tail_since_s is None:
            self._tail_since_s = now_s
        return now_s < self._tail_since_s + self._pace.batch_wait_s

    def _publish(
        self, window: Window, run: list[Row], now_s: float, before: InFlight | None = None
    ) -> bool:
        first, last = run[0], run[-1]
        stream = self._spool.stream_of(first.id)
        if stream.kind == "event":
            number = self._hand_over("event", first.body, now_s)
        else:
            fixes = tuple(read_fix(row.body) for row in run)
            step = self._spool.step_of(first.id)
            batch = Batch(stream=stream.id, first=first.seq, fixes=fixes, step=step)
            payload = codec.encode_batch(batch)
            number = self._hand_over("batch", payload, now_s)
            self._fix_bytes = len(payload) / len(fixes)
            if number is not None:
                self._budget.spend(self._link.cost_bytes("batch", payload))
        if number is None and before is None:
            return False
        tries = 1 if before is None else before.tries + 1
        refusals = 0 if before is None else refusals_of(before)
        window.sent(first.id, last.id, now_s, tries=tries, refusals=refusals)
        if number is not None:
            self._unconfirmed[number] = _Sent(window, first.id, last.id)
        return True


def _runs(rows: list[Row], step_of: Callable[[int], int]) -> Iterator[list[Row]]:
    """Rows of one stream without a hole or evenly thinned, as a batch can carry them."""
    start = 0
    for end in range(1, len(rows) + 1):
        if end < len(rows):
            step = step_of(rows[start].id)
            if rows[end].id == rows[end - 1].id + step and step_of(rows[end].id) == step:
                continue
        yield rows[start:end]
        start = end


def _extra(message: InFlight) -> dict[str, int]:
    return {"first": message.first, "last": message.last, "tries": message.tries}
