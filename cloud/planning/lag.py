"""How much later than forecast vans come, and what is kept for it before windows end. Pure.

What is kept is what nine of ten arrivals so far ahead stay within: of forecasts as they were made
and what came (`cloud.planning.worth`), shrunk toward what is assumed while few were judged.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from msgspec.structs import replace

from cloud.planning.problem import Job
from cloud.planning.worth import CENTRES_S, Judged, horizon_of, quantile

_SHARE: Final = 0.9
_BELIEVED: Final = 10.0
"""Routes of a day after which what was seen counts as much as what is assumed."""
_MOST_S: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Lag:
    """What nine of ten arrivals are later than forecast at the most, at each horizon, seconds."""

    late_s: tuple[float, ...]

    def at(self, ahead_s: float) -> float:
        """So far ahead; nothing at once, and what is known of the farthest horizon beyond it."""
        known = [(0.0, 0.0), *zip(CENTRES_S, self.late_s, strict=True)]
        for (low, low_s), (high, high_s) in pairwise(known):
            if ahead_s < high:
                return low_s + (high_s - low_s) * max(0.0, ahead_s - low) / (high - low)
        return known[-1][1]


ASSUMED_LAG: Final = Lag((250.0, 550.0, 1_000.0, 1_300.0))
"""Before any forecast was judged; of simulated days (docs/figures.md)."""


def lag_of(judged: Iterable[Judged]) -> Lag:
    """What forecasts that have come true or not tell of it."""
    of_horizon: dict[int, list[Judged]] = defaultdict(list)
    for one in judged:
        of_horizon[horizon_of(one.ahead_s)].append(one)
    found = []
    for at, assumed_s in enumerate(ASSUMED_LAG.late_s):
        some = of_horizon[at]
        routes = len({(one.day, one.route) for one in some})
        late_s = sorted(one.came - one.p50 for one in some)
        seen_s = min(_MOST_S, max(0.0, quantile(late_s, _SHARE))) if late_s else 0.0
        found.append((seen_s * routes + assumed_s * _BELIEVED) / (routes + _BELIEVED))
    return Lag(tuple(found))


def with_margin(job: Job, begins: float, lag: Lag, share: float) -> Job:
    """The job with what is kept before its last window ends when work begins at an instant."""
    if not job.windows or job.late_s is not None:
        return job
    return replace(job, margin_s=round(share * lag.at(job.windows[-1].closes - begins)))
