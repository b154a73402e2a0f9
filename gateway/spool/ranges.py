"""Pure: sets of whole numbers as inclusive ranges, a few bytes however many numbers they hold."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

type Span = tuple[int, int]
"""The first and the last number of a range, both inside."""

MAX_SPANS: Final = 2_000

_decoder: Final = msgspec.msgpack.Decoder(list[int])


class Ranges:
    """An immutable set of whole numbers >= 0. Changing it gives another one."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in sorted(span for span in spans if span[0] <= span[1]):
            if self._lasts and first <= self._lasts[-1] + 1:
                self._lasts[-1] = max(self._lasts[-1], last)
            else:
                self._firsts.append(first)
                self._lasts.append(last)

    def __iter__(self) -> Iterator[Span]:
        return zip(self._firsts, self._lasts, strict=True)

    def __len__(self) -> int:
        """How many separate ranges it has."""
        return len(self._firsts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number <= self._lasts[at]

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"

    def with_span(self, first: int, last: int) -> "Ranges":
        """With the numbers from ``first`` to ``last``, which are joined to their neighbours."""
        if first > last:
            return self
        begin = bisect_left(self._lasts, first - 1)
        end = bisect_right(self._firsts, last + 1)
        if begin < end:
            first = min(first, self._firsts[begin])
            last = max(last, self._lasts[end - 1])
        return self._replaced(begin, end, [(first, last)])

    def without_span(self, first: int, last: int) -> "Ranges":
        """Without the numbers from ``first`` to ``last``."""
        begin = bisect_left(self._lasts, first)
        end = bisect_right(self._firsts, last)
        if begin >= end:
            return self
        left = (self._firsts[begin], first - 1)
        right = (last + 1, self._lasts[end - 1])
        return self._replaced(begin, end, [span for span in (left, right) if span[0] <= span[1]])

    def with_spans(self, spans: Iterable[Span]) -> "Ranges":
        """With the numbers of all ``spans``."""
        ranges = self
        for first, last in spans:
            ranges = ranges.with_span(first, last)
        return ranges

    def _replaced(self, begin: int, end: int, spans: list[Span]) -> "Ranges":
        changed = Ranges()
        changed._firsts = [*self._firsts[:begin], *(s[0] for s in spans), *self._firsts[end:]]
        changed._lasts = [*self._lasts[:begin], *(s[1] for s in spans), *self._lasts[end:]]
        return changed

    def inside(self, first: int, last: int) -> Iterator[Span]:
        """Its parts within ``first`` to ``last``, ascending."""
        for at in range(bisect_left(self._lasts, first), bisect_right(self._firsts, last)):
            yield max(first, self._firsts[at]), min(last, self._lasts[at])

    def missing(self, first: int, last: int) -> Iterator[Span]:
        """What it lacks of ``first`` to ``last``, ascending."""
        for begin, end in self.inside(first, last):
            if first < begin:
                yield first, begin - 1
            first = end + 1
        if first <= last:
            yield first, last

    def bounded(self) -> "Ranges":
        """At most `MAX_SPANS` ranges: the shortest are forgotten."""
        if len(self) <= MAX_SPANS:
            return self
        longest = sorted(self, key=lambda span: span[0] - span[1])
        return Ranges(longest[: MAX_SPANS // 2])

    def encode(self) -> bytes:
        """As bytes: the steps from edge to edge."""
        edges = [edge for span in self for edge in span]
        steps = [edge - before for before, edge in zip([0, *edges], edges, strict=False)]
        return msgspec.msgpack.encode(steps)


def decode(body: bytes) -> Ranges:
    """Read what `Ranges.encode` wrote.

    Raises:
        ValueError: it did not write this.
    """
    edge = 0
    edges: list[int] = []
    for step in _decoder.decode(body):
        edge += step
        edges.append(edge)
    return Ranges(zip(edges[::2], edges[1::2], strict=True))
