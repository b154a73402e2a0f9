"""Whether news can change a plan at all, as the day stands when its turn comes. Pure.

News that came to nothing meanwhile (an order that was called off again, a van that has come home)
is not worth a search.
"""

from collections.abc import Callable, Mapping
from typing import Final

from cloud.planning.jobs import About
from cloud.planning.revision import Trigger
from cloud.planning.situation import Day, is_aboard, is_to_serve


def matters(day: Day, about: tuple[About, ...]) -> bool:
    """Whether any of the news is worth a plan; a plan wanted without news always is."""
    return not about or any(_matters(day, one) for one in about)


def _matters(day: Day, about: About) -> bool:
    rule = _RULES.get(about.trigger)
    return rule is None or rule(day, about)


def _is_to_be_planned(day: Day, about: About) -> bool:
    return _is_wanted(day, about) and not _is_open(day, about)


def _is_wanted(day: Day, about: About) -> bool:
    """Whether somebody still waits for the order."""
    order = day.orders.get(about.order_id or "")
    return order is not None and is_to_serve(order)


def _is_open(day: Day, about: About) -> bool:
    """Whether a route still leads there."""
    return any(about.order_id in s.order_ids for route in day.plan.routes for s in route.open_stops)


def _can_be_saved(day: Day, about: About) -> bool:
    """Whether the order is not the one its van drives to already: nothing is sooner than that."""
    if not _is_wanted(day, about):
        return False
    frozen = (day.frozen_stop(route.vehicle_id) for route in day.plan.routes)
    return not any(
        stop.kind == "delivery" and about.order_id in stop.order_ids
        for stop in frozen
        if stop is not None
    )


def _frees_a_van(day: Day, about: About) -> bool:
    """Whether the van at whose door it was has more to do, with what it gained or lost there."""
    routes = [
        route
        for route in day.plan.routes
        if any(about.order_id in stop.order_ids for stop in route.stops)
    ]
    return not routes or any(route.open_stops for route in routes)


def _has_work_or_time(day: Day, about: About) -> bool:
    """Whether a van has, or may be given, anything to do."""
    return _has_work(day, about) or any(
        shift.vehicle_id == about.vehicle_id for shift in day.open_shifts()
    )


def _has_work(day: Day, about: About) -> bool:
    route = day.plan.route_of(about.vehicle_id or "")
    return route is not None and bool(route.open_stops)


def _is_wanted_if_one(day: Day, about: About) -> bool:
    """Whether the one order that it concerns is still wanted; of several one surely is."""
    return about.order_id is None or _is_wanted(day, about)


def _is_to_be_fetched_if_one(day: Day, about: About) -> bool:
    """Whether the one order that it concerns is not aboard yet."""
    order = day.orders.get(about.order_id or "")
    return about.order_id is None or (order is not None and not is_aboard(order))


_RULES: Final[Mapping[Trigger, Callable[[Day, About], bool]]] = {
    "new_order": _is_to_be_planned,
    "urgent_order": _is_to_be_planned,
    "cancellation": _is_open,
    "changed_order": _is_wanted,
    "failed_pickup": _is_open,
    "failed_attempt": _frees_a_van,
    "changed_shift": _has_work_or_time,
    "promise_at_risk": _can_be_saved,
    "van_silent": _has_work,
    "van_off_route": _has_work,
    "driver_reordered": _has_work,
    "road_changed": _has_work,
    "access_changed": _is_wanted_if_one,
    "waves_changed": _is_to_be_fetched_if_one,
}
