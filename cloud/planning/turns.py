"""Which of the waiting jobs begin now, and how long one waits that could not be done. Pure.

A depot has one job at a time. Depots work beside each other, as many as the planner can search for;
what takes it no time to speak of (an urgent order put where it fits, a plan taken back) needs no
room there. Companies take turns, and so do the depots of each.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

from cloud.planning.jobs import About, DepotKey, Job

_MAX_REASON: Final = 500
_MOST_ABOUT: Final = 200
"""So much news is surely worth a plan, and is not looked at one by one."""

_RETRY_S: Final = 2.0
_RETRY_MOST_S: Final = 30.0
_SETTLED_S: Final = 60.0
"""Nothing is ever put off for longer."""


def searches_at_once(cores: int | None) -> int:
    """How many searches a machine does at a time: one core is left for everything else."""
    return max(1, (cores or 2) - 1)


def to_begin(
    waiting: Iterable[Job],
    running: Collection[Job],
    *,
    at_once: int,
    last_turn: Mapping[DepotKey, int],
) -> list[Job]:
    """The jobs that begin now.

    Args:
        waiting: in the order they came in.
        running: those that were begun and are not done.
        at_once: how many may search at a time.
        last_turn: for each depot that has had one, the number of its last turn.
    """
    busy = {job.depot_key for job in running}
    searching = sum(not job.is_quick for job in running)
    at_work = Counter(job.tenant for job in running)
    company_turn: dict[str, int] = {}
    for (tenant, _), turn in last_turn.items():
        company_turn[tenant] = max(turn, company_turn.get(tenant, -1))
    left = [job for job in waiting if job.depot_key not in busy]
    chosen: list[Job] = []
    while True:
        able = [job for job in left if job.is_quick or searching < at_once]
        if not able:
            return chosen
        job = min(
            able,
            key=lambda one: (
                not one.is_urgent,
                at_work[one.tenant],
                company_turn.get(one.tenant, -1),
                last_turn.get(one.depot_key, -1),
            ),
        )
        chosen.append(job)
        at_work[job.tenant] += 1
        searching += not job.is_quick
        left = [one for one in left if one.depot_key != job.depot_key]


def is_due(job: Job, now: float) -> bool:
    """Whether it may begin at ``now``; a clock that was set back holds up nothing for long."""
    return job.due_at is None or job.due_at <= now or job.due_at > now + _SETTLED_S


def gives_way(running: Job, further: Job) -> bool:
    """Whether a search is broken off for what has come: it would have to start anew after it."""
    return further.is_urgent and not running.is_quick and running.depot_key == further.depot_key


def joins(waiting: Job, further: Job) -> bool:
    """Whether a waiting job may serve a further reason too.

    What is given is driven as it was given; an urgent order does not wait for a long search, and
    has nothing to do with one that puts routes in order around another; what drivers change is a
    revision of its own.
    """
    if not waiting.is_of_same_day(further) or waiting.is_held:
        return False
    if "driver_reordered" in {waiting.trigger, further.trigger}:
        return waiting.trigger == further.trigger
    if waiting.is_urgent and further.is_improvement:
        return False
    is_long = waiting.trigger == "optimize" or waiting.is_improvement
    return not (is_long and further.is_urgent)


def joined(waiting: Job, further: Job) -> Job:
    """A waiting job that serves a further reason too; the more urgent trigger names it.

    What names it is the first of its reasons, so that it is told however many there are. A plan
    that somebody asked for stays what it is, and reads the day when its turn comes.
    """
    is_asked = waiting.trigger == "optimize"
    is_urgent = further.is_urgent and not is_asked
    first, then = (further, waiting) if _names(waiting, further) else (waiting, further)
    reason = f"{first.reason}; {then.reason}"
    return replace(
        waiting,
        trigger=first.trigger,
        solver=further.solver if is_urgent else waiting.solver,
        seconds=further.seconds if is_urgent else _longer_s(waiting, further),
        reason=reason if len(reason) <= _MAX_REASON else f"{reason[: _MAX_REASON - 1]}…",
        about=_about(waiting, further),
        due_at=_sooner(waiting.due_at, further.due_at),
    )


def _sooner(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else min(one, other)


def _names(waiting: Job, further: Job) -> bool:
    """Whether what waits is called by what has come: an urgent order, else a breakdown.

    Where routes only wait to be put in order, any news does that nobody asked for by hand.
    """
    if further.trigger == "urgent_order":
        return further.is_urgent and waiting.trigger != "optimize"
    if waiting.is_improvement:
        return not further.is_asked_for
    is_called = waiting.is_asked_for or waiting.trigger == "urgent_order"
    return further.trigger == "van_broken_down" and not is_called


def _longer_s(waiting: Job, further: Job) -> float:
    """How long is searched for both: a person's own time, and none before an urgent decision."""
    if waiting.trigger == "optimize" or waiting.is_quick:
        return waiting.seconds
    return max(waiting.seconds, further.seconds)


def _about(waiting: Job, further: Job) -> tuple[About, ...]:
    """The news of both, each once; of a van whose driver goes otherwise the first says all."""
    if waiting.trigger == "driver_reordered":
        known = {one.vehicle_id for one in waiting.about}
        return (*waiting.about, *(one for one in further.about if one.vehicle_id not in known))
    if not waiting.about or not further.about:
        return ()
    both = tuple(dict.fromkeys((*waiting.about, *further.about)))
    return both if len(both) <= _MOST_ABOUT else ()


def retry_after_s(failures: int) -> float:
    """How long a depot waits after so many failures in a row, really."""
    return min(_RETRY_S * failures, _RETRY_MOST_S)
