"""A driver's breaks on the route as it stands, and what of the day is work and breaks. Pure."""

from collections.abc import Iterable, Sequence

from cloud.planning.day_plan import Route, RouteBreak, Stop
from cloud.planning.solution import PlannedRoute, Visit
from cloud.planning.working import Worked, WorkRules


def breaks_of(
    planned: PlannedRoute, made: Sequence[Stop], start: tuple[float, float]
) -> tuple[RouteBreak, ...]:
    """The planner's breaks where the van stands then: at a stop it has done, or arrives at.

    Args:
        planned: by the planner.
        made: the stops that its visits became.
        start: where the van sets out to the first of them.
    """
    told = []
    for each in planned.breaks:
        visit = planned.visits[each.before] if each.before < len(planned.visits) else None
        at = len(made) if visit is None else _stop_of(visit, made)
        is_at_door = visit is not None and each.begins >= visit.arrival
        here = at if is_at_door else at - 1
        lat, lon = start if here < 0 else (made[here].lat, made[here].lon)
        told.append(
            RouteBreak(
                begins=each.begins,
                ends=each.ends,
                lat=lat,
                lon=lon,
                before_stop_id=None if visit is None else made[at].id,
            )
        )
    return tuple(told)


def _stop_of(visit: Visit, made: Sequence[Stop]) -> int:
    return next(
        at
        for at, stop in enumerate(made)
        if stop.planned_departure >= visit.departure and visit.job in stop.order_ids
    )


def kept_breaks(route: Route | None, fixed: Iterable[Stop]) -> tuple[RouteBreak, ...]:
    """Breaks before stops that are done or driven to: they were taken, or will be."""
    ids = {stop.id for stop in fixed}
    return tuple(one for one in (route.breaks if route else ()) if one.before_stop_id in ids)


def rest_left_s(route: Route, stop: Stop, now: float) -> float:
    """How much of the breaks on the way to a stop is still to come."""
    return sum(
        one.ends - max(now, one.begins)
        for one in route.breaks
        if one.before_stop_id == stop.id and one.ends > now
    )


def worked_until(
    route: Route | None, starts_at: float, free_at: float, rules: WorkRules | None
) -> Worked:
    """What of a driver's day is over when the van is free.

    Everything since the shift began was work, but for planned breaks that were taken: the van
    stood as long as one between two stops. A jam where no break was planned is none.
    """
    if rules is None or free_at <= starts_at:
        return Worked()
    worked, clock = Worked(), starts_at
    for stop in route.stops if route else ():
        left = stop.done_at if stop.done_at is not None else free_at
        arrived = stop.arrived_at if stop.arrived_at is not None else left - stop.service_s
        if stop.state == "open" and arrived <= clock:
            break
        gap_s = max(0, int(arrived - clock))
        drive_s = min(gap_s, stop.leg_s)
        stood_s = max(0, int(left - arrived))
        idle_s = gap_s - drive_s + max(0, stood_s - stop.service_s)
        rest_s = _rest_s(route, stop, idle_s)
        worked = worked.rested(rules, rest_s).after(work_s=max(0, gap_s - drive_s - rest_s))
        worked = worked.after(work_s=drive_s, drive_s=drive_s)
        worked = worked.after(work_s=stood_s - max(0, rest_s - (gap_s - drive_s)))
        clock = max(clock, left)
        if stop.state != "done":
            break
    return worked.after(work_s=max(0, int(free_at - clock)))


def _rest_s(route: Route | None, stop: Stop, idle_s: int) -> int:
    planned = sum(
        one.ends - one.begins
        for one in (route.breaks if route else ())
        if one.before_stop_id == stop.id
    )
    return min(idle_s, int(planned))
