"""The tables of history and the only SQL over them: what has arrived, and the blocks it becomes.

A batch lies in ``arrived`` as it came until its fixes are folded into ``block``. Readers look into
both, so it makes no difference to them when that happens.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from cloud.foundation.database import ROW_NUMBER, TELEMETRY, drop_parts, make_parts
from cloud.foundation.rows import PARTED, Parted
from cloud.tracking.blocks import (
    MAX_SPAN_MS,
    Block,
    Bounds,
    Box,
    Extent,
    Numbered,
    Seen,
    TrackRow,
    seqs_of,
    unpack,
    unpack_track,
)
from cloud.tracking.model import StreamKey, moment_ms
from wire import codec
from wire.packing import PackingError

WEEK_MS: Final = 7 * 86_400_000

ARRIVED: Final = Table(
    "arrived",
    TELEMETRY,
    Column("id", ROW_NUMBER, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("van", String, nullable=False),
    Column("stream", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("fixes", Integer, nullable=False),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("from_ms", BigInteger),
    Column("to_ms", BigInteger),
    Column("south_e7", Integer),
    Column("west_e7", Integer),
    Column("north_e7", Integer),
    Column("east_e7", Integer),
    Index("ix_arrived_tenant_van_stream_first", "tenant", "van", "stream", "first"),
    sqlite_autoincrement=True,
)
"""A batch's own bytes; of its fixes those from seq ``first`` to ``last`` count.

From when to when they were taken, and where, is null until ingest has looked into it.
"""

BLOCK: Final = Table(
    "block",
    TELEMETRY,
    Column("id", ROW_NUMBER, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("van", String, nullable=False),
    Column("stream", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("fixes", Integer, nullable=False),
    Column("runs", Text, nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("to_ms", BigInteger, nullable=False),
    Column("south_e7", Integer, nullable=False),
    Column("west_e7", Integer, nullable=False),
    Column("north_e7", Integer, nullable=False),
    Column("east_e7", Integer, nullable=False),
    Column("received_from_ms", BigInteger, nullable=False),
    Column("received_to_ms", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("ix_block_tenant_van_stream_first", "tenant", "van", "stream", "first", unique=True),
    Index("ix_block_tenant_van_from_ms", "tenant", "van", "from_ms", "to_ms"),
    Index(
        "ix_block_tenant_from_ms",
        *("tenant", "from_ms", "to_ms", "south_e7", "west_e7", "north_e7", "east_e7"),
    ),
    info={PARTED: Parted(by="from_ms", span_ms=WEEK_MS, reach_ms=MAX_SPAN_MS)},
)
"""See `cloud.tracking.blocks.Block`."""


class ArrivedRow(NamedTuple):
    """A row of ``arrived`` that has no id yet, and into which nobody has looked."""

    tenant: str
    van: str
    stream: int
    first: int
    last: int
    fixes: int
    received_at_ms: int
    body: bytes


class Unread(NamedTuple):
    """A stored batch; ``is_bounded``: it is known when and where its fixes were taken."""

    id: int
    key: StreamKey
    first: int
    last: int
    fixes: int
    received_at_ms: int
    body: bytes
    is_bounded: bool = False


def make_weeks(connection: Connection, now_ms: int) -> list[str]:
    """Make the parts of ``block`` that are missing for this week and the next ones."""
    return make_parts(connection, BLOCK, now_ms)


def drop_weeks(connection: Connection, before_ms: int) -> list[str]:
    """Drop the weeks of ``block`` whose fixes are all older, on a store that has them."""
    return drop_parts(connection, BLOCK, before_ms)


def unread_after(connection: Connection, after_id: int, limit: int) -> list[Unread]:
    """What arrived after the row ``after_id``, oldest first, at most ``limit`` rows."""
    rows = connection.execute(
        select(ARRIVED).where(ARRIVED.c.id > after_id).order_by(ARRIVED.c.id).limit(limit)
    )
    return [_unread(row) for row in rows]


def arrived_of(
    connection: Connection, key: StreamKey, upto_id: int, limit: int, from_seq: int = 0
) -> list[Unread]:
    """What arrived of one stream up to the row ``upto_id``, by seq, at most ``limit`` rows.

    Only what begins at ``from_seq`` or later.
    """
    rows = connection.execute(
        select(ARRIVED)
        .where(_of_stream(ARRIVED, key), ARRIVED.c.id <= upto_id, ARRIVED.c.first >= from_seq)
        .order_by(ARRIVED.c.first, ARRIVED.c.id)
        .limit(limit)
    )
    return [_unread(row) for row in rows]


def blocks_around(connection: Connection, key: StreamKey, first: int, last: int) -> list[Extent]:
    """The blocks of a stream that overlap ``first`` to ``last``, and the one on either side."""
    before = select(func.max(BLOCK.c.first)).where(_of_stream(BLOCK, key), BLOCK.c.first <= first)
    after = select(func.min(BLOCK.c.first)).where(_of_stream(BLOCK, key), BLOCK.c.first > last)
    low, high = connection.scalar(before), connection.scalar(after)
    rows = connection.execute(
        select(BLOCK.c.id, BLOCK.c.first, BLOCK.c.last, BLOCK.c.fixes).where(
            _of_stream(BLOCK, key),
            BLOCK.c.first >= (first if low is None else low),
            BLOCK.c.first <= (last if high is None else high),
        )
    )
    return [
        Extent(first=row.first, last=row.last, id=row.id, is_block=True, fixes=row.fixes)
        for row in rows
    ]


def note_bounds(connection: Connection, found: Mapping[int, Bounds]) -> None:
    """Keep with rows of ``arrived``, by their ids, what is known of their fixes."""
    if found:
        named: dict[str, Any] = {
            name: bindparam(name) for name in ("from_ms", "to_ms", *Box._fields)
        }
        connection.execute(
            update(ARRIVED).where(ARRIVED.c.id == bindparam("row")).values(**named),
            [
                {"row": row, "from_ms": one.from_ms, "to_ms": one.to_ms, **one.box._asdict()}
                for row, one in found.items()
            ],
        )


def block_rows(connection: Connection, ids: Sequence[int]) -> Iterator[list[Numbered]]:
    """What lies in some blocks.

    Raises:
        PackingError: one is damaged.
    """
    for one in ids:
        row = connection.execute(select(BLOCK).where(BLOCK.c.id == one)).one()
        yield unpack(_block(row))


def ends_of(connection: Connection, block_id: int) -> tuple[Seen, Seen] | None:
    """The fixes of a block with the lowest and the highest seq; None when it is damaged."""
    columns = (BLOCK.c.stream, BLOCK.c.runs, BLOCK.c.fixes, BLOCK.c.body)
    row = connection.execute(select(*columns).where(BLOCK.c.id == block_id)).one()
    try:
        told = unpack_track(*row)
    except PackingError:
        return None
    first, last = (Seen(one.at_ms, one.lat_e7, one.lon_e7) for one in (told[0], told[-1]))
    return first, last


def rows_of(arrived: Unread | Any) -> list[Numbered]:
    """The fixes that count of a stored batch.

    Raises:
        WireError: its payload cannot be unpacked.
    """
    batch = codec.decode_batch(arrived.body)
    return [
        Numbered(seq, fix, arrived.received_at_ms)
        for seq, fix in zip(batch.seqs, batch.fixes, strict=True)
        if arrived.first <= seq <= arrived.last
    ]


def replace(
    connection: Connection,
    key: StreamKey,
    *,
    arrived: Sequence[int],
    blocks: Sequence[int],
    by: Sequence[Block],
) -> None:
    """Put blocks in the place of rows of both tables, told by their ids."""
    forget_arrived(connection, arrived)
    if blocks:
        connection.execute(delete(BLOCK).where(BLOCK.c.id.in_(blocks)))
    if by:
        connection.execute(insert(BLOCK), [_values(key, block) for block in by])


def put_box(connection: Connection, block_id: int, box: Box) -> None:
    """Give a block another box."""
    connection.execute(update(BLOCK).where(BLOCK.c.id == block_id).values(**box._asdict()))


def forget_arrived(connection: Connection, ids: Sequence[int]) -> None:
    """Delete some rows of ``arrived``."""
    if ids:
        connection.execute(delete(ARRIVED).where(ARRIVED.c.id.in_(ids)))


def fixes_between(
    connection: Connection, tenant: str, van: str, from_ms: int, to_ms: int, limit: int
) -> list[TrackRow]:
    """The fixes of a van by moment, then stream, then seq; ``from_ms`` ≤ moment < ``to_ms``.

    At most ``limit``, the earliest.
    """
    found: list[TrackRow] = []
    extents: list[_Reach] = []
    with connection.execute(
        select(BLOCK)
        .where(BLOCK.c.tenant == tenant, BLOCK.c.van == van, *within(from_ms, to_ms))
        .order_by(BLOCK.c.from_ms)
    ) as blocks:
        for row in blocks:
            if len(found) >= limit and sum(one.at_ms < row.from_ms for one in found) >= limit:
                break
            told = unpack_track(row.stream, row.runs, row.fixes, row.body)
            if row.from_ms < from_ms or row.to_ms >= to_ms:
                told = [one for one in told if from_ms <= one.at_ms < to_ms]
            found += told
            extents.append(_Reach(van, row.stream, row.first, row.last))
    whose = and_(ARRIVED.c.tenant == tenant, ARRIVED.c.van == van, may_lie_in(from_ms, to_ms))
    late = [one for _, one in _late(connection, whose, extents) if from_ms <= one.at_ms < to_ms]
    return sorted([*found, *late])[:limit]


class Stored(NamedTuple):
    """What is stored of a van that may lie in a span of time, as it lies there.

    Attributes:
        blocks: rows of `BLOCK`. arrived: (stream, fixes) of what is not folded yet, in the order in
            which it arrived; a fix that also lies in a block, or twice here, counts once.
    """

    blocks: Sequence[Any]
    arrived: Sequence[tuple[int, list[Numbered]]]


def stored_within(
    connection: Connection, tenant: str, wanted: Mapping[str, Sequence[tuple[int, int]]]
) -> dict[str, Stored]:
    """What may hold a fix with ``from_ms`` ≤ moment < ``to_ms`` of a span, by van.

    ``wanted``: some spans of each van.
    """
    blocks: dict[str, list[Any]] = {van: [] for van in wanted}
    arrived: dict[str, list[tuple[int, list[Numbered]]]] = {van: [] for van in wanted}
    in_spans = [
        and_(BLOCK.c.van == van, *within(*span)) for van, spans in wanted.items() for span in spans
    ]
    columns = (BLOCK.c.stream, BLOCK.c.runs, BLOCK.c.fixes, BLOCK.c.body)
    for van, *row in connection.execute(
        select(BLOCK.c.van, *columns)
        .where(BLOCK.c.tenant == tenant, or_(*in_spans))
        .order_by(BLOCK.c.from_ms, BLOCK.c.stream, BLOCK.c.first)
    ):
        blocks[van].append(row)
    in_spans = [
        and_(ARRIVED.c.van == van, may_lie_in(*span))
        for van, spans in wanted.items()
        for span in spans
    ]
    for one in connection.execute(
        select(ARRIVED).where(ARRIVED.c.tenant == tenant, or_(*in_spans)).order_by(ARRIVED.c.id)
    ):
        arrived[one.van].append((one.stream, readable(one)))
    return {van: Stored(blocks[van], arrived[van]) for van in wanted}


def vans_near(connection: Connection, tenant: str, box: Box, from_ms: int, to_ms: int) -> set[str]:
    """The vans that may have a fix in ``box`` with ``from_ms`` ≤ moment < ``to_ms``.

    Of what ingest has not looked into nothing is known: its vans are all told.
    """
    in_blocks = (
        select(BLOCK.c.van)
        .where(BLOCK.c.tenant == tenant, *within(from_ms, to_ms), meets(BLOCK, box))
        .distinct()
    )
    in_arrived = (
        select(ARRIVED.c.van)
        .where(
            ARRIVED.c.tenant == tenant,
            may_lie_in(from_ms, to_ms),
            or_(ARRIVED.c.from_ms.is_(None), meets(ARRIVED, box)),
        )
        .distinct()
    )
    return {*connection.scalars(in_blocks), *connection.scalars(in_arrived)}


def stored_seqs(connection: Connection, tenant: str, van: str) -> list[tuple[int, int]]:
    """(stream, seq) of every stored fix of a van, ascending; what is stored twice stands twice."""
    found = [
        (row.stream, seq)
        for row in connection.execute(
            select(BLOCK.c.stream, BLOCK.c.runs).where(BLOCK.c.tenant == tenant, BLOCK.c.van == van)
        )
        for seq in seqs_of(row.runs)
    ]
    found += [
        (row.stream, one.seq)
        for row in connection.execute(
            select(ARRIVED).where(ARRIVED.c.tenant == tenant, ARRIVED.c.van == van)
        )
        for one in readable(row)
    ]
    return sorted(found)


class _Reach(NamedTuple):
    """Between which seqs a block lies."""

    van: str
    stream: int
    first: int
    last: int


def _late(
    connection: Connection, whose: ColumnElement[bool], blocks: Sequence[_Reach]
) -> Iterator[tuple[str, TrackRow]]:
    """What has arrived and is not folded yet, but for what stands in ``blocks`` or twice in itself.

    A row can stand twice only where a range had counted as committed without it.
    """
    seen: set[tuple[str, int, int]] = set()
    for row in connection.execute(select(ARRIVED).where(whose).order_by(ARRIVED.c.id)):
        if any(
            (one.van, one.stream) == (row.van, row.stream)
            and one.first <= row.last
            and row.first <= one.last
            for one in blocks
        ):
            seen |= _seqs_within(connection, row)
        for one in readable(row):
            name = (row.van, row.stream, one.seq)
            if name not in seen:
                seen.add(name)
                yield row.van, _told(row.stream, one)


def _seqs_within(connection: Connection, arrived: Any) -> set[tuple[str, int, int]]:
    """The seqs in the blocks that overlap a row of ``arrived``."""
    key = StreamKey(arrived.tenant, arrived.van, arrived.stream)
    ids = [one.id for one in blocks_around(connection, key, arrived.first, arrived.last)]
    return {
        (arrived.van, arrived.stream, seq)
        for runs in connection.scalars(select(BLOCK.c.runs).where(BLOCK.c.id.in_(ids)))
        for seq in seqs_of(runs)
    }


def readable(arrived: Any) -> list[Numbered]:
    """The fixes of a row of ``arrived``; none of one that ingest is about to set aside."""
    try:
        return rows_of(arrived)
    except codec.WireError:
        return []


def _told(stream: int, row: Numbered) -> TrackRow:
    fix = row.fix
    place = (fix.lat_e7, fix.lon_e7)
    return TrackRow(moment_ms(fix), stream, row.seq, *place, fix.speed_cmps, fix.course_ddeg)


def within(from_ms: int, to_ms: int) -> tuple[ColumnElement[bool], ...]:
    """Blocks that reach into a span of time; the index finds the few that it has to look at."""
    return (
        BLOCK.c.from_ms >= from_ms - MAX_SPAN_MS,
        BLOCK.c.from_ms < to_ms,
        BLOCK.c.to_ms >= from_ms,
    )


def may_lie_in(from_ms: int, to_ms: int) -> ColumnElement[bool]:
    """Rows of ``arrived`` that may hold a fix with ``from_ms`` ≤ moment < ``to_ms``."""
    is_within = and_(ARRIVED.c.from_ms < to_ms, ARRIVED.c.to_ms >= from_ms)
    return or_(ARRIVED.c.from_ms.is_(None), is_within)


def meets(table: Table, box: Box) -> ColumnElement[bool]:
    """Rows of either table whose box is known and has a place in common with ``box``."""
    return and_(
        table.c.south_e7 <= box.north_e7,
        table.c.north_e7 >= box.south_e7,
        table.c.west_e7 <= box.east_e7,
        table.c.east_e7 >= box.west_e7,
    )


def _of_stream(table: Table, key: StreamKey) -> ColumnElement[bool]:
    columns = table.c
    return and_(columns.tenant == key.tenant, columns.van == key.van, columns.stream == key.stream)


def _unread(row: Any) -> Unread:
    key = StreamKey(row.tenant, row.van, row.stream)
    told = (row.first, row.last, row.fixes, row.received_at_ms, row.body)
    return Unread(row.id, key, *told, row.from_ms is not None)


_PLAIN: Final = [one for one in Block.__dataclass_fields__ if one != "box"]


def _block(row: Any) -> Block:
    return Block(
        box=Box(row.south_e7, row.west_e7, row.north_e7, row.east_e7),
        **{name: getattr(row, name) for name in _PLAIN},
    )


def _values(key: StreamKey, block: Block) -> dict[str, Any]:
    plain = {name: getattr(block, name) for name in _PLAIN}
    return key._asdict() | plain | block.box._asdict()
