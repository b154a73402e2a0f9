"""Use cases of a driver under way, one transaction each; each may be repeated without harm."""

from dataclasses import dataclass, replace
from typing import Final, Literal

from sqlalchemy import Connection

from cloud.drivers.ordering import take_out_of_turn
from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import Conflict, Invalid, NotFound
from cloud.orders import attempt_store
from cloud.orders import store as order_store
from cloud.orders.model import Order, Parcel, Whereabouts
from cloud.orders.service import move, require_order
from cloud.orders.states import DELIVERED_TO, FAILED_FOR
from cloud.planning import route_store
from cloud.planning.breakdowns import store as breakdown_store
from cloud.planning.breakdowns.model import is_half_over
from cloud.planning.day_plan import Route, Stop, is_served_at
from cloud.planning.events import RouteFinished
from cloud.planning.reordering import is_out_of_turn
from cloud.planning.rest import EARLY_BEGIN_S
from cloud.planning.service import has_driven, require_route_of_driver

_HANDED_ON: Final = frozenset({"loaded", "out_for_delivery"})
"""States in which an order can only come from a van that has broken down."""
_TO_FETCH: Final = frozenset({"planned", "loaded", "out_for_delivery"})

type Outcome = Literal["delivered", "failed", "picked_up"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a driver says of a stop.

    Attributes:
        reason: to whom it was delivered, or why it failed; see `cloud.orders.states`.
        order_id: which order of the stop; None means all of it.
    """

    outcome: Outcome
    reason: str | None
    order_id: str | None

    def __post_init__(self) -> None:
        allowed: tuple[str, ...] = {
            "delivered": DELIVERED_TO,
            "failed": FAILED_FOR,
            "picked_up": (),
        }[self.outcome]
        if self.reason is not None and self.reason not in allowed:
            raise Invalid.field(
                "reason",
                f"{self.reason[:40]!r} is no reason for {self.outcome}",
                f"use one of {', '.join(allowed)}" if allowed else "leave it out",
            )
        if self.outcome == "failed" and self.reason is None:
            raise Invalid.field("reason", "is missing", f"use one of {', '.join(FAILED_FOR)}")


class DriverWork:
    """What a driver does in a shift."""

    def __init__(self, database: Database, clock: Clock, events: outbox.Outbox) -> None:
        self._database = database
        self._clock = clock
        self._events = events

    def route(self, tenant: str, driver_id: str) -> Route:
        """The route of the shift that is on, or of the next one.

        Raises:
            NotFound: there is no shift, or nothing is planned for it.
        """
        with self._database.reading() as connection:
            return require_route_of_driver(connection, tenant, driver_id, self._clock.now_s())

    def load(self, tenant: str, driver_id: str, parcel_id: str) -> Parcel:
        """Take a parcel aboard at the pickup stop that comes next; that is an arrival there too.

        Raises:
            NotFound: no such parcel. Conflict: it is not for this van, or not to be loaded now.
        """
        with self._database.writing() as connection:
            now = self._clock.now_s()
            route = require_route_of_driver(connection, tenant, driver_id, now)
            parcel = _require_parcel(connection, tenant, parcel_id)
            aboard = Whereabouts("van", route.vehicle_id)
            if parcel.whereabouts == aboard:
                return parcel
            stop = _require_pickup(route, parcel)
            order = require_order(connection, tenant, parcel.order_id)
            if not is_half_over(order, route.vehicle_id):
                _require_there(connection, order, parcel)
            self._arrive(connection, route, stop, now)
            order_store.move_parcels(connection, tenant, [parcel_id], aboard)
            order = require_order(connection, tenant, parcel.order_id)
            if order.is_aboard(route.vehicle_id) and order.state not in _HANDED_ON:
                move(connection, order, "collect" if order.is_return else "load", now)
            loaded = _require_parcel(connection, tenant, parcel_id)
        self._events.wake()
        return loaded

    def arrive(self, tenant: str, driver_id: str, stop_id: str, at: float | None) -> Stop:
        """The van stands at a stop. An arrival is never a delivery.

        A stop before its turn becomes the next one, and the plan follows while the shift lasts.

        Raises:
            NotFound: the stop is not on the driver's route.
            Conflict: the van stands at another one, or has not fetched what is delivered here.
        """
        with self._database.writing() as connection:
            now = self._clock.now_s()
            route = _require_route_of_stop(connection, tenant, driver_id, stop_id)
            stop = _require_stop(connection, tenant, route, stop_id)
            if stop.state == "open":
                if is_out_of_turn(route, stop_id):
                    take_out_of_turn(connection, route, stop_id, now)
                self._arrive(connection, route, stop, _told_at(route, at, now))
            after = _require_stop(connection, tenant, route, stop_id)
        self._events.wake()
        return after

    def report(
        self, tenant: str, driver_id: str, stop_id: str, report: Report, at: float | None
    ) -> Stop:
        """The outcome at a stop. The same report again changes nothing.

        Raises:
            NotFound: the stop or order is not on the driver's route.
            Conflict: nobody has arrived, parcels are missing, or another outcome is known.
        """
        with self._database.writing() as connection:
            now = self._clock.now_s()
            route = _require_route_of_stop(connection, tenant, driver_id, stop_id)
            stop = _require_stop(connection, tenant, route, stop_id)
            if stop.state == "open":
                raise Conflict(f"nobody has arrived at stop {stop_id}; report the arrival first")
            when = _told_at(route, at, now)
            if stop.kind == "pickup":
                _pick_up(connection, route, stop, report, when)
            else:
                _close_deliveries(connection, route, stop, report, when)
            is_left_open = stop.kind == "pickup" and _is_left(connection, route, stop)
            if stop.state != "done" and not is_left_open and _is_complete(connection, tenant, stop):
                route_store.mark_stop(connection, tenant, stop_id, state="done", done_at=when)
                _tell_finished(connection, route, stop, driver_id, when, now)
            after = _require_stop(connection, tenant, route, stop_id)
        self._events.wake()
        return after

    def _arrive(self, connection: Connection, route: Route, stop: Stop, at: float) -> None:
        if stop.state != "open":
            return
        route_store.mark_stop(connection, route.tenant, stop.id, state="arrived", arrived_at=at)
        for order_id in stop.order_ids:
            order = require_order(connection, route.tenant, order_id)
            if is_served_at(stop, order):
                attempt_store.open_attempt(
                    connection,
                    order,
                    stop_id=stop.id,
                    vehicle_id=route.vehicle_id,
                    driver_id=route.driver_id,
                    arrived_at=at,
                )


def _told_at(route: Route, at: float | None, now: float) -> float:
    """When the driver says it was; a telephone's clock that is wrong by hours is not believed."""
    return now if at is None else min(max(at, route.starts_at - EARLY_BEGIN_S), now)


def _require_parcel(connection: Connection, tenant: str, parcel_id: str) -> Parcel:
    parcel = order_store.find_parcel(connection, tenant, parcel_id)
    if parcel is None:
        raise NotFound(f"parcel {parcel_id!r} is not known; scan its label again")
    return parcel


def _require_there(connection: Connection, order: Order, parcel: Parcel) -> None:
    """The parcel lies where its order is fetched: at the depot, in a shop, or with the customer.

    Or in a van that has broken down, beside which the driver stands.
    """
    if parcel.whereabouts.kind == "van" and parcel.whereabouts.at in breakdown_store.broken_vans(
        connection, order.tenant
    ):
        return
    here = "handed_over" if order.is_return else "depot" if order.pickup is None else "shop"
    if parcel.whereabouts.kind != here:
        where = {"handed_over": "with the customer", "depot": "at the depot", "shop": "in its shop"}
        raise Conflict(
            f"parcel {parcel.id} is {parcel.whereabouts.kind} {parcel.whereabouts.at}, "
            f"not {where[here]}"
        )


def _require_route_of_stop(
    connection: Connection, tenant: str, driver_id: str, stop_id: str
) -> Route:
    """The route with this stop that the driver drives or drove: reports may come late."""
    stop = route_store.find_stop(connection, tenant, stop_id)
    route = None if stop is None else route_store.find_route(connection, tenant, stop.route_id)
    if route is None or not has_driven(connection, route, driver_id):
        raise NotFound(f"stop {stop_id!r} is not on your route; fetch the route again")
    return replace(route, driver_id=driver_id)


def _require_stop(connection: Connection, tenant: str, route: Route, stop_id: str) -> Stop:
    stop = route_store.find_stop(connection, tenant, stop_id)
    if stop is None or stop.route_id != route.id:
        raise NotFound(f"stop {stop_id!r} is not on your route; fetch the route again")
    return stop


def _require_pickup(route: Route, parcel: Parcel) -> Stop:
    following = route.open_stops[0] if route.open_stops else None
    if following is None or following.kind != "pickup":
        raise Conflict("your next stop is no pickup; nothing is to be loaded now")
    if parcel.order_id not in following.order_ids:
        raise Conflict(
            f"parcel {parcel.id} is not for {route.vehicle_id} at this stop; put it back"
        )
    return following


def _tell_finished(
    connection: Connection, route: Route, stop: Stop, driver_id: str, at: float, now: float
) -> None:
    """That a stop was the last of its route, if it was."""
    if all(one.state == "done" or one.id == stop.id for one in route.stops):
        told = RouteFinished(
            depot_id=route.depot_id,
            service_date=route.service_date.isoformat(),
            route_id=route.id,
            vehicle_id=route.vehicle_id,
            driver_id=driver_id,
            done_at=at,
        )
        outbox.append(connection, route.tenant, now, told)


def _pick_up(connection: Connection, route: Route, stop: Stop, report: Report, at: float) -> None:
    if stop.state == "done":
        return
    wanted = [
        order
        for order_id in stop.order_ids
        if (order := require_order(connection, route.tenant, order_id)).state == "returning"
        or _is_to_fetch(connection, route, order)
    ]
    if report.outcome == "failed":
        _fail_to_load(connection, route, stop, report, at)
        if not _is_left(connection, route, stop):
            _leave(connection, route, stop, at)
        return
    if report.outcome != "picked_up":
        raise Conflict(
            f"stop {stop.id} is a pickup; its outcome is picked_up, or failed for one order_id"
        )
    missing = [
        parcel.label
        for order in wanted
        for parcel in order.parcels
        if parcel.whereabouts != Whereabouts("van", route.vehicle_id)
    ]
    if missing:
        raise Conflict(
            f"{len(missing)} parcels are not aboard yet: {', '.join(missing[:5])}; load them, or "
            "report failed with the order_id of what is missing or damaged"
        )
    _leave(connection, route, stop, at)


def _leave(connection: Connection, route: Route, stop: Stop, at: float) -> None:
    """What was fetched at a pickup is on its way."""
    fetched = Report(outcome="picked_up", reason=None, order_id=None)
    for order_id in stop.order_ids:
        order = require_order(connection, route.tenant, order_id)
        if order.state == "loaded":
            move(connection, order, "depart", at)
        if order.is_return and order.is_aboard(route.vehicle_id):
            _close_attempt(connection, order, stop, fetched, at)


def _is_left(connection: Connection, route: Route, stop: Stop) -> bool:
    """Whether something is still to be fetched at a pickup."""
    orders = (require_order(connection, route.tenant, order_id) for order_id in stop.order_ids)
    return any(
        _is_to_fetch(connection, route, order) and not order.is_aboard(route.vehicle_id)
        for order in orders
    )


def _is_to_fetch(connection: Connection, route: Route, order: Order) -> bool:
    """Whether it is taken along here: not when it goes on in the van that had broken down."""
    if order.state not in _TO_FETCH:
        return False
    vans = {one.whereabouts.at for one in order.parcels if one.whereabouts.kind == "van"}
    if not vans or route.vehicle_id in vans:
        return True
    return not vans.isdisjoint(breakdown_store.broken_vans(connection, order.tenant))


def _fail_to_load(
    connection: Connection, route: Route, stop: Stop, report: Report, at: float
) -> None:
    """One order cannot be taken along: its parcels are missing or damaged."""
    order_id = report.order_id
    if order_id is None and len(stop.order_ids) == 1:
        order_id = stop.order_ids[0]
    if order_id is None:
        raise Invalid.field("order_id", "is missing", "say which order cannot be loaded")
    if order_id not in stop.order_ids:
        raise NotFound(f"order {order_id!r} is not fetched at stop {stop.id}")
    order = require_order(connection, route.tenant, order_id)
    if order.state != "failed_attempt":
        move(connection, order, "fail", at)
        if order.is_return:
            _close_attempt(connection, order, stop, report, at)


def _close_deliveries(
    connection: Connection, route: Route, stop: Stop, report: Report, at: float
) -> None:
    if report.outcome == "picked_up":
        raise Conflict(f"stop {stop.id} is a delivery; its outcome is delivered or failed")
    if report.order_id is not None and report.order_id not in stop.order_ids:
        raise NotFound(f"order {report.order_id!r} is not served at stop {stop.id}")
    chosen = stop.order_ids if report.order_id is None else (report.order_id,)
    for order_id in chosen:
        order = require_order(connection, route.tenant, order_id)
        if order.is_return:
            _give_back(connection, route, order, report, at)
            continue
        known = attempt_store.attempt_at(connection, route.tenant, order_id, stop.id)
        if known is not None and known["outcome"] is not None:
            _require_same(order, known["outcome"], known["reason"], report)
            continue
        _close_delivery(connection, order, stop, report, at)


def _require_same(order: Order, outcome: str, reason: str | None, report: Report) -> None:
    if (outcome, reason) != (report.outcome, report.reason):
        raise Conflict(
            f"order {order.id} has the outcome {outcome} ({reason or 'no reason'}) at this stop; "
            "an outcome is amended by the office"
        )


def _close_delivery(
    connection: Connection, order: Order, stop: Stop, report: Report, at: float
) -> None:
    if report.outcome == "delivered":
        move(connection, order, "deliver", at)
        order_store.move_parcels(
            connection,
            order.tenant,
            [parcel.id for parcel in order.parcels],
            Whereabouts("handed_over", order.id),
        )
    elif order.state != "cancelled":  # of a cancelled one the parcels stay aboard and go back
        move(connection, order, "fail", at)
    _close_attempt(connection, order, stop, report, at)


def _give_back(
    connection: Connection, route: Route, order: Order, report: Report, at: float
) -> None:
    """A return is at the depot."""
    if order.state == "returned":
        return
    if report.outcome != "delivered":
        raise Conflict(
            f"order {order.id} is a return that ends at the depot; report delivered when it is "
            "unloaded, or let the office tell that it is lost"
        )
    move(connection, order, "give_back", at)
    order_store.move_parcels(
        connection,
        order.tenant,
        [parcel.id for parcel in order.parcels],
        Whereabouts("depot", route.depot_id),
    )


def _close_attempt(
    connection: Connection, order: Order, stop: Stop, report: Report, at: float
) -> None:
    attempt_store.close_attempt(
        connection,
        order,
        stop_id=stop.id,
        outcome=report.outcome,
        reason=report.reason,
        outcome_at=at,
    )


def _is_complete(connection: Connection, tenant: str, stop: Stop) -> bool:
    if stop.kind == "pickup":
        return True
    for order_id in stop.order_ids:
        order = require_order(connection, tenant, order_id)
        if order.is_return:
            if order.state == "returning":
                return False
            continue
        attempt = attempt_store.attempt_at(connection, tenant, order_id, stop.id)
        if attempt is None or attempt["outcome"] is None:
            return False
    return True
