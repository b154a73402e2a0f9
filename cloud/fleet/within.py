"""Which rows of the fleet are within reach of somebody."""

from sqlalchemy import ColumnElement, Table, select, true

from cloud.fleet.tables import assignment, box, carrier, crew, depot, driver, shift, vehicle
from cloud.foundation.identity.reach import Reach
from cloud.foundation.identity.within import within


def depots_within(reach: Reach) -> ColumnElement[bool]:
    """Depots within reach; a carrier reaches those that its vans are of."""
    if reach.carrier_id is None:
        return within(reach, depot=depot.c.id)
    mine = (vehicle.c.tenant == depot.c.tenant) & vehicles_within(reach)
    return depot.c.id.in_(select(vehicle.c.depot_id).where(mine).correlate(depot))


def vehicles_within(reach: Reach) -> ColumnElement[bool]:
    """Vans within reach, by the depot they are of or the carrier that runs them."""
    return within(reach, depot=vehicle.c.depot_id, carrier=vehicle.c.carrier_id)


def carriers_within(reach: Reach) -> ColumnElement[bool]:
    """Carriers within reach; a depot's people see those that run its vans."""
    if reach.depot_ids is None:
        return within(reach, carrier=carrier.c.id)
    mine = (vehicle.c.tenant == carrier.c.tenant) & vehicles_within(reach)
    return carrier.c.id.in_(select(vehicle.c.carrier_id).where(mine).correlate(carrier))


def drivers_within(reach: Reach) -> ColumnElement[bool]:
    """Drivers within reach, by the depot they are at home or their carrier."""
    return within(reach, depot=driver.c.depot_id, carrier=driver.c.carrier_id)


def crews_within(reach: Reach) -> ColumnElement[bool]:
    """Crews within reach: those whose driver is."""
    if reach.is_everything:
        return true()
    mine = (driver.c.tenant == crew.c.tenant) & drivers_within(reach)
    return crew.c.driver_id.in_(select(driver.c.id).where(mine).correlate(crew))


def boxes_within(reach: Reach) -> ColumnElement[bool]:
    """Gateways within reach: those that are, were or will be in one of its vans."""
    if reach.is_everything:
        return true()
    mine = (
        (assignment.c.tenant == box.c.tenant)
        & (assignment.c.kind == "gateway")
        & assignments_within(reach)
    )
    return box.c.id.in_(select(assignment.c.holder_id).where(mine).correlate(box))


def shifts_within(reach: Reach) -> ColumnElement[bool]:
    """Shifts within reach: of its depots, or of its carrier's vans."""
    if reach.carrier_id is None:
        return within(reach, depot=shift.c.depot_id)
    return _of_vans(shift, reach)


def assignments_within(reach: Reach) -> ColumnElement[bool]:
    """Assignments within reach: of its vans."""
    return true() if reach.is_everything else _of_vans(assignment, reach)


def _of_vans(table: Table, reach: Reach) -> ColumnElement[bool]:
    mine = (vehicle.c.tenant == table.c.tenant) & vehicles_within(reach)
    return table.c.vehicle_id.in_(select(vehicle.c.id).where(mine).correlate(table))
