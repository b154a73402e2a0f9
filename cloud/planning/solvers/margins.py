"""Room kept before windows end, since vans come later than planned as often as earlier. Pure.

A window that is met to the minute by the plan is broken in every second life of the day. A search
therefore asks for services some time before their windows end (`Job.margin_s`), wherever that can
be done. A margin never leaves an order out and never makes one late: what cannot keep it has the
window that it has. Nor does a re-plan move anything for it: it holds what the plan in force has.
"""

from collections.abc import Container, Mapping

from msgspec.structs import replace

from cloud.planning.problem import Job, Problem, Window
from cloud.planning.solvers.allowed import allows
from cloud.planning.solvers.port import Sequences
from cloud.planning.solvers.schedule import timed
from cloud.planning.solvers.screening import earliest_delivery
from cloud.roads.hours import Travel

_MOST_SHARE = 0.5
"""Of a window's length, so that a short one stays a window."""


def margins_of(problem: Problem, travel: Travel, before: Sequences | None) -> dict[int, int]:
    """How much earlier windows are to close, by job; what can have no margin is left out.

    Args:
        problem: with what is asked for each job.
        travel: how long each leg takes at its hour.
        before: the visits of the plan in force, which have no more than they have.
    """
    asked = {at for at, job in enumerate(problem.jobs) if job.margin_s and job.windows}
    if not asked:
        return {}
    begun = {} if before is None else _begun(problem, travel, before, asked)
    found = {}
    for at in asked:
        job, last = problem.jobs[at], problem.jobs[at].windows[-1]
        soonest = begun[at] if at in begun else _soonest(problem, travel, job)
        longest = min(job.margin_s, int(_MOST_SHARE * (last.closes - last.opens)))
        margin_s = min(longest, last.closes - soonest)
        if margin_s > 0:
            found[at] = margin_s
    return found


def closing_earlier(problem: Problem, margins: Mapping[int, int]) -> Problem:
    """The problem with the last window of each job closing so much earlier."""
    if not margins:
        return problem
    jobs = list(problem.jobs)
    for at, margin_s in margins.items():
        if margin_s <= 0:
            continue
        last = jobs[at].windows[-1]
        earlier = Window(opens=last.opens, closes=last.closes - margin_s)
        windows = *jobs[at].windows[:-1], earlier
        jobs[at] = replace(jobs[at], windows=windows, margin_s=0)
    return replace(problem, jobs=tuple(jobs))


def _begun(
    problem: Problem, travel: Travel, before: Sequences, asked: Container[int]
) -> dict[int, int]:
    """When the services begin as planned."""
    place = {job.id: at for at, job in enumerate(problem.jobs)}
    return {
        place[visit.job]: visit.start
        for van, steps in zip(problem.vehicles, before, strict=True)
        for visit in timed(problem, travel, van, steps).route.visits
        if visit.kind == "delivery" and place[visit.job] in asked
    }


def _soonest(problem: Problem, travel: Travel, job: Job) -> int:
    able = (van for van in problem.vehicles if allows(van, job))
    return min(earliest_delivery(travel, van, job) for van in able)
