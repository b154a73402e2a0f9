"""What a van's kilometres, hours and use cost: its own prices, else the policy's. Pure."""

from math import erfc, exp, pi, sqrt
from typing import Final, NamedTuple

from cloud.planning.problem import Job, Policy, Vehicle
from cloud.planning.solution import PlannedRoute

_NINE_OF_TEN: Final = 1.2816
"""Deviations above the mean, of a normal distribution."""


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


def price_of_risk(policy: Policy, job: Job, start: int) -> float:
    """What a service planned to start then is to be feared to be late beside what it is by plan.

    Vans come later than planned by a normal deviation, of which one in ten is above the job's
    margin: so the mean of what is late is priced (the loss function of stocks).
    """
    if not job.margin_s or not job.windows:
        return 0.0
    deviation_s = job.margin_s / _NINE_OF_TEN
    spare = abs(job.windows[-1].closes - start) / deviation_s
    beyond = 0.5 * erfc(spare / sqrt(2.0))
    mean_s = deviation_s * (exp(-0.5 * spare * spare) / sqrt(2.0 * pi) - spare * beyond)
    return mean_s * price_of_lateness(policy, job)


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
