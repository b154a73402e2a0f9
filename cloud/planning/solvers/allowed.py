"""Which van may serve which job, and what fits where. Pure."""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from cloud.planning.problem import Job, Load, Vehicle

NOTHING: Final[Load] = (0, 0, 0)


def allows(vehicle: Vehicle, job: Job) -> bool:
    """Whether ``vehicle`` may serve ``job`` at all, room and time apart.

    What is aboard a van is delivered by it; else its skills and the dispatcher's bans count. A van
    whose route is locked serves what is on it, and nothing else.
    """
    if job.only_vehicle is not None and job.only_vehicle != vehicle.id:
        return False
    if vehicle.locked is not None and all(step.job != job.id for step in vehicle.locked):
        return False
    if job.pickup is None:
        return True
    if vehicle.id in job.banned_vehicles:
        return False
    return not job.needs or set(job.needs) <= set(vehicle.skills)


def is_loaded_at_start(vehicle: Vehicle, job: Job) -> bool:
    """Whether the van can take it along when it loads at its depot before it leaves."""
    return vehicle.loads_at_start and job.pickup == vehicle.start and not job.pickup_windows


def holds(vehicle: Vehicle, job: Job) -> bool:
    """Whether the job fits into the van when nothing else is aboard; what is aboard does."""
    return job.pickup is None or fits(job.load, vehicle.room)


def fits(load: Load, room: Load) -> bool:
    """Whether a load is within room in each dimension."""
    return all(taken <= there for taken, there in zip(load, room, strict=True))


def total(loads: Iterable[Load]) -> Load:
    """The sum of loads, dimension by dimension."""
    parcels = grams = millilitres = 0
    for load in loads:
        parcels, grams, millilitres = parcels + load[0], grams + load[1], millilitres + load[2]
    return parcels, grams, millilitres


def without_room_for(vehicle: Vehicle, left: Iterable[Job]) -> Vehicle:
    """The van with less room: what is aboard and not delivered stays aboard."""
    taken = [job.load for job in left if job.pickup is None and job.only_vehicle == vehicle.id]
    if not taken:
        return vehicle
    parcels, grams, millilitres = total(taken)
    return replace(
        vehicle,
        capacity=max(0, vehicle.capacity - parcels),
        capacity_g=_less(vehicle.capacity_g, grams),
        capacity_ml=_less(vehicle.capacity_ml, millilitres),
    )


def _less(room: int | None, taken: int) -> int | None:
    return None if room is None else max(0, room - taken)
