"""Who may have passed a place, as history lies in its tables."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final

from sqlalchemy import Connection, or_, select

from cloud.foundation.errors import Invalid
from cloud.tracking.blocks import Box, bounds
from cloud.tracking.history import ARRIVED, BLOCK, meets, readable, within
from cloud.tracking.passing import Piece

MOST_NEAR: Final = 300_000
"""What is looked up for one answer: some 60 MB."""
MOST_UNREAD: Final = 5_000
"""Messages that ingest has not looked into yet, the oldest, into which a reader looks itself."""


def near(
    connection: Connection, tenant: str, boxes: Sequence[Box], span_ms: tuple[int, int]
) -> list[Piece]:
    """What may hold a fix, or a way between two, in one of ``boxes`` and in a span of time.

    Of a message that ingest has not looked into only its own fixes are known, so a way to the one
    before it counts a moment later.

    Raises:
        Invalid: it is more than `MOST_NEAR`.
    """
    from_ms, to_ms = span_ms
    blocks = select(BLOCK.c.van, BLOCK.c.from_ms, BLOCK.c.to_ms).where(
        BLOCK.c.tenant == tenant,
        *within(from_ms, to_ms),
        or_(*(meets(BLOCK, one) for one in boxes)),
    )
    arrived = select(ARRIVED.c.van, ARRIVED.c.from_ms, ARRIVED.c.to_ms).where(
        ARRIVED.c.tenant == tenant,
        ARRIVED.c.from_ms < to_ms,
        ARRIVED.c.to_ms >= from_ms,
        or_(*(meets(ARRIVED, one) for one in boxes)),
    )
    stored = (
        Piece(*row)
        for rows in (blocks, arrived)
        for row in connection.execute(rows.limit(MOST_NEAR + 1))
    )
    found = list(islice(chain(stored, _unread(connection, tenant, boxes, span_ms)), MOST_NEAR + 1))
    if len(found) > MOST_NEAR:
        raise Invalid.field(
            "from",
            f"more than {MOST_NEAR} pieces of history lie there since then",
            "ask for a shorter span or a smaller area",
        )
    return found


def _unread(
    connection: Connection, tenant: str, boxes: Sequence[Box], span_ms: tuple[int, int]
) -> Iterator[Piece]:
    rows = connection.execute(
        select(ARRIVED)
        .where(ARRIVED.c.tenant == tenant, ARRIVED.c.from_ms.is_(None))
        .order_by(ARRIVED.c.id)
        .limit(MOST_UNREAD)
    )
    for row in rows:
        fixes = [one.fix for one in readable(row)]
        if not fixes:
            continue
        found = bounds(fixes)
        is_then = found.from_ms < span_ms[1] and found.to_ms >= span_ms[0]
        if is_then and any(_meet(found.box, one) for one in boxes):
            yield Piece(row.van, found.from_ms, found.to_ms)


def _meet(one: Box, other: Box) -> bool:
    is_level = one.south_e7 <= other.north_e7 and one.north_e7 >= other.south_e7
    return is_level and one.west_e7 <= other.east_e7 and one.east_e7 >= other.west_e7
