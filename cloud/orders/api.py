"""Orders over HTTP."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cloud.fleet.model import MOST_SKILLS, require_words
from cloud.foundation.clock import to_rfc3339
from cloud.foundation.errors import Invalid
from cloud.foundation.given import (
    FilledLine,
    Instant,
    Line,
    Note,
    Reference,
    ServiceDate,
    Unacceptable,
)
from cloud.foundation.identity import READERS, Caller, Gate
from cloud.foundation.identity.reach import require_depot_wide
from cloud.orders.importing import OrderImport
from cloud.orders.intake import (
    MAX_PARCELS,
    MAX_SERVICE_MINUTES,
    MAX_VOLUME_LITRES,
    MAX_WEIGHT_KG,
    NewOrder,
)
from cloud.orders.model import Order, OrderKind, Pickup, Span, WindowKind
from cloud.orders.service import Orders
from cloud.orders.states import OrderState

IMPORT_PATH: Final = "/orders/import"
MAX_CSV_BYTES: Final = 5_000_000
_CSV_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}
}

type Service = Annotated[int, Field(ge=0, le=60 * MAX_SERVICE_MINUTES)]
type Weight = Annotated[float, Field(ge=0, le=MAX_WEIGHT_KG, allow_inf_nan=False)]
type Volume = Annotated[float, Field(ge=0, le=MAX_VOLUME_LITRES, allow_inf_nan=False)]
type Needs = Annotated[list[Line], Field(max_length=MOST_SKILLS)]
type Whose = Callable[[str, list[str]], dict[str, tuple[str | None, str | None]]]
"""Gives route and stop of each of some orders of a tenant, as far as they are planned."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WindowBody(_Body):
    """From an instant to a later one, RFC 3339 with an offset."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    begin: Annotated[Instant, Field(alias="from")]
    end: Annotated[Instant, Field(alias="to")]

    @model_validator(mode="after")
    def _in_order(self) -> "WindowBody":
        if self.end <= self.begin:
            raise Unacceptable("to is not after from", "swap or mend them")
        return self

    def span(self) -> Span:
        """The same in seconds since 1970."""
        return Span(self.begin.astimezone(UTC).timestamp(), self.end.astimezone(UTC).timestamp())


class PickupBody(_Body):
    """Where the parcels are fetched when they do not lie at the depot, such as a shop.

    ``window``: when they can be fetched there; without it at any time.
    """

    address: FilledLine
    lat: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
    lon: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
    window: WindowBody | None = None

    def pickup(self) -> Pickup:
        """The same as the business knows it."""
        window = self.window.span() if self.window else None
        return Pickup(address=self.address, lat=self.lat, lon=self.lon, window=window)


class RecipientBody(_Body):
    """Whom it is for; never leaves the office and the assigned driver."""

    name: Line | None = None
    phone: Line | None = None


class NewOrderBody(_Body):
    """An order. Without a service date it is for today at the depot.

    ``service_s`` is the time at the door; without it plans take what was learned of that door. A
    ``soft`` window is preferred: the order comes after it where that is cheaper by the policy. With
    ``wait_until``, a date, it may wait for a later day up to that one, and does where it is dear.

    ``weight_kg`` and ``volume_litres`` are of all parcels together; ``needs`` are skills that van
    and crew must have, such as ``fridge``; ``two_man`` is a driver with a helper. A ``return`` is
    fetched at the address within the window and brought to the depot; a delivery is fetched at
    ``pickup``, or else at the depot, not before ``ready_from``.
    """

    reference: Reference = ""
    depot_id: Line
    service_date: ServiceDate | None = None
    address: FilledLine
    lat: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
    lon: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
    window: WindowBody | None = None
    window_kind: WindowKind = "hard"
    service_s: Service | None = None
    parcels: Annotated[int, Field(ge=1, le=MAX_PARCELS)] = 1
    weight_kg: Weight | None = None
    volume_litres: Volume | None = None
    needs: Needs = []
    priority: Literal["normal", "urgent"] = "normal"
    kind: OrderKind = "delivery"
    pickup: PickupBody | None = None
    ready_from: Instant | None = None
    wait_until: ServiceDate | None = None
    recipient: RecipientBody = RecipientBody()
    note: Note | None = None

    def new_order(self, today: date) -> NewOrder:
        """The same as the business knows it."""
        return NewOrder(
            reference=self.reference,
            depot_id=self.depot_id,
            service_date=self.service_date or today,
            address=self.address,
            lat=self.lat,
            lon=self.lon,
            window=self.window.span() if self.window else None,
            service_s=self.service_s,
            parcels=self.parcels,
            priority=self.priority,
            recipient_name=self.recipient.name,
            recipient_phone=self.recipient.phone,
            note=self.note,
            weight_kg=self.weight_kg,
            volume_litres=self.volume_litres,
            needs=require_words("needs", tuple(self.needs)),
            kind=self.kind,
            pickup=self.pickup.pickup() if self.pickup else None,
            ready_from=seconds_of(self.ready_from),
            window_kind=self.window_kind,
            wait_until=self.wait_until,
        )


class OrderChange(_Body):
    """What may change of an order; a field that is left out stays as it is.

    A window that is given after something was promised is told to the customer, so it is hard.
    """

    window: WindowBody | None = None
    window_kind: WindowKind = "hard"
    service_s: Service | None = None
    weight_kg: Weight | None = None
    volume_litres: Volume | None = None
    needs: Needs = []
    ready_from: Instant | None = None
    wait_until: ServiceDate | None = None
    note: Note | None = None


class Cancellation(_Body):
    """Why an order is not wanted any more."""

    reason: Line = ""


_NOT_PLANNED: Final = (None, None)
"""Route and stop of an order that was taken a moment ago."""


class InstantSpan(BaseModel):
    """From an instant to a later one, RFC 3339 UTC."""

    model_config = ConfigDict(populate_by_name=True)
    begin: Annotated[str, Field(alias="from")]
    end: Annotated[str, Field(alias="to")]


class PickupAt(BaseModel):
    """Where parcels are fetched that do not lie at the depot."""

    address: str
    lat: float
    lon: float
    window: InstantSpan | None


class PromiseBody(BaseModel):
    """What the customer was told: first, and now."""

    original: InstantSpan
    current: InstantSpan


class WhereaboutsBody(BaseModel):
    """Where a parcel is."""

    kind: str
    at: str


class ParcelBody(BaseModel):
    """One labelled piece."""

    id: str
    label: str
    whereabouts: WhereaboutsBody


class OrderBody(BaseModel):
    """An order as it stands."""

    id: str
    reference: str
    depot_id: str
    service_date: date
    state: OrderState
    priority: Literal["normal", "urgent"]
    address: str
    lat: float
    lon: float
    window: InstantSpan | None
    window_kind: WindowKind
    service_s: int
    weight_kg: float | None
    volume_litres: float | None
    needs: list[str]
    is_service_given: bool
    kind: OrderKind
    pickup: PickupAt | None
    ready_from: str | None
    wait_until: date | None
    parcels: list[ParcelBody]
    promise: PromiseBody | None
    route_id: str | None
    stop_id: str | None
    created_at: str
    version: int


class OrderDetail(OrderBody):
    """An order with what the office and the assigned driver may know of the recipient."""

    recipient: RecipientBody
    note: str | None


class OrderPage(BaseModel):
    """Some orders, and the cursor of the next page when there are more."""

    items: list[OrderBody]
    next_cursor: str | None


class RefusedRowBody(BaseModel):
    """A row that was not taken; ``row`` counts lines of the file, the header as 1."""

    row: int
    field: str
    value: str
    problem: str
    remedy: str


class ImportReport(BaseModel):
    """What became of each row of a file."""

    imported: int
    order_ids: list[str]
    refused: list[RefusedRowBody]


def span_body(span: Span | None) -> InstantSpan | None:
    """A span as it looks over HTTP."""
    if span is None:
        return None
    return InstantSpan(begin=to_rfc3339(span.begin), end=to_rfc3339(span.end))


def seconds_of(instant: datetime | None) -> float | None:
    """Seconds since 1970."""
    return None if instant is None else instant.astimezone(UTC).timestamp()


def _pickup_at(pickup: Pickup | None) -> PickupAt | None:
    if pickup is None:
        return None
    at = pickup.address, pickup.lat, pickup.lon
    return PickupAt(address=at[0], lat=at[1], lon=at[2], window=span_body(pickup.window))


def parcel_bodies(order: Order) -> list[ParcelBody]:
    """The parcels of an order as they look over HTTP."""
    return [ParcelBody.model_validate(p, from_attributes=True) for p in order.parcels]


def _fields(order: Order, where: tuple[str | None, str | None]) -> dict[str, object]:
    promise = order.promise
    names = (
        "id", "reference", "depot_id", "service_date", "state", "priority", "address", "lat",
        "lon", "service_s", "weight_kg", "volume_litres", "version", "kind",
        "is_service_given", "window_kind", "wait_until",
    )  # fmt: skip
    return {name: getattr(order, name) for name in names} | {
        "needs": list(order.needs),
        "pickup": _pickup_at(order.pickup),
        "ready_from": None if order.ready_from is None else to_rfc3339(order.ready_from),
        "window": span_body(order.window),
        "parcels": parcel_bodies(order),
        "promise": promise
        and {"original": span_body(promise.original), "current": span_body(promise.current)},
        "route_id": where[0],
        "stop_id": where[1],
        "created_at": to_rfc3339(order.created_at),
    }


def _detail(
    order: Order, where: tuple[str | None, str | None], recipient: RecipientBody, note: str | None
) -> OrderDetail:
    told = _fields(order, where) | {"recipient": recipient, "note": note}
    return OrderDetail.model_validate(told)


def routes(orders: Orders, whose: Whose, gate: Gate) -> APIRouter:
    """Take, change, cancel, import and look up orders."""
    router = APIRouter(tags=["orders"])
    imports = OrderImport(orders)
    dispatcher = Annotated[Caller, Depends(gate.roles("dispatcher", "integrator"))]
    reader = Annotated[Caller, Depends(gate.roles(*READERS))]

    def detail(order: Order) -> OrderDetail:
        where = whose(order.tenant, [order.id]).get(order.id, (None, None))
        order = orders.get(order.tenant, order.id)  # read after its place, so it knows of it
        personal = orders.personal(order.tenant, order.id)
        recipient = RecipientBody(name=personal["name"], phone=personal["phone"])
        return _detail(order, where, recipient, personal["note"])

    @router.post("/orders", status_code=201)
    async def add(body: NewOrderBody, caller: dispatcher) -> OrderDetail:
        """Take an order; an urgent one changes the routes of today at once."""
        require_depot_wide(caller.reach)
        today = await run_in_threadpool(
            orders.service_date, caller.tenant, body.depot_id, caller.reach
        )
        street = await orders.snap(body.lat, body.lon)
        shop = await orders.snap_pickup(body.pickup.lat, body.pickup.lon) if body.pickup else None
        new = body.new_order(today)
        made = await run_in_threadpool(orders.add, caller.tenant, new, street, shop)
        return _detail(made, _NOT_PLANNED, body.recipient, body.note)

    @router.post(IMPORT_PATH, openapi_extra=_CSV_BODY)
    async def import_csv(
        caller: dispatcher, depot_id: str, service_date: ServiceDate, request: Request
    ) -> ImportReport:
        """Take every good row of a CSV and tell of every bad one."""
        require_depot_wide(caller.reach)
        try:
            text = (await request.body()).decode()
        except UnicodeDecodeError as error:
            raise Invalid.field("file", "is not UTF-8", "save it as UTF-8") from error
        order_ids, refused = await imports.run(caller.tenant, depot_id, service_date, text)
        return ImportReport(
            imported=len(order_ids),
            order_ids=order_ids,
            refused=[RefusedRowBody.model_validate(r, from_attributes=True) for r in refused],
        )

    @router.get("/orders")
    def page(
        caller: reader,
        state: OrderState | None = None,
        depot_id: str | None = None,
        service_date: ServiceDate | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
    ) -> OrderPage:
        """Orders in the order they came in, a page at a time."""
        day = None if service_date is None else service_date.isoformat()
        given = {"state": state, "depot_id": depot_id, "service_date": day}
        equal = {name: value for name, value in given.items() if value is not None}
        found, following = orders.page(
            caller.tenant, equal=equal, cursor=cursor, limit=limit, reach=caller.reach
        )
        where = whose(caller.tenant, [order.id for order in found])
        return OrderPage(
            items=[
                OrderBody.model_validate(_fields(order, where.get(order.id, (None, None))))
                for order in found
            ],
            next_cursor=following,
        )

    @router.get("/orders/{order_id}")
    def one(order_id: str, caller: reader) -> OrderDetail:
        """One order."""
        return detail(orders.get(caller.tenant, order_id))

    @router.patch("/orders/{order_id}")
    def change(order_id: str, body: OrderChange, caller: dispatcher) -> OrderDetail:
        """Change what is asked for; the plan follows."""
        values = body.model_dump(include=body.model_fields_set)
        if "needs" in values:
            values["needs"] = require_words("needs", tuple(body.needs))
        if "ready_from" in values:
            values["ready_from"] = seconds_of(body.ready_from)
        window = body.window.span() if body.window else None
        return detail(orders.change(caller.tenant, order_id, values, window))

    @router.post("/orders/{order_id}/cancel")
    def cancel(order_id: str, body: Cancellation, caller: dispatcher) -> OrderDetail:
        """The order is not wanted any more; the plan follows."""
        return detail(orders.cancel(caller.tenant, order_id, body.reason))

    return router
