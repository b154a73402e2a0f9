"""What is done at a visit's place, from when, for how long, and how late that is. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cloud.planning.problem import Job, Vehicle, Window
from cloud.planning.solvers.port import Step


class Loading(NamedTuple):
    """A visit that is part of a loading in one go: its first visit, and what that takes."""

    first: int
    ready: int
    service_s: int


def loadings(vehicle: Vehicle, jobs: Sequence[Job], steps: Sequence[Step]) -> dict[int, Loading]:
    """The visits that are made in one go at the van's depot, by their place in ``steps``."""
    if vehicle.loads_at is None:
        return {}
    told: dict[int, Loading] = {}
    run: list[int] = []
    for at, step in enumerate(steps):
        job = jobs[step.job]
        if step.kind == "pickup" and job.pickup == vehicle.loads_at and not job.pickup_windows:
            run.append(at)
        elif run:
            told |= _loading(vehicle, jobs, steps, run)
            run = []
    return told | _loading(vehicle, jobs, steps, run)


def _loading(
    vehicle: Vehicle, jobs: Sequence[Job], steps: Sequence[Step], run: Sequence[int]
) -> dict[int, Loading]:
    if len(run) < 2:
        return {}
    together = [jobs[steps[at].job] for at in run]
    ready = max(job.ready_from or 0 for job in together)
    service_s = min(vehicle.loading_s, sum(job.pickup_service_s for job in together))
    return {at: Loading(run[0], ready, service_s) for at in run}


def place_of(job: Job, step: Step) -> int:
    """Where a visit is made."""
    return job.pickup if step.kind == "pickup" and job.pickup is not None else job.delivery


def start_of(job: Job, step: Step, arrival: int) -> int:
    """When the service begins: once the parcels are ready, and in the first window still open."""
    if step.kind == "pickup":
        return _start_in(job.pickup_windows, max(arrival, job.ready_from or 0))
    return _start_in(job.windows, arrival)


def _start_in(windows: Iterable[Window], arrival: int) -> int:
    for window in windows:
        if arrival <= window.closes:
            return max(arrival, window.opens)
    return arrival


def is_missed(job: Job, step: Step, start: int) -> bool:
    """Whether a service that begins then breaks a window that binds."""
    if step.kind == "pickup":
        return bool(job.pickup_windows) and start > job.pickup_windows[-1].closes
    if not job.may_be_late:
        return lateness_s(job, start) > 0
    return job.late_until is not None and start > job.late_until


def service_s_of(job: Job, step: Step) -> int:
    """How long the service takes by itself."""
    return job.pickup_service_s if step.kind == "pickup" else job.service_s


def lateness_s(job: Job, start: int) -> int:
    """How long after the job's last window its service starts."""
    return max(0, start - job.windows[-1].closes) if job.windows else 0
