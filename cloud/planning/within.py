"""Which rows of plans are within reach of somebody."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, select

from cloud.fleet.tables import vehicle
from cloud.fleet.within import vehicles_within
from cloud.foundation.identity.reach import Reach
from cloud.foundation.identity.within import within
from cloud.planning.tables import route_row, stop_order, stop_row


def routes_within(reach: Reach) -> ColumnElement[bool]:
    """Routes within reach: of its depots, or of its carrier's vans."""
    if reach.carrier_id is None:
        return within(reach, depot=route_row.c.depot_id)
    return route_row.c.vehicle_id.in_(_vans_of(route_row.c.tenant, reach.carrier_id))


def orders_of_carrier(tenant: ColumnElement[str], carrier_id: str) -> Select[Any]:
    """Ids of the orders that a carrier's vans have on their routes."""
    return (
        select(stop_order.c.order_id)
        .join(
            stop_row,
            and_(stop_row.c.tenant == stop_order.c.tenant, stop_row.c.id == stop_order.c.stop_id),
        )
        .join(
            route_row,
            and_(route_row.c.tenant == stop_row.c.tenant, route_row.c.id == stop_row.c.route_id),
        )
        .where(
            stop_order.c.tenant == tenant,
            route_row.c.vehicle_id.in_(_vans_of(route_row.c.tenant, carrier_id)),
        )
    )


def _vans_of(tenant: ColumnElement[str], carrier_id: str) -> Select[Any]:
    mine = vehicles_within(Reach(carrier_id=carrier_id))
    return select(vehicle.c.id).where(vehicle.c.tenant == tenant, mine)
