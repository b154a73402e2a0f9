"""The table of a day's rules. What is lifted stays, with the time, for whoever asks later."""

from dataclasses import asdict
from datetime import date

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    RowMapping,
    String,
    Table,
    insert,
    select,
    update,
)

from cloud.foundation.database import BUSINESS
from cloud.planning.rules.model import Rule

plan_rule = Table(
    "plan_rule",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("depot_id", String, nullable=False),
    Column("service_date", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("vehicle_id", String, nullable=False),
    Column("order_id", String),
    Column("note", String, nullable=False),
    Column("made_by", String, nullable=False),
    Column("made_at", Float, nullable=False),
    Column("maker", String, nullable=False, server_default="office"),
    Column("lifted_at", Float),
    Index("ix_plan_rule_day", "tenant", "depot_id", "service_date"),
)


def in_force(
    connection: Connection, tenant: str, depot_id: str, service_date: date
) -> tuple[Rule, ...]:
    """The rules of a day that nobody has lifted, the first made first."""
    rows = connection.execute(
        select(plan_rule)
        .where(
            plan_rule.c.tenant == tenant,
            plan_rule.c.depot_id == depot_id,
            plan_rule.c.service_date == service_date.isoformat(),
            plan_rule.c.lifted_at.is_(None),
        )
        .order_by(plan_rule.c.made_at, plan_rule.c.id)
    ).mappings()
    return tuple(_rule(row) for row in rows)


def add(connection: Connection, rule: Rule) -> None:
    """Store a new rule."""
    columns = asdict(rule) | {"service_date": rule.service_date.isoformat()}
    connection.execute(insert(plan_rule).values(**columns))


def lift(connection: Connection, rule: Rule, at: float) -> None:
    """The rule has no force from ``at`` on, in seconds since 1970."""
    connection.execute(
        update(plan_rule)
        .where(plan_rule.c.tenant == rule.tenant, plan_rule.c.id == rule.id)
        .values(lifted_at=at)
    )


def follow(connection: Connection, tenant: str, order_id: str, service_date: date) -> None:
    """The rules of an order that nobody has lifted hold on the day to which it was carried."""
    connection.execute(
        update(plan_rule)
        .where(
            plan_rule.c.tenant == tenant,
            plan_rule.c.order_id == order_id,
            plan_rule.c.lifted_at.is_(None),
        )
        .values(service_date=service_date.isoformat())
    )


def _rule(row: RowMapping) -> Rule:
    return Rule(
        **{name: row[name] for name in row if name not in {"lifted_at", "service_date"}},
        service_date=date.fromisoformat(row["service_date"]),
    )
