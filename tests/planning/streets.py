"""Days on one long street: places are minutes of driving apart, so that every time can be seen."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cloud.planning.check import check
from cloud.planning.problem import Job, Location, Policy, Problem, Vehicle, Window
from cloud.planning.questions import SolveRequest, SolverName
from cloud.planning.solution import Plan, PlannedRoute, Unserved, Visit
from cloud.planning.solvers.solving import solve
from cloud.roads.hours import Travel
from cloud.roads.model import Matrix

EIGHT = 1_790_000_000 // 86_400 * 86_400 + 8 * 3_600
MINUTE = 60
HOUR = 3_600
METRES_A_MINUTE = 500


def at(hour: float) -> int:
    """An instant of the day, by its hour; 25 is one o'clock in the night after."""
    return EIGHT + round((hour - 8) * HOUR)


def between(opens: float, closes: float) -> Window:
    return Window(opens=at(opens), closes=at(closes))


def van(name: str = "van-1", start: int = 0, **given: Any) -> Vehicle:
    """A van at the depot (place 0) from eight to six that loads in ten minutes before it leaves."""
    fields: dict[str, Any] = {
        "end": 0,
        "available_from": at(8),
        "shift_end": at(18),
        "capacity": 20,
        "loads_at_start": True,
        "loading_s": 10 * MINUTE,
    }
    return Vehicle(id=name, start=start, **(fields | given))


def van_under_way(name: str = "van-1", start: int = 0, **given: Any) -> Vehicle:
    """A van that will be done at the stop ``start`` at noon."""
    fields = {"loads_at_start": False, "available_from": at(12), "loading_s": 0}
    return van(name, start, **(fields | given))


def order(name: str, place: int, *windows: Window, **given: Any) -> Job:
    """One parcel that lies at the depot, for a door at ``place``; two minutes there."""
    fields: dict[str, Any] = {
        "size": 1,
        "pickup": 0,
        "service_s": 2 * MINUTE,
        "pickup_service_s": MINUTE,
    }
    return Job(id=name, delivery=place, windows=windows, **(fields | given))


def aboard(name: str, place: int, on: str, *windows: Window, **given: Any) -> Job:
    """An order whose parcel is in the van ``on``."""
    return order(name, place, *windows, pickup=None, only_vehicle=on, **given)


def street(places: Sequence[float]) -> Matrix:
    """Travel along one street with places at the given minutes from its beginning."""
    where = np.array(places, dtype=np.float64)
    minutes = np.abs(where[:, None] - where[None, :])
    return Matrix(
        np.rint(minutes * MINUTE).astype(np.int32),
        np.rint(minutes * METRES_A_MINUTE).astype(np.int32),
    )


def day(
    vans: Sequence[Vehicle],
    orders: Sequence[Job],
    *,
    places: int = 31,
    policy: Policy | None = None,
) -> Problem:
    """A problem on a street with a place at each minute."""
    return Problem(
        locations=tuple(Location(lat=0, lon=place / 100) for place in range(places)),
        vehicles=tuple(vans),
        jobs=tuple(orders),
        policy=policy or Policy(),
    )


type Plans = Callable[..., Plan]


def planned(
    problem: Problem,
    solver: SolverName,
    *,
    seconds: float = 0.2,
    matrix: Travel | None = None,
    previous: Plan | None = None,
    far_m: dict[int, float] | None = None,
) -> Plan:
    """A plan that the checker has passed."""
    roads = matrix or street(range(len(problem.locations)))
    request = SolveRequest(problem=problem, solver=solver, seconds=seconds, previous=previous)
    plan = solve(request, roads, far_m=far_m)
    assert check(problem, roads, plan) == ()
    return plan


def deliveries(plan: Plan, vehicle: str = "van-1") -> list[str]:
    """The orders a van delivers, in their order."""
    return [visit.job for visit in visits(plan, vehicle) if visit.kind == "delivery"]


def visits(plan: Plan, vehicle: str = "van-1") -> tuple[Visit, ...]:
    return route_of(plan, vehicle).visits


def route_of(plan: Plan, vehicle: str) -> PlannedRoute:
    return next(route for route in plan.routes if route.vehicle == vehicle)


def delivery_of(plan: Plan, job: str) -> Visit:
    return next(
        visit
        for route in plan.routes
        for visit in route.visits
        if visit.job == job and visit.kind == "delivery"
    )


def left(plan: Plan) -> dict[str, Unserved]:
    return {each.job: each for each in plan.unserved}
