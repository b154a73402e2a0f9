"""What dispatchers have said no to, and that it does not come back by itself. Pure.

What an undo took back stays so until a person plans the day again, or something new touches the
order: then it is free once more. A rejected proposal is not made again unless it is worth more now.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from cloud.planning.day_plan import Unplanned
from cloud.planning.diff import Diff
from cloud.planning.problem import Job, Problem
from cloud.planning.proposals import Proposal
from cloud.planning.revision import Revision

MORE_S: Final = 300.0
MORE_SHARE: Final = 0.2
"""What was rejected is proposed again when it gains so much more, and that share more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What was taken back of one order.

    Attributes:
        revision: that took it back.
        vehicle_id: the van it was given to; None when it is not that.
        is_taken_in: whether it had been taken into the plan. is_put_elsewhere: whether it had
            another place in its round.
    """

    revision: int
    vehicle_id: str | None = None
    is_taken_in: bool = False
    is_put_elsewhere: bool = False


def undone(revisions: Iterable[Revision]) -> dict[str, Undone]:
    """What holds, by order, after a day's revisions, the first one first."""
    found: dict[str, Undone] = {}
    for revision in revisions:
        diff = revision.diff
        touched = {*diff.added, *diff.removed, *(move.order_id for move in diff.moved)}
        if revision.trigger == "optimize":
            found.clear()
        for order_id in touched:
            found.pop(order_id, None)
        if revision.trigger == "undo":
            found |= _taken_back(revision)
    return found


def _taken_back(revision: Revision) -> dict[str, Undone]:
    number = revision.number
    found = {one: Undone(revision=number, is_taken_in=True) for one in revision.diff.removed}
    for move in revision.diff.moved:
        if move.from_vehicle == move.to_vehicle:
            found[move.order_id] = Undone(revision=number, is_put_elsewhere=True)
        else:
            found[move.order_id] = Undone(revision=number, vehicle_id=move.from_vehicle)
    return found


def without_undone(
    problem: Problem, undone: Mapping[str, Undone]
) -> tuple[Problem, tuple[Unplanned, ...]]:
    """The problem in which no undone change can come back, and the orders that it leaves out.

    An order whose own van is gone, or whose parcels are aboard, is served whatever was said.
    """
    vans = {van.id for van in problem.vehicles}
    jobs: list[Job] = []
    left: list[Unplanned] = []
    for job in problem.jobs:
        known = undone.get(job.id)
        if known is None or job.pickup is None:
            jobs.append(job)
        elif known.is_taken_in and job.only_vehicle is None and job.previous_vehicle is None:
            reason = (
                f"revision {known.revision} took it out of the plan, which a dispatcher chose; "
                "plan the day again to serve it"
            )
            left.append(Unplanned(order_id=job.id, reason=reason))
        else:
            jobs.append(_kept_from(job, known.vehicle_id, vans))
    return msgspec.structs.replace(problem, jobs=tuple(jobs)), tuple(left)


def _kept_from(job: Job, vehicle_id: str | None, vans: Collection[str]) -> Job:
    is_free = job.only_vehicle is None and job.previous_vehicle not in {None, vehicle_id}
    if vehicle_id not in vans or not is_free or vehicle_id in job.banned_vehicles:
        return job
    return msgspec.structs.replace(job, banned_vehicles=(*job.banned_vehicles, vehicle_id))


def comes_back(diff: Diff, undone: Mapping[str, Undone]) -> str | None:
    """Why a re-plan is proposed and not published: it does again what was taken back."""
    again = [
        move.order_id
        for move in diff.moved
        if (known := undone.get(move.order_id)) is not None
        and move.from_vehicle == move.to_vehicle
        and known.is_put_elsewhere
    ]
    if not again:
        return None
    return f"it puts {', '.join(again[:5])} in another place again, which was taken back"


def is_rejected(diff: Diff, gain: float, rejected: Iterable[Proposal]) -> bool:
    """Whether a dispatcher has said no to all that a re-plan changes, and it gains little more.

    Args:
        diff: what it changes.
        gain: what it saves, in seconds of driving.
        rejected: the day's proposals that were rejected.
    """
    wanted = _changes(diff)
    return bool(wanted) and any(
        wanted <= _changes(one.diff) and gain < _enough(one.gain) for one in rejected
    )


def _enough(gain: float) -> float:
    return gain + max(MORE_S, MORE_SHARE * abs(gain))


def _changes(diff: Diff) -> set[tuple[str, str | None]]:
    return {
        *((order_id, "added") for order_id in diff.added),
        *((order_id, "removed") for order_id in diff.removed),
        *((move.order_id, f"to {move.to_vehicle}") for move in diff.moved),
        *((order_id, "promise") for order_id in diff.promises_moved),
    }
