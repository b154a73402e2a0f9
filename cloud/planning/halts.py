"""Neighbouring doors that one halt serves: the van parks once and the driver walks. Pure.

Before the search, orders for doors close together become one job of the planner; after it, its
visit becomes one stop with several orders. Doors belong together when they lie within a distance of
the one the van parks at, on the same side of the same street as far as that is known, and when all
of them together take no longer on foot than each with parking of its own.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import cos, floor, hypot, radians
from typing import Final

from msgspec.structs import asdict, replace

from cloud.orders.model import Order
from cloud.places.model import Place
from cloud.places.usable import Spans, common_to
from cloud.planning.problem import Job, Problem, RouteStep, Vehicle, Window

MOST_DOORS: Final = 8
_DIMENSIONS: Final = 3
"""Parcels, grams, millilitres."""
_WALK_MPS: Final = 1.2
_DETOUR: Final = 1.3
"""A way on foot is so much longer than the straight line."""
_METRES_A_DEGREE: Final = 111_195.0
_LEAST_CELL_M: Final = 1.0
_LEAST_LEFT: Final = 0.5
"""So much of the shortest door's time must be left by the others' windows."""
_MOST_ROOM: Final = 0.25
"""Of the smallest van: a halt must not be what keeps orders from fitting."""
_SUMMED: Final = frozenset({"size", "weight_g", "volume_ml", "service_s", "pickup_service_s"})
_OWN: Final = frozenset({"id", "delivery", "windows", "previous_vehicle", "known", "margin_s"})
_HARD: Final = (
    "needs",
    "only_vehicle",
    "banned_vehicles",
    "pickup",
    "pickup_windows",
    "ready_from",
    "may_be_late",
    "late_until",
)
"""What may forbid a van or a time, and so must be the same at each door of a halt."""
_NUMBER: Final = re.compile(r"\b(\d{1,5})[a-zA-Z]?\b")


@dataclass(frozen=True, slots=True)
class Walking:
    """What a halt is: doors ``within_m`` of where the van parks, and parking takes ``parking_s``.

    ``within_m`` of 0 makes none.
    """

    within_m: float
    parking_s: int


@dataclass(frozen=True, slots=True)
class Door:
    """Where an order is served; ``number`` is the house's, None when it is not known."""

    lat: float
    lon: float
    street: str
    number: int | None

    def metres_to(self, other: "Door") -> float:
        """Straight."""
        north = (self.lat - other.lat) * _METRES_A_DEGREE
        east = (self.lon - other.lon) * _METRES_A_DEGREE * cos(radians(self.lat))
        return hypot(north, east)

    def walk_s(self, other: "Door") -> int:
        """On foot."""
        return round(self.metres_to(other) * _DETOUR / _WALK_MPS)

    def is_beside(self, other: "Door") -> bool:
        """Whether no street lies between them, as far as is known: odd numbers face even ones."""
        if self.street and other.street and self.street != other.street:
            return False
        if self.number is None or other.number is None:
            return True
        return self.number % 2 == other.number % 2


@dataclass(frozen=True, slots=True)
class Grouped:
    """A problem whose jobs may be halts; ``halts`` gives the orders of each, in walking order."""

    problem: Problem
    halts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def orders_of(self, job: str) -> tuple[str, ...]:
        """The orders that a job serves."""
        return self.halts.get(job, (job,))


def door_of(order: Order, place: Place | None) -> Door | None:
    """The door at which an order is delivered; None for a return, which is fetched there."""
    if order.is_return:
        return None
    found = _NUMBER.search(order.address)
    return Door(
        order.lat,
        order.lon,
        "" if place is None else place.street,
        int(found.group(1)) if found else None,
    )


def grouped(problem: Problem, doors: Mapping[str, Door], walking: Walking) -> Grouped:
    """The problem with neighbouring doors as halts, each under the id of the door it parks at."""
    if walking.within_m <= 0:
        return Grouped(problem)
    halts = {
        halt.ids[0]: halt
        for halt in _Grouping(problem, doors, walking).halts()
        if _is_kept_together(problem, halt.ids)
    }
    job_of = {order: job for job, halt in halts.items() for order in halt.ids}
    return Grouped(
        replace(
            problem,
            jobs=tuple(
                halts[job.id].job() if job.id in halts else job
                for job in problem.jobs
                if job_of.get(job.id, job.id) == job.id
            ),
            vehicles=tuple(_with_halts(van, job_of) for van in problem.vehicles),
        ),
        {job: halt.ids for job, halt in halts.items()},
    )


def halt_faults(
    problem: Problem, made: Grouped, doors: Mapping[str, Door], walking: Walking
) -> tuple[str, ...]:
    """What is wrong with the halts, checked anew from the problem they were made of."""
    return tuple(_faults(problem, made, doors, walking))


def _faults(
    problem: Problem, made: Grouped, doors: Mapping[str, Door], walking: Walking
) -> Iterator[str]:
    jobs = {job.id: job for job in problem.jobs}
    served = [order for job in made.problem.jobs for order in made.orders_of(job.id)]
    if sorted(served) != sorted(jobs):
        yield "an order is in no halt, or in two"
        return
    for halt in made.problem.jobs:
        orders = [jobs[order] for order in made.orders_of(halt.id)]
        yield from _unlike_its_orders(halt, orders, walking)
        before_s = 0
        for one in orders:
            if one.id != halt.id and not _is_near(doors[halt.id], doors[one.id], walking):
                yield f"{halt.id}: {one.id} is not beside it within {walking.within_m:g} m"
            if one.windows and not halt.windows:
                yield f"{halt.id}: it has not the windows of {one.id}"
            within = before_s, halt.service_s
            if not all(_is_in_time(one, window, *within) for window in halt.windows):
                yield f"{halt.id}: {one.id} would be served outside its windows"
            before_s += max(0, one.service_s - (walking.parking_s if before_s else 0))


def _unlike_its_orders(halt: Job, orders: Sequence[Job], walking: Walking) -> Iterator[str]:
    least_s = sum(one.service_s for one in orders) - walking.parking_s * (len(orders) - 1)
    if halt.service_s < least_s:
        yield f"{halt.id}: its service of {halt.service_s} s is shorter than {least_s} s"
    for name in ("size", "weight_g", "volume_ml"):
        if getattr(halt, name) != sum(getattr(one, name) for one in orders):
            yield f"{halt.id}: its {name} is not that of its orders"
    for one in orders:
        for name in _HARD:
            if getattr(halt, name) != getattr(one, name):
                yield f"{halt.id}: its {name} is not that of {one.id}"


def _is_near(parked: Door, door: Door, walking: Walking) -> bool:
    return parked.metres_to(door) <= walking.within_m and parked.is_beside(door)


def _is_in_time(order: Job, window: Window, before_s: int, service_s: int) -> bool:
    """Whether an order whose turn comes during the halt can be served within its own windows.

    At the earliest ``before_s`` after it begins: that is what is done before, without the walks.
    """
    return not order.windows or any(
        one.opens <= window.opens + service_s and window.closes + before_s <= one.closes
        for one in order.windows
    )


@dataclass(frozen=True, slots=True)
class _Halt:
    """Jobs in walking order, the first where the van parks."""

    jobs: tuple[Job, ...]
    doors: tuple[Door, ...]
    walking: Walking

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(job.id for job in self.jobs)

    @property
    def walk_s(self) -> int:
        """From door to door and back to the van."""
        return sum(one.walk_s(other) for one, other in pairwise((*self.doors, self.doors[0])))

    @property
    def service_s(self) -> int:
        """All of it: parking once, every door, and the walks."""
        return sum(self._stays()) + self.walk_s

    def _stays(self) -> list[int]:
        """Seconds at each door: parking is part of a service, and is done once."""
        later = [max(0, job.service_s - self.walking.parking_s) for job in self.jobs[1:]]
        return [self.jobs[0].service_s, *later]

    def windows(self) -> Spans | None:
        """When the halt may begin so that each door is come to in time; None is at any time."""
        limits: list[Spans] = []
        after = 0
        for at, (job, stay) in enumerate(zip(self.jobs, self._stays(), strict=True)):
            if at:
                after += self.doors[at - 1].walk_s(self.doors[at])
            if job.windows:
                limits.append(tuple((one.opens - after, one.closes - after) for one in job.windows))
            after += stay
        return common_to(limits) if limits else None

    def has_time(self) -> bool:
        """Whether enough of the doors' windows is left."""
        windows = self.windows()
        if windows is None:
            return True
        shortest = min(_length(_spans(job)) for job in self.jobs if job.windows)
        return bool(windows) and _length(windows) >= _LEAST_LEFT * shortest

    def job(self) -> Job:
        """The halt as one job of the planner."""
        first = self.jobs[0]
        windows = self.windows() or ()
        planned = (job.previous_vehicle for job in self.jobs if job.previous_vehicle)
        return replace(
            first,
            windows=tuple(
                Window(opens=max(0, int(opens)), closes=max(0, int(closes)))
                for opens, closes in windows[:8]
            ),
            previous_vehicle=next(planned, None),
            margin_s=max(job.margin_s for job in self.jobs),
            **{name: sum(getattr(job, name) for job in self.jobs) for name in _SUMMED}
            | {"service_s": self.service_s},
        )


class _Grouping:
    """Puts doors to the first door before them that has them near."""

    def __init__(self, problem: Problem, doors: Mapping[str, Door], walking: Walking) -> None:
        self._doors = doors
        self._walking = walking
        self._jobs = [job for job in problem.jobs if job.id in doors and _may_share(job)]
        self._kinds = {job.id: _kind(job) for job in self._jobs}
        rooms = [van.room for van in problem.vehicles]
        self._room = [
            _MOST_ROOM * min((room[at] for room in rooms), default=0) for at in range(_DIMENSIONS)
        ]
        self._cells: dict[tuple[int, int], list[Job]] = defaultdict(list)
        for job in self._jobs:
            self._cells[self._cell(doors[job.id])].append(job)

    def halts(self) -> Iterator[_Halt]:
        """Every halt of more than one door."""
        taken: set[str] = set()
        for job in self._jobs:
            if job.id in taken:
                continue
            halt = _Halt((job,), (self._doors[job.id],), self._walking)
            for other in self._near(job):
                if other.id not in taken:
                    halt = self._with(halt, other) or halt
            taken |= set(halt.ids)
            if len(halt.jobs) > 1:
                yield halt

    def _with(self, halt: _Halt, job: Job) -> _Halt | None:
        """The halt with one more door, when that is worth it and breaks nothing."""
        vans = {one.previous_vehicle for one in (*halt.jobs, job)} - {None}
        if len(halt.jobs) == MOST_DOORS or len(vans) > 1:
            return None
        loads = [sum(one.load[at] for one in (*halt.jobs, job)) for at in range(_DIMENSIONS)]
        if any(load > room for load, room in zip(loads, self._room, strict=True)):
            return None
        more = _walked([*halt.jobs, job], self._doors, self._walking)
        is_worth_it = more.service_s <= halt.service_s + job.service_s
        return more if is_worth_it and more.has_time() else None

    def _near(self, job: Job) -> list[Job]:
        """Other jobs that may share its halt, the nearest first."""
        door = self._doors[job.id]
        kind = self._kinds[job.id]
        north, east = self._cell(door)
        beside = [
            other
            for row in (north - 1, north, north + 1)
            for column in (east - 1, east, east + 1)
            for other in self._cells.get((row, column), ())
            if other.id != job.id
            and _is_near(door, self._doors[other.id], self._walking)
            and self._kinds[other.id] == kind
        ]
        return sorted(beside, key=lambda one: (door.metres_to(self._doors[one.id]), one.id))

    def _cell(self, door: Door) -> tuple[int, int]:
        side = max(self._walking.within_m, _LEAST_CELL_M) / _METRES_A_DEGREE
        return floor(door.lat / side), floor(door.lon * cos(radians(round(door.lat, 1))) / side)


def _walked(jobs: Sequence[Job], doors: Mapping[str, Door], walking: Walking) -> _Halt:
    """From the first job on always to the nearest door that is left."""
    order, left = [jobs[0]], list(jobs[1:])
    while left:
        here = doors[order[-1].id]
        following = min(left, key=lambda one: (here.metres_to(doors[one.id]), one.id))
        left.remove(following)
        order.append(following)
    return _Halt(tuple(order), tuple(doors[one.id] for one in order), walking)


def _may_share(job: Job) -> bool:
    """Whether its time and its place in the plan are not for itself alone to lose."""
    return job.late_until is None and job.unserved is None


def _kind(job: Job) -> dict[str, object]:
    """What jobs of one halt have in common."""
    return {k: v for k, v in asdict(job).items() if k not in _SUMMED and k not in _OWN}


def _spans(job: Job) -> Spans:
    return tuple((one.opens, one.closes) for one in job.windows)


def _length(spans: Spans) -> float:
    return sum(end - begin for begin, end in spans)


def _is_kept_together(problem: Problem, ids: Sequence[str]) -> bool:
    """Whether no route that keeps its order has anything else between the doors of a halt."""
    for van in problem.vehicles:
        given = van.in_force if van.keeps_order else van.locked or ()
        locked = [step.job for step in given if step.kind == "delivery"]
        places = [at for at, job in enumerate(locked) if job in ids]
        if places and places[-1] - places[0] != len(ids) - 1:
            return False
    return True


def _with_halts(van: Vehicle, job_of: Mapping[str, str]) -> Vehicle:
    """The van with steps of halts in the place of those of their orders."""
    return replace(
        van,
        in_force=_steps(van.in_force, job_of),
        locked=None if van.locked is None else _steps(van.locked, job_of),
    )


def _steps(steps: Sequence[RouteStep], job_of: Mapping[str, str]) -> tuple[RouteStep, ...]:
    told = (replace(step, job=job_of.get(step.job, step.job)) for step in steps)
    return tuple(dict.fromkeys(told))
