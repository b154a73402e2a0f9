"""Which doors a depot's drivers have delivered at, counted by the database."""

from typing import Final

from sqlalchemy import Connection, and_, func, or_, select

from cloud.fleet.tables import assignment
from cloud.orders.store import order_row
from cloud.places.store import place
from cloud.planning.familiar import Delivered
from cloud.planning.store import route_row, stop_order, stop_row

WEEKS: Final = 8
_WEEK_S: Final = 7 * 86_400.0
_MOST_ROUTES: Final = 2_500
"""Of a depot in eight weeks: as many as 60 vans drive that go out five days of each."""
_MOST_DOORS: Final = 50_000
"""Of drivers and doors, those that were together most often."""


def delivered(connection: Connection, tenant: str, depot_id: str, now: float) -> list[Delivered]:
    """How often each driver delivered at each door in the last weeks: whoever had the van then.

    Args:
        connection: of a transaction.
        tenant: whose.
        depot_id: from where the vans set out.
        now: seconds since 1970.
    """
    since = now - WEEKS * _WEEK_S
    driven = (
        select(route_row.c.id, route_row.c.vehicle_id, route_row.c.driver_id)
        .where(
            route_row.c.tenant == tenant,
            route_row.c.depot_id == depot_id,
            route_row.c.ends_at >= since,
        )
        .order_by(route_row.c.starts_at.desc(), route_row.c.id)
        .limit(_MOST_ROUTES)
        .subquery()
    )
    had_the_van = and_(
        assignment.c.tenant == tenant,
        assignment.c.kind == "driver",
        assignment.c.vehicle_id == driven.c.vehicle_id,
        assignment.c.begin_at <= stop_row.c.done_at,
        or_(assignment.c.end_at.is_(None), assignment.c.end_at > stop_row.c.done_at),
    )
    driver = func.coalesce(assignment.c.holder_id, driven.c.driver_id)
    times = func.count(stop_row.c.id.distinct())
    rows = connection.execute(
        select(driver, place.c.id, place.c.lat, place.c.lon, times)
        .select_from(driven)
        .join(stop_row, and_(stop_row.c.tenant == tenant, stop_row.c.route_id == driven.c.id))
        .join(
            stop_order,
            and_(stop_order.c.tenant == tenant, stop_order.c.stop_id == stop_row.c.id),
        )
        .join(
            order_row,
            and_(order_row.c.tenant == tenant, order_row.c.id == stop_order.c.order_id),
        )
        .join(place, and_(place.c.tenant == tenant, place.c.id == order_row.c.place_id))
        .outerjoin(assignment, had_the_van)
        .where(
            stop_row.c.kind == "delivery",
            stop_row.c.state == "done",
            stop_row.c.done_at >= since,
            order_row.c.kind == "delivery",
        )
        .group_by(driver, place.c.id, place.c.lat, place.c.lon)
        .order_by(times.desc(), driver, place.c.id)
        .limit(_MOST_DOORS)
    )
    return [Delivered(*row) for row in rows]
