"""How far each route is stands in one small row, so that a week of work is read at once."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_AT_ONCE = 200


def upgrade() -> None:
    """Take the step: the routes there are get their rows."""
    work = op.create_table(
        "route_work",
        sa.Column("tenant", sa.String(), primary_key=True),
        sa.Column("route_id", sa.String(), primary_key=True),
        sa.Column("depot_id", sa.String(), nullable=False),
        sa.Column("service_date", sa.String(), nullable=False),
        sa.Column("vehicle_id", sa.String(), nullable=False),
        sa.Column("planned_end", sa.Float(), nullable=False),
        sa.Column("first_seen", sa.Float()),
        sa.Column("last_seen", sa.Float()),
        sa.Column("open_stops", sa.Integer(), nullable=False),
        sa.Column("end_leg_s", sa.Integer(), nullable=False),
        sa.Column("breaks", sa.Text(), nullable=False),
    )
    op.create_index(
        "uq_route_work_day",
        "route_work",
        ["tenant", "depot_id", "service_date", "vehicle_id"],
        unique=True,
    )
    plain = ("tenant", "id", "depot_id", "service_date", "vehicle_id", "end_leg_s")
    breaks = sa.column("breaks", sa.JSON())
    route = sa.table("route", *(sa.column(name) for name in plain), breaks)
    told = ("tenant", "route_id", "planned_departure", "arrived_at", "done_at", "state")
    stop = sa.table("stop", *(sa.column(name) for name in told))
    bind, after = op.get_bind(), None
    while rows := bind.execute(_next(route, stop, after)).mappings().all():
        op.bulk_insert(work, [_row(row) for row in rows])
        after = rows[-1]["tenant"], rows[-1]["id"]


def _next(
    route: sa.TableClause, stop: sa.TableClause, after: tuple[str, str] | None
) -> sa.Select[Any]:
    """Routes with what was seen of their stops, some by their key after ``after``."""
    key = sa.tuple_(route.c.tenant, route.c.id)
    some = sa.select(*route.c).order_by(route.c.tenant, route.c.id).limit(_AT_ONCE)
    if after is not None:
        some = some.where(key > sa.tuple_(*after))
    # a page without stops would end the walk: only routes that have some are in it
    has_stops = sa.exists().where(stop.c.tenant == route.c.tenant, stop.c.route_id == route.c.id)
    page = some.where(has_stops).subquery()
    of_route = sa.and_(stop.c.tenant == page.c.tenant, stop.c.route_id == page.c.id)
    far = (
        sa.select(
            stop.c.tenant,
            stop.c.route_id,
            sa.func.max(stop.c.planned_departure).label("left"),
            sa.func.min(stop.c.arrived_at).label("first"),
            sa.func.max(stop.c.done_at).label("last"),
            sa.func.count().filter(stop.c.state != "done").label("open"),
        )
        .select_from(stop.join(page, of_route))
        .group_by(stop.c.tenant, stop.c.route_id)
        .subquery()
    )
    same = sa.and_(far.c.tenant == page.c.tenant, far.c.route_id == page.c.id)
    seen = (far.c.left, far.c.first, far.c.last, far.c.open)
    joined = sa.select(*page.c, *seen).select_from(page.join(far, same))
    return joined.order_by(page.c.tenant, page.c.id)


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("route_work")


def _row(row: sa.RowMapping) -> dict[str, Any]:
    spans = [[one["begins"], one["ends"]] for one in row["breaks"]]
    same = ("tenant", "depot_id", "service_date", "vehicle_id", "end_leg_s")
    return {name: row[name] for name in same} | {
        "route_id": row["id"],
        "planned_end": row["left"] + row["end_leg_s"],
        "first_seen": row["first"],
        "last_seen": row["last"],
        "open_stops": row["open"],
        "breaks": json.dumps(spans),
    }
