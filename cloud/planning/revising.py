"""From the planner's plan back to routes that keep what is fixed. Pure."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from cloud.fleet.model import Depot, Shift
from cloud.orders.model import Order, Promise, Span, promise_span
from cloud.planning.break_times import breaks_of, kept_breaks
from cloud.planning.day_plan import DayPlan, Route, RouteBreak, Stop, Unplanned, is_served_at
from cloud.planning.diff import Sacrifice
from cloud.planning.posing import stranded
from cloud.planning.situation import EARLY_S, Day, is_to_serve, van_of
from cloud.planning.solution import Plan, PlannedRoute, Visit
from cloud.planning.wishes import left_out


class _Apart(Enum):
    APART = auto()


_APART: Final = _Apart.APART


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
    promises, lost = _promises(day, routes, gives_up)
    told = [_with_promised_windows(day, route, promises) for route in routes]
    unserved = [
        left_out(day.orders[order_id], left.reason, left.constraint)
        for left in plan.unserved
        for order_id in halts.get(left.job, (left.job,))
    ]
    return NewRoutes(
        routes=tuple(told),
        promises=promises,
        sacrificed=lost,
        unserved=(*unserved, *stranded(day)),
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
    made = _new_stops(day, known, route_id, visits, shift.ends_at, new_id, halts)
    stops = tuple(
        stop if stop.position == at else replace(stop, position=at)
        for at, stop in enumerate((*fixed, *made))
    )
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
        stops=stops,
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
) -> list[Stop]:
    known_ids = _KnownIds(day, known, {stop.id for stop in _fixed_stops(day, known)})
    stops: list[Stop] = []
    is_at_yard = False
    for visit in visits:
        order = day.orders[visit.job]
        served = [day.orders[one] for one in halts.get(visit.job, (visit.job,))]
        made = _made_stop(day.depot, order, visit, route_id, shift_ends_at)
        made = made if len(served) == 1 else _of_several(made, served, visit)
        was_at_yard, is_at_yard = is_at_yard, not is_served_at(made, order)
        window = _common(stops[-1], made) if was_at_yard and is_at_yard else _APART
        if not isinstance(window, _Apart):
            stops[-1] = _joined(stops[-1], made, window)
            continue
        known_id = known_ids.of(made)
        stops.append(replace(made, id=known_id or new_id("stop")))
    return stops


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
            same = [one.id for one in self._pickups if _is_same_place(one, made)]
            found = next((one for one in same if one not in self._given), None)
        if found is None or found in self._given:
            return None
        self._given.add(found)
        return found


def _made_stop(
    depot: Depot, order: Order, visit: Visit, route_id: str, shift_ends_at: float
) -> Stop:
    """The stop of one visit, without an id yet."""
    if (visit.kind == "pickup") == order.is_return:
        window = _told_or_asked(order)
        door = order.lat, order.lon, order.address
        return _stop(visit, route_id, door=door, service_s=order.service_s, window=window)
    window = None
    door = depot.lat, depot.lon, depot.name
    if visit.kind == "pickup":
        window = _fetched_within(order, shift_ends_at)
        if order.pickup is not None:
            door = order.pickup.lat, order.pickup.lon, order.pickup.address
    service_s = visit.departure - visit.start
    return _stop(visit, route_id, door=door, service_s=service_s, window=window)


def _fetched_within(order: Order, shift_ends_at: float) -> Span | None:
    """When its parcels can be fetched; None when they always can."""
    opening = order.pickup.window if order.pickup is not None else None
    if order.ready_from is None:
        return opening
    end = shift_ends_at if opening is None else opening.end
    begin = order.ready_from if opening is None else max(opening.begin, order.ready_from)
    return Span(begin, max(begin, end))


def _is_same_place(stop: Stop, other: Stop) -> bool:
    return (stop.lat, stop.lon) == (other.lat, other.lon)


def _common(stop: Stop, following: Stop) -> "Span | _Apart | None":
    """When two stops can be one halt: within both windows, or apart; None is at any time."""
    is_one = stop.kind == following.kind and stop.address == following.address
    if not is_one or not _is_same_place(stop, following):
        return _APART
    windows = [one for one in (stop.window, following.window) if one is not None]
    if not windows:
        return None
    begin, end = max(one.begin for one in windows), min(one.end for one in windows)
    return Span(begin, end) if begin <= end else _APART


def _told_or_asked(order: Order) -> Span | None:
    return order.promise.current if order.promise is not None else order.window


def _stop(
    visit: Visit,
    route_id: str,
    *,
    door: tuple[float, float, str],
    service_s: int,
    window: Span | None,
) -> Stop:
    lat, lon, address = door
    return Stop(
        id="",
        route_id=route_id,
        kind=visit.kind,
        position=0,
        state="open",
        lat=lat,
        lon=lon,
        address=address,
        order_ids=(visit.job,),
        service_s=service_s,
        window=window,
        planned_arrival=max(visit.arrival, visit.start - EARLY_S),
        planned_departure=visit.departure,
        leg_s=visit.leg_s,
        leg_m=visit.leg_m,
    )


def _of_several(stop: Stop, orders: Sequence[Order], visit: Visit) -> Stop:
    """The stop of one order as that of all orders of its halt."""
    served = replace(stop, order_ids=tuple(order.id for order in orders))
    if stop.kind == "pickup":
        return served
    told = [window for order in orders if (window := _told_or_asked(order)) is not None]
    begin = max((one.begin for one in told), default=0.0)
    end = min((one.end for one in told), default=0.0)
    window = Span(begin, end) if told and begin <= end else stop.window
    return replace(served, service_s=visit.departure - visit.start, window=window)


def _joined(stop: Stop, following: Stop, window: Span | None) -> Stop:
    """One halt at a place serves every order that is fetched, or unloaded, there."""
    departure = max(stop.planned_departure, following.planned_departure)
    begin = stop.planned_arrival if window is None else max(stop.planned_arrival, window.begin)
    return replace(
        stop,
        order_ids=(*stop.order_ids, *following.order_ids),
        planned_departure=departure,
        service_s=max(0, int(departure - begin)),
        window=window,
    )


def _with_promised_windows(day: Day, route: Route, promises: Mapping[str, Promise]) -> Route:
    def told(stop: Stop) -> Stop:
        served = [one for one in stop.order_ids if is_served_at(stop, day.orders[one])]
        promise = next((promises[one] for one in served if one in promises), None)
        if promise is None or stop.state != "open":
            return stop
        return replace(stop, window=promise.current)

    return replace(route, stops=tuple(told(stop) for stop in route.stops))


def _promises(
    day: Day, routes: Iterable[Route], gives_up: Callable[[str], bool]
) -> tuple[dict[str, Promise], tuple[Sacrifice, ...]]:
    """First promises for what was never promised, new ones for what comes too late."""
    promises: dict[str, Promise] = {}
    lost: list[Sacrifice] = []
    for route in routes:
        for stop in route.open_stops:
            if stop.state != "open":
                continue
            for order in (day.orders[order_id] for order_id in stop.order_ids):
                if not is_served_at(stop, order):
                    continue
                service = _planned_service(stop)
                if order.promise is None:
                    span = promise_span(service, order.window)
                    promises[order.id] = Promise(span, span)
                elif service > order.promise.current.end and gives_up(route.vehicle_id):
                    span = promise_span(service, None)
                    promises[order.id] = Promise(order.promise.original, span)
                    told = order.promise.current.end
                    lost.append(
                        Sacrifice(order_id=order.id, promised_until=told, served_at=service)
                    )
    return promises, tuple(lost)


def _planned_service(stop: Stop) -> float:
    """When the service is planned to begin: a van that is early waits for the window."""
    if stop.window is None:
        return stop.planned_arrival
    return max(stop.planned_arrival, stop.window.begin)


_ON_ITS_OWN: Final = 5
"""A path drawn anew begins where the van is: so many of its points may be its own."""

type _Path = tuple[tuple[float, float], ...]


def is_same_way(known: _Path, drawn: _Path) -> bool:
    """Whether a path drawn anew leads along streets of the one that is known, and no others."""
    return len(set(drawn) - set(known)) <= _ON_ITS_OWN


def outdated_by(before: Day, now: Day, routes: Iterable[Route]) -> str | None:
    """What happened while the planner worked that its routes do not know of; None when nothing.

    A van that went on to the very stop that comes next for it is no hindrance.
    """
    if before.plan.revision != now.plan.revision:
        return f"revision {now.plan.revision} was published"
    if before.rules != now.rules:
        return "a rule was laid down or lifted"
    if before.broken != now.broken:
        return "a van broke down, or goes out again"
    return next(filter(None, (_news_of_route(before, now, route) for route in routes)), None)


def _news_of_route(before: Day, now: Day, route: Route) -> str | None:
    was, is_now = before.frozen_stop(route.vehicle_id), now.frozen_stop(route.vehicle_id)
    following = next((s for s in route.open_stops if was is None or s.id != was.id), None)
    if not _goes_along(was, is_now, following):
        return f"{route.vehicle_id} has driven on"
    orders = (
        order_id
        for stop in route.open_stops
        if was is None or stop.id != was.id
        for order_id in stop.order_ids
    )
    told = (_news_of(before.orders[one], now.orders.get(one), route.vehicle_id) for one in orders)
    return next(filter(None, told), None)


def _news_of(was: Order, order: Order | None, vehicle_id: str) -> str | None:
    if order is None:
        return f"order {was.id} was carried to another day"
    if not is_to_serve(order):
        return f"order {order.id} is {order.state}"
    if _asked(was) != _asked(order):
        return f"order {order.id} was changed"
    van = van_of(order)
    if van is not None and van != vehicle_id:
        return f"order {order.id} was loaded into {van}"
    return None


def _asked(order: Order) -> tuple[object, ...]:
    """What a plan keeps to; a promise on what is asked no more must not be told."""
    load = order.weight_kg, order.volume_litres
    window = order.window, order.window_kind
    return window, order.service_s, load, order.needs, order.ready_from


def _goes_along(was: Stop | None, is_now: Stop | None, following: Stop | None) -> bool:
    if is_now is None:
        return was is None or following is None
    if was is not None and was.id == is_now.id:
        return True
    return following is not None and following.id == is_now.id


def with_progress(routes: Iterable[Route], now: DayPlan) -> tuple[Route, ...]:
    """The routes with what their stops have gone through since they were planned."""
    seen = {stop.id: stop for route in now.routes for stop in route.stops}
    return tuple(
        replace(route, stops=tuple(_as_seen(stop, seen.get(stop.id)) for stop in route.stops))
        for route in routes
    )


def _as_seen(stop: Stop, seen: Stop | None) -> Stop:
    if seen is None or _gone_through(seen) == _gone_through(stop):
        return stop
    return replace(stop, state=seen.state, arrived_at=seen.arrived_at, done_at=seen.done_at)


def _gone_through(stop: Stop) -> tuple[object, ...]:
    return stop.state, stop.arrived_at, stop.done_at
