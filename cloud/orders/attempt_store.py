"""The table of attempts: a van stood at a door, and what came of it."""

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    RowMapping,
    String,
    Table,
    insert,
    select,
    update,
)

from cloud.foundation.database import BUSINESS
from cloud.orders.model import Order

attempt = Table(
    "attempt",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("order_id", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("stop_id", String, nullable=False),
    Column("vehicle_id", String, nullable=False),
    Column("driver_id", String, nullable=False),
    Column("arrived_at", Float, nullable=False),
    Column("outcome", String),
    Column("reason", String),
    Column("outcome_at", Float),
)


def open_attempt(
    connection: Connection,
    order: Order,
    *,
    stop_id: str,
    vehicle_id: str,
    driver_id: str,
    arrived_at: float,
) -> None:
    """The van stands at the door: a further attempt has begun."""
    number = len(
        connection.execute(
            select(attempt.c.number).where(
                attempt.c.tenant == order.tenant, attempt.c.order_id == order.id
            )
        ).all()
    )
    connection.execute(
        insert(attempt).values(
            tenant=order.tenant,
            order_id=order.id,
            number=number + 1,
            stop_id=stop_id,
            vehicle_id=vehicle_id,
            driver_id=driver_id,
            arrived_at=arrived_at,
        )
    )


def close_attempt(
    connection: Connection,
    order: Order,
    *,
    stop_id: str,
    outcome: str,
    reason: str | None,
    outcome_at: float,
) -> None:
    """The attempt at this stop has its outcome."""
    connection.execute(
        update(attempt)
        .where(
            attempt.c.tenant == order.tenant,
            attempt.c.order_id == order.id,
            attempt.c.stop_id == stop_id,
            attempt.c.outcome.is_(None),
        )
        .values(outcome=outcome, reason=reason, outcome_at=outcome_at)
    )


def attempt_at(
    connection: Connection, tenant: str, order_id: str, stop_id: str
) -> RowMapping | None:
    """The newest attempt of an order at a stop."""
    return (
        connection.execute(
            select(attempt)
            .where(
                attempt.c.tenant == tenant,
                attempt.c.order_id == order_id,
                attempt.c.stop_id == stop_id,
            )
            .order_by(attempt.c.number.desc())
        )
        .mappings()
        .first()
    )
