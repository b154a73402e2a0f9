"""Routes and their stops: finding them, and how a stop goes on."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, bindparam, select, update

from cloud.planning import rest_store
from cloud.planning.day_plan import Route, Stop
from cloud.planning.route_rows import ROUTE_COLUMNS, STOP_COLUMNS, route_of, stop_of
from cloud.planning.tables import route_row, stop_order, stop_row

LATE_S: Final = 86_400.0


def find_route(connection: Connection, tenant: str, route_id: str) -> Route | None:
    """One route."""
    found = routes_where(connection, route_row.c.tenant == tenant, route_row.c.id == route_id)
    return found[0] if found else None


def routes_between(connection: Connection, tenant: str, begin: float, end: float) -> list[Route]:
    """Routes whose shift touches the time from ``begin`` to ``end``."""
    return routes_where(
        connection,
        route_row.c.tenant == tenant,
        route_row.c.ends_at > begin,
        route_row.c.starts_at < end,
    )


def tenants_on_road(connection: Connection, begin: float, end: float) -> list[str]:
    """Tenants with a route whose shift touches the time from ``begin`` to ``end``."""
    touching = (route_row.c.ends_at > begin, route_row.c.starts_at < end)
    return list(connection.scalars(select(route_row.c.tenant).where(*touching).distinct()))


def newest_routes(connection: Connection, tenant: str, depot_id: str, most: int) -> list[Route]:
    """The newest routes of a depot, today's among them."""
    newest = (
        select(route_row.c.id)
        .where(route_row.c.tenant == tenant, route_row.c.depot_id == depot_id)
        .order_by(route_row.c.starts_at.desc(), route_row.c.id)
        .limit(most)
    )
    names = connection.execute(newest).scalars().all()
    return routes_where(connection, route_row.c.tenant == tenant, route_row.c.id.in_(names))


def route_of_vehicle(
    connection: Connection, tenant: str, vehicle_id: str, now: float
) -> Route | None:
    """A van's route that is begun and not finished, else that of its present or next shift."""
    known = routes_where(
        connection,
        route_row.c.tenant == tenant,
        route_row.c.vehicle_id == vehicle_id,
        route_row.c.ends_at > now - LATE_S,
    )
    ahead = [
        route for route in known if route.open_stops and (route.ends_at > now or route.has_begun)
    ]
    return min(ahead, key=lambda route: (not route.has_begun, route.starts_at), default=None)


def route_of_shift(
    connection: Connection, tenant: str, vehicle_id: str, depot_id: str, service_date: date
) -> Route | None:
    """The route of a van's shift."""
    found = routes_where(
        connection,
        route_row.c.tenant == tenant,
        route_row.c.vehicle_id == vehicle_id,
        route_row.c.depot_id == depot_id,
        route_row.c.service_date == service_date.isoformat(),
    )
    return found[0] if found else None


def unfinished_routes(
    connection: Connection, tenant: str, vehicle_ids: Iterable[str], now: float
) -> list[Route]:
    """Routes of some vans' last day and night, begun and not finished, the newest first."""
    begun = routes_where(
        connection,
        route_row.c.tenant == tenant,
        route_row.c.vehicle_id.in_(list(vehicle_ids)),
        route_row.c.starts_at <= now,
        route_row.c.starts_at > now - LATE_S,
    )
    late = [route for route in begun if route.state == "under_way"]
    return sorted(late, key=lambda route: route.starts_at, reverse=True)


def find_stop(connection: Connection, tenant: str, stop_id: str) -> Stop | None:
    """One stop."""
    row = connection.execute(
        select(stop_row.c.route_id).where(stop_row.c.tenant == tenant, stop_row.c.id == stop_id)
    ).first()
    if row is None:
        return None
    return next(s for s in _stops_of(connection, tenant, [row.route_id]) if s.id == stop_id)


def mark_stop(connection: Connection, tenant: str, stop_id: str, **values: Any) -> None:
    """A stop has gone on: its state, when it was arrived at, when it was done."""
    connection.execute(
        update(stop_row)
        .where(stop_row.c.tenant == tenant, stop_row.c.id == stop_id)
        .values(**values)
    )
    rest_store.mark(connection, tenant, stop_id)


def put_in_order(connection: Connection, route: Route) -> None:
    """The stops of a route are driven in the order they have now."""
    connection.execute(
        update(stop_row)
        .where(stop_row.c.tenant == bindparam("of"), stop_row.c.id == bindparam("stop"))
        .values(position=bindparam("at")),
        [{"of": route.tenant, "stop": one.id, "at": one.position} for one in route.stops],
    )


def places_in_plan(
    connection: Connection, tenant: str, order_ids: list[str]
) -> dict[str, tuple[str | None, str | None]]:
    """Route and delivery stop of each of some orders that is planned."""
    rows = connection.execute(
        select(stop_order.c.order_id, stop_row.c.route_id, stop_row.c.id)
        .join(
            stop_row,
            and_(stop_row.c.tenant == stop_order.c.tenant, stop_row.c.id == stop_order.c.stop_id),
        )
        .where(
            stop_order.c.tenant == tenant,
            stop_order.c.order_id.in_(order_ids),
            stop_row.c.kind == "delivery",
        )
    )
    return {row.order_id: (row.route_id, row.id) for row in rows}


def routes_where(connection: Connection, *wanted: ColumnElement[bool]) -> list[Route]:
    """Routes whose rows are as wanted, by van; all of them are of one tenant."""
    rows = connection.execute(
        select(*ROUTE_COLUMNS).where(*wanted).order_by(route_row.c.vehicle_id)
    ).all()
    if not rows:
        return []
    stops: dict[str, list[Stop]] = defaultdict(list)
    for stop in _stops_of(connection, rows[0].tenant, [row.id for row in rows]):
        stops[stop.route_id].append(stop)
    return [route_of(row, stops[row.id]) for row in rows]


def _stops_of(connection: Connection, tenant: str, route_ids: list[str]) -> list[Stop]:
    of_routes = stop_row.c.tenant == tenant, stop_row.c.route_id.in_(route_ids)
    rows = connection.execute(
        select(*STOP_COLUMNS).where(*of_routes).order_by(stop_row.c.route_id, stop_row.c.position)
    ).all()
    served: dict[str, list[str]] = defaultdict(list)
    for stop_id, order_id in connection.execute(
        select(stop_order.c.stop_id, stop_order.c.order_id)
        .join(
            stop_row,
            and_(stop_row.c.tenant == stop_order.c.tenant, stop_row.c.id == stop_order.c.stop_id),
        )
        .where(*of_routes)
        .order_by(stop_order.c.order_id)
    ):
        served[stop_id].append(order_id)
    return [stop_of(tuple(row), tuple(served[row.id])) for row in rows]
