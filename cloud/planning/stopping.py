"""The stop that a visit of a plan becomes, and which of them are one halt. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from cloud.fleet.model import Depot
from cloud.orders.model import Order, Span
from cloud.planning.day_plan import Stop
from cloud.planning.situation import EARLY_S
from cloud.planning.solution import Visit


def stop_of(depot: Depot, order: Order, visit: Visit, route_id: str, shift_ends_at: float) -> Stop:
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


def of_several(stop: Stop, orders: Sequence[Order], visit: Visit) -> Stop:
    """The stop of one order as that of all orders of its halt."""
    served = replace(stop, order_ids=tuple(order.id for order in orders))
    if stop.kind == "pickup":
        return served
    told = [window for order in orders if (window := _told_or_asked(order)) is not None]
    begin = max((one.begin for one in told), default=0.0)
    end = min((one.end for one in told), default=0.0)
    window = Span(begin, end) if told and begin <= end else stop.window
    return replace(served, service_s=visit.departure - visit.start, window=window)


def joined(stop: Stop, following: Stop) -> Stop | None:
    """One halt that serves every order fetched, or unloaded, at a place; None: they stay apart."""
    if stop.kind != following.kind or stop.address != following.address:
        return None
    windows = [one for one in (stop.window, following.window) if one is not None]
    begin = max((one.begin for one in windows), default=stop.planned_arrival)
    end = min((one.end for one in windows), default=begin)
    if begin > end or not is_same_place(stop, following):
        return None
    departure = max(stop.planned_departure, following.planned_departure)
    return replace(
        stop,
        order_ids=(*stop.order_ids, *following.order_ids),
        planned_departure=departure,
        service_s=max(0, int(departure - max(stop.planned_arrival, begin))),
        window=Span(begin, end) if windows else None,
    )


def is_same_place(stop: Stop, other: Stop) -> bool:
    """Whether two stops are at one spot."""
    return (stop.lat, stop.lon) == (other.lat, other.lon)


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


def _fetched_within(order: Order, shift_ends_at: float) -> Span | None:
    """When its parcels can be fetched; None when they always can."""
    opening = order.pickup.window if order.pickup is not None else None
    if order.ready_from is None:
        return opening
    end = shift_ends_at if opening is None else opening.end
    begin = order.ready_from if opening is None else max(opening.begin, order.ready_from)
    return Span(begin, max(begin, end))


def _told_or_asked(order: Order) -> Span | None:
    """When it is to be served: as was promised, else as was asked; None is at any time."""
    return order.promise.current if order.promise is not None else order.window
