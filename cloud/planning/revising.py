"""From the planner's plan back to routes that keep what is fixed. Pure."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from cloud.fleet.model import Shift
from cloud.orders.model import Promise
from cloud.planning.break_times import breaks_of, kept_breaks
from cloud.planning.day_plan import (
    Route,
    RouteBreak,
    Stop,
    Unplanned,
    is_served_at,
    served_orders,
)
from cloud.planning.diff import Sacrifice
from cloud.planning.posing import stranded
from cloud.planning.promising import promises_of, with_promised_windows
from cloud.planning.situation import Day
from cloud.planning.solution import Plan, PlannedRoute, Visit
from cloud.planning.stopping import Halt, is_same_place, of_several, stop_of
from cloud.planning.wishes import left_out


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRoutes:
    """A solved day: what the routes become, what is told to whom, what is left out."""

    routes: tuple[Route, ...]
    promises: Mapping[str, Promise]
    sacrificed: tuple[Sacrifice, ...]
    unserved: tuple[Unplanned, ...]


def routes_of(
    day: Day,
    plan: Plan,
    new_id: Callable[[str], str],
    halts: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    gives_up: Callable[[str], bool] = lambda _: True,
) -> NewRoutes:
    """The plan as routes: what is fixed stays in front, what was planned keeps its ids.

    ``halts``: the orders of each job that serves several, in walking order. ``gives_up``: whether
    customers of a van are told another time now, where it comes too late.
    """
    shifts = {shift.vehicle_id: shift for shift in day.shifts}
    planned = {route.vehicle: route for route in plan.routes}
    routes = []
    for vehicle_id, shift in shifts.items():
        known = day.plan.route_of(vehicle_id)
        visits = planned.get(vehicle_id)
        if known is None and (visits is None or not visits.visits):
            continue
        routes.append(_route(day, shift, known, visits, new_id, halts))
    promises, lost = promises_of(day, routes, gives_up)
    told = [with_promised_windows(day, route, promises) for route in routes]
    served = served_orders(told)
    unserved = [
        left_out(day.orders[order_id], left.reason, left.constraint)
        for left in plan.unserved
        for order_id in halts.get(left.job, (left.job,))
    ]
    return NewRoutes(
        routes=tuple(told),
        promises=promises,
        sacrificed=lost,
        unserved=(*unserved, *stranded(day, served)),
    )


def _route(
    day: Day,
    shift: Shift,
    known: Route | None,
    planned: PlannedRoute | None,
    new_id: Callable[[str], str],
    halts: Mapping[str, tuple[str, ...]],
) -> Route:
    route_id = known.id if known is not None else new_id("route")
    fixed = _fixed_stops(day, known)
    visits = planned.visits if planned else ()
    fixed = [_at(stop, position) for position, stop in enumerate(fixed)]
    made = _new_stops(day, known, route_id, visits, shift.ends_at, new_id, halts, len(fixed))
    return Route(
        tenant=day.plan.tenant,
        id=route_id,
        depot_id=day.plan.depot_id,
        service_date=day.plan.service_date,
        vehicle_id=shift.vehicle_id,
        driver_id=shift.driver_id,
        starts_at=shift.starts_at,
        ends_at=shift.ends_at,
        revision=day.plan.revision + 1,
        end_leg_s=planned.end_leg_s if planned else 0,
        end_leg_m=planned.end_leg_m if planned else 0,
        geometry=(),
        stops=(*fixed, *made),
        breaks=(*kept_breaks(known, fixed), *_new_breaks(day, planned, fixed, made)),
    )


def _new_breaks(
    day: Day, planned: PlannedRoute | None, fixed: Sequence[Stop], made: Sequence[Stop]
) -> tuple[RouteBreak, ...]:
    if planned is None or not planned.breaks:
        return ()
    at = day.newest_position(planned.vehicle)
    if fixed:
        start = fixed[-1].lat, fixed[-1].lon
    else:
        start = day.start_of(planned.vehicle) if at is None else (at.lat, at.lon)
    return breaks_of(planned, made, start)


def _fixed_stops(day: Day, known: Route | None) -> list[Stop]:
    if known is None:
        return []
    frozen = day.frozen_stop(known.vehicle_id)
    done = [stop for stop in known.stops if stop.state == "done"]
    return done if frozen is None else [*done, frozen]


def _new_stops(
    day: Day,
    known: Route | None,
    route_id: str,
    visits: Iterable[Visit],
    shift_ends_at: float,
    new_id: Callable[[str], str],
    halts: Mapping[str, tuple[str, ...]],
    first: int,
) -> list[Stop]:
    """What is to be driven from the place ``first`` of the route on."""
    known_ids = _KnownIds(day, known, {stop.id for stop in _fixed_stops(day, known)})
    begun: list[Halt] = []
    is_at_yard = False
    for visit in visits:
        order = day.orders[visit.job]
        served = [day.orders[one] for one in halts.get(visit.job, (visit.job,))]
        made = stop_of(day.depot, order, visit, route_id, shift_ends_at)
        made = made if len(served) == 1 else of_several(made, served, visit)
        was_at_yard, is_at_yard = is_at_yard, not is_served_at(made, order)
        if not (was_at_yard and is_at_yard and begun[-1].takes(made)):
            begun.append(Halt(made, known_ids.of(made) or new_id("stop")))
    return [halt.stop(position) for position, halt in enumerate(begun, start=first)]


def _at(stop: Stop, position: int) -> Stop:
    return stop if stop.position == position else replace(stop, position=position)


class _KnownIds:
    """The ids that stops keep: a delivery wherever it goes, a pickup on its van."""

    def __init__(self, day: Day, known: Route | None, fixed: Container[str]) -> None:
        self._deliveries = {
            order_id: stop.id
            for route in day.plan.routes
            for stop in route.open_stops
            if stop.kind == "delivery"
            for order_id in stop.order_ids
        }
        self._pickups = [
            stop
            for stop in (known.open_stops if known else ())
            if stop.kind == "pickup" and stop.id not in fixed
        ]
        self._given: set[str] = set()

    def of(self, made: Stop) -> str | None:
        """The id of the stop that ``made`` follows on, each once."""
        if made.kind == "delivery":
            same = [self._deliveries[one] for one in made.order_ids if one in self._deliveries]
            found = next((one for one in same if one not in self._given), None)
        else:
            same = [one.id for one in self._pickups if is_same_place(one, made)]
            found = next((one for one in same if one not in self._given), None)
        if found is None or found in self._given:
            return None
        self._given.add(found)
        return found
