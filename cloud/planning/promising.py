"""What customers are told of a plan: a first promise, or another one than before. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from cloud.orders.model import Promise, promise_span
from cloud.planning.day_plan import Route, Stop, is_served_at
from cloud.planning.diff import Sacrifice
from cloud.planning.situation import Day


def promises_of(
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
                service = _planned_service(route, stop)
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


def with_promised_windows(day: Day, route: Route, promises: Mapping[str, Promise]) -> Route:
    """The route with those of its open stops whose customers are told a time in that window."""

    def told(stop: Stop) -> Stop:
        served = [one for one in stop.order_ids if is_served_at(stop, day.orders[one])]
        promise = next((promises[one] for one in served if one in promises), None)
        if promise is None or stop.state != "open":
            return stop
        return replace(stop, window=promise.current)

    return replace(route, stops=tuple(told(stop) for stop in route.stops)) if promises else route


def _planned_service(route: Route, stop: Stop) -> float:
    """When the service is planned to begin: after the window opens, and after a break at the door.

    One that is taken before the drive to it is over when the van arrives.
    """
    opens = stop.planned_arrival if stop.window is None else stop.window.begin
    rested = [one.ends for one in route.breaks if one.before_stop_id == stop.id]
    return max(stop.planned_arrival, opens, *rested)
