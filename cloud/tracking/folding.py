"""How what has arrived becomes blocks, and how blocks lose what is to be erased.

Each is one transaction with what it reads: a kill before its end changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection

from cloud.tracking import history
from cloud.tracking.blocks import Extent, Numbered, Seen, bounds, clusters, merged, packed
from cloud.tracking.history import Unread
from cloud.tracking.model import StreamKey
from wire.messages import Fix
from wire.packing import PackingError

type Keep = Callable[[Fix], bool]


def _all(_fix: Fix) -> bool:
    return True


def fold(
    connection: Connection,
    key: StreamKey,
    arrived: list[Unread],
    known: Mapping[int, Seen] | None = None,
    keep: Keep = _all,
) -> int:
    """Put what has arrived of one stream into blocks, with the blocks it touches.

    Args:
        connection: of a writing transaction.
        key: whose.
        arrived: all of it is of that stream.
        known: fixes of the stream by their seqs, for which no block need be unpacked.
        keep: tells which fixes stay.

    Returns:
        How many fixes did not stay.

    Raises:
        WireError, PackingError: something stored cannot be unpacked.
    """
    if not arrived:
        return 0
    by_id = {row.id: row for row in arrived}
    first, last = min(row.first for row in arrived), max(row.last for row in arrived)
    extents = [
        Extent(first=row.first, last=row.last, id=row.id, is_block=False, fixes=row.fixes)
        for row in arrived
    ]
    extents += history.blocks_around(connection, key, first, last)
    stored = [(cluster, _rows(connection, cluster, by_id)) for cluster in clusters(extents)]
    found = [(cluster, [row for row in rows if keep(row.fix)]) for cluster, rows in stored]
    folded = {one.id for cluster, _ in found for one in cluster if one.is_block}
    left = [one for one in extents if one.is_block and one.id not in folded]
    for place, (cluster, rows) in enumerate(found):
        before = next((one[-1] for _, one in reversed(found[:place]) if one), None)
        after = next((one[0] for _, one in found[place + 1 :] if one), None)
        beside = (
            (
                _before(connection, rows[0].seq, before, left, known or {}),
                _after(connection, rows[-1].seq, after, left),
            )
            if rows
            else ()
        )
        history.replace(
            connection,
            key,
            arrived=[one.id for one in cluster if not one.is_block],
            blocks=[one.id for one in cluster if one.is_block],
            by=packed(rows, *beside),
        )
    return sum(len(rows) for _, rows in stored) - sum(len(rows) for _, rows in found)


def erase(connection: Connection, key: StreamKey, block: Extent, keep: Keep) -> int:
    """Keep of a block only some fixes; a damaged one goes as a whole.

    Its box, and those of the blocks beside it, which lead to its ends, are drawn anew.

    Returns:
        How many fixes did not stay.
    """
    try:
        rows = [row for part in history.block_rows(connection, [block.id]) for row in part]
    except PackingError:
        rows = []
    kept = [row for row in rows if keep(row.fix)]
    if rows and len(kept) == len(rows):
        _draw_anew(connection, key, block)
        return 0
    around = history.blocks_around(connection, key, block.first, block.last)
    beside = [one for one in around if one.id != block.id]
    ends = (_ends_around(connection, kept[0].seq, kept[-1].seq, beside)) if kept else ()
    history.replace(connection, key, arrived=(), blocks=[block.id], by=packed(kept, *ends))
    for one in beside:
        _draw_anew(connection, key, one)
    return block.fixes - len(kept)


def _draw_anew(connection: Connection, key: StreamKey, block: Extent) -> None:
    """The box of a block as it is among the blocks beside it now; of a damaged one it stays."""
    try:
        (rows,) = history.block_rows(connection, [block.id])
    except PackingError:
        return
    around = history.blocks_around(connection, key, block.first, block.last)
    beside = [one for one in around if one.id != block.id]
    ends = _ends_around(connection, block.first, block.last, beside)
    told = bounds([row.fix for row in rows], [one for one in ends if one is not None])
    history.put_box(connection, block.id, told.box)


def _ends_around(
    connection: Connection, first: int, last: int, blocks: Sequence[Extent]
) -> tuple[Seen | None, Seen | None]:
    return (
        _before(connection, first, None, blocks, {}),
        _after(connection, last, None, blocks),
    )


def _rows(
    connection: Connection, cluster: Sequence[Extent], by_id: Mapping[int, Unread]
) -> list[Numbered]:
    blocks = [one.id for one in cluster if one.is_block]
    ids = sorted(one.id for one in cluster if not one.is_block)
    return merged(
        *history.block_rows(connection, blocks),
        *(history.rows_of(by_id[one]) for one in ids),
    )


def _before(
    connection: Connection,
    seq: int,
    folded: Numbered | None,
    left: Sequence[Extent],
    known: Mapping[int, Seen],
) -> Seen | None:
    """The fix before ``seq``: of what is folded beside it, or of a block that stays."""
    block = max((one for one in left if one.last < seq), key=_last, default=None)
    if folded is not None and (block is None or block.last < folded.seq):
        return Seen.of(folded.fix)
    if block is None:
        return None
    if block.last in known:
        return known[block.last]
    ends = history.ends_of(connection, block.id)
    return ends and ends[1]


def _after(
    connection: Connection,
    seq: int,
    folded: Numbered | None,
    left: Sequence[Extent],
) -> Seen | None:
    """The fix after ``seq``, likewise."""
    block = min((one for one in left if one.first > seq), key=_first, default=None)
    if folded is not None and (block is None or folded.seq < block.first):
        return Seen.of(folded.fix)
    ends = None if block is None else history.ends_of(connection, block.id)
    return ends and ends[0]


def _first(extent: Extent) -> int:
    return extent.first


def _last(extent: Extent) -> int:
    return extent.last
