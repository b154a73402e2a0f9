"""Use cases of orders, one transaction each, and the moves that other features make in theirs."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Literal

from sqlalchemy import Connection

from cloud.fleet.model import Depot, require_not_past
from cloud.fleet.service import require_depot
from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import CloudError, Conflict, Invalid, NotFound
from cloud.foundation.identity import EVERYTHING, Reach
from cloud.foundation.ids import NewId
from cloud.orders import store
from cloud.orders.changing import window_after_change
from cloud.orders.intake import (
    NewOrder,
    require_fetchable,
    require_on_day,
    require_window_kind,
    require_window_on_day,
)
from cloud.orders.model import (
    Order,
    OrderChanged,
    OrderMoved,
    OrderReceived,
    Parcel,
    Pickup,
    Span,
    Whereabouts,
    WindowKind,
    urgent_span,
)
from cloud.orders.states import FINAL, Move, moved
from cloud.orders.waiting import require_wait_until
from cloud.places import store as place_store
from cloud.places.events import PlaceHoursChanged
from cloud.places.model import Place
from cloud.places.service_times import DEFAULT_S
from cloud.places.store import known_or_new
from cloud.roads.client import RoadsClient
from cloud.roads.model import NoStreetNear, Snapped

type Wanted = tuple[NewOrder, Snapped, Snapped | None]
"""A new order, the street at its door, and that at its pickup when it names one."""


class Orders:
    """Orders come in, change, are cancelled and are looked up."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        roads: RoadsClient,
        events: outbox.Outbox,
        new_id: NewId,
        of_carrier: store.OrdersOfCarrier,
    ) -> None:
        self._database = database
        self._clock = clock
        self._roads = roads
        self._events = events
        self._new_id = new_id
        self._of_carrier = of_carrier

    def service_date(self, tenant: str, depot_id: str, reach: Reach = EVERYTHING) -> date:
        """Today's date at a depot.

        Raises:
            NotFound: there is no such depot within reach.
        """
        with self._database.reading() as connection:
            depot = require_depot(connection, tenant, depot_id, reach)
            return depot.service_date(self._clock.now_s())

    async def snap(self, lat: float, lon: float) -> Snapped:
        """The street point nearest to a door.

        Raises:
            Invalid: there is no street near it. Unavailable: roads do not answer.
        """
        try:
            return await self._roads.snap(lat, lon)
        except NoStreetNear as error:
            raise Invalid(error.detail, *error.problems) from error

    async def snap_pickup(self, lat: float, lon: float) -> Snapped:
        """The street point nearest to where parcels are fetched.

        Raises:
            Invalid: there is no street near it. Unavailable: roads do not answer.
        """
        try:
            return await self._roads.snap(lat, lon)
        except NoStreetNear as error:
            told = error.problems[0]
            raise Invalid.field("pickup.lat, pickup.lon", told.problem, told.remedy) from error

    def depot_for(self, tenant: str, depot_id: str, service_date: date) -> Depot:
        """The depot that is to serve orders on a date.

        Raises:
            NotFound: there is no such depot. Invalid: the date is past there.
        """
        with self._database.reading() as connection:
            depot = require_depot(connection, tenant, depot_id)
        require_not_past(service_date, depot, self._clock.now_s())
        return depot

    def add(
        self, tenant: str, new: NewOrder, street: Snapped, pickup_street: Snapped | None = None
    ) -> Order:
        """Take one order; ``pickup_street`` is needed when it names a pickup.

        Raises:
            NotFound: no such depot. Invalid: the date is past, or a time is not on it.
            Conflict: the reference is known already.
        """
        (made,) = self.add_many(tenant, new.depot_id, [(new, street, pickup_street)])
        if isinstance(made, CloudError):
            raise made
        return made

    def add_many(
        self, tenant: str, depot_id: str, wanted: Sequence[Wanted]
    ) -> list[Order | CloudError]:
        """Take orders for one depot in one transaction; what is made of each, or why it is not.

        Raises:
            NotFound: no such depot.
        """
        with self._database.writing() as connection:
            depot = require_depot(connection, tenant, depot_id)
            made = self._add(connection, depot, wanted)
        self._events.wake()
        return made

    def get(self, tenant: str, order_id: str) -> Order:
        """One order.

        Raises:
            NotFound: there is none of that id.
        """
        with self._database.reading() as connection:
            return require_order(connection, tenant, order_id)

    def personal(self, tenant: str, order_id: str) -> dict[str, str | None]:
        """Name, phone and note of the recipient; for the office and the assigned driver only."""
        with self._database.reading() as connection:
            return store.personal_of(connection, tenant, order_id)

    def place(self, tenant: str, order_id: str, which: Literal["door", "pickup"]) -> Place:
        """The place of an order's door, or where it is fetched.

        Raises:
            NotFound: no such order, or it is fetched at its depot.
        """
        with self._database.reading() as connection:
            return _require_place(connection, tenant, order_id, which)

    def change_place(
        self,
        tenant: str,
        order_id: str,
        which: Literal["door", "pickup"],
        values: Mapping[str, object],
    ) -> Place:
        """Write what is known of that place; it holds for every order there.

        Raises:
            NotFound: no such order, or it is fetched at its depot.
        """
        with self._database.writing() as connection:
            known = _require_place(connection, tenant, order_id, which)
            if values:
                place_store.change(connection, tenant, known.id, **values)
            changed = _require_place(connection, tenant, order_id, which)
            if changed.hours != known.hours:
                told = PlaceHoursChanged(
                    place_id=known.id,
                    address=known.address,
                    before=known.hours,
                    after=changed.hours,
                )
                outbox.append(connection, tenant, self._clock.now_s(), told)
        self._events.wake()
        return changed

    def page(
        self,
        tenant: str,
        *,
        equal: dict[str, str],
        cursor: str | None,
        limit: int,
        reach: Reach = EVERYTHING,
    ) -> tuple[list[Order], str | None]:
        """Some orders within reach in the order they came in, and the cursor of the next page.

        Raises:
            Invalid: the cursor was not given by an earlier page.
        """
        after = None if cursor is None else _read_cursor(cursor)
        with self._database.reading() as connection:
            found = store.page(
                connection,
                tenant,
                equal=equal,
                after=after,
                limit=limit + 1,
                held=store.orders_within(reach, self._of_carrier),
            )
        if len(found) <= limit:
            return found, None
        return found[:limit], _cursor(found[limit - 1])

    def change(
        self, tenant: str, order_id: str, values: dict[str, object], window: Span | None
    ) -> Order:
        """Change what is asked for; ``window`` only when ``values`` holds ``window``.

        Raises:
            NotFound: no such order. Conflict: it has ended. Invalid: the window is on another day.
        """
        with self._database.writing() as connection:
            order = require_order(connection, tenant, order_id)
            if order.state in FINAL:
                raise Conflict(f"order {order_id} is {order.state}, so it cannot change any more")
            columns: dict[str, object] = {
                name: value for name, value in values.items() if name != "window"
            }
            if "service_s" in values:
                is_given = values["service_s"] is not None
                columns["is_service_given"] = is_given
                columns["service_s"] = values["service_s"] if is_given else round(DEFAULT_S)
            if isinstance(last := values.get("wait_until"), date):
                require_wait_until(last, order.service_date, order.priority)
                columns["wait_until"] = last.isoformat()
            if isinstance(ready := values.get("ready_from"), float):
                _require_ready(connection, order, ready)
            if "window" in values or "window_kind" in values:
                columns |= _window_columns(connection, order, values, window)
            if columns:
                store.change(connection, order, **columns)
                outbox.append(
                    connection,
                    tenant,
                    self._clock.now_s(),
                    OrderChanged(
                        order_id=order.id,
                        depot_id=order.depot_id,
                        service_date=order.service_date.isoformat(),
                        fields=tuple(values),
                    ),
                )
            changed = require_order(connection, tenant, order_id)
        self._events.wake()
        return changed

    def cancel(self, tenant: str, order_id: str, reason: str) -> Order:
        """The order is not wanted any more; parcels aboard stay where they are.

        Raises:
            NotFound: no such order. Conflict: it has ended in another way. Twice is no error.
        """
        with self._database.writing() as connection:
            order = require_order(connection, tenant, order_id)
            if order.state != "cancelled":
                order = move(connection, order, "cancel", self._clock.now_s(), cancel_reason=reason)
        self._events.wake()
        return order

    def _add(
        self, connection: Connection, depot: Depot, wanted: Sequence[Wanted]
    ) -> list[Order | CloudError]:
        references = {new.reference for new, *_ in wanted if new.reference}
        known = store.known_references(connection, depot.tenant, references)
        results: list[Order | CloudError] = []
        rows: list[store.NewRow] = []
        for new, street, pickup_street in wanted:
            try:
                order = self._received(depot, new, known)
            except (Invalid, Conflict) as error:
                results.append(error)
                continue
            known.add(order.reference)
            door = self._place_id(connection, order.tenant, order, street)
            shop = None
            if order.pickup is not None and pickup_street is not None:
                shop = self._place_id(connection, order.tenant, order.pickup, pickup_street)
            order = _lying_at(replace(order, place_id=door), shop)
            results.append(order)
            rows.append((order, door, shop, _personal(new)))
        store.add_orders(connection, rows)
        for order, *_ in rows:
            outbox.append(connection, depot.tenant, order.created_at, _received_event(order))
        return results

    def _received(self, depot: Depot, new: NewOrder, known: set[str]) -> Order:
        """The order that is made of what somebody asks for; nothing is stored yet."""
        now = self._clock.now_s()
        if new.reference in known:
            raise Conflict(f"reference {new.reference!r} is known already")
        require_not_past(new.service_date, depot, now)
        require_fetchable(new, depot.zone)
        require_window_kind(new.window_kind, new.window, new.kind)
        require_wait_until(new.wait_until, new.service_date, new.priority)
        window = new.window
        if window is not None:
            require_window_on_day(window, new.service_date, depot.zone)
        elif new.priority == "urgent" and new.service_date == depot.service_date(now):
            window = urgent_span(now)
        order_id = self._new_id("ord")
        return Order(
            tenant=depot.tenant,
            id=order_id,
            reference=new.reference or order_id,
            depot_id=depot.id,
            service_date=new.service_date,
            state="received",
            priority=new.priority,
            address=new.address,
            lat=new.lat,
            lon=new.lon,
            window=window,
            service_s=round(DEFAULT_S) if new.service_s is None else new.service_s,
            is_service_given=new.service_s is not None,
            parcels=tuple(
                Parcel(
                    id=self._new_id("parcel"),
                    order_id=order_id,
                    label=f"{new.reference or order_id}/{number}",
                    whereabouts=Whereabouts("depot", depot.id),
                )
                for number in range(1, new.parcels + 1)
            ),
            promise=None,
            created_at=now,
            version=1,
            weight_kg=new.weight_kg,
            volume_litres=new.volume_litres,
            needs=new.needs,
            kind=new.kind,
            pickup=new.pickup,
            ready_from=new.ready_from,
            window_kind=new.window_kind,
            wait_until=new.wait_until,
        )

    def _place_id(
        self, connection: Connection, tenant: str, at: Order | Pickup, street: Snapped
    ) -> str:
        return known_or_new(
            connection,
            tenant=tenant,
            address=at.address,
            lat=at.lat,
            lon=at.lon,
            street=street.street,
            street_distance_m=street.distance_m,
            new_id=self._new_id,
        )


def _require_place(
    connection: Connection, tenant: str, order_id: str, which: Literal["door", "pickup"]
) -> Place:
    order = require_order(connection, tenant, order_id)
    place_id: str | None = order.place_id
    if which == "pickup":
        place_id = order.pickup.place_id if order.pickup is not None else None
    place = None if place_id is None else place_store.find(connection, tenant, place_id)
    if place is None:
        raise NotFound(f"order {order_id!r} is fetched at its depot; ask for its door")
    return place


def _window_columns(
    connection: Connection, order: Order, values: Mapping[str, object], window: Span | None
) -> dict[str, object]:
    """Window, its kind and the current promise as they are after a change."""
    if window is not None:
        depot = require_depot(connection, order.tenant, order.depot_id)
        require_window_on_day(window, order.service_date, depot.zone)
    kind: WindowKind | None = None
    if "window_kind" in values:
        kind = "soft" if values["window_kind"] == "soft" else "hard"
    asked = window_after_change(order, window, kind, is_window_given="window" in values)
    columns: dict[str, object] = {
        "window_begin": asked.window.begin if asked.window else None,
        "window_end": asked.window.end if asked.window else None,
        "window_kind": asked.kind,
    }
    if asked.promise is not None:
        columns["promise_current_begin"] = asked.promise.current.begin
        columns["promise_current_end"] = asked.promise.current.end
    return columns


def _require_ready(connection: Connection, order: Order, ready: float) -> None:
    if order.is_return:
        raise Invalid.field("ready_from", "is given for a return", "change its window instead")
    depot = require_depot(connection, order.tenant, order.depot_id)
    require_on_day("ready_from", ready, order.service_date, depot.zone)


def _lying_at(order: Order, shop: str | None) -> Order:
    """The order with its parcels where they are at first: depot, shop, or with the customer."""
    if order.is_return:
        there = Whereabouts("handed_over", order.id)
    elif shop is not None:
        there = Whereabouts("shop", shop)
    else:
        return order
    return replace(
        order, parcels=tuple(replace(piece, whereabouts=there) for piece in order.parcels)
    )


def _personal(new: NewOrder) -> dict[str, str | None]:
    return {
        "recipient_name": new.recipient_name,
        "recipient_phone": new.recipient_phone,
        "note": new.note,
    }


def _received_event(order: Order) -> OrderReceived:
    return OrderReceived(
        order_id=order.id,
        depot_id=order.depot_id,
        service_date=order.service_date.isoformat(),
        priority=order.priority,
    )


def require_order(connection: Connection, tenant: str, order_id: str) -> Order:
    """One order, inside a transaction.

    Raises:
        NotFound: there is none of that id.
    """
    order = store.find(connection, tenant, order_id)
    if order is None:
        raise NotFound(f"order {order_id!r} is not known; GET /api/v1/orders lists them")
    return order


def move(connection: Connection, order: Order, step: Move, at: float, **values: object) -> Order:
    """Move an order by the state table, inside a transaction, and tell of it.

    ``values`` are further columns that change with the state.

    Raises:
        Conflict: the table does not know this move from the order's state.
    """
    after = moved(order.id, order.state, step)
    store.change(connection, order, state=after, **values)
    outbox.append(
        connection,
        order.tenant,
        at,
        OrderMoved(
            order_id=order.id,
            depot_id=order.depot_id,
            service_date=order.service_date.isoformat(),
            before=order.state,
            after=after,
        ),
    )
    return require_order(connection, order.tenant, order.id)


def _cursor(order: Order) -> str:
    text = f"{order.created_at!r} {order.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[float, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        created_at, order_id = text.split(" ")
        return float(created_at), order_id
    except (ValueError, binascii.Error, UnicodeDecodeError) as error:
        raise Invalid.field(
            "cursor", "was not given by an earlier page", "begin again without a cursor"
        ) from error
