"""The history of a day's plan: what each of its revisions was, and came of."""

from collections.abc import Iterable
from datetime import date

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, insert, select

from cloud.planning.day_plan import DayPlan, Route
from cloud.planning.diff import Diff
from cloud.planning.problem import RouteStep
from cloud.planning.proposals import Sequences, sequences_of_routes
from cloud.planning.revision import Revision, RevisionCost
from cloud.planning.solution import Prices
from cloud.planning.tables import revision_row


def put_revision(
    connection: Connection, before: DayPlan, routes: Iterable[Route], revision: Revision
) -> None:
    """Write down the revision that follows on ``before``, and what it has still to be visited."""
    kept = tuple(routes)
    connection.execute(
        insert(revision_row).values(
            tenant=before.tenant,
            depot_id=before.depot_id,
            service_date=before.service_date.isoformat(),
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
        .where(_of_day(tenant, depot_id, service_date))
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
            _of_day(tenant, depot_id, service_date), revision_row.c.number == number
        )
    )
    return found


def has_undo(connection: Connection, tenant: str, depot_id: str, service_date: date) -> bool:
    """Whether any revision of a day took another back."""
    wanted = select(revision_row.c.number).where(
        _of_day(tenant, depot_id, service_date), revision_row.c.trigger == "undo"
    )
    return connection.execute(wanted.limit(1)).first() is not None


def sequences_of(
    connection: Connection, tenant: str, depot_id: str, service_date: date, number: int
) -> Sequences | None:
    """What a revision had still to be visited; None when there is none of that number."""
    found = connection.execute(
        select(revision_row.c.steps).where(
            _of_day(tenant, depot_id, service_date), revision_row.c.number == number
        )
    ).scalar()
    return None if found is None else msgspec.convert(found, dict[str, tuple[RouteStep, ...]])


def _of_day(tenant: str, depot_id: str, service_date: date) -> ColumnElement[bool]:
    day = service_date.isoformat()
    row = revision_row.c
    return and_(row.tenant == tenant, row.depot_id == depot_id, row.service_date == day)
