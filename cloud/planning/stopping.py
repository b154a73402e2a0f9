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


class Halt:
    """One halt that serves every order fetched, or unloaded, at a place."""

    def __init__(self, first: Stop, stop_id: str) -> None:
        self._first = first
        self._stop_id = stop_id
        self._order_ids = list(first.order_ids)
        self._window = first.window
        self._departure = first.planned_departure

    def takes(self, following: Stop) -> bool:
        """Have a stop that follows be part of the halt, unless it has to stay apart."""
        first = self._first
        if (first.kind, first.address) != (following.kind, following.address):
            return False
        windows = [one for one in (self._window, following.window) if one is not None]
        begin = max((one.begin for one in windows), default=0.0)
        end = min((one.end for one in windows), default=0.0)
        if begin > end or not is_same_place(first, following):
            return False
        self._window = Span(begin, end) if windows else None
        self._order_ids += following.order_ids
        self._departure = max(self._departure, following.planned_departure)
        return True

    def stop(self, position: int) -> Stop:
        """What it is in a route."""
        first, window = self._first, self._window
        order_ids, service_s = tuple(self._order_ids), first.service_s
        if order_ids != first.order_ids:
            begin = first.planned_arrival if window is None else window.begin
            service_s = max(0, int(self._departure - max(first.planned_arrival, begin)))
        return replace(
            first,
            id=self._stop_id,
            position=position,
            order_ids=order_ids,
            planned_departure=self._departure,
            service_s=service_s,
            window=window,
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
