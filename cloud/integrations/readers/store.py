"""Readers of the feed, without what they sign in with."""

from collections.abc import Sequence

from sqlalchemy import (
    Column,
    Connection,
    Float,
    RowMapping,
    String,
    Table,
    and_,
    func,
    insert,
    select,
    update,
)

from cloud.foundation.database import BUSINESS
from cloud.integrations.readers.model import Reader

feed_reader = Table(
    "feed_reader",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("carrier", String),
    Column("made_at", Float, nullable=False),
    Column("made_by", String, nullable=False),
    Column("expires_at", Float),
    Column("ended_at", Float),
)


def add(connection: Connection, reader: Reader) -> None:
    """Store a new one."""
    connection.execute(
        insert(feed_reader).values({name: getattr(reader, name) for name in feed_reader.c.keys()})  # noqa: SIM118 - not a dict
    )


def of_tenant(connection: Connection, tenant: str) -> list[Reader]:
    """Every one that was ever let in, the newest first."""
    rows = connection.execute(
        select(feed_reader)
        .where(feed_reader.c.tenant == tenant)
        .order_by(feed_reader.c.made_at.desc(), feed_reader.c.id)
    )
    return _readers(rows.mappings().all())


def find(connection: Connection, tenant: str, reader_id: str) -> Reader | None:
    """One of them."""
    rows = connection.execute(
        select(feed_reader).where(feed_reader.c.tenant == tenant, feed_reader.c.id == reader_id)
    )
    return next(iter(_readers(rows.mappings().all())), None)


def count_in_force(connection: Connection, tenant: str) -> int:
    """How many of a tenant are not shut out."""
    counted = select(func.count()).where(
        and_(feed_reader.c.tenant == tenant, feed_reader.c.ended_at.is_(None))
    )
    return int(connection.execute(counted).scalar_one())


def in_force(connection: Connection, now_s: float) -> frozenset[tuple[str, str]]:
    """(tenant, id) of all that are to be let in now."""
    rows = connection.execute(
        select(feed_reader.c.tenant, feed_reader.c.id).where(
            feed_reader.c.ended_at.is_(None),
            feed_reader.c.expires_at.is_(None) | (feed_reader.c.expires_at > now_s),
        )
    )
    return frozenset((row.tenant, row.id) for row in rows)


def end(connection: Connection, reader: Reader, now_s: float) -> None:
    """It is shut out from now on."""
    connection.execute(
        update(feed_reader)
        .where(feed_reader.c.tenant == reader.tenant, feed_reader.c.id == reader.id)
        .values(ended_at=now_s)
    )


def _readers(rows: Sequence[RowMapping]) -> list[Reader]:
    return [Reader(**row) for row in rows]
