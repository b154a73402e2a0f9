"""How far two sequences of the same things agree. Pure."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence


def kept_in_order[T](before: Sequence[T], after: Iterable[T]) -> set[T]:
    """The largest set of things that have the same sequence in both.

    What stands in one of them only does not count; nothing may stand twice in either.
    """
    place = {thing: at for at, thing in enumerate(before)}
    ends: list[int] = []
    chosen: list[T] = []
    told: dict[T, T | None] = {}
    for thing in after:
        if thing not in place:
            continue
        at = bisect_left(ends, place[thing])
        told[thing] = chosen[at - 1] if at else None
        ends[at : at + 1] = [place[thing]]
        chosen[at : at + 1] = [thing]
    kept: set[T] = set()
    last = chosen[-1] if chosen else None
    while last is not None:
        kept.add(last)
        last = told[last]
    return kept


def out_of_order[T](before: Sequence[T], after: Sequence[T]) -> list[T]:
    """The fewest things in both whose moving explains the other sequence, in that of ``before``."""
    there = set(after)
    kept = kept_in_order(before, after)
    return [thing for thing in before if thing in there and thing not in kept]
