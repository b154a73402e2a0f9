"""Use cases of a driver who takes stops in an order of their own, one transaction each."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from cloud.fleet import kinds, register
from cloud.fleet.service import require_vehicle
from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import Conflict, Invalid, NotFound
from cloud.foundation.ids import NewId
from cloud.orders import store as order_store
from cloud.orders.model import Order
from cloud.planning import revision_store, route_store
from cloud.planning.day_plan import Route
from cloud.planning.diff import of_van
from cloud.planning.reordering import (
    DriverReordered,
    brought_forward,
    chosen_by_driver,
    kept_by_office,
    misnamed,
    not_yet,
    obstacle,
    resorted,
)
from cloud.planning.revision import Revision
from cloud.planning.rules import store as rule_store
from cloud.planning.rules.model import Rule, RuleChanged
from cloud.planning.service import require_route_of_driver
from cloud.planning.visiting import OVERTIME_S


class StopOrder:
    """The order in which a driver wants to visit the stops that are left.

    It is in the plan at once, is published as a revision of its own with what it costs, and holds
    through every re-plan until the driver or a dispatcher lets it go.
    """

    def __init__(
        self, database: Database, clock: Clock, events: outbox.Outbox, new_id: NewId
    ) -> None:
        self._database = database
        self._clock = clock
        self._events = events
        self._new_id = new_id

    def choose(self, tenant: str, driver_id: str, revision: int, stop_ids: Sequence[str]) -> Route:
        """Visit the open stops in this order.

        Args:
            tenant: whose.
            driver_id: whose route.
            revision: of the route, as the driver has seen it.
            stop_ids: each open stop once.

        Raises:
            NotFound: the driver has no route. Invalid: the stops are not those that are open.
            Conflict: the route has changed since, is kept by the office, or cannot be driven so.
        """
        with self._database.writing() as connection:
            route = self._seen(connection, tenant, driver_id, revision)
            if (fault := misnamed(route, stop_ids)) is not None:
                raise Invalid.field("stop_ids", fault, "name each open stop of the route once")
            changed = self._put(connection, route, stop_ids)
        self._events.wake()
        return changed

    def choose_next(self, tenant: str, driver_id: str, revision: int, stop_id: str) -> Route:
        """Visit one stop before all others, which keep their order.

        Raises:
            NotFound: the stop is not open on the driver's route. Conflict: as `choose`.
        """
        with self._database.writing() as connection:
            route = self._seen(connection, tenant, driver_id, revision)
            if all(stop.id != stop_id for stop in route.open_stops):
                raise NotFound(f"{stop_id[:80]!r} is no open stop of your route; fetch it again")
            changed = self._put(connection, route, brought_forward(route, stop_id))
        self._events.wake()
        return changed

    def release(self, tenant: str, driver_id: str) -> None:
        """Leave the order of stops to the plan again.

        Raises:
            NotFound: the driver has no route, or has chosen no order.
            Conflict: the order is kept by the office.
        """
        with self._database.writing() as connection:
            now = self._clock.now_s()
            route = require_route_of_driver(connection, tenant, driver_id, now)
            rules = _rules(connection, route)
            chosen = chosen_by_driver(rules, route.vehicle_id)
            if chosen is None:
                _require_free(rules, route.vehicle_id)
                raise NotFound(f"no order was chosen for the stops of {route.vehicle_id}")
            rule_store.lift(connection, chosen, now)
            told = RuleChanged(
                depot_id=route.depot_id,
                service_date=route.service_date.isoformat(),
                rule_id=chosen.id,
                text=f"lifted by {_name(connection, route)}: {chosen.in_words}",
            )
            outbox.append(connection, tenant, now, told)
        self._events.wake()

    def last_change(self, tenant: str, driver_id: str) -> Revision:
        """The revision by which the driver's route came to be what it is.

        Its diff is of this route alone; what other vans and carriers do stays with the office.

        Raises:
            NotFound: the driver has no route.
        """
        with self._database.reading() as connection:
            route = require_route_of_driver(connection, tenant, driver_id, self._clock.now_s())
            day = tenant, route.depot_id, route.service_date
            known = revision_store.revisions(connection, *day)
            was, now = (
                _orders_on(connection, route, number)
                for number in (route.revision - 1, route.revision)
            )
        told = next(one for one in known if one.number == route.revision)
        return replace(told, diff=of_van(told.diff, route.vehicle_id, was, now))

    def _seen(self, connection: Connection, tenant: str, driver_id: str, revision: int) -> Route:
        route = require_route_of_driver(connection, tenant, driver_id, self._clock.now_s())
        if route.revision != revision:
            raise Conflict(
                f"your route has changed with revision {route.revision}, after {revision}; look at "
                "it again first"
            )
        return route

    def _put(self, connection: Connection, route: Route, stop_ids: Sequence[str]) -> Route:
        rules = _rules(connection, route)
        _require_free(rules, route.vehicle_id)
        changed = resorted(route, stop_ids)
        van = require_vehicle(connection, route.tenant, route.vehicle_id)
        against = obstacle(
            changed.open_stops,
            _orders(connection, route),
            route.vehicle_id,
            van.capacity_parcels,
        )
        if against is not None:
            raise Conflict(against)
        now, by = self._clock.now_s(), _name(connection, route)
        route_store.put_in_order(connection, changed)
        self._hold(connection, route, chosen_by_driver(rules, route.vehicle_id), by)
        reason = f"{by} put the stops of {route.vehicle_id} in another order"
        _tell(connection, changed, now, reason)
        return changed

    def _hold(self, connection: Connection, route: Route, known: Rule | None, by: str) -> None:
        now = self._clock.now_s()
        if known is not None:
            rule_store.lift(connection, known, now)
        rule = Rule(
            tenant=route.tenant,
            id=self._new_id("rule"),
            depot_id=route.depot_id,
            service_date=route.service_date,
            kind="sequence",
            vehicle_id=route.vehicle_id,
            order_id=None,
            note="the driver's own order",
            made_by=by,
            made_at=now,
            maker="driver",
        )
        rule_store.add(connection, rule)


def take_out_of_turn(connection: Connection, route: Route, stop_id: str, now: float) -> None:
    """The van stands at a stop that another would come before: it is the next one now.

    The plan follows, unless the shift is over with its overtime: nothing is planned then.

    Raises:
        Conflict: the van stands at another one, or has not fetched what is delivered here.
    """
    against = not_yet(route, stop_id, _orders(connection, route))
    if against is not None:
        raise Conflict(against)
    changed = resorted(route, brought_forward(route, stop_id))
    route_store.put_in_order(connection, changed)
    if now >= route.ends_at + OVERTIME_S:
        return
    stop = changed.open_stops[0]
    where = f"order {stop.order_ids[0]}" if stop.kind == "delivery" else stop.address
    text = f"{route.vehicle_id} stands at {where} before its turn"
    _tell(connection, changed, now, text)


def _tell(connection: Connection, route: Route, now: float, text: str) -> None:
    told = DriverReordered(
        depot_id=route.depot_id,
        service_date=route.service_date.isoformat(),
        vehicle_id=route.vehicle_id,
        order_id=next(iter(route.open_stops[0].order_ids), None),
        text=text,
    )
    outbox.append(connection, route.tenant, now, told)


def _name(connection: Connection, route: Route) -> str:
    driver = register.find(connection, kinds.DRIVERS, route.tenant, route.driver_id)
    return route.driver_id if driver is None else driver.name


def _rules(connection: Connection, route: Route) -> tuple[Rule, ...]:
    return rule_store.in_force(connection, route.tenant, route.depot_id, route.service_date)


def _require_free(rules: Sequence[Rule], vehicle_id: str) -> None:
    kept = kept_by_office(rules, vehicle_id)
    if kept is not None:
        raise Conflict(f"{kept.in_words} by {kept.made_by}; ask the office to lift that")


def _orders_on(connection: Connection, route: Route, revision: int) -> set[str]:
    """Ids of what a revision had still to be visited on a route."""
    day = route.tenant, route.depot_id, route.service_date
    steps = revision_store.sequences_of(connection, *day, revision) or {}
    return {step.job for step in steps.get(route.vehicle_id, ())}


def _orders(connection: Connection, route: Route) -> dict[str, Order]:
    every = order_store.of_day(connection, route.tenant, route.depot_id, route.service_date)
    return {order.id: order for order in every}
