"""A generated region of towns with depots: no real streets, but travel that resembles them.

A way is 1.2 to 1.4 times as long as the straight line, more for some places than for others and
not the same there and back; it is driven at 25 km/h where it is short and at up to 65 km/h where it
is long.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud.planning.portion import Portion
from cloud.planning.problem import Job, Location, Problem, Vehicle, Window
from cloud.roads.hours import Travel
from cloud.roads.model import Matrix

type Floats = npt.NDArray[np.float64]

EIGHT: Final = 1_790_000_000 // 86_400 * 86_400 + 8 * 3_600
HOUR: Final = 3_600
_DEGREE_M: Final = 111_195.0
_SIDE_M: Final = 60_000
_TOWN_M: Final = 3_000
_ELSEWHERE: Final = 0.1
"""Of the orders' parcels lie at the second nearest depot."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A morning: parcels at depots, vans that load there; and the travel between any places."""

    problem: Problem
    where: Floats
    bent: Floats

    def matrix(self, places: npt.NDArray[np.intp]) -> Matrix:
        """Travel between some of the problem's locations."""
        at, bent = self.where[places], self.bent[places]
        metres = np.hypot(*np.moveaxis(at[:, None] - at[None, :], 2, 0))
        metres *= 1.2 + 0.1 * (bent[:, None, 0] + bent[None, :, 1])
        mps = 7.0 + 11.0 * (1 - np.exp(-metres / 8_000))
        return Matrix(np.rint(metres / mps).astype(np.int32), np.rint(metres).astype(np.int32))

    async def table(self, part: Portion) -> tuple[Travel, dict[int, float]]:
        """Travel between the locations of a portion of the problem."""
        return self.matrix(np.array(part.places, dtype=np.intp)), {}


def region(*, stops: int, depots: int, vans: int, seed: int) -> Region:
    """Towns of different size with a depot in each, and their doors, two in five with a window."""
    dice = np.random.default_rng(seed)
    side = _SIDE_M * (depots / 20) ** 0.5
    towns = dice.uniform(0, side, (depots, 2))
    share = dice.uniform(0.7, 1.3, depots)
    town_of = dice.choice(depots, stops, p=share / share.sum())
    doors = towns[town_of] + dice.normal(0, _TOWN_M, (stops, 2))
    way = np.hypot(*np.moveaxis(doors[:, None] - towns[None, :], 2, 0))
    rank = np.where(dice.random(stops) < _ELSEWHERE, min(1, depots - 1), 0)
    depot_of = np.argsort(way, axis=1)[np.arange(stops), rank]
    count = np.bincount(depot_of, minlength=depots)
    fleet = np.maximum(1, np.rint(count / stops * vans).astype(int))
    fleet[int(fleet.argmax())] += vans - int(fleet.sum())
    where = np.concatenate([towns, doors])
    problem = Problem(
        locations=tuple(
            Location(lat=float(y) / _DEGREE_M, lon=float(x) / _DEGREE_M) for x, y in where
        ),
        vehicles=tuple(_van(at, k) for at in range(depots) for k in range(int(fleet[at]))),
        jobs=tuple(_job(at, int(depot_of[at]), depots + at, dice) for at in range(stops)),
    )
    return Region(problem, where, dice.uniform(0, 1, (depots + stops, 2)))


def _van(depot: int, number: int) -> Vehicle:
    return Vehicle(
        id=f"van-{depot}-{number}",
        start=depot,
        end=depot,
        available_from=EIGHT,
        shift_end=EIGHT + 9 * HOUR,
        capacity=30,
        loads_at_start=True,
        loading_s=900,
    )


def _job(number: int, depot: int, door: int, dice: np.random.Generator) -> Job:
    opens = EIGHT + int(dice.choice([1, 3, 5])) * HOUR
    window = Window(opens=opens, closes=opens + int(dice.choice([2, 3])) * HOUR)
    return Job(
        id=f"order-{number}",
        size=int(dice.integers(1, 4)),
        delivery=door,
        pickup=depot,
        windows=(window,) if dice.random() < 0.4 else (),
        service_s=int(dice.choice([120, 180, 240])),
        pickup_service_s=60,
    )
