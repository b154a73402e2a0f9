"""Which job answers a piece of news, and which follows an urgent order. Pure."""

from dataclasses import replace
from typing import Final

from cloud.planning.jobs import DayKey, Job
from cloud.planning.revision import Trigger
from cloud.planning.triggers import SETTLE_S, Cause, VanCause, settles_in_s

REPLAN_S: Final = 1.0
"""For a re-plan that seeks."""
DECISION_S: Final = 0.05
"""For an urgent order, which is put where it fits at once; a search improves on that later."""
_BREAKDOWN_S: Final = 5.0
"""A van's whole load is to be fetched and spread over the others, and stands still meanwhile."""


def job_of(day: DayKey, cause: Cause | VanCause, job_id: str, now: float) -> Job:
    """What is done about a cause; an urgent order is put where it fits at once.

    Where a driver has changed the order of stops nothing is searched, only followed.
    """
    tenant, depot_id, service_date = day
    trigger = cause.about.trigger
    is_urgent = trigger == "urgent_order"
    is_quick = is_urgent or trigger == "driver_reordered"
    return Job(
        tenant=tenant,
        id=job_id,
        depot_id=depot_id,
        service_date=service_date,
        trigger=trigger,
        reason=cause.reason,
        solver="insertion" if is_urgent else "auto",
        seconds=DECISION_S if is_quick else _searched_s(trigger),
        seed=1,
        about=(cause.about,),
        due_at=None if is_quick else now + settles_in_s(trigger),
    )


def is_followed(decided: Job, *, is_committed: bool) -> bool:
    """Whether a search follows what was decided at once.

    It does where an urgent order was put in, and where other news was to be planned with one.
    """
    return decided.is_urgent and (is_committed or decided.has_other_news)


def improvement(decided: Job, job_id: str, now: float) -> Job:
    """A search from where an urgent order was put at once, as long as what else was told needs.

    Another urgent order may follow, and would end it, so it waits as other news does.
    """
    return replace(
        decided,
        id=job_id,
        reason=f"{decided.reason}, the routes put in order around it",
        solver="auto",
        seconds=max((_searched_s(one.trigger) for one in decided.about), default=REPLAN_S),
        about=(),
        due_at=now + SETTLE_S,
    )


def due_again(broken_off: Job, now: float) -> float | None:
    """When a search that was broken off may begin anew: as long after as other news waits.

    Unless a person waits for it, or a van's load does.
    """
    settles = not broken_off.is_asked_for and broken_off.seconds <= REPLAN_S
    return now + SETTLE_S if settles else broken_off.due_at


def _searched_s(trigger: Trigger) -> float:
    return _BREAKDOWN_S if trigger == "van_broken_down" else REPLAN_S
