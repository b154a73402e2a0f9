"""Pieces of a problem, each with its own travel times and plan, and the plan of them all. Pure."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from cloud.planning.portion import Portion
from cloud.planning.problem import Problem
from cloud.planning.solution import Cost, Plan, PlannedRoute
from cloud.planning.solvers.choice import because_in_cells
from cloud.planning.solvers.port import sequences_of
from cloud.planning.solvers.schedule import cost_of, plan_of, price_of
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


def without(piece: Piece, vans: Container[str], jobs: Container[str]) -> Piece:
    """The piece when some of its vans and jobs have gone to another; its places stay."""
    whole = piece.portion.problem
    problem = replace(
        whole,
        vehicles=tuple(van for van in whole.vehicles if van.id not in vans),
        jobs=tuple(job for job in whole.jobs if job.id not in jobs),
    )
    routes = tuple(route for route in piece.plan.routes if route.vehicle not in vans)
    plan = replace(
        piece.plan,
        routes=routes,
        unserved=tuple(left for left in piece.plan.unserved if left.job not in jobs),
        cost=cost_of(problem, routes),
    )
    return Piece(Portion(problem, piece.portion.places), piece.matrix, plan)


def sewn_in(pieces: Sequence[Piece], before: Plan, seams: Sequence[Piece]) -> list[Piece]:
    """The pieces, with each seam that costs less on its own travel times than what it replaces.

    Args:
        pieces: what the whole consists of.
        before: the plan of them.
        seams: of vans with all their jobs, no van and no job in two of them.
    """
    every = list(pieces)
    for seam in seams:
        problem = seam.portion.problem
        vans, jobs = {van.id for van in problem.vehicles}, {job.id for job in problem.jobs}
        left = (each for each in before.unserved if each.job in jobs)
        was = plan_of(problem, seam.matrix, sequences_of(before, problem), left, "")
        if price_of(problem, seam.plan) < price_of(problem, was):
            every = [*(without(piece, vans, jobs) for piece in every), seam]
    return [
        piece for piece in every if piece.portion.problem.vehicles or piece.portion.problem.jobs
    ]


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
        because=because_in_cells(len(problem.jobs), len(pieces), pieces[0].plan.because),
    )


def _in_whole(route: PlannedRoute, places: Sequence[int]) -> PlannedRoute:
    return replace(
        route,
        visits=tuple(replace(visit, location=places[visit.location]) for visit in route.visits),
        breaks=tuple(replace(pause, location=places[pause.location]) for pause in route.breaks),
    )


def _sum(costs: Iterable[Cost]) -> Cost:
    every = list(costs)
    return Cost(
        drive_s=sum(cost.drive_s for cost in every),
        distance_m=sum(cost.distance_m for cost in every),
        late_s=sum(cost.late_s for cost in every),
        preference=sum(cost.preference for cost in every),
    )
