"""Where cells that were planned apart are searched once more together. Pure.

Along a border: routes of one depot that serve doors near each other in different cells. To the
rescue: vans near an order that its own cell could not serve.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud.planning.cells.division import Cell, Ground
from cloud.planning.cells.joining import Piece
from cloud.planning.solvers.allowed import allows, holds

type Ints = npt.NDArray[np.int64]

SEAM_ORDERS: Final = 150
"""About so many orders a seam has."""
_NEIGHBOURS: Final = 8
"""So many of the nearest doors say which routes lie beside each other."""
_LEFT_OUT: Final = 10
_RESCUED: Final = 20
"""So many orders that were left out a seam may take up; one to the rescue."""
_RESCUERS: Final = 6
"""Vans asked for each of them."""
_ROWS: Final = 500


class Standing:
    """How the whole stands, of the pieces it consists of now."""

    def __init__(self, ground: Ground, pieces: Sequence[Piece]) -> None:
        problem = ground.problem
        vans = {van.id: at for at, van in enumerate(problem.vehicles)}
        jobs = {job.id: at for at, job in enumerate(problem.jobs)}
        self.ground = ground
        self.piece_of: dict[int, int] = {}
        self.jobs_of: dict[int, tuple[int, ...]] = {}
        self.left_in: dict[int, int] = {}
        for number, piece in enumerate(pieces):
            self.left_in |= {jobs[each.job]: number for each in piece.plan.unserved}
            for route in piece.plan.routes:
                self.piece_of[vans[route.vehicle]] = number
                served = dict.fromkeys(jobs[visit.job] for visit in route.visits)
                self.jobs_of[vans[route.vehicle]] = tuple(served)
        self.bound: dict[int, list[int]] = defaultdict(list)
        for job in self.left_in:
            if (only := problem.jobs[job].only_vehicle) is not None:
                self.bound[vans[only]].append(job)
        self.van_of = {job: van for van, served in self.jobs_of.items() for job in served}

    def seam(self, vans: Iterable[int], left: Iterable[int]) -> Cell:
        """These vans with all that they do or alone might, and orders that nobody serves yet."""
        every = sorted(vans)
        theirs = [job for van in every for job in (*self.jobs_of[van], *self.bound.get(van, ()))]
        return Cell(tuple(every), tuple(sorted({*theirs, *left})))


def borders(standing: Standing, *, most: int = SEAM_ORDERS) -> tuple[Cell, ...]:
    """Seams along the borders between cells of one depot; no van is in two of them."""
    problem = standing.ground.problem
    depots: dict[int, list[int]] = defaultdict(list)
    for van, depot in enumerate(standing.ground.home):
        if problem.vehicles[van].locked is None and not problem.vehicles[van].keeps_order:
            depots[depot].append(van)
    found: list[Cell] = []
    for vans in depots.values():
        if len({standing.piece_of[van] for van in vans}) > 1:
            found += _along(standing, vans, most)
    return tuple(found)


def _along(standing: Standing, vans: list[int], most: int) -> list[Cell]:
    """Sets of routes beside each other, those first that have the most doors in common."""
    votes = _votes(standing, vans)
    beside: dict[int, Counter[int]] = defaultdict(Counter)
    for (one, other), count in votes.items():
        beside[one][other] += count
        beside[other][one] += count
    nearest = _nearest_vans(standing, vans)
    used: set[int] = set()
    found: list[Cell] = []
    for (one, other), _ in votes.most_common():
        if one in used or other in used:
            continue
        chosen = _grown(standing, [one, other], beside, used, most)
        used |= set(chosen)
        left = [job for job, van in nearest.items() if van in chosen]
        found.append(standing.seam(chosen, left[:_LEFT_OUT]))
    return found


def _grown(
    standing: Standing,
    chosen: list[int],
    beside: dict[int, Counter[int]],
    used: set[int],
    most: int,
) -> list[int]:
    """The routes with those beside them, one after another, until they have enough orders."""
    near: Counter[int] = Counter()
    for van in chosen:
        near.update(beside[van])
    while sum(len(standing.jobs_of[van]) for van in chosen) < most:
        able = [van for van, _ in near.most_common() if van not in used and van not in chosen]
        if not able:
            break
        chosen.append(able[0])
        near.update(beside[able[0]])
    return chosen


def _votes(standing: Standing, vans: list[int]) -> Counter[tuple[int, int]]:
    """For two routes of different cells, how often a door of one is next to one of the other.

    Only orders that may change their van count.
    """
    problem = standing.ground.problem
    jobs = [job for van in vans for job in standing.jobs_of[van]]
    votes: Counter[tuple[int, int]] = Counter()
    for job, near in zip(jobs, _nearest(standing.ground.spots[jobs]), strict=True):
        if problem.jobs[job].pickup is None or problem.jobs[job].only_vehicle is not None:
            continue
        here = standing.van_of[job]
        for other in {standing.van_of[jobs[at]] for at in near}:
            if standing.piece_of[other] != standing.piece_of[here]:
                votes[min(here, other), max(here, other)] += 1
    return votes


def _nearest(spots: npt.NDArray[np.float64]) -> Iterable[list[int]]:
    """For each spot the indices of those nearest to it."""
    count = min(_NEIGHBOURS, len(spots) - 1)
    for first in range(0, len(spots), _ROWS):
        some = spots[first : first + _ROWS]
        away = np.hypot(*np.moveaxis(some[:, None] - spots[None, :], 2, 0))
        away[np.arange(len(some)), first + np.arange(len(some))] = np.inf
        yield from np.argpartition(away, max(0, count - 1), axis=1)[:, :count].tolist()


def _nearest_vans(standing: Standing, vans: list[int]) -> dict[int, int]:
    """For each order of these vans' depot that is left out, the van that comes nearest to it."""
    ground = standing.ground
    served = [job for van in vans for job in standing.jobs_of[van]]
    depot = ground.depots[ground.home[vans[0]]]
    return {
        job: standing.van_of[served[int(np.hypot(*(ground.spots[served] - spot).T).argmin())]]
        for job in standing.left_in
        if served and _lies_at(ground, job) == depot
        if ground.problem.jobs[job].only_vehicle is None
        for spot in (ground.spots[job],)
    }


def _lies_at(ground: Ground, job: int) -> int | None:
    """The first location at the place where its parcels lie; None when they are aboard."""
    pickup = ground.problem.jobs[job].pickup
    return None if pickup is None else ground.same[pickup]


def rescues(standing: Standing, *, is_near: bool) -> tuple[Cell, ...]:
    """Seams of orders that are left out, each with the vans of other cells that are nearest.

    With ``is_near`` vans of the depot where the parcels lie, else of other depots, which come and
    fetch them; the two are not mixed, as what is loaded and what is fetched is not searched alike.
    No van is in two seams.
    """
    problem = standing.ground.problem
    groups: dict[int | None, list[int]] = defaultdict(list)
    for job in standing.left_in:
        if problem.jobs[job].only_vehicle is None:
            groups[_lies_at(standing.ground, job)].append(job)
    used: set[int] = set()
    found: list[Cell] = []
    for left in groups.values():
        for first in range(0, len(left), _RESCUED):
            some = left[first : first + _RESCUED]
            vans: set[int] = set()
            for job in some:
                vans |= set(_rescuers(standing, job, used, is_near=is_near))
            if vans:
                used |= vans
                found.append(standing.seam(vans, some))
    return tuple(found)


def _rescuers(standing: Standing, index: int, used: set[int], *, is_near: bool) -> list[int]:
    """The vans that would go least out of their way, by the places they come to anyway."""
    ground, job = standing.ground, standing.ground.problem.jobs[index]
    assert job.pickup is not None  # noqa: S101 - what is aboard names its van
    where, lies_at = ground.where, _lies_at(ground, index)
    able = [
        van
        for van, vehicle in enumerate(ground.problem.vehicles)
        if van not in used
        and standing.piece_of[van] != standing.left_in[index]
        and (ground.depots[ground.home[van]] == lies_at) == is_near
        and allows(vehicle, job)
        and holds(vehicle, job)
    ]

    def detour_m(van: int) -> float:
        stops = where[[ground.problem.vehicles[van].start]]
        if served := standing.jobs_of[van]:
            stops = np.concatenate([stops, ground.spots[list(served)]])
        ends = where[job.pickup], where[job.delivery]
        return float(sum(np.hypot(*(stops - end).T).min() for end in ends))

    return sorted(able, key=lambda van: (detour_m(van), van))[:_RESCUERS]
