"""When every van will be at its stops, from where it is now, and which promises that endangers."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from cloud.fleet.service import require_depot
from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.identity import EVERYTHING, Reach
from cloud.orders import store as order_store
from cloud.orders.model import Order
from cloud.planning import risk_store, store
from cloud.planning.day import PromiseAtRisk, Route
from cloud.planning.eta import Eta, forecast, underway, visited
from cloud.planning.pace import Pace, learned
from cloud.planning.service import Planning
from cloud.planning.situation import TO_DELIVER, At
from cloud.tracking.progress import Line, progress

log = logging.getLogger(__name__)

type Positions = Callable[[str], Mapping[str, At]]
type Risk = Literal["none", "at_risk", "late"]

LOOK_EVERY_S: Final = 10.0
"""Really: how often every route that is on is forecast again."""

_LEARN_EVERY_S: Final = 3_600.0
_LEARN_ROUTES: Final = 300
_TOO_OLD_S: Final = 900.0
_NEAR_M: Final = 100.0
_NOT_YET: Final = 0.97
"""Who has so much of a leg ahead has not set out, as far as its position can tell."""
_NEARLY_THERE: Final = 0.05


class Arrival(NamedTuple):
    """A stop's forecast, the orders it serves, and what it means for their promises."""

    eta: Eta
    order_ids: tuple[str, ...]
    risk: Risk


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """What is expected of one route.

    Attributes:
        computed_at: the instant. position_age_s: of the fix it was made from; None without one.
        items: the stops that no van has arrived at yet, in order.
    """

    route: Route
    computed_at: float
    position_age_s: float | None
    items: tuple[Arrival, ...]


class Forecasts:
    """Forecasts routes by what their fleet has shown.

    Args:
        database: of the business.
        planning: gives routes.
        positions: where the vans of a tenant are.
        clock: domain time.
    """

    def __init__(
        self, database: Database, planning: Planning, positions: Positions, clock: Clock
    ) -> None:
        self._database = database
        self._planning = planning
        self._positions = positions
        self._clock = clock
        self._paces: dict[tuple[str, str], tuple[float, Pace, ZoneInfo]] = {}

    def of_route(self, tenant: str, route_id: str) -> Arrivals:
        """What is expected of one route.

        Raises:
            NotFound: there is none of that id.
        """
        return self._expect(tenant, [self._planning.route(tenant, route_id)])[0]

    def of_day(
        self, tenant: str, depot_id: str, service_date: date, reach: Reach = EVERYTHING
    ) -> list[Arrivals]:
        """What is expected of each route of a plan within reach.

        Raises:
            NotFound: no such depot, or nothing is planned for that date yet.
        """
        return self._expect(
            tenant, self._planning.plan(tenant, depot_id, service_date, reach).routes
        )

    def of_now(self, tenant: str) -> list[Arrivals]:
        """What is expected of each route that is at work or soon will be."""
        return self._expect(tenant, self._planning.routes_at_work(tenant))

    def _expect(self, tenant: str, routes: Iterable[Route]) -> list[Arrivals]:
        positions = self._positions(tenant)
        expected = []
        for day, of_day in _by_day(routes).items():
            pace, zone = self._pace(tenant, day[0])
            orders = self._planning.orders_of_day(tenant, *day)
            expected += [
                arrivals_of(
                    route, positions.get(route.vehicle_id), orders, pace, zone, self._clock.now_s()
                )
                for route in of_day
            ]
        return expected

    def _pace(self, tenant: str, depot_id: str) -> tuple[Pace, ZoneInfo]:
        """What the depot's newest routes have shown; learned anew each hour."""
        now = self._clock.now_s()
        known = self._paces.get((tenant, depot_id))
        if known is None or not 0 <= now - known[0] < _LEARN_EVERY_S:
            with self._database.reading() as connection:
                zone = ZoneInfo(require_depot(connection, tenant, depot_id).zone)
                routes = store.newest_routes(connection, tenant, depot_id, _LEARN_ROUTES)
            known = (now, learned([visited(route, zone) for route in routes]), zone)
            self._paces[tenant, depot_id] = known
        return known[1], known[2]


def arrivals_of(
    route: Route,
    at: At | None,
    orders: Mapping[str, Order],
    pace: Pace,
    zone: ZoneInfo,
    now: float,
) -> Arrivals:
    """What is expected of ``route`` at ``now`` with its van ``at`` a place."""
    is_known = at is not None and now - at.fix_time <= _TOO_OLD_S
    van = underway(route, zone, now, left_share(route, at if is_known else None, now))
    stops = {stop.id: stop for stop in route.stops}
    return Arrivals(
        route=route,
        computed_at=now,
        position_age_s=None if at is None else max(0.0, now - at.fix_time),
        items=tuple(
            Arrival(eta, (ids := stops[eta.stop_id].order_ids), _risk(eta, ids, orders))
            for eta in forecast(van, pace)
        ),
    )


def left_share(route: Route, at: At | None, now: float) -> float:
    """How much of the leg to its next stop a van still has to drive, 0 to 1.

    By where it is on the route's path; without a position by the time since it was done.
    """
    if not route.has_begun or not route.open_stops or route.open_stops[0].state != "open":
        return 1.0
    following = route.open_stops[0]
    if at is not None and route.geometry and following.leg_m > 0:
        line = _line(route.geometry)
        places = [(stop.lat, stop.lon) for stop in route.stops]
        # The path leads through the stops that were open when it was made.
        through = [place for place in places if line.place(*place).off_m <= _NEAR_M]
        done = max(0, len(through) - len(route.open_stops))
        to_next_m = progress(line, through, done, (at.lat, at.lon)).to_next_m
        if to_next_m is not None:
            left = to_next_m / following.leg_m
            driven_since = (now - at.fix_time) / max(1, following.leg_s) if left < _NOT_YET else 0.0
            return _whole(max(min(left, _NEARLY_THERE), left - driven_since))
    left_at = max((stop.done_at or 0.0 for stop in route.stops if stop.state == "done"), default=0)
    return _whole(max(_NEARLY_THERE, 1.0 - (now - left_at) / max(1, following.leg_s)))


def _whole(left: float) -> float:
    return 1.0 if left >= _NOT_YET else max(0.0, left)


@lru_cache(2_000)
def _line(geometry: tuple[tuple[float, float], ...]) -> Line:
    return Line([(lat, lon) for lon, lat in geometry])


def _risk(eta: Eta, order_ids: Iterable[str], orders: Mapping[str, Order]) -> Risk:
    ends = [
        order.promise.current.end
        for order_id in order_ids
        if (order := orders.get(order_id)) is not None
        and order.promise is not None
        and order.state in TO_DELIVER
    ]
    if not ends or eta.p90 <= min(ends):
        return "none"
    return "late" if eta.p50 > min(ends) else "at_risk"


def _by_day(routes: Iterable[Route]) -> dict[tuple[str, date], list[Route]]:
    days: dict[tuple[str, date], list[Route]] = {}
    for route in routes:
        days.setdefault((route.depot_id, route.service_date), []).append(route)
    return days


class PromiseWatch:
    """Tells of a promise that will probably be broken, once for each promise.

    Args:
        forecasts: of every route that is on.
        tenants: whose routes are looked at.
        database: of the business; what was told is kept there, so a restart tells nothing twice.
        events: woken when there is news.
        clock: domain time.
    """

    def __init__(
        self,
        forecasts: Forecasts,
        *,
        tenants: Callable[[], Iterable[str]],
        database: Database,
        events: outbox.Outbox,
        clock: Clock,
    ) -> None:
        self._forecasts = forecasts
        self._tenants = tenants
        self._database = database
        self._events = events
        self._clock = clock

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                if await asyncio.to_thread(self.look):
                    self._events.wake()
            except DBAPIError as error:
                log.warning("arrivals cannot be forecast; later", extra={"reason": str(error.orig)})
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> int:
        """Look once at every tenant; how many promises are newly in danger."""
        return sum(self._look(tenant) for tenant in self._tenants())

    def _look(self, tenant: str) -> int:
        late = {
            order_id: (expected, arrival.eta)
            for expected in self._forecasts.of_now(tenant)
            for arrival in expected.items
            if arrival.risk == "late"
            for order_id in arrival.order_ids
        }
        if not late:
            return 0
        with self._database.writing() as connection:
            return sum(1 for _ in self._told(connection, tenant, late))

    def _told(
        self, connection: Connection, tenant: str, late: Mapping[str, tuple[Arrivals, Eta]]
    ) -> Iterator[str]:
        now = self._clock.now_s()
        for order_id, (expected, eta) in late.items():
            order = order_store.find(connection, tenant, order_id)
            if order is None or order.promise is None or order.state not in TO_DELIVER:
                continue
            end = order.promise.current.end
            if eta.p50 <= end or not risk_store.note(connection, tenant, order_id, end, now):
                continue
            outbox.append(
                connection,
                tenant,
                now,
                PromiseAtRisk(
                    order_id=order_id,
                    depot_id=expected.route.depot_id,
                    service_date=expected.route.service_date.isoformat(),
                    route_id=expected.route.id,
                    vehicle_id=expected.route.vehicle_id,
                    promised_until=end,
                    expected_at=eta.p50,
                ),
            )
            yield order_id
