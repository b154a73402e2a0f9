"""What this start has recorded and the medium has not taken, in its two streams."""

import logging

from gateway.spool.book import Book, GapReason, Lost
from gateway.spool.medium import Medium
from gateway.spool.ranges import Ranges
from gateway.spool.ring import Ring
from gateway.spool.rows import (
    KINDS,
    SEQS,
    Kind,
    Row,
    base_id,
    checked,
    committed_ranges,
    event_body,
    fix_body,
    spans,
)
from gateway.stamp import Stamp
from wire import codec
from wire.events import EventBody, Gap, GatewayStarted
from wire.messages import Ack, Event, Fix

logger = logging.getLogger(__name__)


class Pending:
    """Rows of this start that wait in memory for their commit.

    Attributes:
        own: the ids of this start's streams.
        ring: the rows, and the seq that comes next.
    """

    def __init__(self) -> None:
        self.own: dict[Kind, int] = {}
        self.ring = Ring()
        self._lent: dict[Kind, int] = dict.fromkeys(KINDS, -1)
        self._unfit: list[tuple[Kind, int]] = []

    def begin(self, *, fixes: int, events: int) -> None:
        """Open the streams; the first event is kept for `tell_start`."""
        self.own = {"event": events, "fix": fixes}
        self.ring.reserve("event")

    def tell_start(self, boot: int, version: str, stamp: Stamp) -> None:
        """Add the first event: this start has its ordinal now."""
        told = GatewayStarted(boot=boot, fixes=str(self.own["fix"]), version=version)
        self.ring.put("event", 0, event_body(self._event(0, told, stamp)))

    @property
    def has_rows(self) -> bool:
        """Whether there is anything for the next commit."""
        return bool(any(self.ring.rows.values()) or self._unfit)

    def add_fix(self, fix: Fix) -> int:
        """As of `Spool.add_fix`."""
        try:
            return self.ring.add("fix", fix_body(fix))
        except ValueError as error:
            return self._lack("fix", error)

    def add_event(self, body: EventBody, stamp: Stamp) -> int:
        """As of `Spool.add_event`."""
        event = self._event(self.ring.next_seq("event"), body, stamp)
        try:
            return self.ring.add("event", event_body(event))
        except ValueError as error:
            return self._lack("event", error)

    def _lack(self, kind: Kind, error: ValueError) -> int:
        """Leave a hole where a row would stop whoever reads it."""
        logger.error("what breaks the wire is not kept", extra={"kind": kind, "why": str(error)})
        seq = self.ring.reserve(kind)
        self._unfit.append((kind, seq))
        return seq

    def _event(self, seq: int, body: EventBody, stamp: Stamp) -> Event:
        return Event(
            stream=str(self.own["event"]),
            seq=seq,
            recorded_at_ms=stamp.now_ms,
            body=body,
            quality=stamp.quality,
        )

    def add_gap(self, stream: int, gap: Lost, reason: GapReason, stamp: Stamp) -> int:
        """Add the event that tells of a gap in a stream; returns its seq."""
        kept = gap.last - gap.first + 1 - gap.lost
        told = Gap(
            stream=str(stream),
            first=gap.first % SEQS,
            last=gap.last % SEQS,
            kept=kept,
            reason=reason,
        )
        return self.add_event(told, stamp)

    def bound(self, stamp: Stamp) -> None:
        """Give up the oldest of too many rows, and tell it."""
        for kind in KINDS:
            lost = self.ring.give_up(kind)
            if not lost:
                continue
            bodies = [body for _, body in lost] if kind == "event" else []
            gap = Lost(lost[0][0], lost[-1][0], len(lost))
            self.add_gap(self.own[kind], gap, "damaged", stamp)
            for event in (codec.decode(body, Event) for body in bodies):
                # What an event told that is gone itself is told again.
                if isinstance(event.body, Gap):
                    self.add_event(event.body, stamp)

    def tell_unfit(self, stamp: Stamp) -> None:
        """Tell what broke the wire and was not kept."""
        for kind, seq in self._unfit:
            self.add_gap(self.own[kind], Lost(seq, seq, 1), "damaged", stamp)
        self._unfit.clear()

    def lend(self, kind: Kind, seq: int, limit: int) -> list[Row]:
        """The rows beyond ``seq``, to be sent before they are committed; see `Spool.held`."""
        found = self.ring.after(kind, seq, limit)
        rows = [Row(base_id(kind, 0) + at, body) for at, body in found]
        if rows:
            self._lent[kind] = max(self._lent[kind], rows[-1].seq)
        return rows

    def free(self, ack: Ack) -> None:
        """Nobody waits any more for what was lent and is acknowledged."""
        for kind, stream in self.own.items():
            if stream == int(ack.stream):
                covered = spans(committed_ranges(ack), 0, self._lent[kind])
                self.ring.free(kind, Ranges(covered))

    def put(self, database: Medium, book: Book, boot: int, committed: dict[Kind, int]) -> None:
        """Write the rows, inside the caller's transaction.

        Args:
            database: the file.
            book: what it holds.
            boot: ordinal of this start.
            committed: the newest seq of each stream that is on the medium, or -1.
        """
        for kind in KINDS:
            base, rows = base_id(kind, boot), self.ring.rows[kind]
            if not rows:
                continue
            database.executemany(
                # A damaged row may pass for one of these.
                "INSERT OR REPLACE INTO row VALUES (?, ?)",
                ((base + seq, checked(body, base + seq)) for seq, body in rows),
            )
            book.take(base + rows[0][0], base + rows[-1][0])
            following = committed[kind] + 1
            for seq, _ in rows:
                if seq > following:  # what was given up while the medium took nothing
                    book.settle(base + following, base + seq - 1)
                following = seq + 1
