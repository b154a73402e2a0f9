"""Tables of orders and parcels."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    RowMapping,
    Select,
    String,
    Table,
    UniqueConstraint,
    func,
    insert,
    or_,
    select,
    true,
    tuple_,
    update,
)

from cloud.fleet.columns import WORDS
from cloud.foundation.database import BUSINESS
from cloud.foundation.identity.reach import Reach
from cloud.foundation.identity.within import within
from cloud.orders.model import Order, Parcel, Pickup, Promise, Span, Whereabouts, WhereaboutsKind
from cloud.orders.states import FINAL
from cloud.places.model import Place
from cloud.places.store import among, place

type NewRow = tuple[Order, str, str | None, Mapping[str, str | None]]
"""An order, ids of its place and of where it is fetched, and name, phone and note by column."""

order_row = Table(
    "customer_order",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("reference", String, nullable=False),
    Column("depot_id", String, nullable=False),
    Column("service_date", String, nullable=False),
    Column("state", String, nullable=False),
    Column("priority", String, nullable=False),
    Column("place_id", String, nullable=False),
    Column("kind", String, nullable=False, server_default="delivery"),
    Column("pickup_place_id", String),
    Column("pickup_begin", Float),
    Column("pickup_end", Float),
    Column("ready_from", Float),
    Column("wait_until", String),
    Column("window_begin", Float),
    Column("window_end", Float),
    Column("window_kind", String, nullable=False, server_default="hard"),
    Column("service_s", Integer, nullable=False),
    Column("is_service_given", Boolean, nullable=False, server_default=true()),
    Column("weight_kg", Float),
    Column("volume_litres", Float),
    Column("needs", WORDS, nullable=False, server_default="[]"),
    Column("recipient_name", String),
    Column("recipient_phone", String),
    Column("note", String),
    Column("cancel_reason", String),
    Column("promise_original_begin", Float),
    Column("promise_original_end", Float),
    Column("promise_current_begin", Float),
    Column("promise_current_end", Float),
    Column("created_at", Float, nullable=False),
    Column("version", Integer, nullable=False),
    Index("ix_customer_order_day", "tenant", "depot_id", "service_date"),
    UniqueConstraint("tenant", "reference"),
    Index("ix_customer_order_wait", "wait_until", "state"),
    Index("ix_customer_order_created", "tenant", "created_at", "id"),
)
parcel = Table(
    "parcel",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("order_id", String, nullable=False, index=True),
    Column("label", String, nullable=False),
    Column("whereabouts_kind", String, nullable=False),
    Column("whereabouts_at", String, nullable=False),
)
_shop = place.alias("pickup_place")
_PICKUP_COLUMNS = (
    _shop.c.address.label("pickup_address"),
    _shop.c.lat.label("pickup_lat"),
    _shop.c.lon.label("pickup_lon"),
)

_PERSONAL: Final = frozenset({"recipient_name", "recipient_phone", "note", "cancel_reason"})
_ORDER_COLUMNS: Final = tuple(one for one in order_row.columns if one.name not in _PERSONAL)
"""What an order is made of; whom it is for is read by who may know it, and kept nowhere."""

_READ_COLUMNS: Final = (
    *_ORDER_COLUMNS,
    place.c.address,
    place.c.lat,
    place.c.lon,
    *_PICKUP_COLUMNS,
)
_READ_NAMES: Final = tuple(one.name for one in _READ_COLUMNS)

_AT_ONCE = 1_000
"""Ids in one query."""

_KEPT: Final = 4_096
"""Orders kept as they were read last, a kilobyte each."""

type _Piece = tuple[str, str, WhereaboutsKind, str]
"""Id and label of a parcel, and where it is."""

_WAITING = (
    order_row.c.wait_until.is_not(None),
    order_row.c.wait_until > order_row.c.service_date,
    order_row.c.state == "received",
    order_row.c.promise_original_begin.is_(None),
)
type DayOf = tuple[str, str, date]
"""Tenant, depot and service date."""
type OrdersOfCarrier = Callable[[ColumnElement[str], str], Select[Any]]
"""Ids of the orders that a carrier's vans have on their routes, by the tenant's column."""


def orders_within(reach: Reach, of_carrier: OrdersOfCarrier) -> ColumnElement[bool]:
    """Orders within reach: of its depots, or on a route of its carrier's vans.

    Planning knows the routes, and lies above, so its part of the query is handed in.
    """
    if reach.carrier_id is None:
        return within(reach, depot=order_row.c.depot_id)
    return order_row.c.id.in_(of_carrier(order_row.c.tenant, reach.carrier_id))


def known_references(connection: Connection, tenant: str, references: Iterable[str]) -> set[str]:
    """Which of some references an order has already."""
    return set(
        connection.execute(
            select(order_row.c.reference).where(
                order_row.c.tenant == tenant, order_row.c.reference.in_(list(references))
            )
        ).scalars()
    )


def add_orders(connection: Connection, rows: Sequence[NewRow]) -> None:
    """Store new orders with their parcels."""
    if not rows:
        return
    connection.execute(insert(order_row), [_order_values(*row) for row in rows])
    connection.execute(
        insert(parcel),
        [
            {
                "tenant": order.tenant,
                "id": piece.id,
                "order_id": order.id,
                "label": piece.label,
                "whereabouts_kind": piece.whereabouts.kind,
                "whereabouts_at": piece.whereabouts.at,
            }
            for order, *_ in rows
            for piece in order.parcels
        ],
    )


def _order_values(
    order: Order, place_id: str, pickup_place_id: str | None, personal: Mapping[str, str | None]
) -> dict[str, object]:
    fetched = order.pickup.window if order.pickup else None
    return {
        "tenant": order.tenant,
        "id": order.id,
        "reference": order.reference,
        "depot_id": order.depot_id,
        "service_date": order.service_date.isoformat(),
        "state": order.state,
        "priority": order.priority,
        "place_id": place_id,
        "kind": order.kind,
        "pickup_place_id": pickup_place_id,
        "pickup_begin": fetched.begin if fetched else None,
        "pickup_end": fetched.end if fetched else None,
        "ready_from": order.ready_from,
        "wait_until": None if order.wait_until is None else order.wait_until.isoformat(),
        "window_begin": order.window.begin if order.window else None,
        "window_end": order.window.end if order.window else None,
        "window_kind": order.window_kind,
        "service_s": order.service_s,
        "is_service_given": order.is_service_given,
        "weight_kg": order.weight_kg,
        "volume_litres": order.volume_litres,
        "needs": order.needs,
        "created_at": order.created_at,
        "version": order.version,
        **personal,
    }


def find(connection: Connection, tenant: str, order_id: str) -> Order | None:
    """One order."""
    found = _orders(connection, [order_row.c.tenant == tenant, order_row.c.id == order_id])
    return found[0] if found else None


def of_day(connection: Connection, tenant: str, depot_id: str, service_date: date) -> list[Order]:
    """Every order of a depot on one service date."""
    return _orders(
        connection,
        [
            order_row.c.tenant == tenant,
            order_row.c.depot_id == depot_id,
            order_row.c.service_date == service_date.isoformat(),
        ],
    )


def days_at_place(
    connection: Connection, tenant: str, depot_id: str, place_id: str, since: date
) -> set[date]:
    """Service dates of a depot, from one on, on which an order that is not over is for a place."""
    rows = connection.execute(
        select(order_row.c.service_date)
        .where(
            order_row.c.tenant == tenant,
            order_row.c.depot_id == depot_id,
            order_row.c.service_date >= since.isoformat(),
            or_(order_row.c.place_id == place_id, order_row.c.pickup_place_id == place_id),
            order_row.c.state.not_in(FINAL),
        )
        .distinct()
    )
    return {date.fromisoformat(row.service_date) for row in rows}


def days_of_waiting(connection: Connection, until: date, of: DayOf | None = None) -> list[DayOf]:
    """Tenant, depot and service date of what may wait for a later day, and is on no route.

    Args:
        connection: of a transaction.
        until: what may wait no longer than to an earlier date than this is left out.
        of: only those of that depot, before that date.
    """
    key = (order_row.c.tenant, order_row.c.depot_id, order_row.c.service_date)
    lasts = order_row.c.wait_until >= until.isoformat()
    wanted = select(*key).where(*_WAITING, lasts).distinct().order_by(*key)
    if of is not None:
        wanted = wanted.where(
            order_row.c.tenant == of[0],
            order_row.c.depot_id == of[1],
            order_row.c.service_date < of[2].isoformat(),
        )
    rows = connection.execute(wanted).all()
    return [(tenant, depot, date.fromisoformat(day)) for tenant, depot, day in rows]


def waiting_of_day(
    connection: Connection, day: DayOf, until: date, limit: int | None = None
) -> list[Order]:
    """The first of a day's orders that may wait until a later date, and are on no route."""
    return _orders(
        connection,
        [
            order_row.c.tenant == day[0],
            order_row.c.depot_id == day[1],
            order_row.c.service_date == day[2].isoformat(),
            order_row.c.wait_until >= until.isoformat(),
            *_WAITING,
        ],
        limit,
    )


def put_on_day(connection: Connection, order: Order) -> None:
    """Write the service date of an order that was carried there, and its windows."""
    fetched = order.pickup.window if order.pickup else None
    change(
        connection,
        order,
        service_date=order.service_date.isoformat(),
        window_begin=order.window.begin if order.window else None,
        window_end=order.window.end if order.window else None,
        pickup_begin=fetched.begin if fetched else None,
        pickup_end=fetched.end if fetched else None,
    )


def places_of_day(
    connection: Connection, tenant: str, depot_id: str, service_date: date
) -> dict[str, Place]:
    """The places that orders of a day are brought to or fetched at, by id."""
    of_the_day = (
        order_row.c.tenant == tenant,
        order_row.c.depot_id == depot_id,
        order_row.c.service_date == service_date.isoformat(),
    )
    doors = select(order_row.c.place_id).where(*of_the_day)
    shops = select(order_row.c.pickup_place_id).where(
        *of_the_day, order_row.c.pickup_place_id.is_not(None)
    )
    return among(connection, tenant, doors) | among(connection, tenant, shops)


def doors_of(connection: Connection, tenant: str, order_ids: Collection[str]) -> list[Place]:
    """Where some orders are brought to, and fetched when that is at a shop."""
    wanted = order_row.c.tenant == tenant, order_row.c.id.in_(order_ids)
    doors = select(order_row.c.place_id).where(*wanted)
    shops = select(order_row.c.pickup_place_id).where(
        *wanted, order_row.c.pickup_place_id.is_not(None)
    )
    return [*among(connection, tenant, doors).values(), *among(connection, tenant, shops).values()]


def places_of_deliveries(
    connection: Connection, tenant: str, order_ids: Sequence[str]
) -> dict[str, Place]:
    """The doors of those of some orders that are no returns, by order."""
    found: dict[str, Place] = {}
    for at in range(0, len(order_ids), _AT_ONCE):
        chosen = (
            order_row.c.tenant == tenant,
            order_row.c.id.in_(order_ids[at : at + _AT_ONCE]),
            order_row.c.kind == "delivery",
        )
        places = among(connection, tenant, select(order_row.c.place_id).where(*chosen))
        rows = connection.execute(select(order_row.c.id, order_row.c.place_id).where(*chosen))
        found |= {row.id: places[row.place_id] for row in rows}
    return found


def page(
    connection: Connection,
    tenant: str,
    *,
    equal: dict[str, str],
    after: tuple[float, str] | None,
    limit: int,
    held: ColumnElement[bool],
) -> list[Order]:
    """Orders by (created_at, id) after a place in that order; ``equal`` filters by column.

    ``held`` is what `orders_within` says of the caller's reach.
    """
    wanted: list[ColumnElement[bool]] = [order_row.c.tenant == tenant, held]
    wanted += [order_row.c[name] == value for name, value in equal.items()]
    if after is not None:
        wanted.append(tuple_(order_row.c.created_at, order_row.c.id) > tuple_(*after))
    return _orders(connection, wanted, limit)


def personal_of(connection: Connection, tenant: str, order_id: str) -> dict[str, str | None]:
    """Name, phone and note of one order's recipient."""
    row = connection.execute(
        select(order_row.c.recipient_name, order_row.c.recipient_phone, order_row.c.note).where(
            order_row.c.tenant == tenant, order_row.c.id == order_id
        )
    ).one()
    return {"name": row.recipient_name, "phone": row.recipient_phone, "note": row.note}


def change(connection: Connection, order: Order, **values: Any) -> None:
    """Write new values of an order and count its version up."""
    connection.execute(
        update(order_row)
        .where(order_row.c.tenant == order.tenant, order_row.c.id == order.id)
        .values(version=order_row.c.version + 1, **values)
    )


def find_parcel(connection: Connection, tenant: str, parcel_id: str) -> Parcel | None:
    """One parcel."""
    row = (
        connection.execute(
            select(parcel).where(parcel.c.tenant == tenant, parcel.c.id == parcel_id)
        )
        .mappings()
        .first()
    )
    return None if row is None else _parcel(row)


def move_parcels(
    connection: Connection, tenant: str, parcel_ids: Iterable[str], whereabouts: Whereabouts
) -> None:
    """Parcels are now somewhere else."""
    connection.execute(
        update(parcel)
        .where(parcel.c.tenant == tenant, parcel.c.id.in_(list(parcel_ids)))
        .values(whereabouts_kind=whereabouts.kind, whereabouts_at=whereabouts.at)
    )


def _orders(
    connection: Connection, wanted: list[ColumnElement[bool]], limit: int | None = None
) -> list[Order]:
    rows = connection.execute(
        select(*_READ_COLUMNS)
        .join(
            place,
            (place.c.tenant == order_row.c.tenant) & (place.c.id == order_row.c.place_id),
        )
        .outerjoin(
            _shop,
            (_shop.c.tenant == order_row.c.tenant) & (_shop.c.id == order_row.c.pickup_place_id),
        )
        .where(*wanted)
        .order_by(order_row.c.created_at, order_row.c.id)
        .limit(limit)
    ).all()
    pieces: dict[str, list[_Piece]] = {}
    if rows:
        chosen = select(order_row.c.id).where(*wanted)
        if limit is not None:
            chosen = select(order_row.c.id).where(order_row.c.id.in_([row.id for row in rows]))
        for order_id, *piece in connection.execute(
            select(
                parcel.c.order_id,
                parcel.c.id,
                parcel.c.label,
                parcel.c.whereabouts_kind,
                parcel.c.whereabouts_at,
            )
            .where(parcel.c.tenant == rows[0].tenant, parcel.c.order_id.in_(chosen))
            .order_by(func.length(parcel.c.label), parcel.c.label)  # so that /10 follows /9
        ):
            pieces.setdefault(order_id, []).append(tuple(piece))
    return [_order(tuple(row), tuple(pieces.get(row.id, ()))) for row in rows]


def _parcel(row: RowMapping) -> Parcel:
    return Parcel(
        id=row["id"],
        order_id=row["order_id"],
        label=row["label"],
        whereabouts=Whereabouts(row["whereabouts_kind"], row["whereabouts_at"]),
    )


def _span(begin: float | None, end: float) -> Span | None:
    return None if begin is None else Span(begin, end)


@lru_cache(_KEPT)
def _order(values: tuple[Any, ...], pieces: tuple[_Piece, ...]) -> Order:
    """What its rows make of an order; most are read again and again, and have not changed."""
    row = SimpleNamespace(**dict(zip(_READ_NAMES, values, strict=True)))
    original = _span(row.promise_original_begin, row.promise_original_end)
    current = _span(row.promise_current_begin, row.promise_current_end)
    return Order(
        tenant=row.tenant,
        id=row.id,
        reference=row.reference,
        depot_id=row.depot_id,
        service_date=date.fromisoformat(row.service_date),
        state=row.state,
        priority=row.priority,
        address=row.address,
        lat=row.lat,
        lon=row.lon,
        window=_span(row.window_begin, row.window_end),
        service_s=row.service_s,
        parcels=tuple(
            Parcel(id=name, order_id=row.id, label=label, whereabouts=Whereabouts(kind, at))
            for name, label, kind, at in pieces
        ),
        promise=Promise(original, current) if original and current else None,
        created_at=row.created_at,
        version=row.version,
        weight_kg=row.weight_kg,
        volume_litres=row.volume_litres,
        needs=row.needs,
        kind=row.kind,
        pickup=_pickup(row),
        ready_from=row.ready_from,
        place_id=row.place_id,
        is_service_given=row.is_service_given,
        window_kind=row.window_kind,
        wait_until=None if row.wait_until is None else date.fromisoformat(row.wait_until),
    )


def _pickup(row: SimpleNamespace) -> Pickup | None:
    if row.pickup_place_id is None:
        return None
    return Pickup(
        address=row.pickup_address,
        lat=row.pickup_lat,
        lon=row.pickup_lon,
        window=_span(row.pickup_begin, row.pickup_end),
        place_id=row.pickup_place_id,
    )
