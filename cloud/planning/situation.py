"""A depot's day at one instant: what is known, and what is fixed. Pure.

What is fixed: a stop that is done, the stop being driven to or stood at, and parcels aboard a van.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cloud.fleet.model import Depot, Driver, Shift, Vehicle
from cloud.geofences.model import Fence
from cloud.orders.model import Order
from cloud.orders.states import OrderState
from cloud.places.areas import AccessArea
from cloud.places.model import Place
from cloud.places.service_times import NOTHING_LEARNED, ServiceTimes
from cloud.planning.day_plan import DayPlan, Stop
from cloud.planning.familiar import NOBODY_KNOWN, Familiarity
from cloud.planning.lag import ASSUMED_LAG, Lag
from cloud.planning.pace import ASSUMED, Pace
from cloud.planning.rest import Allowed
from cloud.planning.rules.model import Rule
from cloud.planning.visiting import OVERTIME_S
from cloud.roads.access import AccessStreet

EARLY_S: Final = 600
"""A driver sets out so as to stand at the door this long before its window opens, not earlier."""
POSITION_TOO_OLD_S: Final = 900.0
TWO_MAN: Final = "two_man"
"""The skill of a shift on which somebody goes along with the driver."""

TO_DELIVER: Final[frozenset[OrderState]] = frozenset(
    {"received", "planned", "loaded", "out_for_delivery"}
)
_ABOARD: Final[frozenset[OrderState]] = frozenset({"loaded", "out_for_delivery"})


def is_to_serve(order: Order) -> bool:
    """Whether something of it is still to be driven: to its door, or of a return to the depot."""
    return order.state in TO_DELIVER or (order.is_return and order.state == "returning")


def is_aboard(order: Order) -> bool:
    """Whether its parcels were taken aboard a van and are to be brought somewhere."""
    return order.state in _ABOARD or (order.is_return and order.state == "returning")


def van_of(order: Order) -> str | None:
    """The van that has parcels of an order aboard."""
    return next((p.whereabouts.at for p in order.parcels if p.whereabouts.kind == "van"), None)


@dataclass(frozen=True, slots=True)
class At:
    """Where a van is, and when that was true (seconds since 1970)."""

    lat: float
    lon: float
    fix_time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Everything that is known of a depot's service date at one instant."""

    now: float
    depot: Depot
    plan: DayPlan
    shifts: tuple[Shift, ...]
    vehicles: Mapping[str, Vehicle]
    orders: Mapping[str, Order]
    positions: Mapping[str, At]
    drivers: Mapping[str, Driver] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)
    areas: tuple[AccessArea, ...] = ()
    streets: tuple[AccessStreet, ...] = ()
    service_times: ServiceTimes = NOTHING_LEARNED
    lag: Lag = ASSUMED_LAG
    pace: Pace = ASSUMED
    broken: frozenset[str] = frozenset()
    """Vans that cannot drive on; what they had aboard lies there to be fetched."""
    zones: tuple[Fence, ...] = ()
    """Geofences that are a zone of some van or driver of the day."""
    familiarity: Familiarity = NOBODY_KNOWN
    coming: tuple[Order, ...] = ()
    """Orders of earlier days, as they stand there, that come to this one with its next plan."""
    allowed: Mapping[str, Allowed] = field(default_factory=dict)
    """What rest and work of other days leave of shifts, by id; nothing is said of the others."""

    @property
    def locked_vehicles(self) -> frozenset[str]:
        """Vans whose routes a dispatcher has locked."""
        return frozenset(rule.vehicle_id for rule in self.rules if rule.kind == "lock")

    @property
    def kept_in_order(self) -> frozenset[str]:
        """Vans on duty whose stops keep their sequence, though more may come between."""
        kept = {rule.vehicle_id for rule in self.rules if rule.kind == "sequence"}
        kept -= self.locked_vehicles
        return frozenset(s.vehicle_id for s in self.open_shifts() if s.vehicle_id in kept)

    def pinned_vehicle(self, order_id: str) -> str | None:
        """The van that alone may serve an order: by a pin, or as it is on a locked route."""
        for rule in self.rules:
            if rule.kind == "pin" and rule.order_id == order_id:
                return rule.vehicle_id
        for vehicle_id in self.locked_vehicles:
            route = self.plan.route_of(vehicle_id)
            for stop in route.open_stops if route else ():
                if stop.kind == "delivery" and order_id in stop.order_ids:
                    return vehicle_id
        return None

    def banned_vehicles(self, order_id: str) -> frozenset[str]:
        """Vans that may not serve an order, as a dispatcher says."""
        return frozenset(
            rule.vehicle_id
            for rule in self.rules
            if rule.kind == "ban" and rule.order_id == order_id
        )

    def skills_of(self, shift: Shift) -> tuple[str, ...]:
        """What van, driver and helpers of a shift can do together."""
        known = (self.drivers.get(one) for one in shift.people)
        words = {word for person in known if person is not None for word in person.skills}
        words |= set(self.vehicles[shift.vehicle_id].skills)
        return tuple(sorted(words | ({TWO_MAN} if shift.helper_ids else set())))

    def is_wanted(self, stop: Stop) -> bool:
        """Whether anything of a stop is still to be done for somebody."""
        return any(
            is_to_serve(order)
            for order_id in stop.order_ids
            if (order := self.orders.get(order_id)) is not None
        )

    def frozen_stop(self, vehicle_id: str) -> Stop | None:
        """The stop a van under way is driving to, or stands at; None while it waits.

        Who does not go on still finishes where the van stands.
        """
        route = self.plan.route_of(vehicle_id)
        if route is None or not route.has_begun:
            return None
        if self._is_called_off(vehicle_id):
            return next((s for s in route.open_stops if s.state == "arrived"), None)
        stop = next(
            (s for s in route.open_stops if s.state == "arrived" or self.is_wanted(s)), None
        )
        return None if stop is None or self.is_waited_for(stop) else stop

    def _is_called_off(self, vehicle_id: str) -> bool:
        return not any(
            self.may_go_out(shift) for shift in self.shifts if shift.vehicle_id == vehicle_id
        )

    def is_waited_for(self, stop: Stop) -> bool:
        """Whether it is too early to set out for a stop, because its window opens much later."""
        if stop.state != "open" or stop.window is None:
            return False
        return self.now < stop.window.begin - EARLY_S - stop.leg_s

    def open_shifts(self) -> list[Shift]:
        """Shifts that are to come or on, and those over whose van still has something to do."""
        return [
            shift
            for shift in self.shifts
            if self.may_go_out(shift) and (shift.ends_at > self.now or self._is_in_overtime(shift))
        ]

    def allowed_of(self, shift: Shift) -> Allowed:
        """What is left of a shift, the whole of it where nothing takes any."""
        known = self.allowed.get(shift.id)
        return known or Allowed(begins_at=shift.starts_at, ends_at=shift.ends_at)

    def may_go_out(self, shift: Shift) -> bool:
        """Whether a shift holds and its van is in use and can drive."""
        is_fit = self.vehicles[shift.vehicle_id].is_in_use and shift.vehicle_id not in self.broken
        return shift.state == "planned" and is_fit

    def _is_in_overtime(self, shift: Shift) -> bool:
        route = self.plan.route_of(shift.vehicle_id)
        is_under_way = route is not None and route.state == "under_way"
        return is_under_way and self.now < shift.ends_at + OVERTIME_S

    def newest_position(self, vehicle_id: str) -> At | None:
        """Where a van is, unless that was true too long ago."""
        at = self.positions.get(vehicle_id)
        if at is None or self.now - at.fix_time > POSITION_TOO_OLD_S:
            return None
        return at

    def start_of(self, vehicle_id: str) -> tuple[float, float]:
        """Where a van stands before its shift."""
        van = self.vehicles[vehicle_id]
        if van.start_lat is None or van.start_lon is None:
            return self.depot.lat, self.depot.lon
        return van.start_lat, van.start_lon

    def end_of(self, vehicle_id: str) -> tuple[float, float]:
        """Where a van goes after its shift."""
        van = self.vehicles[vehicle_id]
        if van.end_lat is None or van.end_lon is None:
            return self.depot.lat, self.depot.lon
        return van.end_lat, van.end_lon

    def _last_done_at(self, vehicle_id: str) -> At | None:
        route = self.plan.route_of(vehicle_id)
        done = [stop for stop in route.stops if stop.state == "done"] if route else []
        return At(done[-1].lat, done[-1].lon, self.now) if done else None

    def metres_driven(self, vehicle_id: str) -> int:
        """What a van has driven today to its stops, the one it is driving to included."""
        route, frozen = self.plan.route_of(vehicle_id), self.frozen_stop(vehicle_id)
        stops = route.stops if route else ()
        return sum(stop.leg_m for stop in stops if stop.state == "done" or stop == frozen)

    def drives_to_ask(self, anew: Container[str] = ()) -> dict[str, tuple[At, Stop]]:
        """For each van on its way to a frozen stop: from where to where it drives.

        A van in ``anew`` has set out for another stop than was planned: without a position it
        drives from where it was done last.
        """
        asked = {}
        for shift in self.shifts:
            stop, at = self.frozen_stop(shift.vehicle_id), self.newest_position(shift.vehicle_id)
            if at is None and shift.vehicle_id in anew:
                at = self._last_done_at(shift.vehicle_id)
            if stop is not None and stop.state == "open" and at is not None:
                asked[shift.vehicle_id] = (at, stop)
        return asked


def shifts_to_plan(
    shifts: Iterable[Shift], vehicles: Mapping[str, Vehicle], plan: DayPlan
) -> tuple[Shift, ...]:
    """One shift a van: those that hold, and those called off after their route had begun.

    What was done on a route that was called off stays in the plan.
    """
    chosen: dict[str, Shift] = {}
    for shift in shifts:
        holds = shift.state == "planned" and vehicles[shift.vehicle_id].is_in_use
        route = plan.route_of(shift.vehicle_id)
        if holds or (shift.vehicle_id not in chosen and route is not None and route.has_begun):
            chosen[shift.vehicle_id] = shift
    return tuple(chosen.values())
