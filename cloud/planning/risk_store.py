"""Which promises were told to be in danger: each is told once."""

from sqlalchemy import Column, Connection, Float, Index, String, Table, delete, insert, select

from cloud.foundation.database import BUSINESS

promise_risk = Table(
    "promise_risk",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("order_id", String, primary_key=True),
    Column("promised_until", Float, primary_key=True),
    Column("told_at", Float, nullable=False),
    Index("promise_risk_by_time", "told_at"),
)

_KEPT_S = 7 * 86_400.0


def note(
    connection: Connection, tenant: str, order_id: str, promised_until: float, now: float
) -> bool:
    """Whether this promise is told for the first time; notes of a week ago are let go."""
    found = connection.execute(
        select(promise_risk.c.told_at).where(
            promise_risk.c.tenant == tenant,
            promise_risk.c.order_id == order_id,
            promise_risk.c.promised_until == promised_until,
        )
    ).first()
    if found is not None:
        return False
    connection.execute(
        insert(promise_risk).values(
            tenant=tenant, order_id=order_id, promised_until=promised_until, told_at=now
        )
    )
    connection.execute(
        delete(promise_risk).where(
            promise_risk.c.tenant == tenant, promise_risk.c.told_at < now - _KEPT_S
        )
    )
    return True
