"""History in blocks: how stored fixes are cut, packed, merged and read again. Pure.

A block holds fixes of one stream, ascending by seq, in the wire's own columns. Blocks of one stream
never overlap by seq. What arrives late lies between them or within one, and is merged into it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, NamedTuple, Self

import msgspec

from cloud.tracking.model import moment_ms
from wire.columns import pack_fixes, unpack_columns, unpack_fixes
from wire.messages import BatchEnvelope, Fix

BLOCK_FIXES: Final = 400
"""At most in one block. At 1 Hz two of them fit a page of 4,096 bytes."""
SMALL_FIXES: Final = 300
"""A block of fewer is merged with what comes beside it."""
MAX_SPAN_MS: Final = 6 * 3_600_000
"""From a block's earliest fix to its latest at most: so far back a query by time has to look."""
WAY_MS: Final = 180_000
"""Between two fixes of a stream that lie no further apart a van counts as having gone straight."""


class Numbered(NamedTuple):
    """A fix under its seq, and when the cloud got it."""

    seq: int
    fix: Fix
    received_at_ms: int


class Box(NamedTuple):
    """A part of the map between two corners, both inside; in 1e-7 degrees."""

    south_e7: int
    west_e7: int
    north_e7: int
    east_e7: int

    def holds(self, lat_e7: int, lon_e7: int) -> bool:
        """Whether the place lies within."""
        return self.south_e7 <= lat_e7 <= self.north_e7 and self.west_e7 <= lon_e7 <= self.east_e7


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What one row of the table ``block`` says, but for whose it is.

    Attributes:
        first, last: seqs of its first and last fix. fixes: how many it holds.
        runs: its seqs as JSON, a list of [first, count, step].
        from_ms, to_ms: its earliest and latest moment.
        box: all of its places, and the ways to the fixes beside it in its stream.
        received_from_ms, received_to_ms: when the cloud got the first and the last of them.
        body: its fixes, as `wire.columns` packs them.
    """

    first: int
    last: int
    fixes: int
    runs: str
    from_ms: int
    to_ms: int
    box: Box
    received_from_ms: int
    received_to_ms: int
    body: bytes


class Seen(NamedTuple):
    """When and where one fix was taken."""

    at_ms: int
    lat_e7: int
    lon_e7: int

    @classmethod
    def of(cls, fix: Fix) -> Self:
        """That of ``fix``."""
        return cls(moment_ms(fix), fix.lat_e7, fix.lon_e7)


class Bounds(NamedTuple):
    """When the first and the last of some fixes were taken, and the box of their places."""

    from_ms: int
    to_ms: int
    box: Box


def bounds(fixes: Sequence[Fix], beside: Iterable[Seen] = ()) -> Bounds:
    """Of some fixes, one at least.

    Args:
        fixes: in the order of their stream.
        beside: the fixes before and after these in their stream. The ways to them lie within the
            box, so that who looks for ways through a place misses none between two pieces.
    """
    moments = [moment_ms(fix) for fix in fixes]
    from_ms, to_ms = min(moments), max(moments)
    near = [one for one in beside if from_ms - WAY_MS <= one.at_ms <= to_ms + WAY_MS]
    lats = [*(fix.lat_e7 for fix in fixes), *(one.lat_e7 for one in near)]
    lons = [*(fix.lon_e7 for fix in fixes), *(one.lon_e7 for one in near)]
    return Bounds(from_ms, to_ms, Box(min(lats), min(lons), max(lats), max(lons)))


class TrackRow(NamedTuple):
    """What a track tells of a fix; by moment, then stream, then seq."""

    at_ms: int
    stream: int
    seq: int
    lat_e7: int
    lon_e7: int
    speed_cmps: int | None
    course_ddeg: int | None


def cut(rows: Sequence[Numbered]) -> Iterator[Sequence[Numbered]]:
    """``rows``, ascending by seq, in parts that fit a block each."""
    begin = 0
    low = high = 0
    for place, row in enumerate(rows):
        moment = moment_ms(row.fix)
        if place > begin:
            low, high = min(low, moment), max(high, moment)
            if place - begin < BLOCK_FIXES and high - low <= MAX_SPAN_MS:
                continue
            yield rows[begin:place]
            begin = place
        low = high = moment
    if rows:
        yield rows[begin:]


def pack(rows: Sequence[Numbered], beside: Iterable[Seen] = ()) -> Block:
    """A block of ``rows``, one part of `cut`; ``beside`` as for `bounds`."""
    fixes = [row.fix for row in rows]
    found = bounds(fixes, beside)
    received = [row.received_at_ms for row in rows]
    return Block(
        first=rows[0].seq,
        last=rows[-1].seq,
        fixes=len(rows),
        runs=msgspec.json.encode(_runs([row.seq for row in rows])).decode(),
        from_ms=found.from_ms,
        to_ms=found.to_ms,
        box=found.box,
        received_from_ms=min(received),
        received_to_ms=max(received),
        body=pack_fixes(fixes),
    )


def packed(
    rows: Sequence[Numbered], before: Seen | None = None, after: Seen | None = None
) -> list[Block]:
    """All of ``rows``, ascending by seq, as blocks; ``before`` and ``after``: the fixes beside."""
    parts = list(cut(rows))
    ends = [before, *(Seen.of(part[-1].fix) for part in parts)]
    begins = [*(Seen.of(part[0].fix) for part in parts[1:]), after]
    return [
        pack(part, [one for one in (left, right) if one is not None])
        for part, left, right in zip(parts, ends, begins, strict=False)
    ]


def unpack(block: Block) -> list[Numbered]:
    """The fixes of a block; of when they were received only the range is known any more.

    Raises:
        PackingError: the body is damaged.
    """
    fixes = unpack_fixes(block.body, block.fixes)
    received = [block.received_from_ms, *[block.received_to_ms] * (block.fixes - 1)]
    return list(map(Numbered, seqs_of(block.runs), fixes, received))


def unpack_track(stream: int, runs: str, count: int, body: bytes) -> list[TrackRow]:
    """The fixes of a block as a track tells them, faster than `unpack`.

    Raises:
        PackingError: the body is damaged.
    """
    columns = unpack_columns(body, count)
    moments = columns["fix_time_ms"]
    if None in moments:
        recorded = columns["recorded_at_ms"]
        moments = [
            other if moment is None else moment
            for moment, other in zip(moments, recorded, strict=True)
        ]
    return list(
        map(
            TrackRow,
            moments,
            [stream] * count,
            seqs_of(runs),
            columns["lat_e7"],
            columns["lon_e7"],
            columns["speed_cmps"],
            columns["course_ddeg"],
        )
    )


def seqs_of(runs: str) -> Iterator[int]:
    """The seqs that ``runs`` tells."""
    told = msgspec.json.decode(runs, type=list[tuple[int, int, int]])
    return chain.from_iterable(
        range(first, first + count * step, step) for first, count, step in told
    )


def _runs(seqs: Sequence[int]) -> list[tuple[int, int, int]]:
    """Ascending seqs as runs of even steps, each as long as it can be."""
    runs: list[tuple[int, int, int]] = []
    for seq in seqs:
        if runs:
            first, count, step = runs[-1]
            gap = seq - (first + (count - 1) * step)
            if count == 1 or gap == step:
                runs[-1] = (first, count + 1, gap)
                continue
        runs.append((seq, 1, 1))
    return runs


class Window(NamedTuple):
    """Which fixes of a batch are meant: seqs of the first and the last, and how many."""

    first: int
    last: int
    fixes: int


def whole(batch: BatchEnvelope) -> Window:
    """All fixes of ``batch``."""
    return Window(batch.first, batch.first + (batch.count - 1) * batch.step, batch.count)


def window(batch: BatchEnvelope, first: int, last: int) -> Window | None:
    """The fixes of ``batch`` from seq ``first`` to ``last``; None when none lies there."""
    begin = max(0, -((batch.first - first) // batch.step))
    end = min(batch.count - 1, (last - batch.first) // batch.step)
    if begin > end:
        return None
    return Window(batch.first + begin * batch.step, batch.first + end * batch.step, end - begin + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """Where something stored stands in its stream: a block, or fixes that arrived.

    Attributes:
        id: of its row. is_block: of which table. fixes: how many fixes it holds.
    """

    first: int
    last: int
    id: int
    is_block: bool
    fixes: int

    @property
    def _is_settled(self) -> bool:
        return self.is_block and self.fixes >= SMALL_FIXES


def clusters(extents: Sequence[Extent]) -> list[list[Extent]]:
    """What is folded together: what arrived, the blocks it overlaps, and small ones beside it.

    Args:
        extents: of one stream: what arrived, and at least all blocks that overlap or neighbour it.

    Returns:
        Lists that each hold something that arrived; no block lies within the reach of another's.
    """
    found: list[list[Extent]] = []
    reach = -1
    for one in sorted(extents, key=lambda one: (one.first, one.last)):
        joins = found and (
            one.first <= reach or not (one._is_settled or found[-1][-1]._is_settled)  # noqa: SLF001 - of the same class
        )
        if joins:
            found[-1].append(one)
            reach = max(reach, one.last)
        else:
            found.append([one])
            reach = one.last
    return [one for one in found if not all(extent.is_block for extent in one)]


def merged(*sources: Sequence[Numbered]) -> list[Numbered]:
    """All rows ascending by seq; of a seq that stands twice the earlier source counts."""
    by_seq = {row.seq: row for source in reversed(sources) for row in source}
    return [by_seq[seq] for seq in sorted(by_seq)]
