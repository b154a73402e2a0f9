"""Whose next shift a driver's late evening concerns."""

from collections.abc import Iterator
from datetime import datetime
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
from cloud.planning.rest import Allowed, RestRule, Telling
from cloud.planning.triggers import Cause
from cloud.planning.working import WorkRules

_AHEAD_S = 2 * 86_400


def causes_of_rest(
    connection: Connection, tenant: str, told: RouteFinished, now: float
) -> Iterator[Cause]:
    """Why days are to be planned anew: plans that leave the driver too little rest.

    One that sends the driver out before the end of a rest, ends too late for the next one, or takes
    more work than the week leaves.
    """
    policy = policy_store.policy_of(connection, tenant)
    for shift in shift_store.shifts_of_driver(
        connection, tenant, told.driver_id, now, now + _AHEAD_S
    ):
        (held,) = rest_store.as_held(connection, [shift])
        if held.driver_id != told.driver_id:
            continue
        rules = policy.work_rules_at(shift.depot_id)
        left = rest_store.allowed_of(connection, [shift], rules, now, {}).get(shift.id)
        day = shift.vehicle_id, shift.depot_id, shift.service_date
        route = None if left is None else route_store.route_of_shift(connection, tenant, *day)
        if rules is None or left is None or route is None or route.has_begun or not route.stops:
            continue
        rules_broken = _rules_broken(route, held, left, rules)
        if rules_broken:
            depot = require_depot(connection, tenant, shift.depot_id)
            people = fleet_store.drivers_of_shifts(connection, [held])
            name = next(one.name for one in people if one.id == held.driver_id)
            reason = _reason(name, depot.zone, held, left, rules_broken)
            about = About(trigger="changed_shift", vehicle_id=shift.vehicle_id)
            yield Cause(shift.depot_id, shift.service_date, reason, about)


def _rules_broken(
    route: Route, shift: Shift, left: Allowed, rules: WorkRules
) -> tuple[RestRule, ...]:
    """The rules of which one is broken when a route is driven as planned.

    Work is counted from the shift's begin, or from when it may begin, as plans count it.
    """
    first, last = route.stops[0], route.stops[-1]
    sets_out = first.planned_arrival - first.leg_s
    is_back = last.planned_departure + route.end_leg_s
    if sets_out < left.begins_at:
        return "daily_rest", "weekly_rest"
    if is_back > left.ends_at:
        return "rest_in_24_hours", "six_days"
    rested_s = sum(
        length_s for one in route.breaks if (length_s := one.ends - one.begins) >= rules.least_s
    )
    worked_s = is_back - max(shift.starts_at, left.begins_at) - rested_s
    if left.work_s is not None and worked_s > left.work_s:
        return ("week",)
    return ()


def _reason(
    name: str, zone: str, shift: Shift, left: Allowed, rules_broken: tuple[RestRule, ...]
) -> str:
    if "daily_rest" in rules_broken:
        clock = datetime.fromtimestamp(left.begins_at, ZoneInfo(zone)).strftime("%H:%M")
        return f"{name} was back late and may not set out with {shift.vehicle_id} before {clock}"
    told = [one for one in left.strains if one.rule in rules_broken]
    if not told:
        return f"{name} has less time with {shift.vehicle_id} than is planned"
    return Telling(name, zone, has_begun=False).words(told[0], shift, left)
