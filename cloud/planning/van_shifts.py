"""Who can drive: the vans of a day in their shifts, as the planner is asked. Pure."""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from cloud.fleet.model import Shift, Vehicle
from cloud.orders.model import Order
from cloud.planning import problem
from cloud.planning.break_times import rest_left_s, worked_until
from cloud.planning.day_plan import Route, Stop
from cloud.planning.pace import door_at
from cloud.planning.situation import Day
from cloud.planning.vans import range_and_prices
from cloud.planning.visiting import OVERTIME_S
from cloud.planning.working import NO_RULES, WorkRules

LOADING_S: Final = 600
LEAST_REST_S: Final = 30


class Locations:
    """Distinct places, in the order in which they are first asked for."""

    def __init__(self) -> None:
        self._known: dict[tuple[float, float], int] = {}

    def index(self, lat: float, lon: float) -> int:
        """The number of a place, a new one when it was not asked for yet."""
        return self._known.setdefault((lat, lon), len(self._known))

    def all(self) -> tuple[problem.Location, ...]:
        """Every place asked for, by its number."""
        return tuple(problem.Location(lat=lat, lon=lon) for lat, lon in self._known)


def vehicle_of(
    day: Day, shift: Shift, places: Locations, drive_s: int | None, over: Iterable[Order]
) -> problem.Vehicle:
    """The van of a shift: from where and when it can drive, and what it holds.

    Args:
        day: as it stands.
        shift: of the van.
        places: gets where the van starts and ends.
        drive_s: how long it still drives to its frozen stop; None when nobody has asked.
        over: orders with nothing left to drive, whose parcels may still be aboard.
    """
    van = day.vehicles[shift.vehicle_id]
    route = day.plan.route_of(van.id)
    room = _room(van, over)
    skills = day.skills_of(shift)
    is_out = route is not None and route.has_begun
    costs = range_and_prices(van, day.metres_driven(van.id), is_out=is_out)
    left = day.allowed_of(shift)
    depot = places.index(day.depot.lat, day.depot.lon)
    end = places.index(*day.end_of(van.id))
    if route is None or not route.has_begun:
        start = places.index(*day.start_of(van.id))
        free_at = int(max(left.begins_at, day.now))
        ends_at = free_at if left.is_none else int(min(shift.ends_at, left.ends_at))
        return problem.Vehicle(
            id=van.id,
            start=start,
            end=end,
            available_from=free_at,
            shift_end=max(free_at, ends_at),
            capacity=room[0],
            capacity_g=room[1],
            capacity_ml=room[2],
            skills=skills,
            loads_at_start=start == depot,
            loading_s=LOADING_S,
            loads_at=depot,
            **costs,
        )
    lat, lon, done_at = _free_where_and_when(day, route, drive_s)
    latest = shift.ends_at + OVERTIME_S
    if left.ends_at < shift.ends_at:  # a rest that has to follow knows no overtime
        latest = left.ends_at
    return problem.Vehicle(
        id=van.id,
        start=places.index(lat, lon),
        end=end,
        available_from=int(done_at),
        shift_end=int(latest),
        capacity=room[0],
        capacity_g=room[1],
        capacity_ml=room[2],
        skills=skills,
        loads_at=depot,
        loading_s=LOADING_S,
        **costs,
    )


def with_hours(
    day: Day, shift: Shift, vehicle: problem.Vehicle, rules: WorkRules | None
) -> problem.Vehicle:
    """The van with what its driver has worked, and may; and the breaks that the shift plans."""
    free_at, left = vehicle.available_from, day.allowed_of(shift)
    binding = (rules or NO_RULES).within_day(left.work_s)
    of_day = None if binding == NO_RULES else binding
    route = day.plan.route_of(shift.vehicle_id)
    return replace(
        vehicle,
        work_rules=of_day,
        worked=worked_until(route, max(shift.starts_at, left.begins_at), free_at, of_day),
        pauses=tuple((int(begin), int(end)) for begin, end in shift.breaks if end > free_at),
    )


def _room(van: Vehicle, over: Iterable[Order]) -> tuple[int, int | None, int | None]:
    """Parcels, grams and millilitres that fit beside what is over and still aboard."""
    parcels, grams, millilitres = 0, 0, 0
    for order in over:
        count = order.aboard_count(van.id)
        if count:
            parcels += count
            grams += thousandths(order.weight_kg) * count // len(order.parcels)
            millilitres += thousandths(order.volume_litres) * count // len(order.parcels)
    return (
        max(0, van.capacity_parcels - parcels),
        None if van.capacity_kg is None else max(0, thousandths(van.capacity_kg) - grams),
        None
        if van.capacity_litres is None
        else max(0, thousandths(van.capacity_litres) - millilitres),
    )


def thousandths(amount: float | None) -> int:
    """Kilograms as grams, litres as millilitres; what is not known counts as nothing."""
    return 0 if amount is None else round(amount * 1_000)


def _free_where_and_when(day: Day, route: Route, drive_s: int | None) -> tuple[float, float, float]:
    stop = day.frozen_stop(route.vehicle_id)
    if stop is not None:
        return stop.lat, stop.lon, _done_at(day, route, stop, drive_s)
    at = day.newest_position(route.vehicle_id)
    if at is not None:
        return at.lat, at.lon, day.now
    last = [one for one in route.stops if one.state == "done"][-1]
    return last.lat, last.lon, day.now


def _done_at(day: Day, route: Route, stop: Stop, drive_s: int | None) -> float:
    """When the service at a frozen stop will probably be done."""
    now = day.now
    if stop.arrived_at is not None:
        arrival = stop.arrived_at
    elif drive_s is not None:
        arrival = now + rest_left_s(route, stop, now) + drive_s
    else:
        arrival = max(now, stop.planned_arrival)
    begin = max(arrival, stop.window.begin) if stop.window else arrival
    rest_s: float = LEAST_REST_S
    if stop.arrived_at is not None and stop.kind == "delivery" and now > begin:
        door = door_at(stop.lat, stop.lon)
        rest_s = max(rest_s, day.pace.rest_of_service_s(stop.service_s, door, now - begin))
    return max(begin + stop.service_s, now + rest_s)
