"""How long services take at a depot's doors, by what its newest routes have shown."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.orders import store as order_store
from cloud.places.model import Place
from cloud.places.service_times import Dwell, ServiceTimes, learned
from cloud.planning import store
from cloud.planning.day import Route, Stop

_LEARN_EVERY_S: Final = 3_600.0
_LEARN_ROUTES: Final = 300


class DoorTimes:
    """Learns what a depot's stops have taken, anew each hour.

    Args:
        database: of the business. clock: domain time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[float, ServiceTimes]] = {}

    def of(self, tenant: str, depot_id: str) -> ServiceTimes:
        """What is known of the doors of a depot."""
        now = self._clock.now_s()
        known = self._known.get((tenant, depot_id))
        if known is None or not 0 <= now - known[0] < _LEARN_EVERY_S:
            with self._database.reading() as connection:
                routes = store.newest_routes(connection, tenant, depot_id, _LEARN_ROUTES)
                served = [stop.order_ids[0] for stop in _alone(routes)]
                places = order_store.places_of_deliveries(connection, tenant, served)
            known = now, learned(dwells_of(routes, places))
            self._known[tenant, depot_id] = known
        return known[1]


def dwells_of(routes: Iterable[Route], places: Mapping[str, Place]) -> Iterator[Dwell]:
    """How long each stop that served one order took, from when the service could begin.

    Args:
        routes: with what their stops have gone through.
        places: of the orders, by the id of each that is a delivery.
    """
    for stop in _alone(routes):
        place = places.get(stop.order_ids[0])
        if place is None or stop.arrived_at is None or stop.done_at is None:
            continue
        begin = stop.arrived_at
        if stop.window is not None and stop.window.begin < stop.done_at:
            begin = max(begin, stop.window.begin)
        yield Dwell(place.id, place.kind, stop.done_at - begin)


def _alone(routes: Iterable[Route]) -> Iterator[Stop]:
    """Stops that are done at the door of one order."""
    for route in routes:
        for stop in route.stops:
            if stop.kind == "delivery" and stop.state == "done" and len(stop.order_ids) == 1:
                yield stop
