"""The independent check of routes against the day they are committed to. Pure.

The planner's checker knows the problem; this one knows what has been done. It looks at the day as
it is in the very transaction that publishes, and shares no code with what made the routes: what is
done stays done, the stop a van stands at or drives to stays its next one, parcels are delivered by
the van that has them or has fetched them first, and nobody sets out before the end of a rest.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from cloud.planning.day_plan import Route, Stop
from cloud.planning.situation import EARLY_S, Day, is_to_serve


def faults(day: Day, routes: Iterable[Route]) -> list[str]:
    """What speaks against committing ``routes`` now, in words; nothing when they may be."""
    new = {route.vehicle_id: route for route in routes}
    found: list[str] = []
    for route in day.plan.routes:
        found += _past_of(route, new.get(route.vehicle_id))
        found += _next_of(day, route, new.get(route.vehicle_id))
    found += unrested(day, new.values())
    return [*found, *_parcels(day, new), *_twice(new)]


def _past_of(was: Route, now: Route | None) -> Iterator[str]:
    done = [(stop.id, stop.order_ids) for stop in was.stops if stop.state == "done"]
    kept = [(stop.id, stop.order_ids) for stop in now.stops] if now else []
    if kept[: len(done)] != done:
        yield f"{was.vehicle_id}: what it has done does not stand first on its route"


def _next_of(day: Day, was: Route, now: Route | None) -> Iterator[str]:
    held = _held_stop(day, was)
    if held is None:
        return
    following = next((stop for stop in now.stops if stop.state != "done"), None) if now else None
    if following is None or following.id != held.id:
        yield f"{was.vehicle_id}: stop {held.id} is not its next one, though it is on its way there"


def _held_stop(day: Day, route: Route) -> Stop | None:
    """Where the van stands, or the stop it is driving to."""
    is_out = any(
        shift.vehicle_id == route.vehicle_id
        and shift.state == "planned"
        and day.vehicles[route.vehicle_id].is_in_use
        and route.vehicle_id not in day.broken
        for shift in day.shifts
    )
    if not is_out or all(stop.state == "open" for stop in route.stops):
        return None
    for stop in route.stops:
        if stop.state == "arrived":
            return stop
        if stop.state == "open" and any(_is_wanted(day, order) for order in stop.order_ids):
            opens = stop.window.begin if stop.window else 0.0
            return stop if day.now >= opens - EARLY_S - stop.leg_s else None
    return None


def _is_wanted(day: Day, order_id: str) -> bool:
    return order_id in day.orders and is_to_serve(day.orders[order_id])


def _parcels(day: Day, new: Mapping[str, Route]) -> Iterator[str]:
    for route in new.values():
        fetched: set[str] = set()
        for stop in route.stops:
            if stop.state == "done":
                continue
            for order_id in stop.order_ids:
                yield from _parcels_of(day, route, stop, order_id, fetched)


def _parcels_of(
    day: Day, route: Route, stop: Stop, order_id: str, fetched: set[str]
) -> Iterator[str]:
    if not _is_wanted(day, order_id):
        return
    parcels = day.orders[order_id].parcels
    places = {p.whereabouts.at for p in parcels if p.whereabouts.kind == "van"}
    if stop.kind == "pickup":
        fetched.add(order_id)
        if places and stop.state == "open" and places != {route.vehicle_id}:
            yield f"{route.vehicle_id}: fetches order {order_id}, which is aboard another van"
    elif places and places != {route.vehicle_id}:
        yield f"{route.vehicle_id}: delivers order {order_id}, which is aboard another van"
    elif not places and order_id not in fetched:
        yield f"{route.vehicle_id}: delivers order {order_id} before it has fetched it"


def unrested(day: Day, routes: Iterable[Route]) -> Iterator[str]:
    """Which of ``routes`` leave their drivers too little rest before them.

    No new plan may, and one in force that does is always worth another; where a tenant asks before
    it changes much, that one is proposed.
    """
    new = {route.vehicle_id: route for route in routes}
    for shift in day.shifts:
        route, left = new.get(shift.vehicle_id), day.allowed.get(shift.id)
        if left is None or route is None or any(stop.state != "open" for stop in route.stops):
            continue
        for stop in route.stops[:1]:
            if stop.planned_arrival - stop.leg_s < int(left.begins_at):
                yield f"{route.vehicle_id}: sets out before its driver has rested"


def _twice(new: Mapping[str, Route]) -> Iterator[str]:
    served = Counter(
        order_id
        for route in new.values()
        for stop in route.stops
        if stop.kind == "delivery" and stop.state != "done"
        for order_id in stop.order_ids
    )
    for order_id, times in served.items():
        if times > 1:
            yield f"order {order_id} is delivered {times} times"
