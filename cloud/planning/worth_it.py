"""Whether a plan that was made is worth a revision. Pure."""

from collections.abc import Iterable
from typing import Final

from cloud.planning.day import DayPlan, Diff, Route, Trigger
from cloud.planning.revising import NewRoutes

LEAST_GAIN_S: Final = 60.0
"""A plan that serves the same and gains less, in seconds of driving, is not worth the unrest."""
_MAY_BE_NOTHING: Final[frozenset[Trigger]] = frozenset(
    {
        "new_order",
        "urgent_order",
        "cancellation",
        "failed_attempt",
        "changed_shift",
        "promise_at_risk",
        "van_silent",
        "access_changed",
        "waves_changed",
        "rule",
    }
)


def is_worth_it(
    trigger: Trigger,
    before: DayPlan,
    routes: Iterable[Route],
    new: NewRoutes,
    diff: Diff,
    gain_s: float | None,
) -> bool:
    """Whether ``routes`` become a revision.

    Args:
        trigger: what asked for it.
        before: the plan in force.
        routes: ``new`` with the progress of the day.
        new: what was made.
        diff: against the plan in force.
        gain_s: by which it is better than that, in seconds of driving; None when nobody knows.
    """
    if trigger not in _MAY_BE_NOTHING or not _is_as_before(before, routes, new):
        return True
    if diff.added or diff.removed or diff.promises_moved or _leads_elsewhere(before, routes):
        return True
    return bool(diff.moved) and (gain_s is None or gain_s >= LEAST_GAIN_S)


def _is_as_before(before: DayPlan, routes: Iterable[Route], new: NewRoutes) -> bool:
    """Whether there was a plan, and the same is left out in the same shifts."""
    shifts = {route.vehicle_id: _shift_of(route) for route in before.routes}
    return (
        {left.order_id for left in before.unserved} == {left.order_id for left in new.unserved}
        and all(shifts.get(one.vehicle_id, _shift_of(one)) == _shift_of(one) for one in routes)
        and before.revision > 0
    )


def _leads_elsewhere(before: DayPlan, routes: Iterable[Route]) -> bool:
    """Whether a van is to reach the same stops by other streets, or to be there at other hours."""
    known = {route.id: route for route in before.routes}
    return any(
        [stop.id for stop in was.open_stops] == [stop.id for stop in one.open_stops]
        and _way_and_windows(was) != _way_and_windows(one)
        for one in routes
        if (was := known.get(one.id)) is not None
    )


def _way_and_windows(route: Route) -> tuple[object, ...]:
    return route.geometry, *(stop.window for stop in route.open_stops)


def _shift_of(route: Route) -> tuple[float, float]:
    return route.starts_at, route.ends_at
