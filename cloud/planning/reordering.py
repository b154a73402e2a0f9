"""A driver's own order of stops: when it can be, and what it changes. Pure.

It comes about in two ways: the driver says so beforehand, or stands at a stop before its turn.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Final

import msgspec

from cloud.orders.model import Order
from cloud.planning.day_plan import DayPlan, Route, Stop
from cloud.planning.jobs import About, Job
from cloud.planning.proposals import Sequences
from cloud.planning.rules.model import Rule
from cloud.planning.situation import is_to_serve

_MOST_NAMED: Final = 5
"""Vans that one reason names; of more it tells how many."""


class DriverReordered(msgspec.Struct, frozen=True, kw_only=True):
    """A driver takes stops in another order than was planned; ``text`` says so, in words."""

    depot_id: str
    service_date: str
    vehicle_id: str
    order_id: str | None
    text: str


def resorted(route: Route, stop_ids: Sequence[str]) -> Route:
    """The route with its open stops in the order of ``stop_ids``, which names each once."""
    place = {stop_id: at for at, stop_id in enumerate(stop_ids)}
    done = [stop for stop in route.stops if stop.state == "done"]
    ahead = sorted(route.open_stops, key=lambda stop: place[stop.id])
    stops = tuple(replace(stop, position=at) for at, stop in enumerate((*done, *ahead)))
    return replace(route, stops=stops)


def brought_forward(route: Route, stop_id: str) -> list[str]:
    """The route's open stops with one of them first; the rest keeps its order."""
    return [stop_id, *(stop.id for stop in route.open_stops if stop.id != stop_id)]


def misnamed(route: Route, stop_ids: Sequence[str]) -> str | None:
    """What keeps ``stop_ids`` from naming each open stop of the route once; None when they do."""
    known, named = {stop.id for stop in route.open_stops}, set(stop_ids)
    if strange := [one for one in stop_ids if one not in known]:
        return f"{strange[0][:80]!r} is no open stop of your route"
    if len(named) < len(stop_ids):
        twice = next(one for at, one in enumerate(stop_ids) if one in stop_ids[:at])
        return f"stop {twice} stands twice"
    if missing := [stop.id for stop in route.open_stops if stop.id not in named]:
        return f"stop {missing[0]} is missing"
    return None


def obstacle(
    ahead: Sequence[Stop], orders: Mapping[str, Order], vehicle_id: str, capacity: int
) -> str | None:
    """The rule that keeps a van from visiting ``ahead`` in this order; None when it can be.

    Args:
        ahead: its open stops as they would be driven.
        orders: of the day, by id.
        vehicle_id: whose route it is.
        capacity: parcels it holds at once.
    """
    for at, stop in enumerate(ahead):
        if stop.state == "arrived" and at > 0:
            return f"stop {stop.id} comes first: the van stands there; report its outcome"
    return _unfetched(ahead, orders, vehicle_id) or _overloaded(ahead, orders, vehicle_id, capacity)


def not_yet(route: Route, stop_id: str, orders: Mapping[str, Order]) -> str | None:
    """What has to be done before a van may stand at a stop out of turn; None when nothing has."""
    for stop in route.open_stops:
        if stop.id == stop_id:
            return None
        if stop.state == "arrived":
            return f"stop {stop.id} comes first; report its outcome, then this one's"
        wanted = set(stop.order_ids) & set(_stop(route, stop_id).order_ids)
        lying = [one for one in sorted(wanted) if _is_to_fetch(orders.get(one), route.vehicle_id)]
        if stop.kind == "pickup" and lying:
            return f"stop {stop.id} comes first: order {lying[0]} is fetched there"
    return None


def kept_by_office(rules: Iterable[Rule], vehicle_id: str) -> Rule | None:
    """The rule by which a dispatcher keeps a van's stops in their order: a lock or a sequence."""
    of_van = (rule for rule in rules if rule.is_of_route and rule.vehicle_id == vehicle_id)
    return next((rule for rule in of_van if rule.maker == "office"), None)


def chosen_by_driver(rules: Iterable[Rule], vehicle_id: str) -> Rule | None:
    """The rule by which a van's driver has chosen an order of stops."""
    of_van = (rule for rule in rules if rule.is_of_route and rule.vehicle_id == vehicle_id)
    return next((rule for rule in of_van if rule.maker == "driver"), None)


def as_committed(plan: DayPlan, sequences: Sequences) -> DayPlan:
    """The plan with its open stops in the order in which they were published.

    What a driver changes is in the plan at once; against this it can be told what that was.
    """
    return replace(plan, routes=tuple(_as_published(one, sequences) for one in plan.routes))


def is_as_timed(route: Route) -> bool:
    """Whether its open stops stand in the order of their planned times, as every plan puts them."""
    before = -inf
    for stop in route.stops:
        if stop.state == "done":
            continue
        if stop.planned_arrival < before:
            return False
        before = stop.planned_arrival
    return True


def resorted_vans(plan: DayPlan, sequences: Sequences) -> frozenset[str]:
    """The vans whose drivers take open stops in another order than the one that was published."""
    published = as_committed(plan, sequences)
    return frozenset(
        now.vehicle_id
        for now, was in zip(plan.routes, published.routes, strict=True)
        if [stop.id for stop in now.open_stops] != [stop.id for stop in was.open_stops]
    )


def with_news_of_drivers(job: Job, vans: Collection[str]) -> Job:
    """The job as one that is about what the drivers of some vans have changed, too.

    It publishes their order of stops with the rest, whatever asked for it, and says so.
    """
    told = {one.vehicle_id for one in job.about if one.trigger == "driver_reordered"}
    untold = sorted(van for van in vans if van not in told)
    if not untold:
        return job
    news = tuple(About(trigger="driver_reordered", vehicle_id=van) for van in untold)
    return replace(
        job,
        reason=f"{job.reason}; {_changed_by_drivers(untold)}",
        about=(*job.about, *news) if job.about else (),
    )


def _changed_by_drivers(vans: Sequence[str]) -> str:
    if len(vans) == 1:
        return f"the driver of {vans[0]} changed the order of its stops"
    named, more = ", ".join(vans[:_MOST_NAMED]), len(vans) - _MOST_NAMED
    others = f" and {more} more" if more > 0 else ""
    return f"the drivers of {named}{others} changed the order of their stops"


def _as_published(route: Route, sequences: Sequences) -> Route:
    steps = sequences.get(route.vehicle_id, ())
    place: dict[tuple[str, str], int] = {}
    for at, step in enumerate(steps):
        place.setdefault((step.job, step.kind), at)

    def published(stop: Stop) -> int:
        return min((place.get((one, stop.kind), len(place)) for one in stop.order_ids), default=0)

    return resorted(route, [stop.id for stop in sorted(route.open_stops, key=published)])


def _stop(route: Route, stop_id: str) -> Stop:
    return next(stop for stop in route.stops if stop.id == stop_id)


def _is_to_fetch(order: Order | None, vehicle_id: str) -> bool:
    return order is not None and is_to_serve(order) and not order.is_aboard(vehicle_id)


def _unfetched(ahead: Iterable[Stop], orders: Mapping[str, Order], vehicle_id: str) -> str | None:
    fetched: set[str] = set()
    for stop in ahead:
        if stop.kind == "pickup":
            fetched |= set(stop.order_ids)
            continue
        for order_id in stop.order_ids:
            if order_id not in fetched and _is_to_fetch(orders.get(order_id), vehicle_id):
                return (
                    f"order {order_id} is delivered at stop {stop.id} before it is fetched; put "
                    "its pickup first"
                )
    return None


def _overloaded(
    ahead: Iterable[Stop], orders: Mapping[str, Order], vehicle_id: str, capacity: int
) -> str | None:
    aboard = sum(order.aboard_count(vehicle_id) for order in orders.values())
    for stop in ahead:
        known = [orders[one] for one in stop.order_ids if one in orders]
        if stop.kind == "delivery":
            aboard -= sum(len(order.parcels) for order in known if is_to_serve(order))
            continue
        more = sum(_left_behind(order, vehicle_id) for order in known if is_to_serve(order))
        aboard += more
        if more and aboard > capacity:
            return (
                f"{vehicle_id} holds {capacity} parcels, and would have {aboard} behind stop "
                f"{stop.id}; deliver more before it"
            )
    return None


def _left_behind(order: Order, vehicle_id: str) -> int:
    return len(order.parcels) - order.aboard_count(vehicle_id)


def is_out_of_turn(route: Route, stop_id: str) -> bool:
    """Whether another stop would come before it."""
    ahead: Collection[Stop] = route.open_stops
    return any(stop.id == stop_id for stop in ahead) and route.open_stops[0].id != stop_id
