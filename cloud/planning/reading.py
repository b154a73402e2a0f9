"""Reading a depot's day as it stands, inside a transaction."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date

from sqlalchemy import Connection

from cloud.fleet import shift_store
from cloud.fleet import store as fleet_store
from cloud.fleet.model import Depot
from cloud.fleet.service import require_depot
from cloud.geofences import store as fence_store
from cloud.geofences.model import Fence
from cloud.orders import store as order_store
from cloud.orders.model import Order
from cloud.orders.waiting import carried, next_dates, with_last_chance
from cloud.orders.wave_store import waves_of
from cloud.orders.waves import with_wave
from cloud.places import area_store
from cloud.places.model import Place
from cloud.places.service_times import NOTHING_LEARNED, ServiceTimes
from cloud.planning import plan_store, rest_store
from cloud.planning.breakdowns import store as breakdown_store
from cloud.planning.breakdowns.model import to_fetch
from cloud.planning.carrying import coming
from cloud.planning.rules import store as rule_store
from cloud.planning.rules.model import Rule
from cloud.planning.situation import At, Day, shifts_to_plan
from cloud.planning.visiting import with_service_time
from cloud.planning.working import WorkRules
from cloud.roads.access import AccessStreet


def read_day(
    connection: Connection,
    tenant: str,
    depot_id: str,
    service_date: date,
    *,
    now: float,
    positions: Mapping[str, At],
    service_times: ServiceTimes = NOTHING_LEARNED,
    streets: tuple[AccessStreet, ...] = (),
    takes_waiting: bool = False,
    work_rules: WorkRules | None = None,
) -> Day:
    """Everything that is known of a depot's service date at ``now``, seconds since 1970.

    An order of which nobody has said how long its service takes gets what was learned of its door,
    and one of a wave the time at which that is ready.
    With ``takes_waiting``, what waits on earlier days and comes to this one is among its orders.
    By ``work_rules`` the days before leave drivers the less of this one.

    Raises:
        NotFound: no such depot.
    """
    depot = require_depot(connection, tenant, depot_id)
    orders = order_store.of_day(connection, tenant, depot.id, service_date)
    comes = tuple(coming(connection, depot, service_date, now)) if takes_waiting else ()
    orders += [carried(one, service_date, depot.zone) for one in comes]
    orders = _with_last_chances(connection, depot, service_date, orders, now)
    plan = plan_store.find_plan(connection, tenant, depot.id, service_date)
    waves = waves_of(connection, tenant, depot.id)
    places = order_store.places_of_day(connection, tenant, depot.id, service_date)
    rules = rule_store.in_force(connection, tenant, depot.id, service_date)
    if comes:
        places |= _places_of(connection, comes)
        rules = _with_rules_of(connection, rules, comes, service_date)
    vehicles = {van.id: van for van in fleet_store.vehicles(connection, tenant)}
    shifts = shift_store.shifts_of_day(connection, tenant, depot.id, service_date)
    broken = breakdown_store.broken_vans(connection, tenant)
    timed = (
        with_wave(
            with_service_time(one, places.get(one.place_id), service_times), waves, depot.zone
        )
        for one in orders
    )
    drivers = {one.id: one for one in fleet_store.drivers_of_shifts(connection, shifts)}
    wanted = {zone for one in drivers.values() for zone in one.zones}
    wanted |= {zone for shift in shifts for zone in vehicles[shift.vehicle_id].zones}
    driven = shifts_to_plan(shifts, vehicles, plan)
    left = ((one.vehicle_id, rest_store.set_out_of(one)) for one in plan.routes)
    set_out = {van: at for van, at in left if at is not None}
    return Day(
        now=now,
        depot=depot,
        plan=plan,
        shifts=driven,
        vehicles=vehicles,
        orders=to_fetch(timed, broken, plan.routes),
        positions=positions,
        drivers=drivers,
        places=places,
        areas=area_store.of_depot(connection, tenant, depot.id),
        streets=streets,
        service_times=service_times,
        broken=frozenset(broken),
        zones=_zones(connection, tenant, wanted),
        rules=rules,
        coming=comes,
        allowed=rest_store.allowed_of(connection, driven, work_rules, now, set_out),
    )


def _with_last_chances(
    connection: Connection, depot: Depot, service_date: date, orders: list[Order], now: float
) -> list[Order]:
    """What waits for a date on which nobody drives waits for the last one before it, if any."""
    if all(one.days_to_wait == 0 for one in orders):
        return orders
    first, last = next_dates(service_date, depot.service_date(now))
    dates = shift_store.dates_with_shifts(connection, depot.tenant, depot.id, first, last)
    return [with_last_chance(one, dates) for one in orders]


def _places_of(connection: Connection, orders: Iterable[Order]) -> dict[str, Place]:
    days = {(one.tenant, one.depot_id, one.service_date) for one in orders}
    wanted = {one.place_id for one in orders}
    wanted |= {one.pickup.place_id for one in orders if one.pickup is not None}
    found = (order_store.places_of_day(connection, *day) for day in days)
    return {name: place for places in found for name, place in places.items() if name in wanted}


def _with_rules_of(
    connection: Connection, rules: tuple[Rule, ...], orders: Iterable[Order], service_date: date
) -> tuple[Rule, ...]:
    """The rules of a day with those that follow orders to it, the first made first."""
    days = {(one.tenant, one.depot_id, one.service_date) for one in orders}
    ids = {one.id for one in orders}
    follow = (
        replace(rule, service_date=service_date)
        for day in days
        for rule in rule_store.in_force(connection, *day)
        if rule.order_id in ids
    )
    return tuple(sorted((*rules, *follow), key=lambda rule: (rule.made_at, rule.id)))


def _zones(connection: Connection, tenant: str, wanted: Collection[str]) -> tuple[Fence, ...]:
    """The fences that are somebody's zone."""
    if not wanted:
        return ()
    return tuple(one for one in fence_store.fences(connection, tenant) if one.id in wanted)
