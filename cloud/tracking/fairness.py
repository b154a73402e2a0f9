"""Which vans are held back when more comes than can be written. Pure.

A gateway keeps a window of what is not acknowledged, so it never fills a group by itself. One that
does, beside others, for as long as `CROWDS_FOR_S`, is given a small share of each group until it is
calm. What is beyond its share is not written and not answered: the van has it still, and sends it
again.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

CROWDS_FOR_S: Final = 2.0
CALM_AFTER_S: Final = 10.0
SHARE: Final = 100
"""Messages of a van that is held back, in one group."""
_CROWDING: Final = 0.75
"""Of a full group."""

type Who = tuple[str, str]


class Sifted(NamedTuple):
    """Places of the messages that are taken and of those that are not, and who was held back."""

    taken: list[int]
    left: list[int]
    held_back: frozenset[Who]


class FairShare:
    """Remembers who crowds. ``full``: how many messages make a full group."""

    def __init__(self, full: int) -> None:
        self._full = full
        self._crowds: dict[Who, tuple[float, float]] = {}
        self._held_until_s: dict[Who, float] = {}

    def sift(self, senders: Sequence[Who | None], now_s: float) -> Sifted:
        """Look at one group; ``senders`` tells of each message whose it is.

        None stands for what must be taken whoever sent it: it would not come again.
        """
        counts = Counter(who for who in senders if who is not None)
        if len(counts) > 1 and len(senders) >= self._full:
            self._note(counts, len(senders), now_s)
        held = {who for who, until_s in self._held_until_s.items() if now_s < until_s}
        self._held_until_s = {who: self._held_until_s[who] for who in held}
        if not held & counts.keys():
            return Sifted(list(range(len(senders))), [], frozenset())
        taken, left, given = list[int](), list[int](), Counter[Who]()
        for place, who in enumerate(senders):
            if who is not None and who in held:
                given[who] += 1
                (taken if given[who] <= SHARE else left).append(place)
            else:
                taken.append(place)
        return Sifted(taken, left, frozenset(who for who in held if given[who] > SHARE))

    def _note(self, counts: Counter[Who], size: int, now_s: float) -> None:
        who, count = counts.most_common(1)[0]
        if count < _CROWDING * size:
            self._crowds.clear()
            return
        since_s, last_s = self._crowds.get(who, (now_s, now_s))
        if now_s - last_s > CROWDS_FOR_S:
            since_s = now_s
        self._crowds = {who: (since_s, now_s)}
        if now_s - since_s >= CROWDS_FOR_S:
            self._held_until_s[who] = now_s + CALM_AFTER_S
