"""How far routes are, told in one small row each, and what drivers have worked by it.

A week of a depot's drivers has thousands of stops; these rows spare reading them.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import (
    Connection,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    func,
    or_,
    select,
    update,
)

from cloud.fleet.model import Shift
from cloud.fleet.tables import assignment, shift
from cloud.foundation.database import put_rows
from cloud.planning.day_plan import Route
from cloud.planning.rest import (
    LOOK_BACK_S,
    Allowed,
    RouteProgress,
    Spans,
    Stretch,
    Turn,
    allowed,
    stretch_of,
)
from cloud.planning.tables import route_work, stop_row
from cloud.planning.working import WorkRules

_TOLD: Final = ("planned_end", "first_seen", "last_seen", "open_stops", "end_leg_s")
_SPANS: Final = tuple[tuple[float, float], ...]
_AT_ONCE: Final = 500
"""Ids in one statement: SQLite and PostgreSQL bound how many there may be."""
_TURNS: Final = (
    select(
        assignment.c.holder_id,
        shift.c.id,
        shift.c.service_date,
        assignment.c.begin_at,
        assignment.c.end_at,
        shift.c.starts_at,
        shift.c.ends_at,
        cast(shift.c.breaks, Text),
        *(route_work.c[name] for name in _TOLD),
        route_work.c.breaks.label("route_breaks"),
    )
    .join(
        shift,
        and_(
            shift.c.tenant == assignment.c.tenant,
            shift.c.vehicle_id == assignment.c.vehicle_id,
            shift.c.ends_at > assignment.c.begin_at,
            or_(assignment.c.end_at.is_(None), assignment.c.end_at > shift.c.starts_at),
            or_(shift.c.state == "planned", shift.c.id == assignment.c.shift_id),
        ),
    )
    .join(
        route_work,
        and_(
            route_work.c.tenant == shift.c.tenant,
            route_work.c.depot_id == shift.c.depot_id,
            route_work.c.service_date == shift.c.service_date,
            route_work.c.vehicle_id == shift.c.vehicle_id,
        ),
        isouter=True,
    )
    .where(
        assignment.c.tenant == bindparam("tenant"),
        assignment.c.kind == "driver",
        assignment.c.holder_id.in_(bindparam("drivers", expanding=True)),
        assignment.c.begin_at < bindparam("end"),
        or_(assignment.c.end_at.is_(None), assignment.c.end_at > bindparam("begin")),
        shift.c.starts_at >= bindparam("begin"),
        shift.c.starts_at < bindparam("end"),
    )
)
_HOLDERS: Final = (
    select(shift.c.id, assignment.c.holder_id)
    .join(
        assignment,
        and_(
            assignment.c.tenant == shift.c.tenant,
            assignment.c.kind == "driver",
            assignment.c.vehicle_id == shift.c.vehicle_id,
            assignment.c.begin_at <= shift.c.starts_at,
            or_(assignment.c.end_at.is_(None), assignment.c.end_at > shift.c.starts_at),
        ),
    )
    .where(
        shift.c.tenant == bindparam("tenant"), shift.c.id.in_(bindparam("shifts", expanding=True))
    )
)


def progress_of(route: Route) -> RouteProgress | None:
    """How far a route is; None when nothing is to be done on it."""
    if not route.stops:
        return None
    return RouteProgress(
        planned_end=max(one.planned_departure for one in route.stops) + route.end_leg_s,
        first_seen=min(
            (at for one in route.stops if (at := one.arrived_at) is not None), default=None
        ),
        last_seen=max((at for one in route.stops if (at := one.done_at) is not None), default=None),
        open_stops=len(route.open_stops),
        end_leg_s=route.end_leg_s,
        breaks=tuple((one.begins, one.ends) for one in route.breaks),
    )


def put(connection: Connection, before: Iterable[Route], after: Iterable[Route]) -> None:
    """Keep how far the routes of a day are that replace those before; of the same company."""
    was = {route.id: (route.tenant, progress_of(route)) for route in before}
    now = {route.id: (route, progress_of(route)) for route in after}
    gone = [one for one in was if one not in now or now[one][1] is None]
    if gone:
        tenant = was[gone[0]][0]
        of_them = route_work.c.tenant == tenant, route_work.c.route_id.in_(gone)
        connection.execute(delete(route_work).where(*of_them))
    rows = [
        _row(route, far)
        for route, far in now.values()
        if far is not None and (route.id not in was or was[route.id][1] != far)
    ]
    put_rows(connection, route_work, rows, clash="replace")


def mark(connection: Connection, tenant: str, stop_id: str) -> None:
    """Keep that a stop of a route was arrived at, or done."""
    route_id = connection.scalar(
        select(stop_row.c.route_id).where(stop_row.c.tenant == tenant, stop_row.c.id == stop_id)
    )
    seen = connection.execute(
        select(
            func.min(stop_row.c.arrived_at).label("first"),
            func.max(stop_row.c.done_at).label("last"),
            func.count().filter(stop_row.c.state != "done").label("open"),
        ).where(stop_row.c.tenant == tenant, stop_row.c.route_id == route_id)
    ).one()
    same = route_work.c.tenant == tenant, route_work.c.route_id == route_id
    connection.execute(
        update(route_work)
        .where(*same)
        .values(first_seen=seen.first, last_seen=seen.last, open_stops=seen.open)
    )


def turns_of(
    connection: Connection, tenant: str, driver_ids: Collection[str], begin: float, end: float
) -> list[Turn]:
    """The turns of some drivers, in vans of any depot, whose shifts begin between two instants.

    One for each shift and assignment to its van that overlaps it: who was given a van outside of a
    shift, or for a week, drives in every shift of it.
    """
    wanted = sorted(driver_ids)
    asked = {"tenant": tenant, "begin": begin, "end": end}
    return [
        _turn(tuple(row))
        for first in range(0, len(wanted), _AT_ONCE)
        for row in connection.execute(
            _TURNS, asked | {"drivers": wanted[first : first + _AT_ONCE]}
        ).all()
    ]


def as_held(connection: Connection, shifts: Collection[Shift]) -> list[Shift]:
    """Shifts of one company with the driver who is given the van at their start, if anybody is."""
    known = {one.id: one for one in shifts}
    if not known:
        return []
    tenant, ids = next(iter(shifts)).tenant, sorted(known)
    for first in range(0, len(ids), _AT_ONCE):
        asked = {"tenant": tenant, "shifts": ids[first : first + _AT_ONCE]}
        for shift_id, driver_id in connection.execute(_HOLDERS, asked):
            known[shift_id] = replace(known[shift_id], driver_id=driver_id)
    return list(known.values())


def set_out_of(route: Route) -> float | None:
    """When a van left for the first stop it arrived at; None is not yet."""
    return min(
        (at - one.leg_s for one in route.stops if (at := one.arrived_at) is not None), default=None
    )


def allowed_of(
    connection: Connection,
    shifts: Collection[Shift],
    rules: WorkRules | None,
    now: float,
    set_out: Mapping[str, float],
) -> dict[str, Allowed]:
    """What rest and work of other days leave of some shifts of one company, by their id.

    ``set_out``: when the vans did that are out already.
    """
    if rules is None or not rules.is_of_days or not shifts:
        return {}
    shifts = as_held(connection, shifts)
    first, last = (end(one.starts_at for one in shifts) for end in (min, max))
    drivers = {one.driver_id for one in shifts}
    tenant = next(iter(shifts)).tenant
    worked: dict[str, list[Stretch]] = {one: [] for one in drivers}
    for turn in turns_of(connection, tenant, drivers, first - LOOK_BACK_S, last):
        stretch = stretch_of(turn, now, rules)
        if stretch is not None:
            worked[stretch.driver_id].append(stretch)
    return {
        one.id: allowed(one, worked[one.driver_id], rules, set_out=set_out.get(one.vehicle_id))
        for one in shifts
    }


def _row(route: Route, far: RouteProgress) -> tuple[object, ...]:
    return (
        route.tenant,
        route.id,
        route.depot_id,
        route.service_date.isoformat(),
        route.vehicle_id,
        *far[:-1],
        msgspec.json.encode(far.breaks).decode(),
    )


@lru_cache(8_192)
def _turn(row: tuple[Any, ...]) -> Turn:
    """What a row makes of a turn; most are read again and again, and have not changed."""
    driver_id, shift_id, service_date, begin, end, starts_at, ends_at, spans = row[:8]
    planned_end, first_seen, last_seen, open_stops, end_leg_s, breaks = row[8:]
    route = None
    if breaks is not None:
        far = planned_end, first_seen, last_seen, open_stops, end_leg_s
        route = RouteProgress(*far, breaks=_spans(breaks))
    day = date.fromisoformat(service_date)
    return Turn(driver_id, shift_id, day, begin, end, starts_at, ends_at, _spans(spans), route)


@lru_cache(1_024)
def _spans(text: str) -> Spans:
    spans: Spans = msgspec.json.decode(text, type=_SPANS)
    return spans
