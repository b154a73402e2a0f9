"""Which vans are held back, because they send so much that others wait. Pure.

A gateway sends as much as is answered in about 0.4 s and no more (`gateway.uplink.pacing`), however
much it has. A van that sends several times that, and most of all that comes, while others come
through beside it, is given a small share of each group until it is calm. What is beyond its share
is not written and not answered: the van has it still, and sends it again.

What waits at the broker stands in one line, so a neighbour waits as long as it takes to come
through what a flood has put before it. That is why holding back begins by a count of messages and
not after some time: on a busy machine the line is seconds long before many have come. And it asks
for no full groups: a busy broker hands a flood on in bursts, between which ingest seems to keep up.
"""

from collections import Counter, deque
from collections.abc import Sequence
from typing import Final, NamedTuple

LATELY: Final = 4_000
"""So many messages, and those of `LATELY_S` at most, tell who sends how much."""
LATELY_S: Final = 1.5
"""A gateway that sends batches of 60 as fast as it may takes longer for so many."""
FLOOD: Final = 2_000
"""Of the messages that came lately: fewer are no flood."""
BEGINS_AFTER: Final = 3_000
"""Messages of a van that crowds before it is held back: who only finishes last is done by then."""
CALM_AFTER_S: Final = 10.0
SHARE: Final = 100
"""Messages of a van that is held back, in one group."""
_LEAST_PART, _MOST_PART = 0.2, 0.75
_TIMES: Final = 4.0

type Who = tuple[str, str]


class Sifted(NamedTuple):
    """Places of the messages that are taken and of those that are not, and who was held back."""

    taken: list[int]
    left: list[int]
    held_back: frozenset[Who]


def crowding_part(vans: int) -> float:
    """The part of all messages above which one of so many vans crowds the others out.

    Several times its fair part; of few vans one may send most, of many none a fifth.
    """
    return min(_MOST_PART, max(_LEAST_PART, _TIMES / vans))


class FairShare:
    """Remembers who sent how much lately, and who is held back."""

    def __init__(self) -> None:
        self._groups: deque[tuple[float, Counter[Who]]] = deque()
        self._lately: Counter[Who] = Counter()
        self._crowds: Counter[Who] = Counter()
        self._held_until_s: dict[Who, float] = {}

    def sift(self, senders: Sequence[Who | None], now_s: float) -> Sifted:
        """Look at one group, at ``now_s`` of any steady clock.

        ``senders`` tells of each message whose it is; None stands for what must be taken whoever
        sent it: it would not come again.
        """
        self._note(Counter(who for who in senders if who is not None), now_s)
        held = {who for who, until_s in self._held_until_s.items() if now_s < until_s}
        self._held_until_s = {who: self._held_until_s[who] for who in held}
        taken, left, given = list[int](), list[int](), Counter[Who]()
        if not held:
            return Sifted(list(range(len(senders))), left, frozenset())
        for place, who in enumerate(senders):
            if who is not None and who in held:
                given[who] += 1
                (taken if given[who] <= SHARE else left).append(place)
            else:
                taken.append(place)
        return Sifted(taken, left, frozenset(who for who in held if given[who] > SHARE))

    def _note(self, counts: Counter[Who], now_s: float) -> None:
        if not counts:
            return
        self._groups.append((now_s, counts))
        self._lately.update(counts)
        while self._is_past(now_s):
            self._lately.subtract(self._groups.popleft()[1])
        self._lately = +self._lately
        self._crowds = Counter({who: self._crowds[who] + counts[who] for who in self._crowding()})
        for who, count in self._crowds.items():
            if count >= BEGINS_AFTER and len(self._lately) > 1:
                self._held_until_s[who] = now_s + CALM_AFTER_S

    def _is_past(self, now_s: float) -> bool:
        """Whether the oldest group came too long ago to count."""
        at_s, counts = self._groups[0]
        return at_s < now_s - LATELY_S or self._lately.total() - counts.total() >= LATELY

    def _crowding(self) -> list[Who]:
        most = crowding_part(len(self._lately)) * self._lately.total()
        return [who for who, count in self._lately.items() if count >= max(FLOOD, most)]
