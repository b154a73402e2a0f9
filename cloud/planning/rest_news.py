"""Which of a driver's next shifts a long day or a late evening concerns."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from cloud.fleet import shift_store
from cloud.fleet import store as fleet_store
from cloud.fleet.model import Shift
from cloud.fleet.service import require_depot
from cloud.planning import policy_store, rest_store, route_store
from cloud.planning.day_plan import Route
from cloud.planning.events import RouteFinished
from cloud.planning.jobs import About
from cloud.planning.rest import Allowed, RestRule, Telling, planned_work_s
from cloud.planning.triggers import Cause
from cloud.planning.working import WorkRules

type _Excess = Literal["begins_early", "ends_late", "works_long"]

_AHEAD_S: Final = 2 * 86_400
_RULES_OF: Final[dict[_Excess, tuple[RestRule, ...]]] = {
    "ends_late": ("rest_in_24_hours", "six_days"),
    "works_long": ("week",),
}


def causes_of_rest(
    connection: Connection, tenant: str, told: RouteFinished, now: float
) -> Iterator[Cause]:
    """Why days are to be planned anew: plans that ask more of the driver than is left of a shift.

    They begin before the end of a rest, end too late for the next one, or hold more work than the
    week has left after what was really worked.
    """
    policy = policy_store.policy_of(connection, tenant)
    for shift in shift_store.shifts_of_driver(
        connection, tenant, told.driver_id, now, now + _AHEAD_S
    ):
        (held,) = rest_store.as_held(connection, [shift])
        rules = policy.work_rules_at(shift.depot_id)
        if rules is None or held.driver_id != told.driver_id:
            continue
        left = rest_store.allowed_of(connection, [shift], rules, now, {}).get(shift.id)
        day = shift.vehicle_id, shift.depot_id, shift.service_date
        route = None if left is None else route_store.route_of_shift(connection, tenant, *day)
        excess = None if left is None or route is None else _excess_of(route, left, rules)
        if left is None or excess is None:
            continue
        depot = require_depot(connection, tenant, shift.depot_id)
        people = fleet_store.drivers_of_shifts(connection, [held])
        name = next(one.name for one in people if one.id == held.driver_id)
        reason = _reason(name, depot.zone, held, left, excess)
        about = About(trigger="changed_shift", vehicle_id=shift.vehicle_id)
        yield Cause(shift.depot_id, shift.service_date, reason, about)


def _excess_of(route: Route, left: Allowed, rules: WorkRules) -> _Excess | None:
    """How a plan that nobody has set out on asks more than is left of its shift."""
    planned = rest_store.progress_of(route)
    if planned is None or route.has_begun:
        return None
    first = route.stops[0]
    if first.planned_arrival - first.leg_s < left.begins_at:
        return "begins_early"
    if planned.planned_end > left.ends_at:
        return "ends_late"
    work_s = planned_work_s(planned, left.begins_at, rules)
    return "works_long" if left.work_s is not None and work_s > left.work_s else None


def _reason(name: str, zone: str, shift: Shift, left: Allowed, excess: _Excess) -> str:
    if excess == "begins_early":
        clock = datetime.fromtimestamp(left.begins_at, ZoneInfo(zone)).strftime("%H:%M")
        return f"{name} was back late and may not set out with {shift.vehicle_id} before {clock}"
    told = [one for one in left.strains if one.rule in _RULES_OF[excess]]
    if not told:
        return f"{name} has less time with {shift.vehicle_id} than is planned"
    return Telling(name, zone, has_begun=False).words(told[0], shift, left)
