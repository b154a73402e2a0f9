"""``python -m cloud.planning.solvers.ortools_child``: one search, told on standard output.

Reads a `ChildTask`, writes an empty line when it is about to search, then one for each better plan.
"""

import sys
from typing import Any, Final

import msgspec
import numpy as np
from ortools.constraint_solver import (  # type: ignore[import-untyped]  # it has no types
    pywrapcp,
    routing_enums_pb2,
)

from cloud.planning.problem import Vehicle
from cloud.planning.solvers.formulation import HORIZON_S, Node, formulate
from cloud.planning.solvers.ortools_solver import ChildTask
from cloud.planning.solvers.port import Sequences, Step, Task
from cloud.planning.solvers.resting import most_breaks
from cloud.roads.model import NO_WAY, Matrix

_NEVER_S: Final = 10 * HORIZON_S
"""Driving time where no way leads: no shift is so long, and sums of it do not overflow."""


_NO_RANGE_M: Final = 2**40


def main() -> None:
    """Search once."""
    routing = _Routing(msgspec.msgpack.decode(sys.stdin.buffer.read(), type=ChildTask))
    sys.stdout.write("\n")
    sys.stdout.flush()
    routing.search()


def _task(asked: ChildTask) -> Task:
    shape = (asked.size, asked.size)
    seconds = np.frombuffer(asked.matrix_s, dtype=np.int32).reshape(shape)
    metres = np.frombuffer(asked.matrix_m, dtype=np.int32).reshape(shape)
    start: Sequences | None = None
    if asked.start is not None:
        start = tuple(tuple(Step(job, kind) for job, kind in each) for each in asked.start)
    return Task(
        problem=asked.problem,
        matrix=Matrix(seconds, metres),
        seconds=asked.seconds,
        seed=asked.seed,
        start=start,
        is_cancelled=lambda: False,
    )


class _Routing:
    """The formulation as OR-Tools' routing model.

    Model nodes: two for each van (start, end), then the singles, then the pairs.
    """

    def __init__(self, asked: ChildTask) -> None:
        self._asked = asked
        self._task = _task(asked)
        self._form = form = formulate(self._task)
        self._vans = len(form.problem.vehicles)
        self._nodes = [*form.singles, *(node for pair in form.pairs for node in pair)]
        ends = [place for van in form.problem.vehicles for place in (van.start, van.end)]
        self._places = [*ends, *(node.place for node in self._nodes)]
        self._index = pywrapcp.RoutingIndexManager(
            len(self._places),
            self._vans,
            [2 * van for van in range(self._vans)],
            [2 * van + 1 for van in range(self._vans)],
        )
        self._model = pywrapcp.RoutingModel(self._index)
        self._solver: Any = self._model.solver()
        self._price_arcs()
        self._time = self._keep_time()
        self._keep_range()
        self._keep_breaks()
        for dimension in range(len(form.capacity[0]) if form.capacity else 0):
            self._keep_load(dimension)
        for at, node in enumerate(self._nodes):
            self._restrict(self._at(at), node)
        for at in range(len(form.singles)):
            self._model.AddDisjunction([self._at(at)], self._nodes[at].prize * form.scale)
        for pair in range(len(form.pairs)):
            self._join(len(form.singles) + 2 * pair)

    def _at(self, node: int) -> int:
        return int(self._index.NodeToIndex(2 * self._vans + node))

    def _price_arcs(self) -> None:
        steps = [None] * (2 * self._vans) + [node.step for node in self._nodes]
        form, at = self._form, np.ix_(self._places, self._places)
        changes = form.changes(steps)
        known: dict[tuple[float, ...], int] = {}
        for van in range(self._vans):
            extra = tuple(self._extra(node, van) for node in self._nodes)
            key = form.rates[van].metre, *extra
            if key not in known:
                base = form.prices[key[0]][at] + changes
                prices = (base + np.array([0] * (2 * self._vans) + list(extra))) * form.scale
                known[key] = self._model.RegisterTransitMatrix(prices.tolist())
            self._model.SetArcCostEvaluatorOfVehicle(known[key], van)
            self._model.SetFixedCostOfVehicle(form.use(van), van)

    def _extra(self, node: Node, van: int) -> int:
        """Bans are told apart, by the vehicles allowed."""
        extra = node.surcharge[van]
        return 0 if extra >= self._form.forbidden else extra

    def _keep_time(self) -> Any:
        seconds = self._form.seconds[np.ix_(self._places, self._places)]
        seconds = np.where(seconds >= NO_WAY, _NEVER_S, seconds)
        service = np.array([0] * (2 * self._vans) + [node.service_s for node in self._nodes])
        transit = self._model.RegisterTransitMatrix((seconds + service[:, None]).tolist())
        at_zero = False
        self._model.AddDimension(transit, HORIZON_S, HORIZON_S, at_zero, "time")
        dimension = self._model.GetDimensionOrDie("time")
        for van in range(self._vans):
            leaves_at, back_by = self._form.leaves_at[van], self._form.back_by[van]
            dimension.CumulVar(self._model.Start(van)).SetRange(leaves_at, back_by)
            dimension.CumulVar(self._model.End(van)).SetRange(leaves_at, back_by)
            if second := self._form.second(van):
                dimension.SetCumulVarSoftUpperBound(self._model.End(van), leaves_at, second)
        return dimension

    def _keep_breaks(self) -> None:
        """Pauses at their times, and a break within each stretch of work that is allowed."""
        vans = self._form.problem.vehicles
        service = [0] * self._model.Size()
        for at, node in enumerate(self._nodes):
            service[self._at(at)] = node.service_s
        for number, van in enumerate(vans):
            breaks = [*self._pauses(van), *self._work_breaks(number, van)]
            if breaks:
                self._time.SetBreakIntervalsOfVehicle(breaks, number, service)

    def _pauses(self, van: Vehicle) -> list[Any]:
        origin, is_optional = self._form.origin, False
        return [
            self._solver.FixedDurationIntervalVar(
                begins - origin, begins - origin, ends - begins, is_optional, "pause"
            )
            for begins, ends in van.pauses
            if begins >= origin
        ]

    def _work_breaks(self, number: int, van: Vehicle) -> list[Any]:
        rules = van.work_rules
        if rules is None or rules.work_s is None:
            return []
        available = van.available_from - self._form.origin
        first = available + max(0, rules.work_s - van.worked.work_s)
        is_optional = False
        breaks: list[Any] = []
        for at in range(most_breaks(van, rules)):
            latest = first + at * (rules.work_s + rules.break_s)
            one = self._solver.FixedDurationIntervalVar(
                self._form.leaves_at[number], latest, rules.break_s, is_optional, f"break {at}"
            )
            if breaks:
                self._solver.Add(one.StartExpr() - breaks[-1].EndExpr() <= rules.work_s)
                self._solver.Add(one.StartExpr() >= breaks[-1].EndExpr())
            breaks.append(one)
        return breaks

    def _keep_range(self) -> None:
        ranges = [van.range_m for van in self._form.problem.vehicles]
        if all(limit is None for limit in ranges):
            return
        metres = self._task.matrix.metres[np.ix_(self._places, self._places)]
        transit = self._model.RegisterTransitMatrix(metres.tolist())
        limits = [_NO_RANGE_M if limit is None else limit for limit in ranges]
        at_zero = True
        self._model.AddDimensionWithVehicleCapacity(transit, 0, limits, at_zero, "range")

    def _keep_load(self, at: int) -> None:
        """What is aboard at the start and what is fetched, less what is delivered; at last none."""
        change = [0] * (2 * self._vans) + [
            node.load[at] if node.step.kind == "pickup" else -node.load[at] for node in self._nodes
        ]
        transit = self._model.RegisterUnaryTransitVector(change)
        at_zero = False
        capacity = [each[at] for each in self._form.capacity]
        self._model.AddDimensionWithVehicleCapacity(transit, 0, capacity, at_zero, f"load {at}")
        dimension = self._model.GetDimensionOrDie(f"load {at}")
        for van in range(self._vans):
            dimension.CumulVar(self._model.End(van)).SetValue(0)

    def _restrict(self, index: int, node: Node) -> None:
        when = self._time.CumulVar(index)
        when.SetRange(node.windows[0][0], node.windows[-1][1])
        for (_, closes), (opens, _) in zip(node.windows, node.windows[1:], strict=False):
            when.RemoveInterval(closes + 1, opens - 1)
        allowed = [van for van in range(self._vans) if node.surcharge[van] < self._form.forbidden]
        if len(allowed) < self._vans:
            self._model.VehicleVar(index).SetValues([-1, *allowed])
        if node.leaves_after > 0:
            self._leave_after(index, node, allowed)

    def _leave_after(self, index: int, node: Node, allowed: list[int]) -> None:
        for van in allowed:
            if self._form.leaves_at[van] >= node.leaves_after:
                continue
            leaves = self._time.CumulVar(self._model.Start(van))
            self._solver.Add(leaves >= node.leaves_after * (self._model.VehicleVar(index) == van))

    def _join(self, first: int) -> None:
        pickup, delivery = self._at(first), self._at(first + 1)
        self._model.AddPickupAndDelivery(pickup, delivery)
        vehicle = self._model.VehicleVar
        self._solver.Add(vehicle(pickup) == vehicle(delivery))
        self._solver.Add(self._time.CumulVar(pickup) <= self._time.CumulVar(delivery))
        self._model.AddDisjunction([pickup], 0)
        self._model.AddDisjunction([delivery], self._nodes[first + 1].prize * self._form.scale)

    def search(self) -> None:
        """Search, telling each better plan."""
        parameters = pywrapcp.DefaultRoutingSearchParameters()
        strategies = routing_enums_pb2.FirstSolutionStrategy
        parameters.first_solution_strategy = strategies.PARALLEL_CHEAPEST_INSERTION
        heuristics = routing_enums_pb2.LocalSearchMetaheuristic
        parameters.local_search_metaheuristic = heuristics.GUIDED_LOCAL_SEARCH
        parameters.time_limit.FromMilliseconds(max(1, int(self._asked.seconds * 1_000)))
        self._solver.ReSeed(self._asked.seed)
        self._model.CloseModelWithParameters(parameters)
        best = [sys.maxsize]

        def tell() -> None:
            cost = self._model.CostVar().Max()
            if cost < best[0]:
                best[0] = cost
                self._tell()

        self._model.AddAtSolutionCallback(tell)
        start = self._start()
        if start is not None:
            self._model.SolveFromAssignmentWithParameters(start, parameters)
        if best[0] == sys.maxsize:
            self._model.SolveWithParameters(parameters)

    def _tell(self) -> None:
        sequences: list[list[tuple[int, str]]] = []
        for van in range(self._vans):
            steps: list[tuple[int, str]] = []
            index = self._model.NextVar(self._model.Start(van)).Value()
            while not self._model.IsEnd(index):
                node = self._nodes[self._index.IndexToNode(index) - 2 * self._vans]
                steps.append((node.step.job, node.step.kind))
                index = self._model.NextVar(index).Value()
            sequences.append(steps)
        sys.stdout.buffer.write(msgspec.json.encode(sequences) + b"\n")
        sys.stdout.flush()

    def _start(self) -> Any:
        if self._task.start is None:
            return None
        at = {node.step: self._at(index) for index, node in enumerate(self._nodes)}
        routes = [[at[step] for step in steps if step in at] for steps in self._task.start]
        ignore_inactive = True
        return self._model.ReadAssignmentFromRoutes(routes, ignore_inactive)


if __name__ == "__main__":
    main()
