"""Pieces of a problem, each with its own travel times and plan, and the plan of them all. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from cloud.planning.model import Cost, Plan, PlannedRoute, Problem
from cloud.planning.portion import Portion
from cloud.roads.hours import Travel


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A cell that has been planned.

    Attributes:
        portion: its vans and jobs. matrix: between the portion's locations. plan: of it.
    """

    portion: Portion
    matrix: Travel
    plan: Plan


def joined(problem: Problem, pieces: Sequence[Piece]) -> Plan:
    """The plan of the whole problem, of pieces that have each of its vans and jobs once."""
    routes = {
        route.vehicle: _in_whole(route, piece.portion.places)
        for piece in pieces
        for route in piece.plan.routes
    }
    left = {each.job: each for piece in pieces for each in piece.plan.unserved}
    return Plan(
        routes=tuple(routes[van.id] for van in problem.vehicles),
        unserved=tuple(left[job.id] for job in problem.jobs if job.id in left),
        cost=_sum(piece.plan.cost for piece in pieces),
        solver=pieces[0].plan.solver,
    )


def _in_whole(route: PlannedRoute, places: Sequence[int]) -> PlannedRoute:
    visits = tuple(replace(visit, location=places[visit.location]) for visit in route.visits)
    return replace(route, visits=visits)


def _sum(costs: Iterable[Cost]) -> Cost:
    every = list(costs)
    return Cost(
        drive_s=sum(cost.drive_s for cost in every),
        distance_m=sum(cost.distance_m for cost in every),
        late_s=sum(cost.late_s for cost in every),
    )
