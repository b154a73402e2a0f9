"""Whether a plan that was made is worth a revision. Pure."""

from collections.abc import Callable, Iterable
from operator import eq
from typing import Final

from cloud.orders.model import Span
from cloud.planning.day_plan import DayPlan, Route
from cloud.planning.diff import Diff
from cloud.planning.revising import NewRoutes
from cloud.planning.revision import Trigger

LEAST_GAIN_S: Final = 60.0
"""A plan that serves the same and gains less, in seconds of driving, is not worth the unrest."""
_SHIFTED_S: Final = 300.0
_ANSWERED: Final[frozenset[Trigger]] = frozenset({"optimize", "undo", "accepted"})
"""Who asked for these is told a revision, whatever is in it."""
_HAS_TO_GAIN: Final[frozenset[Trigger]] = frozenset(
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
"""Of others any change of the stops is worth telling: what is planned does not hold any more."""

type _Path = tuple[tuple[float, float], ...]


def is_worth_it(
    trigger: Trigger,
    before: DayPlan,
    routes: Iterable[Route],
    new: NewRoutes,
    diff: Diff,
    gain_s: float | None,
) -> bool:
    """Whether ``routes`` become a revision; news that comes again makes none.

    Args:
        trigger: what asked for it.
        before: the plan in force, as the diff is told against it.
        routes: ``new`` with the progress of the day.
        new: what was made.
        diff: against ``before``.
        gain_s: by which it is better than that, in seconds of driving; None when nobody knows.
    """
    if trigger in _ANSWERED or not _is_as_before(before, routes, new):
        return True
    if diff.added or diff.removed or diff.promises_moved:
        return True
    if _leads_elsewhere(before, routes, eq if trigger == "van_off_route" else _is_rest_of):
        return True
    if trigger in _HAS_TO_GAIN:
        return bool(diff.moved) and (gain_s is None or gain_s >= LEAST_GAIN_S)
    return bool(diff.moved) or _drives_otherwise(before, routes)


def is_other_round(was: Route, now: Route) -> bool:
    """Whether a driver would notice: other stops or streets, or the same at quite another time."""
    return was.geometry != now.geometry or _stops_otherwise(was, now)


def _stops_otherwise(was: Route, now: Route) -> bool:
    if [stop.id for stop in was.stops] != [stop.id for stop in now.stops]:
        return True
    return any(
        (before.window, before.service_s) != (after.window, after.service_s)
        or abs(before.planned_arrival - after.planned_arrival) > _SHIFTED_S
        for before, after in zip(was.stops, now.stops, strict=True)
        if after.state == "open"
    )


def _drives_otherwise(before: DayPlan, routes: Iterable[Route]) -> bool:
    """Whether a round has other stops, another order of them or quite other times."""
    known = {route.id: route for route in before.routes}
    return any(
        _stops_otherwise(was, one) for one in routes if (was := known.get(one.id)) is not None
    )


def _is_as_before(before: DayPlan, routes: Iterable[Route], new: NewRoutes) -> bool:
    """Whether there was a plan, and the same is left out in the same shifts."""
    shifts = {route.vehicle_id: _shift_of(route) for route in before.routes}
    return (
        {left.order_id for left in before.unserved} == {left.order_id for left in new.unserved}
        and all(shifts.get(one.vehicle_id, _shift_of(one)) == _shift_of(one) for one in routes)
        and before.revision > 0
    )


def _leads_elsewhere(
    before: DayPlan, routes: Iterable[Route], is_known: Callable[[_Path, _Path], bool]
) -> bool:
    """Whether a van is to reach the same stops by other streets, or to be there at other hours."""
    known = {route.id: route for route in before.routes}
    return any(
        [stop.id for stop in was.open_stops] == [stop.id for stop in one.open_stops]
        and (_windows(was) != _windows(one) or not is_known(was.geometry, one.geometry))
        for one in routes
        if (was := known.get(one.id)) is not None
    )


def _is_rest_of(known: _Path, drawn: _Path) -> bool:
    """Whether a path is what is left of another: it may begin farther on, where the van is now."""
    rest = drawn[1:]
    return drawn == known or (bool(rest) and known[-len(rest) :] == rest)


def _windows(route: Route) -> list[Span | None]:
    return [stop.window for stop in route.open_stops]


def _shift_of(route: Route) -> tuple[float, float]:
    return route.starts_at, route.ends_at
