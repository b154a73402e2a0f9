"""A large problem divided into cells, before any travel time is known. Pure.

An order goes to the depot where its parcels lie, or with the van that has them or had it in the
plan before; a van to the depot where it loads, or to which it returns. What is too much for one
cell is halved across its longest side, rounds unbroken, until it is not. Vans that stand free are
dealt out in proportion to what each half asks for: skills first, then room and working time.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, cos, radians
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud.planning.bounds import NO_LIMIT
from cloud.planning.problem import Job, Problem, Vehicle
from cloud.planning.solution import Plan
from cloud.planning.solvers.allowed import allows

type Floats = npt.NDArray[np.float64]
type _Wanted = tuple[tuple[str, ...], tuple[str, ...]]

WHOLE_ORDERS: Final = 1_000
"""A problem of so many orders is not divided."""
CELL_ORDERS: Final = 700
"""About so many orders a cell may have; figures in docs/decisions/cells.md."""
_OVER: Final = 1.1
"""A little more than that is not worth halving."""
_DEGREE_M: Final = 111_195.0
_SHARES: Final = 5
"""Parcels, grams, millilitres, time at doors, doors."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Vans and jobs of a problem that are planned together, by their indices, ascending."""

    vehicles: tuple[int, ...]
    jobs: tuple[int, ...]


def divided(
    problem: Problem,
    previous: Plan | None = None,
    *,
    whole: int = WHOLE_ORDERS,
    most: int = CELL_ORDERS,
) -> tuple[Cell, ...]:
    """Cells in which every van and every job stands exactly once; one when the problem is small.

    Args:
        problem: the whole problem.
        previous: the plan the search starts from; else that in force, as the problem tells it.
        whole: a problem of so many jobs is one cell.
        most: about so many jobs a cell may have.
    """
    everything = Cell(tuple(range(len(problem.vehicles))), tuple(range(len(problem.jobs))))
    if len(problem.jobs) <= whole or len(problem.vehicles) < 2:
        return (everything,)
    ground = Ground(problem, previous)
    cells = [part for cell in _by_depot(ground) for part in _parted(ground, cell, most)]
    return tuple(sorted(cells, key=lambda cell: (cell.vehicles, cell.jobs)))


def plane(problem: Problem) -> Floats:
    """Where each location lies, in metres east and north; good for the size of a region."""
    degrees = np.array([(at.lat, at.lon) for at in problem.locations]).reshape(-1, 2)
    middle = float(degrees[:, 0].mean()) if len(degrees) else 0.0
    return np.column_stack(
        (degrees[:, 1] * _DEGREE_M * cos(radians(middle)), degrees[:, 0] * _DEGREE_M)
    )


def vans_before(problem: Problem, previous: Plan | None) -> dict[int, int]:
    """Which van each job is bound to, or was given to by the plan before, by indices."""
    at = {van.id: index for index, van in enumerate(problem.vehicles)}
    if previous is None:
        planned = {step.job: van.id for van in problem.vehicles for step in van.in_force}
    else:
        planned = {visit.job: route.vehicle for route in previous.routes for visit in route.visits}
    found: dict[int, int] = {}
    for index, job in enumerate(problem.jobs):
        van = job.only_vehicle or planned.get(job.id) or job.previous_vehicle
        if van in at and allows(problem.vehicles[at[van]], job):
            found[index] = at[van]
        elif job.only_vehicle is not None:
            found[index] = at[job.only_vehicle]
    return found


class Ground:
    """Where everything lies, what it asks for and gives.

    Attributes:
        where: of each location, in metres. same: for each location the first at the same place.
        depots: their locations. home: for each van, which of the depots is its own.
        spots: of each job, in metres. van_of: the van that a job is bound to, or had before.
    """

    def __init__(self, problem: Problem, previous: Plan | None) -> None:
        self.problem = problem
        self.where = plane(problem)
        self.same = _first_there(problem)
        self.van_of = vans_before(problem, previous)
        self.needs = np.array([_need(job) for job in problem.jobs])
        self.gives = np.array([_gift(van) for van in problem.vehicles])
        self.depots, self.home = _homes(problem, self.where, self.same)
        spots = [_spot(job, self.same, set(self.depots)) for job in problem.jobs]
        self.spots = self.where[np.array(spots, dtype=np.intp)]


def _first_there(problem: Problem) -> list[int]:
    """For each location the first that lies at the same place."""
    first: dict[tuple[float, float], int] = {}
    return [first.setdefault((each.lat, each.lon), at) for at, each in enumerate(problem.locations)]


def _spot(job: Job, same: list[int], depots: set[int]) -> int:
    """The place a job is about: its door, and of what is brought to a depot where it is fetched."""
    is_return = job.pickup is not None and same[job.delivery] in depots
    return job.delivery if job.pickup is None or not is_return else job.pickup


def _need(job: Job) -> tuple[float, ...]:
    return (*job.load, job.service_s, 1.0)


def _gift(van: Vehicle) -> tuple[float, ...]:
    """As `_need`: room, and working time, which stands for the drive to each door as well."""
    if van.locked is not None:
        return (0.0,) * _SHARES
    room = [0.0 if room >= NO_LIMIT else float(room) for room in van.room]
    works_s = float(max(0, van.shift_end - van.available_from))
    return (*room, works_s, works_s)


def _by_depot(ground: Ground) -> list[Cell]:
    problem = ground.problem
    depots, home = ground.depots, ground.home
    groups: dict[int, list[int]] = defaultdict(list)
    able: dict[_Wanted, list[int]] = {}
    for index, job in enumerate(problem.jobs):
        if (van := ground.van_of.get(index)) is not None:
            groups[home[van]].append(index)
            continue
        wanted = job.needs, job.banned_vehicles
        if wanted not in able:
            able[wanted] = sorted(
                {home[at] for at, each in enumerate(problem.vehicles) if allows(each, job)}
            )
        groups[_nearest(ground, job, depots, able[wanted] or range(len(depots)))].append(index)
    vans: dict[int, list[int]] = defaultdict(list)
    for van, depot in enumerate(home):
        vans[depot].append(van)
    return [
        Cell(tuple(vans[depot]), tuple(groups[depot]))
        for depot in range(len(depots))
        if vans[depot] or groups[depot]
    ]


def _homes(problem: Problem, where: Floats, same: list[int]) -> tuple[list[int], list[int]]:
    """The depots' locations, and for each van which of them is its own.

    Where several vans load or return is a depot, and where one does and parcels lie.
    """
    anchors = [same[_anchor(van)] for van in problem.vehicles]
    lying = {same[job.pickup] for job in problem.jobs if job.pickup is not None}
    count = Counter(anchors)
    depots = sorted(at for at, vans in count.items() if vans > 1 or at in lying)
    depots = depots or [anchors[0]]
    at = {depot: index for index, depot in enumerate(depots)}
    places = where[depots]
    home = []
    for van, anchor in zip(problem.vehicles, anchors, strict=True):
        away = np.hypot(*(places - where[van.start]).T)
        home.append(at.get(anchor, int(away.argmin())))
    return depots, home


def _anchor(van: Vehicle) -> int:
    if van.loads_at is not None:
        return van.loads_at
    return van.start if van.loads_at_start else van.end


def _nearest(ground: Ground, job: Job, depots: list[int], among: Sequence[int]) -> int:
    """The depot from which a van fetches and delivers the job and returns by the shortest way."""
    where = ground.where
    some = where[[depots[at] for at in among]]
    pickup = where[job.delivery if job.pickup is None else job.pickup]
    way = np.hypot(*(some - pickup).T) + np.hypot(*(some - where[job.delivery]).T)
    return among[int(way.argmin())]


def _parted(ground: Ground, cell: Cell, most: int) -> list[Cell]:
    """The cell, halved until each part is small enough or has one van that is free to choose."""
    parts = min(ceil(len(cell.jobs) / most), _free_vans(ground, cell))
    if len(cell.jobs) <= most * _OVER or parts < 2:
        return [cell]
    halves = _halved(ground, cell, (parts // 2) / parts)
    if any(not half.jobs or not half.vehicles for half in halves):
        return [cell]
    return [part for half in halves for part in _parted(ground, half, most)]


def _free_vans(ground: Ground, cell: Cell) -> int:
    return sum(ground.problem.vehicles[van].locked is None for van in cell.vehicles)


def _halved(ground: Ground, cell: Cell, share: float) -> tuple[Cell, Cell]:
    """Two cells, of which the first has about ``share`` of the jobs."""
    rounds: dict[int, list[int]] = defaultdict(list)
    for job in cell.jobs:
        if (van := ground.van_of.get(job)) is not None:
            rounds[van].append(job)
    loose = [job for job in cell.jobs if job not in ground.van_of]
    bundles = [*rounds.values(), *([job] for job in loose)]
    lies = _sides(ground, bundles, share)
    sides = _Sides(ground)
    for van, side in zip(rounds, lies[: len(rounds)], strict=True):
        sides.put(van, rounds[van], side)
    for job, side in zip(loose, lies[len(rounds) :], strict=True):
        sides.jobs[side].append(job)
    sides.deal(van for van in cell.vehicles if van not in rounds)
    sides.mend(loose)
    return sides.cell(0), sides.cell(1)


def _sides(ground: Ground, bundles: list[list[int]], share: float) -> list[int]:
    """For each bundle of jobs, 0 or 1: on which side of a cut across their longest axis it lies."""
    middles = np.array([ground.spots[bundle].mean(axis=0) for bundle in bundles])
    weights = np.array([len(bundle) for bundle in bundles], dtype=np.float64)
    about = middles - np.average(middles, axis=0, weights=weights)
    _, axes = np.linalg.eigh((about * weights[:, None]).T @ about)
    along = about @ axes[:, -1]
    order = np.argsort(along, kind="stable")
    before = np.cumsum(weights[order]) - weights[order] / 2
    sides = np.ones(len(bundles), dtype=np.int64)
    sides[order[before < share * weights.sum()]] = 0
    found: list[int] = sides.tolist()
    return found


class _Sides:
    """Two halves in the making."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._vehicles = ground.problem.vehicles
        self.vans: tuple[list[int], list[int]] = ([], [])
        self.jobs: tuple[list[int], list[int]] = ([], [])

    def put(self, van: int, jobs: Iterable[int], side: int) -> None:
        """A round goes to one side."""
        self.vans[side].append(van)
        self.jobs[side].extend(jobs)

    def deal(self, free: Iterable[int]) -> None:
        """Each van that has no round to where it is wanted most, the most skilled ones first."""
        lack = _Lack(self._ground, self.vans, self.jobs)
        every = self._vehicles
        for van in sorted(free, key=lambda at: (-len(every[at].skills), -every[at].capacity, at)):
            side = lack.wants(van)
            self.vans[side].append(van)
            lack.give(van, side)

    def mend(self, loose: Iterable[int]) -> None:
        """Move each job that no van of its side may serve, when one of the other side may."""
        problem = self._ground.problem
        side_of = {job: side for side in (0, 1) for job in self.jobs[side]}
        known: dict[tuple[_Wanted, int], bool] = {}
        for index in loose:
            job, side = problem.jobs[index], side_of[index]
            wanted = job.needs, job.banned_vehicles
            for at in (0, 1):
                if (wanted, at) not in known:
                    known[wanted, at] = any(
                        allows(self._vehicles[van], job) for van in self.vans[at]
                    )
            if not known[wanted, side] and known[wanted, 1 - side]:
                self.jobs[side].remove(index)
                self.jobs[1 - side].append(index)

    def cell(self, side: int) -> Cell:
        """What one side has."""
        return Cell(tuple(sorted(self.vans[side])), tuple(sorted(self.jobs[side])))


class _Lack:
    """What two sides ask for and have: skills, room in each dimension, working time."""

    def __init__(
        self, ground: Ground, vans: tuple[list[int], list[int]], jobs: tuple[list[int], list[int]]
    ) -> None:
        self._ground = ground
        asked = np.array([ground.needs[side].sum(axis=0) for side in jobs])
        self._had = np.array([ground.gives[side].sum(axis=0) for side in vans])
        self._asked = asked / np.maximum(asked.sum(axis=0), 1e-9)
        self._is_told = (asked.sum(axis=0) > 0) & (ground.gives.sum(axis=0) > 0)
        self._wanted: tuple[Counter[tuple[str, ...]], Counter[tuple[str, ...]]] = (
            Counter(ground.problem.jobs[job].needs for job in jobs[0]),
            Counter(ground.problem.jobs[job].needs for job in jobs[1]),
        )
        self._dealt: tuple[Counter[tuple[str, ...]], Counter[tuple[str, ...]]] = (
            Counter(ground.problem.vehicles[van].skills for van in vans[0]),
            Counter(ground.problem.vehicles[van].skills for van in vans[1]),
        )

    def wants(self, van: int) -> int:
        """The side that a van is wanted on: by its skills, as seats are dealt out by d'Hondt."""
        skills = self._ground.problem.vehicles[van].skills
        asked = [
            sum(count for needs, count in side.items() if needs and set(needs) <= set(skills))
            for side in self._wanted
        ]
        if any(asked):
            worth = [
                count / (1 + dealt[skills]) for count, dealt in zip(asked, self._dealt, strict=True)
            ]
            if worth[0] != worth[1]:
                return int(worth[1] > worth[0])
        had = self._had / np.maximum(self._had.sum(axis=0), 1e-9)
        lack = np.where(self._is_told, self._asked - had, 0.0).sum(axis=1)
        return int(lack[1] > lack[0])

    def give(self, van: int, side: int) -> None:
        """A van has gone to a side."""
        self._had[side] += self._ground.gives[van]
        self._dealt[side][self._ground.problem.vehicles[van].skills] += 1
