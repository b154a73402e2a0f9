"""How long a service takes at each door, learned from the dwells seen there. Pure.

Medians of logarithms, so that a driver who had lunch at a door moves little. What is known of one
door is shrunk toward doors of its kind, and that toward all doors: an empirical Bayes estimate in
the manner of Efron and Morris (1975), with the weight of so many dwells as stand below.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import exp, log
from statistics import median
from typing import Final, NamedTuple

from cloud.places.model import Place, PlaceKind

DEFAULT_S: Final = 180.0
"""Where nothing was seen yet."""
_LEAST_S, _MOST_S = 5.0, 3_600.0
_OF_DOOR: Final = 3.0
"""So many dwells at one door weigh as much as what is known of its kind."""
_OF_KIND: Final = 20.0
"""So many dwells at one kind weigh as much as what is known of all doors, or was before."""


class Dwell(NamedTuple):
    """How long one service took: at which place, of which kind, seconds."""

    place_id: str
    kind: PlaceKind | None
    seconds: float


@dataclass(frozen=True, slots=True)
class ServiceTimes:
    """Seconds that a service takes, by door, by kind of place, and anywhere."""

    anywhere: float = DEFAULT_S
    by_kind: Mapping[PlaceKind | None, float] = field(default_factory=dict)
    by_place: Mapping[str, float] = field(default_factory=dict)

    def at(self, place: Place | None) -> int:
        """Whole seconds at a place, by the most that is known of it."""
        if place is None:
            return round(self.anywhere)
        seconds = self.by_place.get(place.id)
        if seconds is None:
            seconds = self.by_kind.get(place.kind, self.anywhere)
        return round(seconds)


NOTHING_LEARNED: Final = ServiceTimes()


def learned(dwells: Iterable[Dwell]) -> ServiceTimes:
    """What dwells tell; those shorter than any service or longer than an hour tell nothing."""
    of_kind: dict[PlaceKind | None, list[float]] = defaultdict(list)
    of_place: dict[str, list[float]] = defaultdict(list)
    kinds: dict[str, PlaceKind | None] = {}
    for dwell in dwells:
        if _LEAST_S <= dwell.seconds <= _MOST_S:
            of_kind[dwell.kind].append(log(dwell.seconds))
            of_place[dwell.place_id].append(log(dwell.seconds))
            kinds[dwell.place_id] = dwell.kind
    every = [one for some in of_kind.values() for one in some]
    anywhere = _shrunk(every, log(DEFAULT_S), _OF_KIND)
    by_kind = {kind: _shrunk(some, anywhere, _OF_KIND) for kind, some in of_kind.items()}
    by_place = {
        place: _shrunk(some, by_kind[kinds[place]], _OF_DOOR) for place, some in of_place.items()
    }
    return ServiceTimes(
        anywhere=exp(anywhere),
        by_kind={kind: exp(one) for kind, one in by_kind.items()},
        by_place={place: exp(one) for place, one in by_place.items()},
    )


def _shrunk(some: list[float], toward: float, weight: float) -> float:
    if not some:
        return toward
    return (len(some) * median(some) + weight * toward) / (len(some) + weight)
