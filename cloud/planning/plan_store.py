"""The plan of a day: finding it, and putting its next revision in force."""

from collections.abc import Collection, Iterable
from dataclasses import asdict
from datetime import date, timedelta
from typing import Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    insert,
    select,
    tuple_,
    update,
)

from cloud.foundation import outbox
from cloud.foundation.database import put_rows
from cloud.foundation.identity.reach import EVERYTHING, Reach
from cloud.planning import rest_store
from cloud.planning.day_plan import DayPlan, Route, Unplanned
from cloud.planning.events import route_finished
from cloud.planning.revision import Revision
from cloud.planning.revision_store import put_revision
from cloud.planning.route_rows import STOP_ROW, row_of_route, row_of_stop
from cloud.planning.route_store import routes_where
from cloud.planning.tables import plan, route_row, stop_order, stop_row
from cloud.planning.within import routes_within

_AT_ONCE: Final = 500
"""Ids in one statement: SQLite and PostgreSQL bound how many there may be."""


def current_revision(connection: Connection, tenant: str, depot_id: str, service_date: date) -> int:
    """The number of the plan in force; 0 when there is none yet."""
    of_day = _of_day(tenant, depot_id, service_date)
    return connection.scalar(select(plan.c.revision).where(of_day)) or 0


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
    of_day = _of_day(tenant, depot_id, service_date)
    row = connection.execute(select(plan.c.revision, plan.c.unserved).where(of_day)).first()
    if row is None:
        return DayPlan(tenant=tenant, depot_id=depot_id, service_date=service_date)
    return DayPlan(
        tenant=tenant,
        depot_id=depot_id,
        service_date=service_date,
        revision=row.revision,
        routes=tuple(
            routes_where(
                connection,
                route_row.c.tenant == tenant,
                route_row.c.depot_id == depot_id,
                route_row.c.service_date == service_date.isoformat(),
                routes_within(reach),
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


def planned_days(connection: Connection, tenant: str, depot_id: str, today: date) -> list[date]:
    """The service dates of a depot that have a plan, from yesterday's on: its night may last."""
    since = (today - timedelta(days=1)).isoformat()
    rows = connection.execute(
        select(plan.c.service_date)
        .where(plan.c.tenant == tenant, plan.c.depot_id == depot_id, plan.c.service_date >= since)
        .order_by(plan.c.service_date)
    )
    return [date.fromisoformat(row.service_date) for row in rows]


def commit_revision(
    connection: Connection,
    before: DayPlan,
    routes: Iterable[Route],
    unserved: Iterable[Unplanned],
    revision: Revision,
) -> None:
    """Replace the routes of a day by those of its next revision."""
    kept = tuple(routes)
    left = [asdict(one) for one in unserved]
    values = {"revision": revision.number, "unserved": left}
    if before.revision == 0:
        key = {"tenant": before.tenant, "depot_id": before.depot_id}
        day = before.service_date.isoformat()
        connection.execute(insert(plan).values(**key, service_date=day, **values))
    else:
        of_day = _of_day(before.tenant, before.depot_id, before.service_date)
        connection.execute(update(plan).where(of_day).values(**values))
    _put_routes(connection, before, kept)
    for route in _finished(before, kept):
        outbox.append(connection, route.tenant, revision.created_at, route_finished(route))
    put_revision(connection, before, kept, revision)


def _finished(before: DayPlan, routes: Iterable[Route]) -> list[Route]:
    """Routes under way whose last open stops have been taken from them."""
    under_way = {one.id for one in before.routes if one.state == "under_way"}
    return [one for one in routes if one.id in under_way and one.state == "finished"]


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
    put_rows(connection, stop_row, changed, columns=STOP_ROW, clash="replace")
    served = [(before.tenant, *pair) for pair in sorted(now.served - was.served)]
    put_rows(connection, stop_order, served, clash="fail")
    rest_store.put(connection, before.routes, kept.values())


class _Rows(NamedTuple):
    """What stands in the tables of some routes: rows of stops by id, and (stop, order)."""

    stops: dict[str, tuple[object, ...]]
    served: set[tuple[str, str]]


def _rows_of(tenant: str, routes: Iterable[Route]) -> _Rows:
    stops = [stop for route in routes for stop in route.stops]
    return _Rows(
        {stop.id: row_of_stop(tenant, stop) for stop in stops},
        {(stop.id, order_id) for stop in stops for order_id in stop.order_ids},
    )


def _put_route(connection: Connection, was: Route | None, route: Route) -> None:
    row = row_of_route(route)
    if was is None:
        connection.execute(insert(route_row).values(**row, geometry=route.geometry))
        return
    before = row_of_route(was)
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


def _of_day(tenant: str, depot_id: str, service_date: date) -> ColumnElement[bool]:
    day = service_date.isoformat()
    return and_(plan.c.tenant == tenant, plan.c.depot_id == depot_id, plan.c.service_date == day)
