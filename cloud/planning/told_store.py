"""Forecasts as they were made, kept until their arrivals have come and a while longer.

Of each route one a horizon and two hours, so that what is kept is bounded by the routes.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    String,
    Table,
    delete,
    insert,
    select,
)

from cloud.foundation.database import BUSINESS
from cloud.planning.day_plan import Route
from cloud.planning.worth import Eta, Judged

arrival_told = Table(
    "arrival_told",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("route_id", String, primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("horizon", Integer, primary_key=True),
    Column("stop_id", String, nullable=False),
    Column("told_at", Float, nullable=False),
    Column("p10", Float, nullable=False),
    Column("p50", Float, nullable=False),
    Column("p90", Float, nullable=False),
    Index("arrival_told_by_time", "told_at"),
)

_SLOT_S: Final = 7_200.0
_KEPT_S: Final = 60 * 86_400.0


class Told(NamedTuple):
    """The forecasts of one route that are kept: of each horizon one."""

    route_id: str
    told_at: float
    etas: Mapping[int, Eta]


def slot_of(now: float) -> int:
    """Which two hours an instant lies in."""
    return int(now // _SLOT_S)


def note(connection: Connection, tenant: str, told: Iterable[Told], now: float) -> None:
    """Keep what is the first of its route, horizon and two hours; let go what is two months old."""
    slot = slot_of(now)
    here = arrival_told.c.tenant == tenant, arrival_told.c.slot == slot
    columns = arrival_told.c.route_id, arrival_told.c.horizon
    known = {
        (row.route_id, row.horizon) for row in connection.execute(select(*columns).where(*here))
    }
    new = [
        {
            "tenant": tenant, "route_id": one.route_id, "slot": slot, "horizon": horizon,
            "stop_id": eta.stop_id, "told_at": one.told_at,
            "p10": eta.p10, "p50": eta.p50, "p90": eta.p90,
        }
        for one in told
        for horizon, eta in one.etas.items()
        if (one.route_id, horizon) not in known
    ]  # fmt: skip
    if new:
        connection.execute(insert(arrival_told), new)
        connection.execute(delete(arrival_told).where(arrival_told.c.told_at < now - _KEPT_S))


def judged(connection: Connection, tenant: str, routes: Iterable[Route]) -> list[Judged]:
    """What was forecast of ``routes`` and has come since, wherever the stop went meanwhile."""
    of = {route.id: route for route in routes}
    came = {
        stop.id: stop.arrived_at
        for route in of.values()
        for stop in route.stops
        if stop.arrived_at is not None
    }
    asked = select(arrival_told).where(
        arrival_told.c.tenant == tenant, arrival_told.c.route_id.in_(list(of))
    )
    return [
        Judged(
            of[row.route_id].service_date, row.route_id,
            row.p50 - row.told_at, row.p10, row.p50, row.p90, came[row.stop_id],
        )
        for row in connection.execute(asked)
        if row.stop_id in came
    ]  # fmt: skip
