"""A formulation as PyVRP's data, and its solutions as sequences of visits."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import numpy as np
import pyvrp
from pyvrp import Activity, ActivityType

from cloud.planning.solvers.formulation import Formulation, Ints, Node
from cloud.planning.solvers.port import Sequences, Step
from cloud.planning.solvers.reloads import Reloading
from cloud.planning.solvers.resting import back_by


def pairs_of(form: Formulation) -> tuple[tuple[Node, Node], ...]:
    """What is told as a pair of visits."""
    reloading = Reloading.of(form)
    return form.pairs if reloading is None else reloading.pairs


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
