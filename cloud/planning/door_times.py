"""What a depot's newest routes have shown: how long it all takes, who knows doors, who is late."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from cloud.fleet.service import require_depot
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.orders import store as order_store
from cloud.places.model import Place
from cloud.places.service_times import Dwell, ServiceTimes, learned
from cloud.planning import pace, route_store, told_store
from cloud.planning.day_plan import Route, Stop
from cloud.planning.eta import visited
from cloud.planning.familiar import Familiarity, delivered_by, familiarity
from cloud.planning.lag import Lag, lag_of
from cloud.planning.pace import Pace
from cloud.planning.service import with_drivers

_LEARN_EVERY_S: Final = 3_600.0
_LEARN_ROUTES: Final = 300


class DoorTimes:
    """Learns what a depot's stops have taken and how late its vans came, anew each hour.

    Args:
        database: of the business. clock: domain time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[tuple[str, str], _Shown] = {}

    def of(self, tenant: str, depot_id: str) -> ServiceTimes:
        """How long services take at the doors of a depot."""
        return self._shown(tenant, depot_id).times

    def familiarity(self, tenant: str, depot_id: str) -> Familiarity:
        """How well the depot's drivers know them."""
        return self._shown(tenant, depot_id).familiarity

    def lag_of(self, tenant: str, depot_id: str) -> Lag:
        """How much later than forecast its vans come."""
        return self._shown(tenant, depot_id).lag

    def pace(self, tenant: str, depot_id: str) -> Pace:
        """How long its drives and services really take."""
        return self._shown(tenant, depot_id).pace

    def _shown(self, tenant: str, depot_id: str) -> "_Shown":
        now = self._clock.now_s()
        known = self._known.get((tenant, depot_id))
        if known is None or not 0 <= now - known.at < _LEARN_EVERY_S:
            with self._database.reading() as connection:
                routes = route_store.newest_routes(connection, tenant, depot_id, _LEARN_ROUTES)
                routes = with_drivers(connection, routes, now)
                served = list(_delivered(routes))
                places = order_store.places_of_deliveries(connection, tenant, served)
                judged = told_store.judged(connection, tenant, routes)
                zone = ZoneInfo(require_depot(connection, tenant, depot_id).zone)
            known = self._known[tenant, depot_id] = _Shown(
                now,
                learned(dwells_of(routes, places)),
                familiarity(delivered_by(routes, places, now)),
                lag_of(judged),
                pace.learned(visited(route, zone) for route in routes),
            )
        return known


class _Shown(NamedTuple):
    at: float
    times: ServiceTimes
    familiarity: Familiarity
    lag: Lag
    pace: Pace


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


def _delivered(routes: Iterable[Route]) -> Iterator[str]:
    """Orders that were served at their doors."""
    for route in routes:
        for stop in route.stops:
            if stop.kind == "delivery" and stop.state == "done":
                yield from stop.order_ids


def _alone(routes: Iterable[Route]) -> Iterator[Stop]:
    """Stops that are done at the door of one order."""
    for route in routes:
        for stop in route.stops:
            if stop.kind == "delivery" and stop.state == "done" and len(stop.order_ids) == 1:
                yield stop
