"""A depot's plan for one service date: routes, their stops, and what is left out. Pure values.

Every instant is in seconds since 1970, UTC; spans are seconds, distances metres.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

import msgspec

from cloud.orders.model import Order, Span

type StopKind = Literal["pickup", "delivery"]
type StopState = Literal["open", "arrived", "done"]
type RouteState = Literal["planned", "under_way", "finished"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One halt of a route: parcels are fetched, or one order is delivered.

    Attributes:
        leg_s: planned drive from the stop before. leg_m: its length.
        window: when the service may begin; None means at any time.
    """

    id: str
    route_id: str
    kind: StopKind
    position: int
    state: StopState
    lat: float
    lon: float
    address: str
    order_ids: tuple[str, ...]
    service_s: int
    window: Span | None
    planned_arrival: float
    planned_departure: float
    leg_s: int
    leg_m: int
    arrived_at: float | None = None
    done_at: float | None = None


def is_served_at(stop: Stop, order: Order) -> bool:
    """Whether the customer of ``order`` is served at ``stop``: a return where it is fetched."""
    return stop.kind == ("pickup" if order.is_return else "delivery")


class RouteBreak(msgspec.Struct, frozen=True, kw_only=True):
    """A break of the driver; ``before_stop_id`` None is before the drive back."""

    begins: float
    ends: float
    lat: float
    lon: float
    before_stop_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One van's ordered stops in one shift.

    Attributes:
        revision: of the plan, at which this route last changed.
        end_leg_s: planned drive from the last stop to the depot. end_leg_m: its length.
        geometry: (lon, lat) along the streets, through every stop that was open at ``revision``.
    """

    tenant: str
    id: str
    depot_id: str
    service_date: date
    vehicle_id: str
    driver_id: str
    starts_at: float
    ends_at: float
    revision: int
    end_leg_s: int
    end_leg_m: int
    geometry: tuple[tuple[float, float], ...]
    stops: tuple[Stop, ...]
    breaks: tuple[RouteBreak, ...] = ()

    @property
    def has_begun(self) -> bool:
        """Whether the driver has arrived anywhere on it."""
        return any(stop.state != "open" for stop in self.stops)

    @property
    def state(self) -> RouteState:
        """How far it is."""
        if not self.has_begun:
            return "planned"
        return "under_way" if self.open_stops else "finished"

    @property
    def open_stops(self) -> tuple[Stop, ...]:
        """What is still to be done, in order; the one arrived at included."""
        return tuple(stop for stop in self.stops if stop.state != "done")

    @property
    def drive_s(self) -> int:
        """Planned driving of what is still open, to the depot."""
        return sum(stop.leg_s for stop in self.open_stops) + self.end_leg_s

    @property
    def distance_m(self) -> int:
        """Planned distance of what is still open, to the depot."""
        return sum(stop.leg_m for stop in self.open_stops) + self.end_leg_m


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplanned:
    """An order that no route serves, and why.

    ``waits_until``: the last service date, YYYY-MM-DD, of one that may wait; None is must-go.
    """

    order_id: str
    reason: str
    waits_until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPlan:
    """Everything planned for one depot and service date; revision 0 means nothing yet."""

    tenant: str
    depot_id: str
    service_date: date
    revision: int = 0
    routes: tuple[Route, ...] = ()
    unserved: tuple[Unplanned, ...] = ()

    def route_of(self, vehicle_id: str) -> Route | None:
        """The route of a van."""
        return next((route for route in self.routes if route.vehicle_id == vehicle_id), None)


def served_orders(routes: Iterable[Route]) -> dict[str, str]:
    """The van that delivers each order which still has an open delivery stop."""
    return {
        order_id: route.vehicle_id
        for route in routes
        for stop in route.open_stops
        if stop.kind == "delivery"
        for order_id in stop.order_ids
    }
