"""Vans that cannot drive on: their parcels are fetched where they stand. Pure.

It is the one exception to parcels aboard being frozen. Until somebody has scanned them into another
van they are the broken van's, so nothing is ever in two places.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import msgspec

from cloud.orders.model import Order, Pickup, Whereabouts
from cloud.planning.day import Route


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
    """
    at_the_door = {
        order_id
        for route in routes
        for stop in route.open_stops
        if stop.state == "arrived" and stop.kind == "delivery"
        for order_id in stop.order_ids
    }
    return {
        order.id: order if order.is_return or order.id in at_the_door else _lying(order, broken)
        for order in orders
    }


def _lying(order: Order, broken: Mapping[str, Breakdown]) -> Order:
    places = (one.whereabouts.at for one in order.parcels if one.whereabouts.kind == "van")
    van = next((broken[one] for one in places if one in broken), None)
    if van is None:
        return order
    here = Whereabouts("shop", van.vehicle_id)
    return replace(
        order,
        pickup=Pickup(address=f"{van.vehicle_id}, broken down", lat=van.lat, lon=van.lon),
        ready_from=None,
        parcels=tuple(
            replace(one, whereabouts=here)
            if one.whereabouts == Whereabouts("van", van.vehicle_id)
            else one
            for one in order.parcels
        ),
    )
