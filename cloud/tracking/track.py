"""A track as columns: read from blocks, put in order, cut where nothing is known. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

import msgspec
import numpy as np

from cloud.tracking.blocks import Numbered
from cloud.tracking.lanes import MISSING, Bools, Ints, LaneReader
from cloud.tracking.model import moment_ms
from wire.columns import QUALITIES, SOURCES
from wire.packing import PackingError

ALWAYS: Final = ("at_ms", "stream", "seq", "lat_e7", "lon_e7")
"""Columns of every track."""
ON_DEMAND: Final = (
    *("mode", "source", "quality", "speed_cmps", "course_ddeg", "altitude_dm", "hdop_d"),
    "satellites",
)
"""Columns that a reader may leave out; ``source`` and ``quality`` as places in wire's lists."""

_PACKED: Final = (
    *("mode", "source", "quality"),
    *("speed_cmps", "course_ddeg", "altitude_dm", "hdop_d", "satellites"),
)
"""What stands in a payload after the places, in this order."""
_NAMED: Final[dict[str, tuple[str, ...]]] = {"source": SOURCES, "quality": QUALITIES}
_CIRCLE_DDEG: Final = 3600


class Packed(NamedTuple):
    """A block as the database has it: of one stream, its seqs as runs, its fixes as columns."""

    stream: int
    runs: str
    fixes: int
    body: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Fixes of one van by moment, then stream, then seq.

    Attributes:
        columns: whole numbers by the names of `ALWAYS` and some of `ON_DEMAND`, all of one length;
            `cloud.tracking.lanes.MISSING` where a value is not there.
    """

    columns: Mapping[str, Ints]

    def __len__(self) -> int:
        return len(self.columns["at_ms"])

    def __getitem__(self, name: str) -> Ints:
        return self.columns[name]

    def only(self, chosen: Bools | Ints | slice) -> Self:
        """The chosen fixes."""
        return type(self)({name: column[chosen] for name, column in self.columns.items()})


def empty(names: Sequence[str] = ()) -> Track:
    """No fix; ``names``: of `ON_DEMAND`."""
    return Track({name: np.zeros(0, dtype=np.int64) for name in (*ALWAYS, *names)})


def unpacked(blocks: Sequence[Packed], names: Sequence[str] = ()) -> Track:
    """The fixes of ``blocks``, block after block; ``names``: of `ON_DEMAND`.

    Raises:
        PackingError: one is damaged.
    """
    if not blocks:
        return empty(names)
    reader = LaneReader([one.body for one in blocks])
    counts: Ints = np.array([one.fixes for one in blocks], dtype=np.int64)
    lanes = reader.lanes
    moments = _moments(reader, counts)
    found: dict[str, Ints] = {
        "at_ms": moments,
        "stream": np.repeat(np.array([one.stream for one in blocks], dtype=np.int64), counts),
        "seq": _seqs([one.runs for one in blocks], len(moments)),
        "lat_e7": reader.column(lanes, counts),
        "lon_e7": reader.column(lanes, counts),
    }
    last = max((_PACKED.index(name) for name in names), default=-1)
    for name in _PACKED[: last + 1]:
        is_plain = name == "mode" or name in _NAMED
        column = reader.column(lanes, counts) if is_plain else reader.maybe(lanes, counts)
        if name in names:
            found[name] = _checked(name, column)
    if last + 1 == len(_PACKED):
        reader.require_end()
    return Track(found)


def of_rows(stream: int, rows: Sequence[Numbered], names: Sequence[str] = ()) -> Track:
    """Fixes of one stream as columns; ``names``: of `ON_DEMAND`."""
    return of_arrived([(stream, rows)], names)


def of_arrived(
    arrived: Sequence[tuple[int, Sequence[Numbered]]], names: Sequence[str] = ()
) -> Track:
    """Fixes that lie in no block yet, as columns; of one that stands twice the first counts.

    Args:
        arrived: (stream, fixes) of each batch.
        names: of `ON_DEMAND`.
    """
    by_name = {
        (stream, row.seq): row for stream, rows in reversed(arrived) for row in reversed(rows)
    }
    fixes = [row.fix for row in by_name.values()]
    found: dict[str, Any] = {
        "at_ms": [moment_ms(fix) for fix in fixes],
        "stream": [stream for stream, _ in by_name],
        "seq": [seq for _, seq in by_name],
        "lat_e7": [fix.lat_e7 for fix in fixes],
        "lon_e7": [fix.lon_e7 for fix in fixes],
    }
    for name in names:
        values = [getattr(fix, name) for fix in fixes]
        if name in _NAMED:
            values = [_NAMED[name].index(value) for value in values]
        found[name] = [MISSING if value is None else value for value in values]
    whole = Track({name: np.array(column, dtype=np.int64) for name, column in found.items()})
    return whole.only(_order(whole))


def without(some: Track, others: Track) -> Track:
    """The fixes of ``some`` that are not among ``others``, by stream and seq."""
    is_there = np.zeros(len(some), dtype=np.bool_)
    for stream in np.unique(some["stream"]).tolist():
        places = np.flatnonzero(some["stream"] == stream)
        sought = some["seq"][places]
        order = np.argsort(sought)
        stored = others["seq"][others["stream"] == stream]
        at = np.minimum(np.searchsorted(sought[order], stored), len(sought) - 1)
        is_there[places[order[at[sought[order[at]] == stored]]]] = True
    return some.only(~is_there) if is_there.any() else some


def joined(tracks: Sequence[Track], names: Sequence[str] = ()) -> Track:
    """All fixes of ``tracks`` in order, whatever the order of these."""
    several = [one for one in tracks if len(one)]
    if not several:
        return empty(names)
    whole = Track(
        {name: np.concatenate([one[name] for one in several]) for name in (*ALWAYS, *names)}
    )
    return whole if _is_in_order(whole["at_ms"]) else whole.only(_order(whole))


def between(track: Track, from_ms: int, to_ms: int) -> Track:
    """The fixes with ``from_ms`` ≤ moment < ``to_ms``, of fixes in order."""
    begin, end = np.searchsorted(track["at_ms"], (from_ms, to_ms))
    return track if end - begin == len(track) else track.only(slice(int(begin), int(end)))


def _moments(reader: LaneReader, counts: Ints) -> Ints:
    """By GNSS, or by the gateway's clock where the receiver told no time."""
    lanes = reader.lanes
    moments = reader.maybe(lanes, counts)
    is_timed = moments != MISSING
    lane_of = np.repeat(lanes, counts)
    known = np.bincount(lane_of[is_timed], minlength=len(lanes)).astype(np.int64)
    has_known, has_others = known > 0, known < counts
    if has_known.any():
        reader.column(lanes[has_known], known[has_known])  # how much later it was recorded
    if has_others.any():
        others = (counts - known)[has_others]
        moments[~is_timed] = reader.column(lanes[has_others], others)
    return moments


def _seqs(runs: Sequence[str], count: int) -> Ints:
    told = [
        one for text in runs for one in msgspec.json.decode(text, type=list[tuple[int, int, int]])
    ]
    first, counts, steps = np.array(told, dtype=np.int64).T
    starts = np.cumsum(counts) - counts
    places = np.arange(int(counts.sum())) - np.repeat(starts, counts)
    seqs: Ints = np.repeat(first, counts) + places * np.repeat(steps, counts)
    if len(seqs) != count:
        raise PackingError("a block holds another number of fixes than of seqs")
    return seqs


def _checked(name: str, column: Ints) -> Ints:
    if name == "course_ddeg":
        return np.where(column == MISSING, MISSING, column % _CIRCLE_DDEG)
    names = _NAMED.get(name)
    if names is not None and ((column < 0) | (column >= len(names))).any():
        raise PackingError(f"{name}: names none of {', '.join(names)}")
    return column


def _is_in_order(moments: Ints) -> bool:
    return bool((moments[1:] > moments[:-1]).all())


def _order(track: Track) -> Ints:
    """The places of the fixes by moment, stream and seq; a few that are late cost little."""
    order: Ints = np.argsort(track["at_ms"], kind="stable")
    if not _is_in_order(track["at_ms"][order]):
        order = np.lexsort((track["seq"], track["stream"], track["at_ms"]))
    return order
