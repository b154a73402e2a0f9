"""Pure: which rows go first when the spool is full.

What is acknowledged goes first, oldest first. Then old positions are thinned: of the oldest every
eighth is kept, of the next every fourth, then every second, and of the newest all. Only what is
already thinned that far is dropped. Each of the four ages may hold a quarter of the rows, so that a
spool which has room for a day at full detail holds almost four days with fading detail.
"""

from typing import Final, Literal

import msgspec

LEVELS: Final = 3
"""A row thinned to level ``n`` has 2**n - 1 neighbours that are gone."""

STEPS: Final[tuple[Literal[1], Literal[2], Literal[4], Literal[8]]] = (1, 2, 4, 8)
STRIDE: Final = STEPS[-1]


class Thinned(msgspec.Struct, frozen=True):
    """Up to which row id, exclusive, rows are thinned to at least level 1, 2 and 3."""

    bounds: tuple[int, int, int] = (0, 0, 0)

    def level_of(self, row_id: int) -> int:
        """How far the row is thinned."""
        return sum(row_id < bound for bound in self.bounds)

    def parts(self, first: int, last: int) -> list[tuple[int, int, int]]:
        """``first`` to ``last`` cut into spans of one level each: (first, last, level)."""
        cuts = sorted({bound for bound in self.bounds if first < bound <= last})
        begins, ends = [first, *cuts], [*(cut - 1 for cut in cuts), last]
        return [(begin, end, self.level_of(begin)) for begin, end in zip(begins, ends, strict=True)]

    def count_left(self, first: int, last: int) -> int:
        """How many rows of a span that once was complete are left."""
        if first > last:
            return 0
        return sum(multiples(begin, end, 1 << lvl) for begin, end, lvl in self.parts(first, last))

    def raised(self, level: int, bound: int) -> "Thinned":
        """Rows below ``bound`` are thinned to at least ``level``."""
        bounds = [
            max(known, bound) if at < level else known for at, known in enumerate(self.bounds)
        ]
        return Thinned((bounds[0], bounds[1], bounds[2]))


def multiples(first: int, last: int, step: int) -> int:
    """How many multiples of ``step`` lie within ``first`` to ``last``."""
    return last // step - (first - 1) // step


def next_level(counts: list[int]) -> int:
    """Which age is to give up rows.

    Args:
        counts: rows of each level, from 0 (all kept) to `LEVELS`.

    Returns:
        The level whose oldest rows are to be thinned further, or dropped when it is `LEVELS`: the
        oldest age that holds more than its share.
    """
    share = sum(counts) / len(counts)
    return next(level for level in reversed(range(len(counts))) if counts[level] >= share)
