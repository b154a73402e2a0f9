"""What happened while a plan was made: does it still hold, how far have its stops gone. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from math import inf
from typing import Final

from cloud.orders.model import Order
from cloud.planning.day_plan import DayPlan, Route, Stop
from cloud.planning.rest import Allowed
from cloud.planning.situation import Day, is_to_serve, van_of

_STEP_S: Final = 300


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
    if any(_is_shorter(before.allowed_of(one), now.allowed_of(one)) for one in now.shifts):
        return "less is left of a shift"
    return next(filter(None, (_news_of_route(before, now, route) for route in routes)), None)


def with_progress(routes: Iterable[Route], now: DayPlan) -> tuple[Route, ...]:
    """The routes with what their stops have gone through since they were planned."""
    seen = {stop.id: stop for route in now.routes for stop in route.stops}
    return tuple(
        replace(route, stops=tuple(_as_seen(stop, seen.get(stop.id)) for stop in route.stops))
        for route in routes
    )


def _is_shorter(before: Allowed, now: Allowed) -> bool:
    """Whether less is left of a shift, and not only as time goes by."""
    if now.begins_at > before.begins_at or now.ends_at < before.ends_at:
        return True
    return _steps(now.work_s) < _steps(before.work_s)


def _steps(work_s: int | None) -> float:
    """Work in full steps: who is still out works on by the second."""
    return inf if work_s is None else work_s // _STEP_S


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


def _as_seen(stop: Stop, seen: Stop | None) -> Stop:
    if seen is None or _gone_through(seen) == _gone_through(stop):
        return stop
    return replace(stop, state=seen.state, arrived_at=seen.arrived_at, done_at=seen.done_at)


def _gone_through(stop: Stop) -> tuple[object, ...]:
    return stop.state, stop.arrived_at, stop.done_at
