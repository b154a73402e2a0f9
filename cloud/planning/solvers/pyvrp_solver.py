"""PyVRP behind the port: iterated local search, the default. It releases the GIL.

PyVRP knows no locks and no orders that belong to one van: vans share a travel profile, and a van
that owns parcels, or that another should not lose an order to, has one of its own in which arcs
into foreign orders cost more than leaving them (docs/decisions/solvers.md).
"""

import time
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final, NamedTuple, cast

import numpy as np
import pyvrp
from msgspec import structs
from pyvrp import Activity, ActivityType
from pyvrp.exceptions import PenaltyBoundWarning
from pyvrp.stop import FirstFeasible, MaxRuntime, NoImprovement

from cloud.planning.solvers.choice import LARGE
from cloud.planning.solvers.cores import THIS_MACHINE
from cloud.planning.solvers.formulation import Formulation, Ints, Node, formulate
from cloud.planning.solvers.insertion.solver import inserted
from cloud.planning.solvers.parts import improved_in_parts, price
from cloud.planning.solvers.pauses import without_common_pauses
from cloud.planning.solvers.port import Sequences, Step, Task
from cloud.planning.solvers.pyvrp_parameters import FAR_OFF, IN_PARTS, KEEPING, fitted
from cloud.planning.solvers.ranges import has_ranges, reined
from cloud.planning.solvers.reloads import Reloading
from cloud.planning.solvers.resting import back_by
from cloud.planning.solvers.schedule import feasible, timed

_IDLE_ITERATIONS: Final = 20_000
"""So many iterations without a better plan end the search before its time does."""
_FIRST_SHARE: Final = 0.1
_FIRST_LEAST_S: Final = 1.0
"""Of the time for a large problem, spent on the whole of it before it is improved in parts."""
_BEGIN_SHARE: Final = 0.1
_INSERT_SHARE: Final = 0.25
"""Of the time, for a plan that serves every order to start from; by insertion, until it hurries."""
_SIDE_BY_SIDE: Final = 2
"""Searches of a small problem at once: more of them find little more."""


class PyvrpSolver:
    """Quality first; see the figures in docs/decisions/solvers.md."""

    name = "pyvrp"

    def solve(self, task: Task) -> Sequences:
        """The best order of visits found; feasible by PyVRP's own account, or to be trimmed."""
        ends = time.perf_counter() + task.seconds
        problem = without_common_pauses(task.problem)
        task = replace(task, problem=problem, travel=None)  # on the matrix throughout
        with warnings.catch_warnings():  # here and not in a search: filters are of all threads
            warnings.simplefilter("ignore", PenaltyBoundWarning)
            if len(task.problem.jobs) < LARGE:
                return _searched_side_by_side(task, ends)
            return _searched_in_parts(task, ends)


def _searched_in_parts(task: Task, ends: float) -> Sequences:
    first = task.start
    if first is None:
        first_s = min(max(_FIRST_LEAST_S, task.seconds * _FIRST_SHARE), task.seconds)
        ends_first = time.perf_counter() + first_s
        plain = _without_strangers(task)
        begun = _begun(plain, ends_first)
        first = _searched(replace(plain, start=begun), ends_first, begun, IN_PARTS)
    first = feasible(task.problem, task.matrix, first)
    return improved_in_parts(task, first, _searched_part, ends)


def _without_strangers(task: Task) -> Task:
    """The task where every driver knows every door: its parts price that.

    A matrix for each van would be 8 MB for 1,000 orders; vans with the same zones share one.
    """
    policy = structs.replace(task.problem.policy, unfamiliar=0.0)
    return replace(task, problem=structs.replace(task.problem, policy=policy))


def _searched_side_by_side(task: Task, ends: float) -> Sequences:
    """The best of two searches, if two may: from a plan in force one keeps to the rules.

    It is no dearer than the plan they began with, whether that serves every order or not.
    """
    ways = (FAR_OFF, FAR_OFF) if task.start is None else (KEEPING, FAR_OFF)
    begun = _begun(task, ends)
    with THIS_MACHINE.lent(min(task.cores or _SIDE_BY_SIDE, _SIDE_BY_SIDE)) as count:
        tasks = [replace(task, seed=(task.seed + at) % 2**32) for at in range(count)]
        with ThreadPoolExecutor(count, thread_name_prefix="search") as pool:
            found = list(pool.map(lambda one, way: _searched(one, ends, begun, way), tasks, ways))
    best = _cheapest(task, found)
    if best not in found:  # what the clock takes out goes where there is room for it
        best = inserted(replace(task, seconds=0.0), best)
    return best if begun is None else _cheapest(task, [best, begun])


def _cheapest(task: Task, plans: Iterable[Sequences]) -> Sequences:
    """By the clock, which what is found may not pass as it is."""
    kept = [feasible(task.problem, task.matrix, each) for each in plans]
    return min(kept, key=lambda each: price(task.problem, task.matrix, each))


def _begun(task: Task, ends: float) -> Sequences | None:
    """The plan to start from, or one that serves every order, where one is soon found.

    With it every order is told to PyVRP as one that must be served, which makes the search
    nearly twice as fast. PyVRP's own first plan is found twenty times sooner than one by
    insertion, which is asked where that serves not all. What insertion leaves out is left out of
    the plan: on a day that does not fit it is still what a search has to be cheaper than.
    """
    if task.start is not None:
        return task.start
    form = formulate(task)
    if _must_serve_all(form, task):
        plan = _first_plan(form, task, ends)
        if _serves_all(task, plan):
            return plan
    elif not pairs_of(form):
        return None  # what may wait is seldom left out because it does not fit
    if len(task.problem.jobs) >= LARGE:
        return None
    within = replace(
        task,
        seconds=_INSERT_SHARE * max(0.0, ends - time.perf_counter()),
        is_cancelled=lambda: task.is_cancelled() or time.perf_counter() > ends,
    )
    plan = inserted(within, tuple(() for _ in task.problem.vehicles))
    return feasible(task.problem, task.matrix, plan)


def _first_plan(form: Formulation, task: Task, ends: float) -> Sequences:
    """The first plan that breaks no rule, or the best in a share of the time."""
    model = PyvrpModel(form, None, is_required=True)
    limit = MaxRuntime(_BEGIN_SHARE * max(0.0, ends - time.perf_counter()))
    first = FirstFeasible()
    found = pyvrp.solve(
        model.data,
        stop=lambda best: first(best) or limit(best) or task.is_cancelled(),
        seed=task.seed,
        params=IN_PARTS,
        collect_stats=False,
        display=False,
    )
    return feasible(task.problem, task.matrix, model.sequences(found.best))


def _must_serve_all(form: Formulation, task: Task) -> bool:
    return not pairs_of(form) and all(job.unserved is None for job in task.problem.jobs)


def _serves_all(task: Task, plan: Sequences) -> bool:
    return len({step.job for steps in plan for step in steps}) == len(task.problem.jobs)


def _searched_part(task: Task) -> Sequences:
    return _searched(task, time.perf_counter() + task.seconds, task.start, IN_PARTS)


def _searched(
    task: Task, ends: float, known: Sequences | None, parameters: pyvrp.SolveParams
) -> Sequences:
    """The best found until ``ends``, of the plan ``known`` as well.

    It starts where the task says, or anywhere: searches side by side then find more together
    than from one plan.
    """
    form = formulate(task)
    if not (has_open_windows(form) or has_ranges(form)):
        return _search(form, task, known, ends, parameters)
    middle = (time.perf_counter() + ends) / 2
    half = _search(form, task, known, middle, parameters)
    form = reined(narrowed(form, task, half), task, half)
    return _search(form, replace(task, start=half), half, ends, parameters)


def has_open_windows(form: Formulation) -> bool:
    """Whether a pair has several windows: PyVRP takes one, so two searches are made."""
    return any(len(node.windows) > 1 for pair in pairs_of(form) for node in pair)


def pairs_of(form: Formulation) -> tuple[tuple[Node, Node], ...]:
    """What is told as a pair of visits."""
    reloading = Reloading.of(form)
    return form.pairs if reloading is None else reloading.pairs


def narrowed(form: Formulation, task: Task, sequences: Sequences) -> Formulation:
    """The formulation where each fetched order keeps the one window it is served in now."""
    starts: dict[Step, int] = {}
    for vehicle, steps in zip(task.problem.vehicles, sequences, strict=True):
        drive = timed(task.problem, task.matrix, vehicle, steps).route
        ids = {job.id: at for at, job in enumerate(task.problem.jobs)}
        for visit in drive.visits:
            starts[Step(ids[visit.job], visit.kind)] = visit.start - form.origin
    pairs = tuple(
        (
            _in_one_window(pickup, starts.get(pickup.step, 0)),
            _in_one_window(delivery, starts.get(delivery.step, 0)),
        )
        for pickup, delivery in form.pairs
    )
    return replace(form, pairs=pairs)


def _in_one_window(node: Node, start: int) -> Node:
    chosen = next((window for window in node.windows if start <= window[1]), node.windows[-1])
    return replace(node, windows=(chosen,))


def _search(
    form: Formulation,
    task: Task,
    known: Sequences | None,
    ends: float,
    parameters: pyvrp.SolveParams,
) -> Sequences:
    start = task.start
    whole = _whole_plan(form, task, known)
    model = PyvrpModel(form, start, is_required=whole is not None)
    left_s = max(0.0, ends - time.perf_counter())
    limit = MaxRuntime(left_s)
    idle = NoImprovement(_IDLE_ITERATIONS)
    result = pyvrp.solve(
        model.data,
        stop=lambda best: limit(best) or idle(best) or task.is_cancelled(),
        seed=task.seed,
        params=fitted(
            parameters,
            scale=form.scale,
            is_whole=whole is not None,
            orders=len(task.problem.jobs),
            seconds=left_s,
        ),
        collect_stats=False,
        display=False,
        initial_solution=None if start is None else model.solution(start),
    )
    found = model.sequences(result.best)
    return found if whole is None else _cheaper(task, whole, found)


def _cheaper(task: Task, whole: Sequences, found: Sequences) -> Sequences:
    """By the policy and the clock; what PyVRP minimises, and holds possible, is not quite that."""
    kept = feasible(task.problem, task.matrix, found)
    if not _serves_all(task, kept):
        kept = inserted(task, kept)
    return min(whole, kept, key=lambda each: price(task.problem, task.matrix, each))


def _whole_plan(form: Formulation, task: Task, known: Sequences | None) -> Sequences | None:
    """The plan that is known, if it serves every order; or None.

    What PyVRP then puts on a wrong van in the end is left out, and `_cheaper` tells.
    """
    if known is None or not _must_serve_all(form, task):
        return None
    kept = feasible(task.problem, task.matrix, known)
    return kept if _serves_all(task, kept) else None


def _clients(
    form: Formulation, reloading: Reloading | None
) -> Iterator[tuple[Node, tuple[int, int]]]:
    """What is visited alone, once for each of its windows."""
    nodes = [*form.singles, *(reloading.visited() if reloading else ())]
    return ((node, window) for node in nodes for window in node.windows)


class _Kind(NamedTuple):
    """Vans that are the same to the search."""

    start: int
    end: int
    leaves_at: int
    back_by: int
    capacity: tuple[int, ...]
    profile: int
    use: int
    second: int
    waits_until: int | None
    most: int
    room: tuple[int, ...]
    must_load: bool


class PyvrpModel:
    """A formulation as PyVRP's data, and the way back."""

    def __init__(self, form: Formulation, start: Sequences | None, *, is_required: bool) -> None:
        self._form = form
        self._is_required = is_required
        vehicles = form.problem.vehicles
        self._reloading = Reloading.of(form, start)
        self._pairs = form.pairs if self._reloading is None else self._reloading.pairs
        self._clients = list(_clients(form, self._reloading))
        self._nodes = [node for node, _ in self._clients]
        self._nodes += [node for pair in self._pairs for node in pair]
        self._depots = sorted({place for each in vehicles for place in (each.start, each.end)})
        self._ends = len(self._depots)
        if self._reloading is not None:
            self._depots.append(self._reloading.place)
        places = [*self._depots, *(node.place for node in self._nodes)]
        distances, profile_of = self._profiles(np.ix_(places, places))
        durations: Any = form.seconds[np.ix_(places, places)]
        types, self._vans = self._alike(profile_of)
        self.data = pyvrp.ProblemData(
            locations=[pyvrp.Location(0, 0) for _ in places],
            clients=self._client_list(),
            depots=self._depot_list(),
            vehicle_types=types,
            distance_matrices=cast("list[Any]", distances),
            duration_matrices=[durations] * len(distances),
            groups=[
                pyvrp.ClientGroup(each, required=is_required) for each in self._groups().values()
            ],
            shipments=self._shipments(),
        )

    def _load(self, node: Node) -> list[int]:
        """What a node takes; as many dimensions again tell what must be fetched first."""
        room = len(self._form.capacity[0]) * (1 if self._reloading is None else 2)
        return [*node.load, *(0 for _ in range(room - len(node.load)))]

    def _depot_list(self) -> list[pyvrp.Depot]:
        depots = [pyvrp.Depot(at) for at in range(self._ends)]
        if self._reloading is not None:
            depots.append(pyvrp.Depot(self._ends))
        return depots

    def _profiles(self, at: tuple[Ints, ...]) -> tuple[list[Ints], list[int]]:
        """One price matrix for all vans with equal surcharges; which of them each van has."""
        steps = [None] * len(self._depots) + [node.step for node in self._nodes]
        form = self._form
        changes = form.changes(steps)
        known: dict[tuple[float, ...], int] = {}
        matrices: list[Ints] = []
        profile_of: list[int] = []
        for van in range(len(form.problem.vehicles)):
            extra = tuple(node.surcharge[van] for node in self._nodes)
            key = form.rates[van].metre, *extra
            if key not in known:
                known[key] = len(matrices)
                base = form.prices[key[0]][at] + changes
                matrix = base + np.array([0] * len(self._depots) + list(extra), dtype=np.int64)
                np.fill_diagonal(matrix, 0)
                matrices.append(matrix)
            profile_of.append(known[key])
        return matrices, profile_of

    def _alike(self, profile_of: list[int]) -> tuple[list[pyvrp.VehicleType], list[list[int]]]:
        """Vehicle types, and the vans each stands for: the search is quicker with few types."""
        form = self._form
        kinds: dict[_Kind, list[int]] = defaultdict(list)
        for van, vehicle in enumerate(form.problem.vehicles):
            ends = self._depots.index(vehicle.start), self._depots.index(vehicle.end)
            times = form.leaves_at[van], self._back_by(van)
            kind = _Kind(
                *ends,
                *times,
                form.capacity[van],
                profile_of[van],
                form.use(van),
                form.second(van),
                self._waits_until(van),
                form.most[van],
                *self._reloads(van),
            )
            kinds[kind].append(van)
        types = [
            pyvrp.VehicleType(
                num_available=len(vans),
                **self._room(kind),
                start_depot=kind.start,
                end_depot=kind.end,
                fixed_cost=kind.use,
                tw_early=kind.leaves_at,
                tw_late=kind.back_by,
                max_distance=kind.most,
                unit_distance_cost=form.scale,
                unit_duration_cost=kind.second,
                profile=kind.profile,
                start_late=kind.waits_until,
            )
            for kind, vans in kinds.items()
        ]
        return types, list(kinds.values())

    def _back_by(self, van: int) -> int:
        """With what breaks will take of the shift kept free: PyVRP knows none."""
        form = self._form
        latest = min(form.back_by[van], back_by(form.problem.vehicles[van]) - form.origin)
        return max(form.leaves_at[van], latest)

    def _waits_until(self, van: int) -> int | None:
        """A van whose hours cost is paid from the first on, unless it waits for what it loads."""
        if not self._form.second(van):
            return None
        ready = (node.leaves_after for node in self._form.singles)
        return min(max(self._form.leaves_at[van], *ready, 0), self._back_by(van))

    def _reloads(self, van: int) -> tuple[tuple[int, ...], bool]:
        """The room for what is fetched, and whether it is there after a reload only."""
        if self._reloading is None:
            return (), False
        return self._reloading.room[van], self._reloading.needs[van]

    def _room(self, kind: _Kind) -> dict[str, Any]:
        """A van's capacity; what must be fetched first has no room before the first reload."""
        if self._reloading is None:
            return {"capacity": list(kind.capacity)}
        before = kind.room if kind.must_load else [0] * len(kind.room)
        return {
            "capacity": [*kind.capacity, *kind.room],
            "initial_load": [*(0 for _ in kind.capacity), *before],
            "reload_depots": [self._ends],
        }

    def _client_list(self) -> list[pyvrp.Client]:
        groups = {job: at for at, job in enumerate(self._groups())}
        return [
            pyvrp.Client(
                location=len(self._depots) + at,
                delivery=self._load(node),
                service_duration=node.service_s,
                tw_early=opens,
                tw_late=closes,
                release_time=min(node.leaves_after, closes),
                prize=node.prize * self._form.scale,
                required=self._is_required and node.step.job not in groups,
                group=groups.get(node.step.job),
            )
            for at, (node, (opens, closes)) in enumerate(self._clients)
        ]

    def _groups(self) -> dict[int, list[int]]:
        """Jobs with several windows: a client for each, of which one may be served."""
        clients: dict[int, list[int]] = defaultdict(list)
        for at, (node, _) in enumerate(self._clients):
            clients[node.step.job].append(at)
        return {job: each for job, each in clients.items() if len(each) > 1}

    def _shipments(self) -> list[pyvrp.Shipment]:
        first = len(self._depots) + len(self._clients)
        return [
            pyvrp.Shipment(
                pickup_location=first + 2 * at,
                delivery_location=first + 2 * at + 1,
                pickup_tw_early=pickup.windows[0][0],
                pickup_tw_late=pickup.windows[-1][1],
                pickup_service_duration=pickup.service_s,
                delivery_tw_early=delivery.windows[0][0],
                delivery_tw_late=delivery.windows[-1][1],
                delivery_service_duration=delivery.service_s,
                amount=self._load(delivery),
                prize=delivery.prize * self._form.scale,
                required=False,
            )
            for at, (pickup, delivery) in enumerate(self._pairs)
        ]

    def solution(self, sequences: Sequences) -> pyvrp.Solution:
        """Where the search starts. A client of the first window stands for its group."""
        activity = self._activities()
        kind_of = {van: kind for kind, vans in enumerate(self._vans) for van in vans}
        told = [self._trips(van, steps) for van, steps in enumerate(sequences)]
        routes = [
            pyvrp.Route(
                self.data, [activity[step] for step in steps if step in activity], kind_of[van]
            )
            for van, steps in enumerate(told)
            if any(step is not None and step in activity for step in steps)
        ]
        return pyvrp.Solution(self.data, routes)

    def _trips(self, van: int, steps: tuple[Step, ...]) -> list[Step | None]:
        return list(steps) if self._reloading is None else self._reloading.trips(van, steps)

    def _activities(self) -> dict[Step | None, Activity]:
        """What each visit is to PyVRP; None is where a van loads anew."""
        known: dict[Step | None, Activity] = {}
        if self._reloading is not None:
            known[None] = Activity(ActivityType.DEPOT, self._ends)
        for at, (node, _) in enumerate(self._clients):
            known.setdefault(node.step, Activity(ActivityType.CLIENT, at))
        for at, (pickup, delivery) in enumerate(self._pairs):
            known[pickup.step] = Activity(ActivityType.PICKUP, at)
            known[delivery.step] = Activity(ActivityType.DELIVERY, at)
        return known

    def sequences(self, solution: pyvrp.Solution) -> Sequences:
        """What each van does; alike vans keep the most of what they had before."""
        routes: dict[int, list[tuple[Step, ...]]] = defaultdict(list)
        for route in solution.routes():
            routes[route.vehicle_type()].append(self._visits(route))
        sequences: dict[int, tuple[Step, ...]] = {}
        for kind, vans in enumerate(self._vans):
            sequences |= self._shared_out(vans, routes[kind])
        return tuple(sequences[van] for van in range(len(self._form.problem.vehicles)))

    def _visits(self, route: pyvrp.Route) -> tuple[Step, ...]:
        trips = [self._step(each) for each in list(route)[1:-1]]
        if self._reloading is not None:
            return self._reloading.visits(trips)
        return tuple(step for step in trips if step is not None)

    def _step(self, activity: Activity | pyvrp.ScheduledActivity) -> Step | None:
        if activity.is_depot():
            return None
        if activity.is_client():
            return self._clients[activity.idx][0].step
        pickup, delivery = self._pairs[activity.idx]
        return pickup.step if activity.is_pickup() else delivery.step

    def _shared_out(
        self, vans: list[int], routes: list[tuple[Step, ...]]
    ) -> dict[int, tuple[Step, ...]]:
        best_first = sorted(
            (-self._kept(van, steps), at, van) for van in vans for at, steps in enumerate(routes)
        )
        sequences: dict[int, tuple[Step, ...]] = {}
        given: set[int] = set()
        for _, at, van in best_first:
            if at not in given and van not in sequences:
                sequences[van] = routes[at]
                given.add(at)
        return {van: sequences.get(van, ()) for van in vans}

    def _kept(self, van: int, steps: tuple[Step, ...]) -> int:
        problem = self._form.problem
        name = problem.vehicles[van].id
        return sum(problem.jobs[step.job].previous_vehicle == name for step in steps)
