"""What the plan in force costs as things are now. Pure."""

from cloud.planning.problem import Problem
from cloud.planning.solution import Prices, Unserved
from cloud.planning.solvers.port import sequences_in_force
from cloud.planning.solvers.schedule import feasible, plan_of, prices_of
from cloud.roads.hours import Travel


def prices_kept(problem: Problem, travel: Travel) -> Prices:
    """What it costs to drive on as planned; what no longer fits, or is new, counts as left out."""
    before = sequences_in_force(problem) or tuple(() for _ in problem.vehicles)
    sequences = feasible(problem, travel, before)
    served = {step.job for steps in sequences for step in steps}
    left = [
        Unserved(job=job.id, constraint="time", reason="it does not fit any more")
        for at, job in enumerate(problem.jobs)
        if at not in served
    ]
    return prices_of(problem, plan_of(problem, travel, sequences, left, "kept"))
