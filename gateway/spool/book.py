"""Pure: the spool's books. Which rows there are, which are done with, and which gaps are untold.

The rows themselves are never marked. What the cloud has acknowledged, what was refused, dropped or
found damaged is `settled`, a set of ranges over all streams; thinning is three bounds. So every
question about rows is answered without reading them, and an acknowledgement costs no write.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final, Literal, NamedTuple

import msgspec

from gateway.spool.ranges import Ranges, Span, decode
from gateway.spool.rows import KIND_BIT, SEQS, Kind, Stream, base_id, kind_of
from gateway.spool.thinning import LEVELS, Thinned, multiples
from wire.events import Gap

type GapReason = Literal["spool_full", "thinned", "damaged", "refused", "sealed"]

_bounds: Final = msgspec.msgpack.Decoder(tuple[int, int, int])
_tellers: Final = msgspec.msgpack.Decoder(dict[int, int])
_gaps: Final = msgspec.msgpack.Decoder(list[tuple[int, GapReason, tuple[int, int, int]]])


class Lost(NamedTuple):
    """A range of one stream of which ``lost`` rows are given up."""

    first: int
    last: int
    lost: int

    def joined(self, other: "Lost") -> "Lost":
        """Both as one range."""
        first, last = min(self.first, other.first), max(self.last, other.last)
        return Lost(first, last, self.lost + other.lost)


class Book:
    """What the spool knows of its rows; copied before a transaction, so that it can be undone.

    Attributes:
        extents: per stream, by the id of its seq 0, its first and last row on the medium.
        settled: ids that nobody waits for any more. kept: those of them that may still be read.
        thinned: how far old positions are thinned.
        untold: gaps that are on no event yet, by stream and reason, each one range.
        bases: the id of seq 0 of each stream, by the stream's id on the wire.
        telling: for stream and reason the id of the event that told the last gap.
        tellers: for the stream of each gap that was told the last event that did; until it is done
            with, the stream may have to be named once more.
        replayed: acknowledged rows that were asked for again and not delivered since.
    """

    def __init__(self) -> None:
        self.bases: dict[int, int] = {}
        self.extents: dict[int, Span] = {}
        self.settled = Ranges()
        self.kept = Ranges()
        self.replayed = Ranges()
        self.thinned = Thinned()
        self.untold: dict[tuple[int, GapReason], Lost] = {}
        self.telling: dict[tuple[int, GapReason], int] = {}
        self.tellers: dict[int, int] = {}

    def copy(self) -> "Book":
        """One that can be changed without changing this one."""
        other = Book()
        other.bases, other.extents = dict(self.bases), dict(self.extents)
        other.settled, other.kept, other.replayed = self.settled, self.kept, self.replayed
        other.thinned = self.thinned
        other.untold, other.telling = dict(self.untold), dict(self.telling)
        other.tellers = dict(self.tellers)
        return other

    def encode(self) -> dict[str, bytes]:
        """What must survive a restart, as notes."""
        gaps = [(base, reason, lost) for (base, reason), lost in self.untold.items()]
        return {
            "/settled": self.settled.encode(),
            "/replayed": self.replayed.encode(),
            "/thinned": msgspec.msgpack.encode(self.thinned.bounds),
            "/gaps": msgspec.msgpack.encode(gaps),
            "/tellers": msgspec.msgpack.encode(self.tellers),
        }

    def restore(self, notes: dict[str, bytes]) -> None:
        """Take what `encode` gave at an earlier start; what is not readable is left out."""
        with suppress(KeyError, ValueError):
            self.settled = decode(notes["/settled"])
        with suppress(KeyError, ValueError):
            self.replayed = decode(notes["/replayed"])
        with suppress(KeyError, ValueError):
            self.thinned = Thinned(_bounds.decode(notes["/thinned"]))
        with suppress(KeyError, ValueError):
            gaps = _gaps.decode(notes["/gaps"])
            self.untold = {(base, reason): Lost(*lost) for base, reason, lost in gaps}
        with suppress(KeyError, ValueError):
            self.tellers = _tellers.decode(notes["/tellers"])

    def adopt(self, extents: dict[int, Span]) -> None:
        """Earlier starts have left these rows, by the id of the seq 0 of their streams."""
        self.extents = extents
        for extent in extents.values():
            self.kept = self.kept.with_spans(list(self.settled.inside(*extent)))

    def know(self, streams: Iterable[Stream]) -> list[GapReason]:
        """These streams can be named; what speaks of another is forgotten.

        Returns:
            The reasons of the gaps that nobody can be told of any more.
        """
        self.bases |= {stream.id: base_id(stream.kind, stream.boot) for stream in streams}
        bases = set(self.bases.values())
        strange = [key for key in self.untold if key[0] not in bases]
        for key in strange:
            del self.untold[key]
        self.tellers = {base: told for base, told in self.tellers.items() if base in bases}
        return [reason for _, reason in strange]

    def speaks_of(self, base: int) -> bool:
        """Whether rows, a gap that is or may become untold, or a replay are of this stream."""
        waiting = next(self.unsettled("event"), None)
        is_told = waiting is not None and waiting[0] <= self.tellers.get(base, -1)
        is_replayed = any(self.replayed.inside(base, base + SEQS - 1))
        return (
            base in self.extents
            or is_told
            or is_replayed
            or any(base == of for of, _ in self.untold)
        )

    def take(self, first: int, last: int) -> None:
        """Rows ``first`` to ``last`` of one stream were put onto the medium."""
        base = first - first % SEQS
        known = self.extents.get(base)
        self.extents[base] = (
            (first, last) if known is None else (min(known[0], first), max(known[1], last))
        )

    def cut(self, first: int, last: int) -> None:
        """The rows of a span, which are settled, are no longer on the medium."""
        for base, (begin, end) in list(self.extents.items()):
            if first <= begin:
                begin = max(begin, last + 1)  # noqa: PLW2901 - what is left
            if last >= end:
                end = min(end, first - 1)  # noqa: PLW2901 - what is left
            if begin <= end:
                self.extents[base] = (begin, end)
            else:
                del self.extents[base]

    def prune(self, own: Iterable[int]) -> None:
        """Forget what is settled of streams without rows, but for those of ``own``.

        Args:
            own: the seq 0 of the streams to which rows may still come.
        """
        streams = sorted({*self.extents, *own})
        parts = (part for base in streams for part in self.settled.inside(base, base + SEQS - 1))
        self.settled = Ranges(parts)

    def waiting(self, kind: Kind) -> int:
        """How many rows wait for the cloud's acknowledgement."""
        return sum(self.count(first, last) for first, last in self.unsettled(kind))

    def count(self, first: int, last: int) -> int:
        """How many rows there are within an unsettled span."""
        if kind_of(first) == "event":
            return last - first + 1
        return self.thinned.count_left(first, last)

    def levels(self) -> list[int]:
        """How many waiting fixes there are of each level of thinning."""
        counts = [0] * (LEVELS + 1)
        for span in self.unsettled("fix"):
            for first, last, level in self.thinned.parts(*span):
                counts[level] += multiples(first, last, 1 << level)
        return counts

    def streams(self, kind: Kind) -> list[int]:
        """The seq 0 of each stream that has rows, oldest first."""
        return sorted(base for base in self.extents if kind_of(base) == kind)

    def unsettled(self, kind: Kind, after: int = -1) -> Iterator[Span]:
        """Spans of waiting rows beyond ``after``, oldest first, each of one stream."""
        for base in self.streams(kind):
            first, last = self.extents[base]
            if last > after:
                yield from self.settled.missing(max(first, after + 1), last)

    def has_waiting(self, base: int) -> bool:
        """Whether a stream has waiting rows."""
        if base not in self.extents:
            return False
        return any(self.count(*span) for span in self.settled.missing(*self.extents[base]))

    def last(self, kind: Kind) -> int:
        """The newest waiting row, or -1."""
        for base in reversed(self.streams(kind)):
            span = None
            for span in self.settled.missing(*self.extents[base]):  # noqa: B007 - the last one
                pass
            if span is not None:
                return span[1]
        return -1

    def acknowledge(self, spans: list[Span]) -> list[Span]:
        """The cloud has committed ``spans``; what it was asked to take again stays waiting.

        Returns:
            The spans without that.
        """
        done = [part for span in spans for part in self.replayed.missing(*span)]
        for first, last in done:
            self.settle(first, last, is_kept=True)
        return done

    def settle(self, first: int, last: int, *, is_kept: bool = False) -> None:
        """Nobody waits for ``first`` to ``last`` any more; ``is_kept`` when they may be read."""
        extent = self.extents.get(first - first % SEQS)
        if is_kept and extent is not None:
            here = max(first, extent[0]), min(last, extent[1])
            self.kept = self.kept.with_spans(list(self.settled.missing(*here)))
        elif not is_kept:
            self.kept = self.kept.without_span(first, last)
        self.settled = self.settled.with_span(first, last).bounded()
        self.replayed = self.replayed.without_span(first, last)

    def wait_again(self, first: int, last: int) -> None:
        """Acknowledged rows are asked for again."""
        self.settled = self.settled.without_span(first, last)
        self.kept = self.kept.without_span(first, last)
        self.replayed = self.replayed.with_span(first, last)

    def give_up(self, first: int, last: int, reason: GapReason) -> None:
        """Rows of one stream are given up; the gap is to be told.

        Nothing between them and an untold gap of the same stream and reason may still wait.
        """
        key = (first - first % SEQS, reason)
        lost = sum(end - begin + 1 for begin, end in self.settled.missing(first, last))
        before = self.untold.get(key, Lost(first, last, 0))
        self.untold[key] = before.joined(Lost(first, last, lost))

    def drop(self, first: int, last: int) -> None:
        """The oldest rows of one stream, from the first that waits up to ``last``, are dropped."""
        self.give_up(first, last, "spool_full")
        self.settle(first, last)
        key: tuple[int, GapReason] = (first - first % SEQS, "thinned")
        thinned = self.untold.pop(key, None)
        if thinned is not None and thinned.last > last:
            self.untold[key] = thinned._replace(first=max(thinned.first, last + 1))

    def to_tell(self) -> list[tuple[GapReason, Lost]]:
        """The gaps to tell now: of each stream and reason one at a time is under way."""
        ready = []
        for (base, reason), lost in list(self.untold.items()):
            told = self.telling.get((base, reason))
            if told is not None and told not in self.settled and self.is_here(told):
                continue
            if reason == "thinned":
                left = self.thinned.count_left(lost.first, lost.last)
                lost = lost._replace(lost=lost.last - lost.first + 1 - left)  # noqa: PLW2901
            ready.append((reason, lost))
        return ready

    def told(self, first: int, reason: GapReason, event_id: int) -> None:
        """The gap that begins at ``first`` is told by an event."""
        key = (first - first % SEQS, reason)
        del self.untold[key]
        self.telling[key] = event_id

    def untell(self, gap: Gap) -> bool:
        """The event that told ``gap`` is gone; it is to be told again.

        Returns:
            Whether it can be; not when its stream is unknown.
        """
        base = self.bases.get(int(gap.stream))
        if base is None:
            return False
        lost = Lost(base + gap.first, base + gap.last, gap.last - gap.first + 1 - gap.kept)
        before = self.untold.get((base, gap.reason), lost._replace(lost=0))
        self.untold[base, gap.reason] = before.joined(lost)
        return True

    def is_here(self, row_id: int) -> bool:
        """Whether a row is within what lies on the medium."""
        extent = self.extents.get(row_id - row_id % SEQS)
        return extent is not None and extent[0] <= row_id <= extent[1]


def whole(kind: Kind) -> Span:
    """All ids of a kind."""
    base = base_id(kind, 0)
    return base, base + (1 << KIND_BIT) - 1
