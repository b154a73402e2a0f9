"""A depot's plan for one service date as it stands: routes, their stops, and what is fixed. Pure.

Every instant is in seconds since 1970, UTC; spans are seconds, distances metres.
"""

from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

import msgspec

from cloud.orders.model import Order, Span
from cloud.planning.questions import QUICK_S
from cloud.planning.sequence import out_of_order
from cloud.planning.solution import Prices

type StopKind = Literal["pickup", "delivery"]
type StopState = Literal["open", "arrived", "done"]
type RouteState = Literal["planned", "under_way", "finished"]
type Trigger = Literal[
    "optimize",
    "new_order",
    "urgent_order",
    "cancellation",
    "changed_order",
    "failed_pickup",
    "failed_attempt",
    "changed_shift",
    "promise_at_risk",
    "van_silent",
    "van_broken_down",
    "van_off_route",
    "driver_reordered",
    "road_changed",
    "access_changed",
    "waves_changed",
    "rule",
    "undo",
    "accepted",
]
BY_HAND: Final[frozenset[Trigger]] = frozenset(
    {"optimize", "rule", "undo", "accepted", "driver_reordered"}
)
"""What a person has asked for."""

type JobState = Literal["queued", "running", "done", "failed"]
type DepotKey = tuple[str, str]
"""A company's depot: one job of it is worked on at a time."""
type DayKey = tuple[str, str, date]
"""A company's depot and service date: whose plan it is."""


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


class RouteChange(msgspec.Struct, frozen=True, kw_only=True):
    """A stop's order was on one van and is on another, or in another place of the sequence."""

    order_id: str
    from_vehicle: str | None
    to_vehicle: str | None


class Sacrifice(msgspec.Struct, frozen=True, kw_only=True):
    """A promise that a revision does not keep; instants in seconds since 1970."""

    order_id: str
    promised_until: float
    served_at: float


class VanDriving(msgspec.Struct, frozen=True, kw_only=True):
    """More (or less) of what one van has still to drive."""

    vehicle_id: str
    drive_s: int
    distance_m: int


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """What a revision changed against the one before it, by orders.

    Attributes:
        moved: orders that have another van or another place among those that stayed on theirs.
        drive_s, distance_m: more (or less) of what is still to be driven.
        promises_moved: orders whose customer must be told another time.
        sacrificed: the same, with what they were told and when they are served now.
        by_van: the vans whose driving is more or less; none of what was made before that was kept.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    moved: tuple[RouteChange, ...]
    drive_s: int
    distance_m: int
    promises_moved: tuple[str, ...]
    sacrificed: tuple[Sacrifice, ...] = ()
    by_van: tuple[VanDriving, ...] = ()


class RevisionCost(msgspec.Struct, frozen=True, kw_only=True):
    """What is still to be driven after a revision, and the lateness it accepts."""

    drive_s: int
    distance_m: int
    late_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One published state of a day's plan: why it came and what it changed.

    ``because`` tells why ``solver`` made it.
    """

    number: int
    trigger: Trigger
    reason: str
    solver: str
    created_at: float
    cost: RevisionCost
    diff: Diff
    prices: Prices | None = None
    because: str | None = None


class About(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of news a plan is asked for: of which order, or of which van."""

    trigger: Trigger
    order_id: str | None = None
    vehicle_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A plan somebody or something asked for; followed until it is done.

    Attributes:
        about: the news it serves; none means it is wanted whatever has happened.
        due_at: it does not begin earlier, so that news of one moment are planned for together; in
            seconds since 1970, None is at once.
        base: the revision it must follow on; None is whatever is current.
        restores: an earlier revision whose sequences are driven again. proposal_id: a proposal
            whose sequences are.
    """

    tenant: str
    id: str
    depot_id: str
    service_date: date
    trigger: Trigger
    reason: str
    solver: Literal["auto", "pyvrp", "ortools", "insertion"]
    seconds: float
    seed: int
    state: JobState = "queued"
    revision: int | None = None
    error: str | None = None
    about: tuple[About, ...] = ()
    due_at: float | None = None
    base: int | None = None
    restores: int | None = None
    proposal_id: str | None = None

    @property
    def is_held(self) -> bool:
        """Whether its sequences are given and nothing is searched."""
        return self.restores is not None or self.proposal_id is not None

    @property
    def is_asked_for(self) -> bool:
        """Whether a person waits for it."""
        return self.trigger in BY_HAND

    @property
    def is_urgent(self) -> bool:
        """Whether an urgent order is to be put where it fits at once."""
        return self.trigger == "urgent_order" and self.is_quick

    @property
    def is_quick(self) -> bool:
        """Whether it takes the planner no time to speak of."""
        return self.seconds <= QUICK_S

    @property
    def day_key(self) -> DayKey:
        """Which plan it makes."""
        return self.tenant, self.depot_id, self.service_date

    @property
    def depot_key(self) -> DepotKey:
        """Whose job it is."""
        return self.tenant, self.depot_id

    def is_of_same_day(self, other: "Job") -> bool:
        """Whether both plan the same depot and service date."""
        return self.day_key == other.day_key


class RevisionCommitted(msgspec.Struct, frozen=True, kw_only=True):
    """A day's plan has a new revision; ``routes`` are those that changed."""

    depot_id: str
    service_date: str
    number: int
    trigger: Trigger
    reason: str
    routes: tuple[str, ...]


class PlanningFailed(msgspec.Struct, frozen=True, kw_only=True):
    """A plan was asked for and could not be made; the one before stays in force."""

    depot_id: str
    service_date: str
    job_id: str
    error: str


class PromiseAtRisk(msgspec.Struct, frozen=True, kw_only=True):
    """A van will probably come after the end of what was promised; told once for each promise.

    ``promised_until`` is that end, ``expected_at`` the arrival as likely before as after.
    """

    order_id: str
    depot_id: str
    service_date: str
    route_id: str
    vehicle_id: str
    promised_until: float
    expected_at: float


def served_orders(routes: Iterable[Route]) -> dict[str, str]:
    """The van that delivers each order which still has an open delivery stop."""
    return {
        order_id: route.vehicle_id
        for route in routes
        for stop in route.open_stops
        if stop.kind == "delivery"
        for order_id in stop.order_ids
    }


def difference(
    before: DayPlan, routes: Iterable[Route], sacrificed: Iterable[Sacrifice] = ()
) -> Diff:
    """What changes when ``routes`` replace those of ``before``."""
    after = tuple(routes)
    lost = tuple(sorted(sacrificed, key=lambda one: one.order_id))
    was, now = served_orders(before.routes), served_orders(after)
    moved = {
        order: RouteChange(order_id=order, from_vehicle=was[order], to_vehicle=now[order])
        for order in was.keys() & now.keys()
        if was[order] != now[order]
    }
    for order in _resequenced(before.routes, after):
        moved.setdefault(
            order, RouteChange(order_id=order, from_vehicle=was[order], to_vehicle=was[order])
        )
    return Diff(
        added=tuple(sorted(now.keys() - was.keys())),
        removed=tuple(sorted(was.keys() - now.keys())),
        moved=tuple(moved[order] for order in sorted(moved)),
        drive_s=_drive_s(after) - _drive_s(before.routes),
        distance_m=_distance_m(after) - _distance_m(before.routes),
        promises_moved=tuple(one.order_id for one in lost),
        sacrificed=lost,
        by_van=_by_van(before.routes, after),
    )


def of_van(diff: Diff, vehicle_id: str, before: Container[str], after: Container[str]) -> Diff:
    """What a diff of a day says of one van's route, and nothing of other vans.

    Args:
        diff: of the day.
        vehicle_id: whose route it is.
        before: ids of the orders on the route before.
        after: of those on it now.
    """
    here = [one for one in diff.moved if vehicle_id in {one.from_vehicle, one.to_vehicle}]
    came = [one.order_id for one in here if one.from_vehicle != vehicle_id]
    went = [one.order_id for one in here if one.to_vehicle != vehicle_id]
    lost = tuple(one for one in diff.sacrificed if one.order_id in after)
    driven = [one for one in diff.by_van if one.vehicle_id == vehicle_id]
    return Diff(
        added=tuple(sorted([*(one for one in diff.added if one in after), *came])),
        removed=tuple(sorted([*(one for one in diff.removed if one in before), *went])),
        moved=tuple(one for one in here if one.from_vehicle == one.to_vehicle),
        drive_s=sum(one.drive_s for one in driven),
        distance_m=sum(one.distance_m for one in driven),
        promises_moved=tuple(one.order_id for one in lost),
        sacrificed=lost,
        by_van=tuple(driven),
    )


def _by_van(before: Iterable[Route], after: Iterable[Route]) -> tuple[VanDriving, ...]:
    drive_s: Counter[str] = Counter()
    distance_m: Counter[str] = Counter()
    for sign, routes in ((-1, before), (1, after)):
        for route in routes:
            drive_s[route.vehicle_id] += sign * route.drive_s
            distance_m[route.vehicle_id] += sign * route.distance_m
    return tuple(
        VanDriving(vehicle_id=van, drive_s=drive_s[van], distance_m=distance_m[van])
        for van in sorted(drive_s)
        if drive_s[van] or distance_m[van]
    )


def _drive_s(routes: Iterable[Route]) -> int:
    return sum(route.drive_s for route in routes)


def _distance_m(routes: Iterable[Route]) -> int:
    return sum(route.distance_m for route in routes)


def _deliveries(route: Route) -> list[str]:
    return [
        order for stop in route.open_stops if stop.kind == "delivery" for order in stop.order_ids
    ]


def _resequenced(before: Iterable[Route], after: Iterable[Route]) -> list[str]:
    """Orders that stayed on their van but not in their place among those that stayed."""
    later = {route.vehicle_id: _deliveries(route) for route in after}
    changed: list[str] = []
    for route in before:
        now = later.get(route.vehicle_id, [])
        was = _deliveries(route)
        changed += out_of_order(was, now)
    return changed
