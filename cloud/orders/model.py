"""Orders, parcels and promises as values, and what happened to them as events. Pure.

Every instant is in seconds since 1970, UTC.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

import msgspec

from cloud.orders.states import OrderState

type Priority = Literal["normal", "urgent"]
type OrderKind = Literal["delivery", "return"]
type WindowKind = Literal["hard", "soft"]
type WhereaboutsKind = Literal["shop", "depot", "van", "handed_over"]

_QUARTER_S: Final = 900.0
_PROMISE_EARLY_S: Final = 3600.0
_PROMISE_LATE_S: Final = 3600.0
_URGENT_WITHIN_S: Final = 7200.0


@dataclass(frozen=True, slots=True)
class Span:
    """From an instant to a later one."""

    begin: float
    end: float

    def __post_init__(self) -> None:
        if not self.begin <= self.end:
            raise ValueError(f"a span ends at {self.end} before it begins at {self.begin}")


@dataclass(frozen=True, slots=True)
class Promise:
    """What the customer was told: first, and now. The courier's own window is another field."""

    original: Span
    current: Span


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a parcel is: which kind of place, and which one."""

    kind: WhereaboutsKind
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One labelled piece."""

    id: str
    order_id: str
    label: str
    whereabouts: Whereabouts


@dataclass(frozen=True, slots=True, kw_only=True)
class Pickup:
    """A place other than the depot where an order's parcels are fetched, such as a shop.

    ``window``: when they can be fetched; None means at any time. ``place_id``: empty until it is
    stored.
    """

    address: str
    lat: float
    lon: float
    window: Span | None = None
    place_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request to bring parcels to a place on a service date, or from there to the depot.

    Attributes:
        kind: a ``return`` is fetched at its door, within its window, and brought to the depot.
        window: when the recipient can be served; None means any time of the shift.
        window_kind: a ``soft`` window is preferred and not asked for: the order may be served
            after it where that is cheaper. Once something was promised, the promise holds.
        service_s: expected time at the door. is_service_given: somebody has said it; else the
            plan takes what was learned of the door. promise: None until a plan was published.
        version: counts each change.
        wait_until: it may wait for a later service date, up to this one; None is must-go.
        weight_kg, volume_litres: of all parcels together; None is not known, and counts as nothing.
        needs: skills that van and crew must have, such as ``fridge`` or ``two_man``.
        pickup: where a delivery is fetched; None is the depot.
        ready_from: its parcels cannot be fetched before; None: they lie there already.
        place_id: of its door; empty until it is stored.
    """

    tenant: str
    id: str
    reference: str
    depot_id: str
    service_date: date
    state: OrderState
    priority: Priority
    address: str
    lat: float
    lon: float
    window: Span | None
    service_s: int
    parcels: tuple[Parcel, ...]
    promise: Promise | None
    created_at: float
    version: int
    weight_kg: float | None = None
    volume_litres: float | None = None
    needs: tuple[str, ...] = ()
    kind: OrderKind = "delivery"
    pickup: Pickup | None = None
    ready_from: float | None = None
    place_id: str = ""
    is_service_given: bool = True
    window_kind: WindowKind = "hard"
    wait_until: date | None = None

    @property
    def days_to_wait(self) -> int:
        """How many days later it may still be served; 0 is must-go.

        Nothing that was promised, and nothing that has left for a van, waits.
        """
        is_free = self.promise is None and self.state in {"received", "planned"}
        if self.wait_until is None or not is_free:
            return 0
        return max(0, (self.wait_until - self.service_date).days)

    @property
    def is_soft(self) -> bool:
        """Whether its window is only preferred: it is soft, and nothing was promised yet."""
        return self.window_kind == "soft" and self.promise is None

    @property
    def is_return(self) -> bool:
        """Whether it is fetched at its door and brought to the depot."""
        return self.kind == "return"

    def is_aboard(self, vehicle_id: str) -> bool:
        """Whether every parcel is in this van."""
        return all(parcel.whereabouts == Whereabouts("van", vehicle_id) for parcel in self.parcels)

    def aboard_count(self, vehicle_id: str) -> int:
        """How many of its parcels are in this van."""
        return sum(p.whereabouts == Whereabouts("van", vehicle_id) for p in self.parcels)


class OrderReceived(msgspec.Struct, frozen=True, kw_only=True):
    """A new order has come in."""

    order_id: str
    depot_id: str
    service_date: str
    priority: Priority


class OrderMoved(msgspec.Struct, frozen=True, kw_only=True):
    """An order has a new state."""

    order_id: str
    depot_id: str
    service_date: str
    before: OrderState
    after: OrderState


class OrderChanged(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for has changed: its window, time at the door, load, needs or note."""

    order_id: str
    depot_id: str
    service_date: str
    fields: tuple[str, ...]


def urgent_span(now: float) -> Span:
    """When an urgent order is to be served that came in without a window: within two hours."""
    return Span(now, now + _URGENT_WITHIN_S)


def served_within(order: Order) -> Span | None:
    """When an order may be served: what was promised first, within what is asked for now.

    The first promise and not the current one: lateness that was told once is not forgiven. A
    window that was changed to another time stands in the promise's place; a soft one says nothing
    any more, as a promise may lie after it. None: at any time.
    """
    if order.promise is None:
        return order.window
    told = order.promise.original
    if order.window is None or order.window_kind == "soft":
        return told
    begin, end = max(told.begin, order.window.begin), min(told.end, order.window.end)
    return Span(begin, end) if begin < end else order.window


def promise_after_change(promise: Promise, window: Span) -> Promise:
    """What is told when the recipient asks for another window; the original stays."""
    begin = max(promise.current.begin, window.begin)
    end = min(promise.current.end, window.end)
    return Promise(promise.original, Span(begin, end) if begin < end else window)


def promise_span(planned_service: float, window: Span | None) -> Span:
    """The window first told to a customer whose service is planned to begin at an instant.

    An hour to both sides, on whole quarters, and never outside what the recipient asked for,
    unless the plan itself already comes later than that.
    """
    begin = (planned_service - _PROMISE_EARLY_S) // _QUARTER_S * _QUARTER_S
    end = -(-(planned_service + _PROMISE_LATE_S) // _QUARTER_S) * _QUARTER_S
    if window is None or planned_service > window.end:
        return Span(begin, end)
    return Span(max(begin, window.begin), min(end, window.end))
