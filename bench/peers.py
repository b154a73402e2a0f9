"""The libraries by themselves, each told a problem as it takes it, with its own defaults."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pyvrp
import vroom  # type: ignore[import-untyped]  # it has no types
from pyvrp.stop import MaxRuntime

from cloud.planning.solvers.formulation import Formulation, Node, formulate
from cloud.planning.solvers.ortools_solver import OrtoolsSolver
from cloud.planning.solvers.port import Sequences, SolverFailed, Step, Task
from cloud.planning.solvers.pyvrp_model import PyvrpModel

type Peer = Callable[[Task], Sequences | None]
"""The order of visits after the task's seconds; None when nothing was found."""

_EXPLORATION: Final = 5
"""As far as VROOM goes."""
_CAR: Final = "car"


def pyvrp_alone(task: Task) -> Sequences | None:
    """PyVRP on one core, from where the task starts, if it does."""
    model = PyvrpModel(formulate(task), task.start, is_required=False)
    found = pyvrp.solve(
        model.data,
        MaxRuntime(task.seconds),
        seed=task.seed,
        collect_stats=False,
        initial_solution=None if task.start is None else model.solution(task.start),
    )
    return model.sequences(found.best)


def ortools_alone(task: Task) -> Sequences | None:
    """OR-Tools on one core: cheapest insertion, then guided local search."""
    try:
        return OrtoolsSolver().solve(task)
    except SolverFailed:
        return None


def vroom_alone(task: Task) -> Sequences | None:
    """VROOM on two cores, from nothing; it ends by itself when it is sooner done."""
    form = formulate(task)
    asked = vroom.Input()
    asked.set_durations_matrix(_CAR, form.seconds)
    asked.set_costs_matrix(_CAR, form.prices[form.rates[0].metre])
    skills = _Skills(form)
    for van, vehicle in enumerate(form.problem.vehicles):
        asked.add_vehicle(
            vroom.Vehicle(
                van + 1,
                start=vehicle.start,
                end=vehicle.end,
                capacity=list(form.capacity[van]),
                skills=skills.of_van(van),
                time_window=(form.leaves_at[van], form.back_by[van]),
            )
        )
    steps: dict[tuple[str, int], Step] = {}
    for at, node in enumerate(form.singles):
        steps["single", at] = node.step
        asked.add_job(
            vroom.Job(
                at,
                location=node.place,
                default_service=node.service_s,
                delivery=list(node.load),
                skills=skills.of_node(node),
                time_windows=[vroom.TimeWindow(*window) for window in node.windows],
            )
        )
    for at, (pickup, delivery) in enumerate(form.pairs):
        steps["pickup", at], steps["delivery", at] = pickup.step, delivery.step
        asked.add_shipment(
            *(_half(at, node) for node in (pickup, delivery)),
            amount=vroom.Amount(list(pickup.load)),
            skills=skills.of_node(delivery),
            priority=100,
        )
    limit = timedelta(seconds=task.seconds)
    found = asked.solve(exploration_level=_EXPLORATION, nb_threads=2, timeout=limit)
    return _sequences(found.routes, steps, len(form.problem.vehicles))


def _half(at: int, node: Node) -> Any:
    return vroom.ShipmentStep(
        at,
        location=node.place,
        default_service=node.service_s,
        time_windows=[vroom.TimeWindow(*window) for window in node.windows],
    )


def _sequences(routes: Any, steps: dict[tuple[str, int], Step], vans: int) -> Sequences:
    """VROOM tells its routes as a table, a row a visit."""
    told: list[list[Step]] = [[] for _ in range(vans)]
    for van, kind, at in zip(routes["vehicle_id"], routes["type"], routes["id"], strict=True):
        name = "single" if kind == "job" else kind
        if name in {"single", "pickup", "delivery"}:
            told[int(van) - 1].append(steps[name, int(at)])
    return tuple(tuple(each) for each in told)


class _Skills:
    """Which vans may serve a node, told as a skill for each set of vans that some node allows."""

    def __init__(self, form: Formulation) -> None:
        self._form = form
        self._vans = len(form.problem.vehicles)
        self._known: dict[frozenset[int], int] = {}
        for node in (*form.singles, *(delivery for _, delivery in form.pairs)):
            allowed = self._allowed(node)
            if len(allowed) < self._vans:
                self._known.setdefault(allowed, len(self._known) + 1)

    def of_node(self, node: Node) -> set[int]:
        skill = self._known.get(self._allowed(node))
        return set() if skill is None else {skill}

    def of_van(self, van: int) -> set[int]:
        return {skill for allowed, skill in self._known.items() if van in allowed}

    def _allowed(self, node: Node) -> frozenset[int]:
        forbidden = self._form.forbidden
        return frozenset(van for van in range(self._vans) if node.surcharge[van] < forbidden)
