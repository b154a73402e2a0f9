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
from cloud.planning.events import RouteFinished
from cloud.planning.jobs import About
from cloud.planning.rest import Allowed, Telling
from cloud.planning.triggers import Cause

_AHEAD_S = 2 * 86_400


def causes_of_rest(
    connection: Connection, tenant: str, told: RouteFinished, now: float
) -> Iterator[Cause]:
    """Why days are to be planned anew: plans that send the driver out before the end of a rest."""
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
        if left is None or route is None or route.has_begun or not route.stops:
            continue
        first, last = route.stops[0], route.stops[-1]
        sets_out = first.planned_arrival - first.leg_s
        is_back = last.planned_departure + route.end_leg_s
        if sets_out < left.begins_at or is_back > left.ends_at:
            depot = require_depot(connection, tenant, shift.depot_id)
            people = fleet_store.drivers_of_shifts(connection, [held])
            name = next(one.name for one in people if one.id == held.driver_id)
            reason = _reason(name, depot.zone, held, left, is_early=sets_out < left.begins_at)
            about = About(trigger="changed_shift", vehicle_id=shift.vehicle_id)
            yield Cause(shift.depot_id, shift.service_date, reason, about)


def _reason(name: str, zone: str, shift: Shift, left: Allowed, *, is_early: bool) -> str:
    if is_early:
        clock = datetime.fromtimestamp(left.begins_at, ZoneInfo(zone)).strftime("%H:%M")
        return f"{name} was back late and may not set out with {shift.vehicle_id} before {clock}"
    ends = [one for one in left.strains if one.rule in ("rest_in_24_hours", "six_days")]
    if not ends:
        return f"{name} has less time with {shift.vehicle_id} than is planned"
    return Telling(name, zone, has_begun=False).words(ends[0], shift, left)
