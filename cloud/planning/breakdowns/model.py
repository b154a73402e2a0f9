"""Vans that cannot drive on: their parcels are fetched where they stand. Pure.

It is the one exception to parcels aboard being frozen. Until somebody has scanned them into another
van they are the broken van's, so nothing is ever in two places.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import msgspec

from cloud.orders.model import Order, Pickup, Whereabouts
from cloud.planning.day_plan import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """A van that stands where its parcels can be fetched; instants in seconds since 1970."""

    tenant: str
    vehicle_id: str
    lat: float
    lon: float
    note: str
    reported_by: str
    reported_at: float


class VanBrokeDown(msgspec.Struct, frozen=True, kw_only=True):
    """A van cannot drive on; others fetch what it has aboard."""

    vehicle_id: str
    lat: float
    lon: float
    note: str
    reported_by: str


class VanRepaired(msgspec.Struct, frozen=True, kw_only=True):
    """A van that had broken down goes out again."""

    vehicle_id: str


def to_fetch(
    orders: Iterable[Order], broken: Mapping[str, Breakdown], routes: Iterable[Route]
) -> dict[str, Order]:
    """A day's orders by id, with what is aboard a broken van lying there to be fetched.

    What its driver stands with at the door is delivered from there; returns go home with the van.
    What is half over to another van still lies there, also when the broken one goes out again.
    """
    every = tuple(routes)
    at_the_door = {
        order_id
        for route in every
        for stop in route.open_stops
        if stop.state == "arrived" and stop.kind == "delivery"
        for order_id in stop.order_ids
    }
    takers = {
        order_id: route.vehicle_id
        for route in every
        for stop in route.open_stops
        if stop.state == "arrived" and stop.kind == "pickup"
        for order_id in stop.order_ids
    }

    def as_it_lies(order: Order) -> Order:
        if order.is_return or order.id in at_the_door:
            return order
        taker = takers.get(order.id)
        if taker is not None and is_half_over(order, taker):
            return _laid_down(order, lambda at: at != taker)
        return _lying(order, broken)

    return {order.id: as_it_lies(order) for order in orders}


def is_half_over(order: Order, vehicle_id: str) -> bool:
    """Whether some of its parcels are in a van, and others still in the one they come from."""
    vans = {one.whereabouts.at for one in order.parcels if one.whereabouts.kind == "van"}
    return vehicle_id in vans and len(vans) > 1


def _lying(order: Order, broken: Mapping[str, Breakdown]) -> Order:
    places = (one.whereabouts.at for one in order.parcels if one.whereabouts.kind == "van")
    van = next((broken[one] for one in places if one in broken), None)
    if van is None:
        return order
    lying = _laid_down(order, lambda at: at == van.vehicle_id)
    pickup = Pickup(address=f"{van.vehicle_id}, broken down", lat=van.lat, lon=van.lon)
    return replace(lying, pickup=pickup, ready_from=None)


def _laid_down(order: Order, is_from: Callable[[str], bool]) -> Order:
    """The order with its parcels from some vans as if they lay in a shop."""
    return replace(
        order,
        parcels=tuple(
            replace(one, whereabouts=Whereabouts("shop", one.whereabouts.at))
            if one.whereabouts.kind == "van" and is_from(one.whereabouts.at)
            else one
            for one in order.parcels
        ),
    )
