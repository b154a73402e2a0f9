"""The price of vans that are not preferred, as the checker finds it: in fractions. Pure."""

from collections.abc import Iterator
from fractions import Fraction

from cloud.planning.problem import Job, Problem, Vehicle
from cloud.planning.solution import Plan, Violation


def check_preference(problem: Problem, plan: Plan) -> Iterator[Violation]:
    """Whether what a plan says of it is right but for the rounding of each delivery."""
    vans = {van.id: van for van in problem.vehicles}
    jobs = {job.id: job for job in problem.jobs}
    served = [
        (vans[route.vehicle], jobs[visit.job])
        for route in plan.routes
        for visit in route.visits
        if visit.kind == "delivery"
    ]
    outside = sum(_is_outside(van, job) for van, job in served)
    unknown = sum(_unknown(van, job) for van, job in served if job.known)
    policy = problem.policy
    exact = Fraction(policy.outside_zone) * outside
    exact += Fraction(policy.unfamiliar) * Fraction(unknown, 1_000)
    if abs(exact - plan.cost.preference) > Fraction(len(served), 2):
        text = f"vans not preferred cost {float(exact):.1f}; it says {plan.cost.preference}"
        yield Violation(rule="cost", text=text)


def _is_outside(van: Vehicle, job: Job) -> bool:
    return bool(van.zones) and not any(zone in van.zones for zone in job.zones)


def _unknown(van: Vehicle, job: Job) -> int:
    """By how many thousandths another driver knows the door better."""
    own = max((share for name, share in job.known if name == van.id), default=0)
    return max(share for _, share in job.known) - own
