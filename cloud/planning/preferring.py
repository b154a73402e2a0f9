"""Which vans should rather deliver what: by their zones, and by what their drivers know. Pure."""

from collections.abc import Iterable

from msgspec.structs import replace

from cloud.fleet.model import Shift
from cloud.geofences.model import holding
from cloud.orders.model import Order
from cloud.planning.policy import TenantPolicy
from cloud.planning.problem import Job, Vehicle
from cloud.planning.situation import Day


def zones_of(day: Day, shift: Shift) -> tuple[str, ...]:
    """The zones of a shift's driver, else of its van; one that nobody draws any more is none."""
    driver = day.drivers.get(shift.driver_id)
    wanted = driver.zones if driver and driver.zones else day.vehicles[shift.vehicle_id].zones
    drawn = {zone.id for zone in day.zones}
    return tuple(zone for zone in wanted if zone in drawn)


def with_zones(day: Day, shift: Shift, vehicle: Vehicle) -> Vehicle:
    """The van with where it would rather deliver."""
    return replace(vehicle, zones=zones_of(day, shift)) if day.zones else vehicle


def preferred(
    day: Day, shifts: Iterable[Shift], job: Job, order: Order, policy: TenantPolicy
) -> Job:
    """The job of an order with the zones its door lies in, and which vans' drivers know it."""
    known: tuple[tuple[str, int], ...] = ()
    if policy.unfamiliar > 0:
        shares = day.familiarity.permilles(order.place_id, order.lat, order.lon)
        told = ((shift.vehicle_id, shares.get(shift.driver_id, 0)) for shift in shifts)
        known = tuple((van, share) for van, share in told if share > 0) if shares else ()
    zones = holding(day.zones, order.lat, order.lon) if day.zones else ()
    return replace(job, known=known, zones=zones) if known or zones else job
