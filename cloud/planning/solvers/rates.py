"""What a van's kilometres, hours and use cost: its own prices, else the policy's. Pure."""

from typing import NamedTuple

from cloud.planning.problem import Job, Policy, Vehicle
from cloud.planning.solution import PlannedRoute


class Rates(NamedTuple):
    """In seconds of driving, each: a metre, a second on duty, and being sent out."""

    metre: float
    second: float
    use: float


def rates(policy: Policy, vehicle: Vehicle) -> Rates:
    """The rates of one van."""
    km = policy.km if vehicle.km is None else vehicle.km
    hour = policy.hour if vehicle.hour is None else vehicle.hour
    use = policy.vehicle if vehicle.use is None else vehicle.use
    return Rates(km / 1_000, hour / 3_600, use)


def price_of_lateness(policy: Policy, job: Job) -> float:
    """What a second after a job's last window costs."""
    return policy.late_s if job.late_s is None else job.late_s


def price_of_leaving(policy: Policy, job: Job) -> float:
    """What leaving a job unserved costs."""
    if job.unserved is not None:
        return job.unserved
    return policy.unserved_urgent if job.priority == "urgent" else policy.unserved


def price_of_preference(policy: Policy, vehicle: Vehicle, job: Job) -> int:
    """What it costs that this van delivers a job and not one that would be preferred."""
    if not vehicle.zones and not job.known:
        return 0
    is_outside = bool(vehicle.zones) and not set(vehicle.zones) & set(job.zones)
    known = dict(job.known)
    less = max(known.values(), default=0) - known.get(vehicle.id, 0)
    return round(is_outside * policy.outside_zone + less * (policy.unfamiliar / 1_000))


def price_of_route(policy: Policy, vehicle: Vehicle, route: PlannedRoute) -> float:
    """What driving a route costs; nothing when the van stays."""
    if not route.visits:
        return 0.0
    rate = rates(policy, vehicle)
    drive_s = sum(visit.leg_s for visit in route.visits) + route.end_leg_s
    metres = sum(visit.leg_m for visit in route.visits) + route.end_leg_m
    on_duty_s = route.ends_at - vehicle.available_from
    return drive_s + metres * rate.metre + on_duty_s * rate.second + rate.use
