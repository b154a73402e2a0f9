"""The table of what vans met by the hour."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    LargeBinary,
    Table,
    delete,
    insert,
    select,
)

from cloud.foundation.database import BUSINESS

road_hour = Table(
    "road_hour",
    BUSINESS,
    Column("hour_s", BigInteger, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
    Column("is_final", Boolean, nullable=False),
)


def hours(connection: Connection, since_s: int) -> list[tuple[int, bytes, bool]]:
    """What vans met by the hour, as (UTC seconds of its begin, packed, whether final)."""
    wanted = select(road_hour).where(road_hour.c.hour_s >= since_s).order_by("hour_s")
    return [(row.hour_s, row.body, row.is_final) for row in connection.execute(wanted)]


def put_hour(connection: Connection, hour_s: int, body: bytes, *, is_final: bool) -> None:
    """Keep what vans met in an hour in the place of what was known of it."""
    connection.execute(delete(road_hour).where(road_hour.c.hour_s == hour_s))
    connection.execute(insert(road_hour), {"hour_s": hour_s, "body": body, "is_final": is_final})


def forget_hours(connection: Connection, before_s: int) -> None:
    """Forget hours of long ago."""
    connection.execute(delete(road_hour).where(road_hour.c.hour_s < before_s))
