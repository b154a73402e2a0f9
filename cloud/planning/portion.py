"""Some vans and orders of a problem as a problem of its own. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from cloud.planning.problem import Problem


@dataclass(frozen=True, slots=True)
class Portion:
    """A smaller problem, and which location of the whole each of its locations is."""

    problem: Problem
    places: tuple[int, ...]


def portion(problem: Problem, vans: Iterable[int], jobs: Iterable[int]) -> Portion:
    """The vans and jobs of these indices, in that order, with the places they need only.

    A job that one van alone may serve needs that van.

    Raises:
        ValueError: the van of such a job is not among ``vans``.
    """
    fleet = [problem.vehicles[van] for van in vans]
    some = [problem.jobs[job] for job in jobs]
    used = {place for van in fleet for place in (van.start, van.end, van.loads_at)}
    used |= {place for job in some for place in (job.delivery, job.pickup)}
    kept = sorted(place for place in used if place is not None)
    at = {place: index for index, place in enumerate(kept)}
    smaller = Problem(
        locations=tuple(problem.locations[place] for place in kept),
        vehicles=tuple(
            replace(
                van,
                start=at[van.start],
                end=at[van.end],
                loads_at=None if van.loads_at is None else at[van.loads_at],
            )
            for van in fleet
        ),
        jobs=tuple(
            replace(
                job,
                delivery=at[job.delivery],
                pickup=None if job.pickup is None else at[job.pickup],
            )
            for job in some
        ),
        policy=problem.policy,
    )
    return Portion(smaller, tuple(kept))
