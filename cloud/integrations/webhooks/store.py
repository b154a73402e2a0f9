"""Webhooks and what is delivered to them."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    RowMapping,
    String,
    Table,
    UniqueConstraint,
    and_,
    delete,
    func,
    insert,
    select,
    update,
)

from cloud.foundation.database import BUSINESS
from cloud.integrations.webhooks.model import Delivery, Webhook

_COUNTED: Final = BigInteger().with_variant(Integer, "sqlite")

webhook = Table(
    "webhook",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("url", String, nullable=False),
    Column("kinds", String, nullable=False),
    Column("carrier", String),
    Column("secret", LargeBinary, nullable=False),
    Column("secret_before", LargeBinary),
    Column("before_until", Float),
    Column("disabled", String),
    Column("made_at", Float, nullable=False),
    Column("made_by", String, nullable=False),
    Column("failing_since", Float),
    Column("delivered_at", Float),
    Column("wait_until", Float, nullable=False),
    Column("dropped", Integer, nullable=False),
)
"""``secret``, ``secret_before``: sealed with a key that is not in the database."""

webhook_delivery = Table(
    "webhook_delivery",
    BUSINESS,
    Column("position", _COUNTED, primary_key=True, autoincrement=True),
    Column("tenant", String, nullable=False),
    Column("webhook_id", String, nullable=False),
    Column("event_id", String, nullable=False),
    Column("resend", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("state", String, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("made_at", Float, nullable=False),
    Column("first_tried_at", Float),
    Column("tried_at", Float),
    Column("status", Integer),
    Column("error", String),
    UniqueConstraint("tenant", "webhook_id", "event_id", "resend"),
    Index(
        "ix_webhook_delivery_tenant_webhook_id_state_position",
        "tenant",
        "webhook_id",
        "state",
        "position",
    ),
    sqlite_autoincrement=True,
)


def add(connection: Connection, made: Webhook) -> None:
    """Store a new one."""
    row = {name: getattr(made, name) for name in webhook.c.keys()}  # noqa: SIM118 - not a dict
    connection.execute(insert(webhook).values(row | {"kinds": json.dumps(made.kinds)}))


def change(connection: Connection, tenant: str, webhook_id: str, **values: Any) -> None:
    """Change some fields of one."""
    if "kinds" in values:
        values["kinds"] = json.dumps(values["kinds"])
    connection.execute(
        update(webhook)
        .where(webhook.c.tenant == tenant, webhook.c.id == webhook_id)
        .values(**values)
    )


def remove(connection: Connection, tenant: str, webhook_id: str) -> None:
    """Forget one, with all that was delivered to it or waits."""
    connection.execute(delete(webhook_delivery).where(_of(tenant, webhook_id)))
    connection.execute(
        delete(webhook).where(webhook.c.tenant == tenant, webhook.c.id == webhook_id)
    )


def of_tenant(connection: Connection, tenant: str) -> list[Webhook]:
    """All of a tenant, the newest first."""
    rows = connection.execute(
        select(webhook)
        .where(webhook.c.tenant == tenant)
        .order_by(webhook.c.made_at.desc(), webhook.c.id)
    )
    return [_webhook(row) for row in rows.mappings()]


def enabled(connection: Connection) -> list[Webhook]:
    """All that are not disabled, of every tenant."""
    rows = connection.execute(select(webhook).where(webhook.c.disabled.is_(None)))
    return [_webhook(row) for row in rows.mappings()]


def find(connection: Connection, tenant: str, webhook_id: str) -> Webhook | None:
    """One of them."""
    row = connection.execute(
        select(webhook).where(webhook.c.tenant == tenant, webhook.c.id == webhook_id)
    )
    found = row.mappings().first()
    return None if found is None else _webhook(found)


def with_something_due(connection: Connection, now_s: float) -> list[Webhook]:
    """The enabled webhooks to which something can be sent now, of every tenant."""
    waiting = (
        select(webhook_delivery.c.position)
        .where(
            webhook_delivery.c.tenant == webhook.c.tenant,
            webhook_delivery.c.webhook_id == webhook.c.id,
            webhook_delivery.c.state == "waiting",
            webhook_delivery.c.due_at <= now_s,
        )
        .exists()
    )
    rows = connection.execute(
        select(webhook).where(webhook.c.disabled.is_(None), webhook.c.wait_until <= now_s, waiting)
    )
    return [_webhook(row) for row in rows.mappings()]


def next_due(connection: Connection, to: Webhook, now_s: float) -> Delivery | None:
    """What is sent to a webhook next: the oldest that waits no longer."""
    row = connection.execute(
        select(webhook_delivery)
        .where(
            _of(to.tenant, to.id),
            webhook_delivery.c.state == "waiting",
            webhook_delivery.c.due_at <= now_s,
        )
        .order_by(webhook_delivery.c.position)
        .limit(1)
    )
    found = row.mappings().first()
    return None if found is None else Delivery(**found)


def is_queued(connection: Connection, to: Webhook, event_id: str) -> bool:
    """Whether an event was queued for a webhook already."""
    row = connection.execute(
        select(webhook_delivery.c.position)
        .where(_of(to.tenant, to.id), webhook_delivery.c.event_id == event_id)
        .limit(1)
    )
    return row.first() is not None


def queue(
    connection: Connection,
    to: Webhook,
    *,
    event_id: str,
    kind: str,
    body: bytes,
    now_s: float,
    resend: int = 0,
) -> int:
    """Let something wait for its delivery; returns its position."""
    made = connection.execute(
        insert(webhook_delivery).values(
            tenant=to.tenant,
            webhook_id=to.id,
            event_id=event_id,
            resend=resend,
            kind=kind,
            body=body,
            state="waiting",
            tries=0,
            due_at=now_s,
            made_at=now_s,
        )
    )
    assert made.inserted_primary_key is not None  # noqa: S101 - an insert of one row
    return int(made.inserted_primary_key[0])


def count_waiting(connection: Connection, to: Webhook) -> int:
    """How many wait for their delivery."""
    counted = select(func.count()).where(
        _of(to.tenant, to.id), webhook_delivery.c.state == "waiting"
    )
    return int(connection.execute(counted).scalar_one())


def drop_oldest(connection: Connection, to: Webhook, count: int) -> None:
    """Give the oldest ``count`` that wait up; they stay in the log."""
    oldest = (
        select(webhook_delivery.c.position)
        .where(_of(to.tenant, to.id), webhook_delivery.c.state == "waiting")
        .order_by(webhook_delivery.c.position)
        .limit(count)
    )
    connection.execute(
        update(webhook_delivery)
        .where(webhook_delivery.c.position.in_(oldest))
        .values(state="dropped", error="the queue was full, and this was the oldest in it")
    )
    connection.execute(
        update(webhook)
        .where(webhook.c.tenant == to.tenant, webhook.c.id == to.id)
        .values(dropped=webhook.c.dropped + count)
    )


def note(connection: Connection, delivery: Delivery, **values: Any) -> None:
    """Write down what has come of a delivery."""
    connection.execute(
        update(webhook_delivery)
        .where(webhook_delivery.c.position == delivery.position)
        .values(**values)
    )


def find_delivery(connection: Connection, to: Webhook, position: int) -> Delivery | None:
    """One delivery of a webhook."""
    row = connection.execute(
        select(webhook_delivery).where(
            _of(to.tenant, to.id), webhook_delivery.c.position == position
        )
    )
    found = row.mappings().first()
    return None if found is None else Delivery(**found)


def resends(connection: Connection, to: Webhook, event_id: str) -> int:
    """How often an event was sent again by hand."""
    most = select(func.max(webhook_delivery.c.resend)).where(
        _of(to.tenant, to.id), webhook_delivery.c.event_id == event_id
    )
    return int(connection.execute(most).scalar() or 0)


def page(
    connection: Connection, of: Webhook, *, before: int | None, states: Iterable[str], limit: int
) -> Sequence[Delivery]:
    """Deliveries of a webhook, the newest first."""
    wanted = [_of(of.tenant, of.id)]
    if before is not None:
        wanted.append(webhook_delivery.c.position < before)
    if states := list(states):
        wanted.append(webhook_delivery.c.state.in_(states))
    rows = connection.execute(
        select(webhook_delivery)
        .where(and_(*wanted))
        .order_by(webhook_delivery.c.position.desc())
        .limit(limit)
    )
    return [Delivery(**row) for row in rows.mappings()]


def forget_old(connection: Connection, before_s: float) -> None:
    """Take what has ended out of the log, made before ``before_s``."""
    connection.execute(
        delete(webhook_delivery).where(
            webhook_delivery.c.state != "waiting", webhook_delivery.c.made_at < before_s
        )
    )


def keep_newest(connection: Connection, of: Webhook, count: int) -> None:
    """Keep no more than ``count`` in a webhook's log, beside what waits."""
    oldest_kept = (
        select(webhook_delivery.c.position)
        .where(_of(of.tenant, of.id), webhook_delivery.c.state != "waiting")
        .order_by(webhook_delivery.c.position.desc())
        .offset(count)
        .limit(1)
    )
    found = connection.execute(oldest_kept).scalar()
    if found is not None:
        connection.execute(
            delete(webhook_delivery).where(
                _of(of.tenant, of.id),
                webhook_delivery.c.state != "waiting",
                webhook_delivery.c.position <= found,
            )
        )


def _of(tenant: str, webhook_id: str) -> Any:
    return and_(webhook_delivery.c.tenant == tenant, webhook_delivery.c.webhook_id == webhook_id)


def _webhook(row: RowMapping) -> Webhook:
    return Webhook(**{**row, "kinds": tuple(json.loads(row["kinds"]))})
