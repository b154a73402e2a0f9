"""Files of Solomon and Homberger: how far from the best known, beside the libraries alone."""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyvrp
from ortools.constraint_solver import (  # type: ignore[import-untyped]  # it has no types
    pywrapcp,
    routing_enums_pb2,
)
from pyvrp.stop import MaxRuntime

from bench.figure import Figure
from cloud.planning import vrptw
from cloud.planning.files import solve_instance

_BESIDE: Final = Path(__file__).parents[2] / "shared" / "data" / "vrptw"
_FOLDER: Final = Path(os.environ.get("ROUNDSMAN_VRPTW", _BESIDE))
"""Where the files lie; they are not part of the repository."""
_BEST: Final = {
    "C104": 822.9,
    "R104": 971.5,
    "RC108": 1114.2,
    "RC208": 776.1,
    "r1_4_5": 9244.3,
    "rc1_10_5": 45028.1,
}
"""Best known, or best found where the folder's README says so."""
_SEEDS: Final = range(1, 1 + int(os.environ.get("ROUNDSMAN_SEEDS", "5")))

type Solve = Callable[[vrptw.Instance, float, int], float | None]
"""The cost after so many seconds with that seed; None when nothing was found."""


def run() -> Iterator[Figure]:
    """Solomon's hundred customers in 10 s, Homberger's four hundred and thousand in 30 s."""
    cores = len(os.sched_getaffinity(0))
    for what, names, seconds, goal in (
        ("Solomon, mean", ("C104", "R104", "RC108", "RC208"), 10.0, 0.5),
        ("Homberger, 400", ("r1_4_5",), 30.0, None),
        ("Homberger, 1,000", ("rc1_10_5",), 30.0, 4.0),
    ):
        files = [_FOLDER / f"{name}.txt" for name in names]
        if not all(file.exists() for file in files):
            print(f"vrptw: no {files[0].name} in {_FOLDER}; set ROUNDSMAN_VRPTW")
            continue
        instances = {file.stem: vrptw.read(file.read_text()) for file in files}
        ours = _gap(_ours, instances, seconds)
        for peer, solve in (("PyVRP on one core", _pyvrp), ("OR-Tools on one core", _ortools)):
            yield Figure(
                bench="vrptw",
                figure=f"{what}, {seconds:g} s on {cores} cores, over the best known",
                value=ours,
                unit="%",
                goal=goal,
                peer=peer,
                peer_value=_gap(solve, instances, seconds),
            )


def _gap(solve: Solve, instances: dict[str, vrptw.Instance], seconds: float) -> float:
    """The median over seeds of the mean over files; a file without a plan counts as 100 %."""
    gaps = []
    for seed in _SEEDS:
        costs = {name: solve(instance, seconds, seed) for name, instance in instances.items()}
        gaps.append(
            statistics.mean(
                100.0 if cost is None else 100 * (cost / _BEST[name] - 1)
                for name, cost in costs.items()
            )
        )
    return round(statistics.median(gaps), 2)


def _ours(instance: vrptw.Instance, seconds: float, seed: int) -> float:
    return solve_instance(instance, solver="auto", seconds=seconds, seed=seed).cost


def _pyvrp(instance: vrptw.Instance, seconds: float, seed: int) -> float | None:
    tenths: Any = vrptw.distances_tenths(instance).astype(np.int64)
    data = pyvrp.ProblemData(
        locations=[pyvrp.Location(0, 0) for _ in tenths],
        clients=[
            pyvrp.Client(
                at,
                delivery=[customer.demand],
                service_duration=customer.service * vrptw.TENTHS,
                tw_early=customer.ready * vrptw.TENTHS,
                tw_late=customer.due * vrptw.TENTHS,
            )
            for at, customer in enumerate(instance.customers, start=1)
        ],
        depots=[pyvrp.Depot(0)],
        vehicle_types=[
            pyvrp.VehicleType(
                instance.vehicles,
                [instance.capacity],
                tw_late=instance.depot.due * vrptw.TENTHS,
            )
        ],
        distance_matrices=[tenths],
        duration_matrices=[tenths],
    )
    found = pyvrp.solve(data, MaxRuntime(seconds), seed=seed, collect_stats=False)
    return found.cost() / vrptw.TENTHS if found.is_feasible() else None


def _ortools(instance: vrptw.Instance, seconds: float, seed: int) -> float | None:
    begun = time.perf_counter()
    tenths = vrptw.distances_tenths(instance)
    rows = (instance.depot, *instance.customers)
    index = pywrapcp.RoutingIndexManager(len(rows), instance.vehicles, 0)
    model = pywrapcp.RoutingModel(index)
    model.SetArcCostEvaluatorOfAllVehicles(model.RegisterTransitMatrix(tenths.tolist()))
    service = np.array([row.service * vrptw.TENTHS for row in rows])
    times = model.RegisterTransitMatrix((tenths + service[:, None]).tolist())
    due = instance.depot.due * vrptw.TENTHS
    at_zero = False
    model.AddDimension(times, due, due, at_zero, "time")
    dimension = model.GetDimensionOrDie("time")
    for at, row in enumerate(rows[1:], start=1):
        window = row.ready * vrptw.TENTHS, row.due * vrptw.TENTHS
        dimension.CumulVar(index.NodeToIndex(at)).SetRange(*window)
    demand = model.RegisterUnaryTransitVector([row.demand for row in rows])
    capacity = [instance.capacity] * instance.vehicles
    model.AddDimensionWithVehicleCapacity(demand, 0, capacity, at_zero, "load")
    parameters = pywrapcp.DefaultRoutingSearchParameters()
    strategies = routing_enums_pb2.FirstSolutionStrategy
    parameters.first_solution_strategy = strategies.PARALLEL_CHEAPEST_INSERTION
    heuristics = routing_enums_pb2.LocalSearchMetaheuristic
    parameters.local_search_metaheuristic = heuristics.GUIDED_LOCAL_SEARCH
    left_s = max(0.001, seconds - (time.perf_counter() - begun))
    parameters.time_limit.FromMilliseconds(int(1_000 * left_s))
    model.solver().ReSeed(seed)
    found = model.SolveWithParameters(parameters)
    return None if found is None else float(found.ObjectiveValue()) / vrptw.TENTHS
