"""The independent check of a plan made in cells: every rule again, cell by cell, then the whole.

It shares no code with dividing and joining. What each cell is checked against is taken from the
plan of the whole and from the whole problem, so that nothing can be lost or changed in between.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from cloud.planning.cells.joining import Piece
from cloud.planning.check import check
from cloud.planning.portion import Portion
from cloud.planning.problem import Job, Problem, Vehicle
from cloud.planning.solution import Cost, Plan, Violation


def check_in_cells(problem: Problem, pieces: Sequence[Piece], plan: Plan) -> tuple[Violation, ...]:
    """Every rule that ``plan`` breaks; each leg is looked up in the matrix of its van's piece."""
    found = [*_once(problem, pieces, plan), *_cost(pieces, plan)]
    for piece in pieces:
        found += [*_faithful(problem, piece.portion), *_elsewhere(plan, piece.portion)]
    if found:
        return tuple(found)
    for piece in pieces:
        found += check(piece.portion.problem, piece.matrix, _part_of(plan, piece))
    return tuple(found)


def _once(problem: Problem, pieces: Sequence[Piece], plan: Plan) -> Iterator[Violation]:
    vans = Counter(van.id for piece in pieces for van in piece.portion.problem.vehicles)
    jobs = Counter(job.id for piece in pieces for job in piece.portion.problem.jobs)
    driven = Counter(route.vehicle for route in plan.routes)
    for van in {each.id for each in problem.vehicles} | vans.keys() | driven.keys():
        if vans[van] != 1 or driven[van] != 1:
            text = f"{van}: stands in {vans[van]} cells, and has {driven[van]} routes, not one"
            yield Violation(rule="cells", text=text, vehicle=van)
    for job in {each.id for each in problem.jobs} | jobs.keys():
        if jobs[job] != 1:
            yield Violation(rule="cells", text=f"{job}: stands in {jobs[job]} cells", job=job)
    for left in plan.unserved:
        if jobs[left.job] != 1:
            yield Violation(rule="known", text=f"{left.job}: was never asked", job=left.job)


def _cost(pieces: Sequence[Piece], plan: Plan) -> Iterator[Violation]:
    parts = [piece.plan.cost for piece in pieces]
    told = Cost(
        drive_s=sum(part.drive_s for part in parts),
        distance_m=sum(part.distance_m for part in parts),
        late_s=sum(part.late_s for part in parts),
        preference=sum(part.preference for part in parts),
    )
    if told != plan.cost:
        yield Violation(rule="cost", text=f"its cells cost {told}; it says {plan.cost}")


def _faithful(problem: Problem, part: Portion) -> Iterator[Violation]:
    """Whether a piece asks the same of each van and job as the whole does."""
    vans = {van.id: van for van in problem.vehicles}
    jobs = {job.id: job for job in problem.jobs}
    at = part.places
    for van in part.problem.vehicles:
        loads_at = None if van.loads_at is None else at[van.loads_at]
        same = replace(van, start=at[van.start], end=at[van.end], loads_at=loads_at)
        if same != vans.get(van.id):
            yield Violation(rule="cells", text=f"{van.id}: is another in its cell", vehicle=van.id)
    for job in part.problem.jobs:
        pickup = None if job.pickup is None else at[job.pickup]
        if replace(job, delivery=at[job.delivery], pickup=pickup) != jobs.get(job.id):
            yield Violation(rule="cells", text=f"{job.id}: is another in its cell", job=job.id)
    if part.problem.policy != problem.policy:
        yield Violation(rule="cells", text="a cell has prices of its own")


def _elsewhere(plan: Plan, part: Portion) -> Iterator[Violation]:
    """What a route visits that is none of its piece's locations."""
    vans, places = {van.id for van in part.problem.vehicles}, set(part.places)
    for route in plan.routes:
        if route.vehicle not in vans:
            continue
        at = [visit.location for visit in route.visits]
        at += [pause.location for pause in route.breaks]
        for place in set(at) - places:
            text = f"{route.vehicle}: {place} on its route is not in its cell"
            yield Violation(rule="place", text=text, vehicle=route.vehicle)


def _part_of(plan: Plan, piece: Piece) -> Plan:
    """What the plan of the whole says of a piece's vans and jobs."""
    part = piece.portion
    vans: dict[str, Vehicle] = {van.id: van for van in part.problem.vehicles}
    jobs: dict[str, Job] = {job.id: job for job in part.problem.jobs}
    here = {place: index for index, place in enumerate(part.places)}
    return Plan(
        routes=tuple(
            replace(
                route,
                visits=tuple(
                    replace(visit, location=here[visit.location]) for visit in route.visits
                ),
                breaks=tuple(
                    replace(pause, location=here[pause.location]) for pause in route.breaks
                ),
            )
            for route in plan.routes
            if route.vehicle in vans
        ),
        unserved=tuple(left for left in plan.unserved if left.job in jobs),
        cost=piece.plan.cost,
        solver=plan.solver,
    )
