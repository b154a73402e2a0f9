"""The problem in the shape both solvers take: nodes, prices and forbidden pairs. Pure.

An order is one node, its delivery, when its parcels are aboard a van (and forbidden to the others)
or when vans that still stand at their depot load it before they leave (and forbidden to those that
are away): far better to search than pairs. Any other order is a pair of nodes, fetched and
delivered: from a shop, to the depot, or ready only when vans may have left. While some vans are
away, only what was planned for a van at the depot stays a single.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud.planning.bounds import NO_LIMIT
from cloud.planning.problem import Job, Load, Problem, Vehicle
from cloud.planning.solvers.allowed import NOTHING, allows, fits, holds, total
from cloud.planning.solvers.port import Step, Task, sequences_in_force
from cloud.planning.solvers.rates import Rates, price_of_leaving, price_of_preference, rates
from cloud.roads.model import NO_WAY

type Ints = npt.NDArray[np.int64]

_AWAY_SHARE: Final = 0.5
"""An order that is moved changes two arcs: the one to it, and the one to what came behind it."""
NO_MOST: Final = 2**63 - 1
_FINE: Final = 100
HORIZON_S: Final = 40 * 86_400
"""Shifts and windows lie within 40 days of the first instant; a later one never comes."""


@dataclass(frozen=True, slots=True)
class Node:
    """One visit that may be made.

    Attributes:
        step: whose visit it is. place: its location.
        windows: when its service may start, in seconds after the problem's origin.
        load: what it takes, in the dimensions of `Formulation.capacity`.
        leaves_after: a van that loads it at its start cannot leave earlier.
        surcharge: for each van, what an arc into the node costs more; `Formulation.forbidden` bans.
    """

    step: Step
    place: int
    windows: tuple[tuple[int, int], ...]
    service_s: int
    load: tuple[int, ...]
    leaves_after: int
    prize: int
    surcharge: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Formulation:
    """The whole problem: single nodes (a delivery alone) and pairs (fetch, deliver).

    Attributes:
        origin: the instant that all times count from.
        seconds: between locations. prices: what that costs, in seconds of driving, for each price
            of a metre that a van has. rates: of each van.
        forbidden: a surcharge that costs more than leaving any order unserved.
        leaves_at, back_by: for each van when it can set out at the earliest, must be back.
        follows: for each node of the plan in force the one before it there; None: its van starts.
        away: what an arc costs that comes from another node than that.
        most: what each van's driving may cost at most.
        capacity: of each van, in parcels and whatever else is limited and asked for; what is
            aboard fits, whatever was said of the van.
    """

    problem: Problem
    origin: int
    seconds: Ints
    prices: Mapping[float, Ints]
    rates: tuple[Rates, ...]
    forbidden: int
    leaves_at: tuple[int, ...]
    back_by: tuple[int, ...]
    capacity: tuple[tuple[int, ...], ...]
    singles: tuple[Node, ...]
    pairs: tuple[tuple[Node, Node], ...]
    follows: dict[Step, Step | None]
    away: int
    most: tuple[int, ...]

    @property
    def scale(self) -> int:
        """How many units a second of driving costs; hours are priced in parts of it."""
        return _FINE if any(rate.second for rate in self.rates) else 1

    def use(self, van: int) -> int:
        """What sending out a van costs, what loads before it leaves included, in units."""
        rate = self.rates[van]
        waited_s = self.leaves_at[van] + self.origin - self.problem.vehicles[van].available_from
        return round((rate.use + waited_s * rate.second) * self.scale)

    def second(self, van: int) -> int:
        """What a second of a van on duty costs, in units."""
        return round(self.rates[van].second * self.scale)

    def changes(self, steps: Sequence[Step | None]) -> Ints:
        """What arcs between nodes of these steps cost more, because they change the sequence.

        None is a depot, where vans start. An arc into a node of the plan in force is free from
        the node before it there.
        """
        extra = np.zeros((len(steps), len(steps)), dtype=np.int64)
        if self.away == 0:
            return extra
        at: dict[Step | None, list[int]] = {}
        for index, step in enumerate(steps):
            at.setdefault(step, []).append(index)
        for index, step in enumerate(steps):
            if step is not None and step in self.follows:
                extra[:, index] = self.away
                extra[at.get(self.follows[step], []), index] = 0
        return extra


def formulate(task: Task) -> Formulation:
    """Bring ``task`` into the solvers' shape."""
    return _Builder(task).build()


class _Builder:
    def __init__(self, task: Task) -> None:
        self._problem = problem = task.problem
        self._matrix = task.matrix
        self._origin = min((vehicle.available_from for vehicle in problem.vehicles), default=0)
        self._loading = {van.id: van.start for van in problem.vehicles if van.loads_at_start}
        self._all_load = len(self._loading) == len(problem.vehicles)
        self._first_leaves = min(
            (van.available_from for van in problem.vehicles if van.loads_at_start),
            default=self._origin,
        )
        self._most_loading_s = max((vehicle.loading_s for vehicle in problem.vehicles), default=0)
        self._dimensions = _dimensions(problem)
        self._needs_trips = needs_trips(problem)
        policy = problem.policy
        dearest = max((price_of_leaving(policy, job) for job in problem.jobs), default=0.0)
        dearest = max(dearest, policy.unserved, policy.unserved_urgent)
        self._forbidden = 2 * int(dearest) + 1_000_000

    def build(self) -> Formulation:
        problem = self._problem
        seconds = self._matrix.seconds.astype(np.int64)
        rate_of = tuple(rates(problem.policy, van) for van in problem.vehicles)
        singles: list[Node] = []
        pairs: list[tuple[Node, Node]] = []
        for index, job in enumerate(problem.jobs):
            if job.pickup is None or self._is_loaded(job):
                singles.append(self._delivery(index, job))
            else:
                pairs.append((self._pickup(index, job, job.pickup), self._delivery(index, job)))
        return Formulation(
            problem=problem,
            origin=self._origin,
            seconds=seconds,
            prices={
                metre: self._prices(seconds, metre) for metre in {each.metre for each in rate_of}
            },
            rates=rate_of,
            forbidden=self._forbidden,
            leaves_at=tuple(self._leaves_at(vehicle) for vehicle in problem.vehicles),
            back_by=tuple(self._relative(vehicle.shift_end) for vehicle in problem.vehicles),
            capacity=tuple(self._capacity(van) for van in problem.vehicles),
            singles=tuple(singles),
            pairs=tuple(pairs),
            follows=self._follows({node.step for node in (*singles, *sum(pairs, ()))}),
            away=round(problem.policy.changed_sequence * _AWAY_SHARE),
            most=(NO_MOST,) * len(problem.vehicles),
        )

    def _prices(self, seconds: Ints, metre: float) -> Ints:
        prices: Ints = seconds + np.rint(self._matrix.metres * metre).astype(np.int64)
        prices[seconds >= NO_WAY] = self._forbidden
        return prices

    def _follows(self, nodes: set[Step]) -> dict[Step, Step | None]:
        follows: dict[Step, Step | None] = {}
        for steps in sequences_in_force(self._problem) or ():
            before: Step | None = None
            for step in steps:
                if step in nodes:
                    follows[step] = before
                    before = step
        return follows

    def _leaves_at(self, vehicle: Vehicle) -> int:
        loading_s = vehicle.loading_s if vehicle.loads_at_start else 0
        return vehicle.available_from + loading_s - self._origin

    def _is_loaded(self, job: Job) -> bool:
        """Whether the job's parcels are loaded by a van before it leaves, and only then."""
        if self._needs_trips or job.pickup is None or job.pickup_windows or self._is_later(job):
            return False
        if self._all_load:
            return job.pickup in self._loading.values()
        return self._loading.get(job.previous_vehicle or "") == job.pickup

    def _is_later(self, job: Job) -> bool:
        """Whether vans could be away by when it is ready: they may come back for it."""
        return job.ready_from is not None and job.ready_from > self._first_leaves

    def _capacity(self, vehicle: Vehicle) -> tuple[int, ...]:
        there = self._problem.aboard.get(vehicle.id, NOTHING)
        return self._told(
            (
                max(vehicle.room[0], there[0]),
                max(vehicle.room[1], there[1]),
                max(vehicle.room[2], there[2]),
            )
        )

    def _told(self, load: Load) -> tuple[int, ...]:
        return tuple(load[at] for at in self._dimensions)

    def _delivery(self, index: int, job: Job) -> Node:
        windows = [(window.opens, window.closes) for window in job.windows] or [
            (self._origin, self._origin + HORIZON_S)
        ]
        ready = 0
        if self._is_loaded(job):
            ready = (job.ready_from or self._origin) + self._most_loading_s
        return Node(
            step=Step(index, "delivery"),
            place=job.delivery,
            windows=tuple((self._relative(opens), self._relative(ends)) for opens, ends in windows),
            service_s=job.service_s,
            load=self._told(job.load),
            leaves_after=self._relative(ready),
            prize=round(price_of_leaving(self._problem.policy, job)),
            surcharge=tuple(self._surcharge(job, vehicle) for vehicle in self._problem.vehicles),
        )

    def _pickup(self, index: int, job: Job, place: int) -> Node:
        return Node(
            step=Step(index, "pickup"),
            place=place,
            windows=self._fetched_within(job),
            service_s=self._pickup_s(job),
            load=self._told(job.load),
            leaves_after=0,
            prize=0,
            surcharge=tuple(self._ban(job, vehicle) for vehicle in self._problem.vehicles),
        )

    def _fetched_within(self, job: Job) -> tuple[tuple[int, int], ...]:
        ready = self._relative(job.ready_from or 0)
        asked = [
            (self._relative(one.opens), self._relative(one.closes)) for one in job.pickup_windows
        ]
        if not asked:
            return ((ready, HORIZON_S),)
        left = tuple((max(ready, opens), closes) for opens, closes in asked if closes >= ready)
        return left or (asked[-1],)

    def _pickup_s(self, job: Job) -> int:
        """Its share of a full load, where vans load in one go."""
        if not self._needs_trips:
            return job.pickup_service_s
        loads = max(1, max(van.capacity for van in self._problem.vehicles) // max(1, job.size))
        return min(job.pickup_service_s, -(-self._most_loading_s // loads))

    def _relative(self, instant: int) -> int:
        return min(max(0, instant - self._origin), HORIZON_S)

    def _surcharge(self, job: Job, vehicle: Vehicle) -> int:
        if ban := self._ban(job, vehicle):
            return ban
        policy = self._problem.policy
        is_change = job.previous_vehicle not in {None, vehicle.id}
        changed = round(policy.changed_vehicle) if is_change else 0
        return changed + price_of_preference(policy, vehicle, job)

    def _ban(self, job: Job, vehicle: Vehicle) -> int:
        elsewhere = self._is_loaded(job) and self._loading.get(vehicle.id) != job.pickup
        may_not = not allows(vehicle, job) or not holds(vehicle, job)
        return self._forbidden if elsewhere or may_not else 0


def needs_trips(problem: Problem) -> bool:
    """Whether vans at their depots should come back to load again.

    Their orders are more than they hold together, or some are not ready when the vans can leave.
    """
    vans = [van for van in problem.vehicles if van.loads_at_start and van.loads_at == van.start]
    places = {van.start for van in vans}
    jobs = [job for job in problem.jobs if job.pickup in places]
    if not jobs or len(vans) < len(problem.vehicles):
        return False
    first = max(van.available_from for van in vans)
    if len({max(first, job.ready_from or 0) for job in jobs}) > 1:
        return True
    return not fits(total(job.load for job in jobs), total(van.room for van in vans))


def _dimensions(problem: Problem) -> tuple[int, ...]:
    """Parcels, and which of grams and millilitres some van limits and some job takes."""
    rooms = [vehicle.room for vehicle in problem.vehicles]
    return (
        0,
        *(
            at
            for at in (1, 2)
            if any(room[at] < NO_LIMIT for room in rooms)
            and any(job.load[at] for job in problem.jobs)
        ),
    )
