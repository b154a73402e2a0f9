"""When every van will be at its stops, from where it is now, and which promises that endangers."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from math import inf
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from cloud.fleet.service import require_depot
from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.identity import EVERYTHING, Reach
from cloud.foundation.looking import keep_looking
from cloud.orders import store as order_store
from cloud.orders.model import Order
from cloud.planning import risk_store, route_store, told_store
from cloud.planning.day_plan import Route, Stop, is_served_at
from cloud.planning.eta import Underway, forecast, still_holds, underway, visited
from cloud.planning.events import MarginUsed, PromiseAtRisk
from cloud.planning.leg_left import Way, left_share, way_of
from cloud.planning.pace import Pace, learned
from cloud.planning.service import Planning
from cloud.planning.situation import TO_DELIVER, At
from cloud.planning.worth import Eta, Worth, put_right, worth_noting, worth_of

type Positions = Callable[[str], Mapping[str, At]]
type _Promise = tuple[str, float]
"""An order, and until when it is promised."""
type Risk = Literal["none", "at_risk", "late"]

LOOK_EVERY_S: Final = 10.0
"""Really: how often every route that is on is forecast again."""

_LEARN_EVERY_S: Final = 3_600.0
_LEARN_ROUTES: Final = 300
_TOO_OLD_S: Final = 900.0
_USED_SHARE: Final = 0.5
"""Of the way from p50 to p90: three of four arrivals are before it."""
_MOST_REMEMBERED: Final = 5_000
"""Routes whose last forecast is at hand; the one asked for longest ago is let go first."""


class Arrival(NamedTuple):
    """A stop's forecast, the orders it serves, and what it means for their promises.

    ``promised_until`` is when the first of them ends; infinite without any.
    """

    eta: Eta
    order_ids: tuple[str, ...]
    promised_until: float

    @property
    def risk(self) -> Risk:
        """What the forecast means for that promise."""
        if self.eta.p90 <= self.promised_until:
            return "none"
        return "late" if self.eta.p50 > self.promised_until else "at_risk"


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


class Learned(NamedTuple):
    """What a depot's newest routes have shown, and what their forecasts were worth."""

    pace: Pace
    worth: Worth
    zone: ZoneInfo


class Forecast(NamedTuple):
    """What a route was expected to do, of what that was made, and as told before it was put right.

    It stands until something is known that it does not tell.
    """

    made_of: Underway
    learned: Learned
    uncorrected: tuple[Eta, ...]
    etas: tuple[Eta, ...]


class Forecasts:
    """Forecasts routes by what their fleet has shown.

    A forecast that still holds is not made again: a fix matters when the van is elsewhere than was
    expected of it, when a stop was reached or done, or the route has changed.

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
        self._learned: dict[tuple[str, str], tuple[float, Learned]] = {}
        self._standing: OrderedDict[tuple[str, str], _Standing] = OrderedDict()

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

    def uncorrected(self, tenant: str, route_id: str) -> tuple[Eta, ...]:
        """What was last forecast of a route by its pace alone; nothing when it never was."""
        known = self._standing.get((tenant, route_id))
        return () if known is None else known.forecast.uncorrected

    def _expect(self, tenant: str, routes: Iterable[Route]) -> list[Arrivals]:
        positions = self._positions(tenant)
        expected = []
        for day, of_day in _by_day(routes).items():
            learned = self._what_was_learned(tenant, day[0])
            orders = self._planning.orders_of_day(tenant, *day)
            for route in of_day:
                at = positions.get(route.vehicle_id)
                standing = self._stands(route, at, learned)
                expected.append(
                    arrivals_of(route, at, orders, standing.forecast, self._clock.now_s())
                )
        return expected

    def _stands(self, route: Route, at: At | None, learned: Learned) -> "_Standing":
        """The forecast of a route, made anew when the one before does not hold any more."""
        key = route.tenant, route.id
        known, now = self._standing.get(key), self._clock.now_s()
        way = known.way if known and known.revision == route.revision else way_of(route)
        van = van_at(route, at, learned.zone, now, way)
        if known is None or known.forecast.learned is not learned or not holds(known.forecast, van):
            known = _Standing(route.revision, way, forecast_of(van, learned))
        self._standing[key] = known
        self._standing.move_to_end(key)
        while len(self._standing) > _MOST_REMEMBERED:
            self._standing.popitem(last=False)
        return known

    def _what_was_learned(self, tenant: str, depot_id: str) -> Learned:
        """What the depot's newest routes have shown; learned anew each hour."""
        now = self._clock.now_s()
        known = self._learned.get((tenant, depot_id))
        if known is None or not 0 <= now - known[0] < _LEARN_EVERY_S:
            with self._database.reading() as connection:
                zone = ZoneInfo(require_depot(connection, tenant, depot_id).zone)
                routes = route_store.newest_routes(connection, tenant, depot_id, _LEARN_ROUTES)
                judged = told_store.judged(connection, tenant, routes)
            pace = learned([visited(route, zone) for route in routes])
            known = now, Learned(pace, worth_of(judged), zone)
            self._learned[tenant, depot_id] = known
        return known[1]


class _Standing(NamedTuple):
    """A route's last forecast, and its way as long as the route does not change."""

    revision: int
    way: Way | None
    forecast: Forecast


def van_at(route: Route, at: At | None, zone: ZoneInfo, now: float, way: Way | None) -> Underway:
    """A route as it stands with its van ``at`` a place, if that is known and not too long ago."""
    is_known = at is not None and now - at.fix_time <= _TOO_OLD_S
    return underway(route, zone, now, left_share(route, at if is_known else None, now, way))


def forecast_of(van: Underway, learned: Learned) -> Forecast:
    """What is expected of a van by what was learned."""
    raw = forecast(van, learned.pace)
    return Forecast(van, learned, raw, put_right(raw, van.now, learned.worth))


def holds(before: Forecast, van: Underway) -> bool:
    """Whether a forecast still tells all that is known of a van now."""
    return still_holds(before.made_of, before.uncorrected, van)


def arrivals_of(
    route: Route, at: At | None, orders: Mapping[str, Order], expected: Forecast, now: float
) -> Arrivals:
    """What a forecast means for ``orders`` at ``now`` with the van ``at`` a place."""
    stops = {stop.id: stop for stop in route.stops}
    return Arrivals(
        route=route,
        computed_at=expected.made_of.now,
        position_age_s=None if at is None else max(0.0, now - at.fix_time),
        items=tuple(
            Arrival(eta, stops[eta.stop_id].order_ids, _promised_until(stops[eta.stop_id], orders))
            for eta in expected.etas
        ),
    )


def _promised_until(stop: Stop, orders: Mapping[str, Order]) -> float:
    return min(
        (
            order.promise.current.end
            for order_id in stop.order_ids
            if (order := orders.get(order_id)) is not None
            and order.promise is not None
            and order.state in TO_DELIVER
            and is_served_at(stop, order)
        ),
        default=inf,
    )


def news_of(eta: Eta, promised_until: float) -> type[PromiseAtRisk | MarginUsed] | None:
    """What is to be told of a promise when its van is expected so."""
    if eta.p50 > promised_until:
        return PromiseAtRisk
    if eta.p50 + _USED_SHARE * (eta.p90 - eta.p50) > promised_until:
        return MarginUsed
    return None


def _by_day(routes: Iterable[Route]) -> dict[tuple[str, date], list[Route]]:
    days: dict[tuple[str, date], list[Route]] = {}
    for route in routes:
        days.setdefault((route.depot_id, route.service_date), []).append(route)
    return days


class PromiseWatch:
    """Tells of a promise that may be broken, and of one that probably will, once for each promise.

    Args:
        forecasts: of every route that is on.
        tenants: whose routes are looked at.
        database: of the business; what was told of a promise at risk is kept there, so a restart
            tells that to nobody twice. That a margin is used up is told again after one.
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
        self._slot = -1
        self._uncertain: dict[str, set[_Promise]] = {}
        self._noted: set[tuple[str, str, int]] = set()

    async def run(self) -> None:
        """Look until cancelled."""
        await keep_looking("arrivals", self._look_and_wake, LOOK_EVERY_S)

    def _look_and_wake(self) -> None:
        if self.look():
            self._events.wake()

    def look(self) -> int:
        """Look once at every tenant; how many promises are newly in danger."""
        return sum(self._look(tenant) for tenant in self._tenants())

    def _look(self, tenant: str) -> int:
        of_now = self._forecasts.of_now(tenant)
        self._note(tenant, of_now)
        still = {order for one in of_now for each in one.items for order in each.order_ids}
        known = {one for one in self._uncertain.get(tenant, ()) if one[0] in still}
        self._uncertain[tenant] = known
        endangered = {
            order_id: (expected, arrival.eta)
            for expected in of_now
            for arrival in expected.items
            if (news := news_of(arrival.eta, arrival.promised_until)) is not None
            for order_id in arrival.order_ids
            if news is PromiseAtRisk or (order_id, arrival.promised_until) not in known
        }
        if not endangered:
            return 0
        with self._database.writing() as connection:
            told = list(self._told(connection, tenant, endangered))
        known.update(one for one in told if one is not None)
        return len(told)

    def _note(self, tenant: str, of_now: Iterable[Arrivals]) -> None:
        """Keep now and then what was forecast, to learn what it was worth when it has come."""
        now = self._clock.now_s()
        slot = told_store.slot_of(now)
        if slot != self._slot:
            self._slot, self._noted = slot, set()
        told = []
        for expected in of_now:
            etas = self._forecasts.uncorrected(tenant, expected.route.id)
            new = {
                horizon: eta
                for horizon, eta in worth_noting(etas, expected.computed_at).items()
                if (tenant, expected.route.id, horizon) not in self._noted
            }
            self._noted |= {(tenant, expected.route.id, horizon) for horizon in new}
            if new:
                told.append(told_store.Told(expected.route.id, expected.computed_at, new))
        if told:
            with self._database.writing() as connection:
                told_store.note(connection, tenant, told, now)

    def _told(
        self, connection: Connection, tenant: str, endangered: Mapping[str, tuple[Arrivals, Eta]]
    ) -> Iterator[_Promise | None]:
        """Tell of promises; gives for each those that only this process knows to be told."""
        now = self._clock.now_s()
        for order_id, (expected, eta) in endangered.items():
            order = order_store.find(connection, tenant, order_id)
            if order is None or order.promise is None or order.state not in TO_DELIVER:
                continue
            end = order.promise.current.end
            news = news_of(eta, end)
            if news is None or not self._is_new(connection, tenant, news, order_id, end):
                continue
            outbox.append(
                connection,
                tenant,
                now,
                news(
                    order_id=order_id,
                    depot_id=expected.route.depot_id,
                    service_date=expected.route.service_date.isoformat(),
                    route_id=expected.route.id,
                    vehicle_id=expected.route.vehicle_id,
                    promised_until=end,
                    expected_at=eta.p50,
                ),
            )
            yield None if news is PromiseAtRisk else (order_id, end)

    def _is_new(
        self, connection: Connection, tenant: str, news: type, order_id: str, end: float
    ) -> bool:
        """Whether it is told for the first time; of a margin as far as this process knows."""
        if news is PromiseAtRisk:
            return risk_store.note(connection, tenant, order_id, end, self._clock.now_s())
        return (order_id, end) not in self._uncertain[tenant]
