"""Tables of plans, revisions, routes and stops."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import asdict
from datetime import date, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    Row,
    Select,
    String,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    insert,
    select,
    tuple_,
    update,
)

from cloud.fleet.tables import vehicle
from cloud.fleet.within import vehicles_within
from cloud.foundation.database import BUSINESS, put_rows
from cloud.foundation.identity.reach import EVERYTHING, Reach
from cloud.foundation.identity.within import within
from cloud.orders.model import Span
from cloud.planning.day import (
    DayPlan,
    Diff,
    Revision,
    RevisionCost,
    Route,
    RouteBreak,
    Stop,
    Unplanned,
)
from cloud.planning.proposals import sequences_of_routes
from cloud.planning.solution import Prices

LATE_S: Final = 86_400.0
_AT_ONCE: Final = 500
"""Ids in one statement: SQLite and PostgreSQL bound how many there may be."""
_LINES: Final = 128
"""Paths kept as they were read last: those of a depot's routes, some 200 KB each at the most."""
_KEPT: Final = 8_192
"""Stops kept as they were read last, half a kilobyte each."""
_ROUTE_OWN: Final = frozenset({"service_date", "geometry", "breaks"})
_WINDOW: Final = ("window_begin", "window_end")

plan = Table(
    "plan",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("depot_id", String, primary_key=True),
    Column("service_date", String, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("unserved", JSON, nullable=False),
)
revision_row = Table(
    "plan_revision",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("depot_id", String, primary_key=True),
    Column("service_date", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("trigger", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("solver", String, nullable=False),
    Column("because", String),
    Column("created_at", Float, nullable=False),
    Column("cost", JSON, nullable=False),
    Column("diff", JSON, nullable=False),
    Column("sequences", JSON, nullable=False),
    Column("steps", JSON(none_as_null=True)),
    Column("prices", JSON(none_as_null=True)),
)
route_row = Table(
    "route",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("depot_id", String, nullable=False),
    Column("service_date", String, nullable=False),
    Column("vehicle_id", String, nullable=False),
    Column("driver_id", String, nullable=False),
    Column("starts_at", Float, nullable=False),
    Column("ends_at", Float, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("end_leg_s", Integer, nullable=False),
    Column("end_leg_m", Integer, nullable=False),
    Column("geometry", JSON, nullable=False),
    Column("breaks", JSON, nullable=False, server_default="[]"),
    Index("uq_route_day", "tenant", "depot_id", "service_date", "vehicle_id", unique=True),
)
stop_row = Table(
    "stop",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("route_id", String, nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("position", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("lat", Float, nullable=False),
    Column("lon", Float, nullable=False),
    Column("address", String, nullable=False),
    Column("service_s", Integer, nullable=False),
    Column("window_begin", Float),
    Column("window_end", Float),
    Column("planned_arrival", Float, nullable=False),
    Column("planned_departure", Float, nullable=False),
    Column("leg_s", Integer, nullable=False),
    Column("leg_m", Integer, nullable=False),
    Column("arrived_at", Float),
    Column("done_at", Float),
)
stop_order = Table(
    "stop_order",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("stop_id", String, primary_key=True),
    Column("order_id", String, primary_key=True, index=True),
)

_ROUTE_PLAIN: Final = tuple(one.name for one in route_row.columns if one.name not in _ROUTE_OWN)
_ROUTE_COLUMNS: Final = (
    *(route_row.c[name] for name in _ROUTE_PLAIN),
    route_row.c.service_date,
    route_row.c.breaks,
    cast(route_row.c.geometry, Text).label("line"),
)
_STOP_NAMES: Final = tuple(
    one.name for one in stop_row.columns if one.name not in {"tenant", *_WINDOW}
)
_STOP_COLUMNS: Final = ("tenant", *_WINDOW, *_STOP_NAMES)
_of_stop: Final = attrgetter(*_STOP_NAMES)


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


def current_revision(connection: Connection, tenant: str, depot_id: str, service_date: date) -> int:
    """The number of the plan in force; 0 when there is none yet."""
    day = service_date.isoformat()
    of_day = (plan.c.tenant == tenant, plan.c.depot_id == depot_id, plan.c.service_date == day)
    return connection.scalar(select(plan.c.revision).where(*of_day)) or 0


def find_plan(
    connection: Connection,
    tenant: str,
    depot_id: str,
    service_date: date,
    reach: Reach = EVERYTHING,
) -> DayPlan:
    """The plan of a day with its routes within reach; of revision 0 when there is none yet.

    What nobody serves is no carrier's, so who is limited to one is not told of it.
    """
    day = service_date.isoformat()
    row = connection.execute(
        select(plan.c.revision, plan.c.unserved).where(
            plan.c.tenant == tenant, plan.c.depot_id == depot_id, plan.c.service_date == day
        )
    ).first()
    if row is None:
        return DayPlan(tenant=tenant, depot_id=depot_id, service_date=service_date)
    return DayPlan(
        tenant=tenant,
        depot_id=depot_id,
        service_date=service_date,
        revision=row.revision,
        routes=tuple(
            _routes(
                connection,
                [
                    route_row.c.tenant == tenant,
                    route_row.c.depot_id == depot_id,
                    route_row.c.service_date == day,
                    routes_within(reach),
                ],
            )
        ),
        unserved=tuple(
            Unplanned(**left) for left in row.unserved if reach.holds(depot_id=depot_id)
        ),
    )


def left_waiting(
    connection: Connection, tenant: str, depot_id: str, service_date: date
) -> set[str]:
    """The orders that the plan of a day has left out as they may wait for a later one."""
    left = connection.scalar(select(plan.c.unserved).where(_of_day(tenant, depot_id, service_date)))
    return {one["order_id"] for one in left or () if one.get("waits_until") is not None}


def leave_day(
    connection: Connection,
    tenant: str,
    depot_id: str,
    service_date: date,
    order_ids: Collection[str],
) -> None:
    """Orders that were carried to another day are none that the plan of this one leaves out."""
    of_day = _of_day(tenant, depot_id, service_date)
    left = connection.scalar(select(plan.c.unserved).where(of_day)) or []
    kept = [one for one in left if one["order_id"] not in order_ids]
    if kept != left:
        connection.execute(update(plan).where(of_day).values(unserved=kept))


def _of_day(tenant: str, depot_id: str, service_date: date) -> ColumnElement[bool]:
    day = service_date.isoformat()
    return and_(plan.c.tenant == tenant, plan.c.depot_id == depot_id, plan.c.service_date == day)


def planned_days(connection: Connection, tenant: str, depot_id: str, today: date) -> list[date]:
    """The service dates of a depot that have a plan, from yesterday's on: its night may last."""
    since = (today - timedelta(days=1)).isoformat()
    rows = connection.execute(
        select(plan.c.service_date)
        .where(plan.c.tenant == tenant, plan.c.depot_id == depot_id, plan.c.service_date >= since)
        .order_by(plan.c.service_date)
    )
    return [date.fromisoformat(row.service_date) for row in rows]


def find_route(connection: Connection, tenant: str, route_id: str) -> Route | None:
    """One route."""
    found = _routes(connection, [route_row.c.tenant == tenant, route_row.c.id == route_id])
    return found[0] if found else None


def routes_between(connection: Connection, tenant: str, begin: float, end: float) -> list[Route]:
    """Routes whose shift touches the time from ``begin`` to ``end``."""
    return _routes(
        connection,
        [
            route_row.c.tenant == tenant,
            route_row.c.ends_at > begin,
            route_row.c.starts_at < end,
        ],
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
    return _routes(connection, [route_row.c.tenant == tenant, route_row.c.id.in_(names)])


def route_of_vehicle(
    connection: Connection, tenant: str, vehicle_id: str, now: float
) -> Route | None:
    """A van's route that is begun and not finished, else that of its present or next shift."""
    known = _routes(
        connection,
        [
            route_row.c.tenant == tenant,
            route_row.c.vehicle_id == vehicle_id,
            route_row.c.ends_at > now - LATE_S,
        ],
    )
    ahead = [
        route for route in known if route.open_stops and (route.ends_at > now or route.has_begun)
    ]
    return min(ahead, key=lambda route: (not route.has_begun, route.starts_at), default=None)


def route_of_shift(
    connection: Connection, tenant: str, vehicle_id: str, depot_id: str, service_date: date
) -> Route | None:
    """The route of a van's shift."""
    found = _routes(
        connection,
        [
            route_row.c.tenant == tenant,
            route_row.c.vehicle_id == vehicle_id,
            route_row.c.depot_id == depot_id,
            route_row.c.service_date == service_date.isoformat(),
        ],
    )
    return found[0] if found else None


def unfinished_routes(
    connection: Connection, tenant: str, vehicle_ids: Iterable[str], now: float
) -> list[Route]:
    """Routes of some vans' last day and night, begun and not finished, the newest first."""
    begun = _routes(
        connection,
        [
            route_row.c.tenant == tenant,
            route_row.c.vehicle_id.in_(list(vehicle_ids)),
            route_row.c.starts_at <= now,
            route_row.c.starts_at > now - LATE_S,
        ],
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
    return next(s for s in _stops(connection, tenant, [row.route_id]) if s.id == stop_id)


def mark_stop(connection: Connection, tenant: str, stop_id: str, **values: Any) -> None:
    """A stop has gone on: its state, when it was arrived at, when it was done."""
    connection.execute(
        update(stop_row)
        .where(stop_row.c.tenant == tenant, stop_row.c.id == stop_id)
        .values(**values)
    )


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


def commit_revision(
    connection: Connection,
    before: DayPlan,
    routes: Iterable[Route],
    unserved: Iterable[Unplanned],
    revision: Revision,
) -> None:
    """Replace the routes of a day by those of its next revision."""
    key = {
        "tenant": before.tenant,
        "depot_id": before.depot_id,
        "service_date": before.service_date.isoformat(),
    }
    kept = tuple(routes)
    left = [asdict(one) for one in unserved]
    values = {"revision": revision.number, "unserved": left}
    if before.revision == 0:
        connection.execute(insert(plan).values(**key, **values))
    else:
        same = and_(*(plan.c[name] == value for name, value in key.items()))
        connection.execute(update(plan).where(same).values(**values))
    _put_routes(connection, before, kept)
    connection.execute(
        insert(revision_row).values(
            **key,
            number=revision.number,
            trigger=revision.trigger,
            reason=revision.reason,
            solver=revision.solver,
            because=revision.because,
            created_at=revision.created_at,
            cost=msgspec.to_builtins(revision.cost),
            diff=msgspec.to_builtins(revision.diff),
            sequences={
                route.vehicle_id: [[stop.id, stop.planned_arrival] for stop in route.stops]
                for route in kept
            },
            steps=msgspec.to_builtins(sequences_of_routes(kept)),
            prices=msgspec.to_builtins(revision.prices),
        )
    )


def revisions(
    connection: Connection, tenant: str, depot_id: str, service_date: date
) -> list[Revision]:
    """Every revision of a day's plan, the first one first."""
    rows = connection.execute(
        select(revision_row)
        .where(
            revision_row.c.tenant == tenant,
            revision_row.c.depot_id == depot_id,
            revision_row.c.service_date == service_date.isoformat(),
        )
        .order_by(revision_row.c.number)
    ).mappings()
    return [
        Revision(
            number=row["number"],
            trigger=row["trigger"],
            reason=row["reason"],
            solver=row["solver"],
            because=row["because"],
            created_at=row["created_at"],
            cost=msgspec.convert(row["cost"], RevisionCost),
            diff=msgspec.convert(row["diff"], Diff),
            prices=msgspec.convert(row["prices"], Prices | None),
        )
        for row in rows
    ]


def published_at(
    connection: Connection, tenant: str, depot_id: str, service_date: date, number: int
) -> float | None:
    """When a revision was published, in seconds since 1970; None when there is none of it."""
    found: float | None = connection.scalar(
        select(revision_row.c.created_at).where(
            revision_row.c.tenant == tenant,
            revision_row.c.depot_id == depot_id,
            revision_row.c.service_date == service_date.isoformat(),
            revision_row.c.number == number,
        )
    )
    return found


def has_undo(connection: Connection, tenant: str, depot_id: str, service_date: date) -> bool:
    """Whether any revision of a day took another back."""
    wanted = select(revision_row.c.number).where(
        revision_row.c.tenant == tenant,
        revision_row.c.depot_id == depot_id,
        revision_row.c.service_date == service_date.isoformat(),
        revision_row.c.trigger == "undo",
    )
    return connection.execute(wanted.limit(1)).first() is not None


def _put_routes(connection: Connection, before: DayPlan, routes: Iterable[Route]) -> None:
    """Write the rows that differ and no others; a statement for each kind of row, however many."""
    known = {route.id: route for route in before.routes}
    kept = {route.id: route for route in routes}
    was, now = _rows_of(before.tenant, known.values()), _rows_of(before.tenant, kept.values())
    gone = [stop_id for stop_id in was.stops if stop_id not in now.stops]
    _drop(connection, before.tenant, stop_order, was.served - now.served)
    _drop(connection, before.tenant, stop_row, [(stop_id,) for stop_id in gone])
    _drop(connection, before.tenant, route_row, [(one,) for one in known if one not in kept])
    for route in kept.values():
        _put_route(connection, known.get(route.id), route)
    changed = [row for stop_id, row in now.stops.items() if was.stops.get(stop_id) != row]
    put_rows(connection, stop_row, changed, columns=_STOP_COLUMNS, clash="replace")
    served = [(before.tenant, *pair) for pair in sorted(now.served - was.served)]
    put_rows(connection, stop_order, served, clash="fail")


class _Rows(NamedTuple):
    """What stands in the tables of some routes: rows of stops by id, and (stop, order)."""

    stops: dict[str, tuple[object, ...]]
    served: set[tuple[str, str]]


def _rows_of(tenant: str, routes: Iterable[Route]) -> _Rows:
    stops = [stop for route in routes for stop in route.stops]
    return _Rows(
        {stop.id: _row_of_stop(tenant, stop) for stop in stops},
        {(stop.id, order_id) for stop in stops for order_id in stop.order_ids},
    )


def _put_route(connection: Connection, was: Route | None, route: Route) -> None:
    row = _row_of_route(route)
    if was is None:
        connection.execute(insert(route_row).values(**row, geometry=route.geometry))
        return
    before = _row_of_route(was)
    values = {name: value for name, value in row.items() if value != before[name]}
    if was.geometry is not route.geometry and was.geometry != route.geometry:
        values["geometry"] = route.geometry
    if values:
        same = (route_row.c.tenant == route.tenant, route_row.c.id == route.id)
        connection.execute(update(route_row).where(*same).values(**values))


def _drop(
    connection: Connection, tenant: str, table: Table, keys: Collection[tuple[str, ...]]
) -> None:
    """Delete rows by what follows the tenant in their primary key."""
    columns = list(table.primary_key.columns)[1:]
    wanted = list(keys)
    for first in range(0, len(wanted), _AT_ONCE):
        some = tuple_(*columns).in_(wanted[first : first + _AT_ONCE])
        connection.execute(delete(table).where(table.c.tenant == tenant, some))


def _row_of_route(route: Route) -> dict[str, Any]:
    """The row of a route, but for its geometry."""
    names = {column.name for column in route_row.columns} - _ROUTE_OWN
    return {name: getattr(route, name) for name in names} | {
        "service_date": route.service_date.isoformat(),
        "breaks": msgspec.to_builtins(route.breaks),
    }


def _row_of_stop(tenant: str, stop: Stop) -> tuple[object, ...]:
    window = stop.window
    begin, end = (None, None) if window is None else (window.begin, window.end)
    return (tenant, begin, end, *_of_stop(stop))


def _routes(connection: Connection, wanted: list[ColumnElement[bool]]) -> list[Route]:
    rows = connection.execute(
        select(*_ROUTE_COLUMNS).where(*wanted).order_by(route_row.c.vehicle_id)
    ).all()
    if not rows:
        return []
    stops: dict[str, list[Stop]] = defaultdict(list)
    for stop in _stops(connection, rows[0].tenant, [row.id for row in rows]):
        stops[stop.route_id].append(stop)
    return [
        Route(
            **{name: getattr(row, name) for name in _ROUTE_PLAIN},
            service_date=date.fromisoformat(row.service_date),
            geometry=_line(row.line),
            breaks=msgspec.convert(row.breaks, tuple[RouteBreak, ...]),
            stops=tuple(stops[row.id]),
        )
        for row in rows
    ]


@lru_cache(_LINES)
def _line(text: str) -> tuple[tuple[float, float], ...]:
    """The points of a path; of one text always the same, so that comparing costs nothing."""
    return msgspec.json.decode(text, type=tuple[tuple[float, float], ...])


def _stops(connection: Connection, tenant: str, route_ids: list[str]) -> list[Stop]:
    of_routes = stop_row.c.tenant == tenant, stop_row.c.route_id.in_(route_ids)
    rows = connection.execute(
        select(*(stop_row.c[name] for name in (*_WINDOW, *_STOP_NAMES)))
        .where(*of_routes)
        .order_by(stop_row.c.route_id, stop_row.c.position)
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
    return [_stop(row, tuple(served[row.id])) for row in rows]


@lru_cache(_KEPT)
def _stop(row: Row[Any], order_ids: tuple[str, ...]) -> Stop:
    """What its rows make of a stop; most are read again and again, and have not changed."""
    told = {name: getattr(row, name) for name in _STOP_NAMES}
    begin = row.window_begin
    window = None if begin is None else Span(begin, row.window_end)
    return Stop(**told, order_ids=order_ids, window=window)
