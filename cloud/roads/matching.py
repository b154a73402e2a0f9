"""A drive put onto the streets: which pieces of it are asked for, and how they join. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

type Line = tuple[tuple[float, float], ...]

OVERLAP: Final = 30
"""Points that two pieces have in common: near its ends a piece knows least of where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """The way along streets from one point of a drive to a later one.

    Attributes:
        first, last: indices of the points; those between fit no street.
        metres: along the streets. confidence: 0 to 1, of the engine. line: as (lon, lat).
        nodes: OpenStreetMap ids along it, when asked for, from before its begin to behind its end.
        cuts_m: how far it led between each two of them. turns_s: what its turns cost.
    """

    first: int
    last: int
    metres: float
    confidence: float
    line: Line
    nodes: tuple[int, ...] = ()
    cuts_m: tuple[float, ...] = ()
    turns_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of a drive between two of its points, on streets throughout or nowhere.

    Attributes:
        metres, confidence, line: None where it fits no street.
    """

    first: int
    last: int
    metres: float | None = None
    confidence: float | None = None
    line: Line | None = None


class Piece(NamedTuple):
    """Points ``first`` up to ``end`` are asked for; hops from ``begin`` up to ``stop`` count."""

    first: int
    end: int
    begin: int
    stop: int


def pieces(count: int, most: int, overlap: int = OVERLAP) -> Iterator[Piece]:
    """A drive of ``count`` points in pieces of at most ``most``, each hop in one of them."""
    begin, first = 0, 0
    while True:
        end = min(count, first + most)
        stop = count if end == count else end - overlap // 2
        yield Piece(first, end, begin, stop)
        if end == count:
            return
        begin, first = stop, end - overlap


def stretches(hops: Sequence[Hop], count: int) -> list[Stretch]:
    """The whole drive of ``count`` points in order, from hops in order.

    A hop that begins before the one before it has ended is of the neighbouring piece, and left out.
    """
    found: list[Stretch] = []
    run: list[Hop] = []
    at = 0
    for hop in hops:
        if hop.first < at:
            continue
        if hop.first > at:
            found += [*_on_streets(run), Stretch(first=at, last=hop.first)]
            run = []
        run.append(hop)
        at = hop.last
    found += _on_streets(run)
    if at < count - 1:
        found.append(Stretch(first=at, last=count - 1))
    return found


def _on_streets(run: Sequence[Hop]) -> list[Stretch]:
    if not run:
        return []
    metres = sum(hop.metres for hop in run)
    weighed = sum(hop.metres * hop.confidence for hop in run)
    confidence = weighed / metres if metres else min(hop.confidence for hop in run)
    line = [run[0].line[0]]
    for hop in run:
        line += hop.line[1:] if hop.line[0] == line[-1] else hop.line
    return [
        Stretch(
            first=run[0].first,
            last=run[-1].last,
            metres=metres,
            confidence=confidence,
            line=tuple(line),
        )
    ]
