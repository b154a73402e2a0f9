"""What forecasts of arrivals were worth, and how they are put right by it. Pure.

A forecast says p10, p50 and p90. Where the arrival then really fell, in units of the half that it
fell into, is its score: -1 is just at p10, 0 at p50, 1 at p90. Were forecasts worth what they say,
a tenth of the scores would be below -1, a half below 0 and nine tenths below 1; what the scores
really show there stretches and shifts the next forecasts (split conformal prediction: Vovk,
Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005; on quantiles Romano,
Patterson and Candès, "Conformalized Quantile Regression", 2019), apart for each horizon, since what
is wrong with the next stop need not be with the last.

Shares are of ranks, so one absurd arrival counts as one. Of whole days that went as no other did
(a strike, a flood) a tenth is let go; when there are more of them they are how things are now.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil
from statistics import median
from typing import Final, NamedTuple

HORIZONS_S: Final = (900.0, 3_600.0, 10_800.0)
"""How far ahead: about the next stop, within the hour, within three, beyond."""

CENTRES_S: Final = (450.0, 2_250.0, 7_200.0, 18_000.0)
"""So far ahead arrivals of each horizon are; between these a correction goes over to the next."""
_SHARES: Final = (0.1, 0.5, 0.9)
_LEAST_HALF_S: Final = 15.0
_BELIEVED: Final = 10.0
"""Routes of a day after which what was seen counts as much as what forecasts say of themselves."""
_WILD: Final = 3.0
_WILD_SHARE: Final = 0.1
_MOST: Final = 5.0


class Eta(NamedTuple):
    """Arrival at a stop: one in ten arrivals is before ``p10``, one in two before ``p50``."""

    stop_id: str
    p10: float
    p50: float
    p90: float


class Judged(NamedTuple):
    """A forecast as it was made, uncorrected, of a stop that the van has come to since.

    Attributes:
        route: of which day. ahead_s: from its making to its p50. came: the arrival.
    """

    day: date
    route: str
    ahead_s: float
    p10: float
    p50: float
    p90: float
    came: float

    @property
    def score(self) -> float:
        """Where the arrival fell: -1 at p10, 0 at p50, 1 at p90."""
        off_s = self.came - self.p50
        half_s = self.p90 - self.p50 if off_s >= 0 else self.p50 - self.p10
        return off_s / max(_LEAST_HALF_S, half_s)


class Scores(NamedTuple):
    """Scores below which a tenth, a half and nine tenths of the arrivals fell."""

    low: float
    middle: float
    high: float


AS_SAID: Final = Scores(-1.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Worth:
    """What forecasts are worth at each of the horizons; without anything, what they say."""

    scores: tuple[Scores, ...] = (AS_SAID,) * len(CENTRES_S)

    def corrected(self, eta: Eta, now: float) -> Eta:
        """A forecast made ``now``, put right; never before ``now`` where it was not."""
        low, middle, high = self._at(eta.p50 - now)
        p10, p50, p90 = (
            eta.p50 + score * (eta.p90 - eta.p50 if score >= 0 else eta.p50 - eta.p10)
            for score in (low, middle, high)
        )
        earliest = min(now, eta.p10)
        return Eta(eta.stop_id, max(earliest, p10), max(earliest, p50), max(earliest, p90))

    def _at(self, ahead_s: float) -> Scores:
        """The scores so far ahead, between those of the two horizons beside it."""
        after = bisect_left(CENTRES_S, ahead_s)
        if after in {0, len(CENTRES_S)}:
            return self.scores[min(after, len(CENTRES_S) - 1)]
        share = (ahead_s - CENTRES_S[after - 1]) / (CENTRES_S[after] - CENTRES_S[after - 1])
        one, other = self.scores[after - 1], self.scores[after]
        return Scores(*(a + share * (b - a) for a, b in zip(one, other, strict=True)))


def put_right(etas: Iterable[Eta], now: float, worth: Worth) -> tuple[Eta, ...]:
    """The forecasts of one route made ``now``, corrected; a later stop is not reached earlier."""
    done: list[Eta] = []
    for eta in etas:
        p10, p50, p90 = worth.corrected(eta, now)[1:]
        if done:
            p10, p50, p90 = max(p10, done[-1].p10), max(p50, done[-1].p50), max(p90, done[-1].p90)
        done.append(Eta(eta.stop_id, p10, p50, p90))
    return tuple(done)


def worth_noting(etas: Iterable[Eta], now: float) -> dict[int, Eta]:
    """Of one route's forecasts the one in the middle of each horizon, to be judged when it came."""
    of_horizon: dict[int, list[Eta]] = defaultdict(list)
    for eta in etas:
        of_horizon[horizon_of(eta.p50 - now)].append(eta)
    return {at: each[len(each) // 2] for at, each in of_horizon.items()}


def horizon_of(ahead_s: float) -> int:
    """Which of the four horizons an arrival so far ahead belongs to."""
    return bisect_left(HORIZONS_S, ahead_s)


def worth_of(judged: Iterable[Judged]) -> Worth:
    """What forecasts were worth, shrunk toward what they say while few were judged."""
    of_horizon: dict[int, list[Judged]] = defaultdict(list)
    for one in judged:
        of_horizon[horizon_of(one.ahead_s)].append(one)
    return Worth(tuple(_scores(of_horizon[at]) for at in range(len(CENTRES_S))))


def _scores(judged: Sequence[Judged]) -> Scores:
    usual = _usual(judged)
    if not usual:
        return AS_SAID
    routes = len({(one.day, one.route) for one in usual})
    ranked = sorted(one.score for one in usual)
    found = []
    for share, said in zip(_SHARES, AS_SAID, strict=True):
        seen = min(_MOST, max(-_MOST, quantile(ranked, _of_next(share, routes))))
        found.append((seen * routes + said * _BELIEVED) / (routes + _BELIEVED))
    return Scores(*found)


def _of_next(share: float, routes: int) -> float:
    """The share of what was seen below which the next one falls with ``share``.

    The next of ``routes`` + 1 falls into each gap between those before with equal chance, so what
    is seldom was seen more seldom than it is. Routes count and not arrivals, since those of one
    route are late together; they lie around the rank of their route.
    """
    return min(1.0, max(0.0, share + (share - 0.5) / routes))


def _usual(judged: Sequence[Judged]) -> list[Judged]:
    """All but the wildest days, of which no more than a tenth are let go."""
    of_day: dict[date, list[float]] = defaultdict(list)
    for one in judged:
        of_day[one.day].append(one.score)
    if len(of_day) < 3:
        return list(judged)
    middles = {day: median(scores) for day, scores in of_day.items()}
    usual = median(middles.values())
    off = {day: abs(middle - usual) for day, middle in middles.items()}
    wildest = sorted(off, key=lambda day: -off[day])[: ceil(_WILD_SHARE * len(off))]
    wild = {day for day in wildest if off[day] > _WILD}
    return [one for one in judged if one.day not in wild]


def quantile(ranked: Sequence[float], share: float) -> float:
    """What a share of ranked numbers are below, by linear interpolation."""
    at = share * (len(ranked) - 1)
    low = int(at)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (at - low) * (ranked[high] - ranked[low])
