"""Which visits of a plan are one loading at the van's depot, for the independent check. Pure."""

from collections.abc import Mapping, Sequence

from cloud.planning.problem import Job, Vehicle
from cloud.planning.solution import Visit


def begun_by(van: Vehicle, jobs: Mapping[str, Job], visits: Sequence[Visit]) -> list[int]:
    """For each visit the one that its loading begins with; itself when it is none.

    Visits are one loading that fetch at the van's depot, one behind the other, at one time.
    """
    firsts: list[int] = []
    for number, visit in enumerate(visits):
        is_joined = (
            number > 0
            and _is_at_depot(van, jobs, visit)
            and _is_at_depot(van, jobs, visits[number - 1])
            and _times(visit) == _times(visits[number - 1])
            and (visit.leg_s, visit.leg_m) == (0, 0)
        )
        firsts.append(firsts[-1] if is_joined else number)
    return firsts


def services_s(
    van: Vehicle, jobs: Mapping[str, Job], visits: Sequence[Visit], firsts: Sequence[int]
) -> dict[int, int]:
    """How long each visit, or the loading that it begins, takes at least, by its place."""
    told: dict[int, int] = {}
    for at, (visit, first) in enumerate(zip(visits, firsts, strict=True)):
        job = jobs[visit.job]
        alone_s = job.service_s if visit.kind == "delivery" else job.pickup_service_s
        told[first] = alone_s if first == at else told[first] + alone_s
    loadings = {first for at, first in enumerate(firsts) if first != at}
    return told | {first: min(van.loading_s, told[first]) for first in loadings}


def _is_at_depot(van: Vehicle, jobs: Mapping[str, Job], visit: Visit) -> bool:
    is_fetched = visit.kind == "pickup" and visit.location == van.loads_at
    return is_fetched and not jobs[visit.job].pickup_windows


def _times(visit: Visit) -> tuple[int, int, int]:
    return visit.arrival, visit.start, visit.departure
