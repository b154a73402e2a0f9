"""Packed columns of many blocks read at once, one lane a block, by numpy. Pure.

The bits are those of `wire.packing`, and what is told is what its plain reader tells; that one
reads a number at a time, this one the same part of every block in one go.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from wire.packing import PackingError

type Ints = npt.NDArray[np.int64]
type Bools = npt.NDArray[np.bool_]
type _Words = npt.NDArray[np.uint64]

MISSING: Final = -(2**63)
"""Stands where a value is not there."""

_LONGEST_RUN: Final = 6
_MAX_ORDER: Final = 2
_WINDOW_BITS: Final = 56
"""So many bits from any bit on lie within eight bytes."""
_PADDING: Final = bytes(16)
_ONE: Final = np.uint64(1)


class LaneReader:
    """Bits of several payloads, each read from its front and never past its end."""

    def __init__(self, payloads: Sequence[bytes]) -> None:
        """``payloads``: what `wire.columns.pack_fixes` made; 256 MB of them at most."""
        sizes = np.array([len(one) for one in payloads], dtype=np.int64)
        joined = b"".join([*payloads, _PADDING])
        octets = np.frombuffer(joined, dtype=np.uint8)
        self._words = np.ndarray(shape=(len(joined) - 7,), dtype=">u8", buffer=joined, strides=(1,))
        self._ones: Ints = np.flatnonzero(np.unpackbits(octets).view(np.bool_))
        self._end: Ints = np.cumsum(sizes) * 8
        self._at: Ints = self._end - sizes * 8
        self.lanes: Ints = np.arange(len(sizes), dtype=np.int64)

    def maybe(self, lanes: Ints, counts: Ints) -> Ints:
        """The next column of some lanes, in which values may be `MISSING`.

        Raises:
            PackingError: the bits are cut or are not a column.
        """
        is_partial = self._whole(lanes, 1) == 1
        if not is_partial.any():
            return self.column(lanes, counts)
        some = np.zeros(len(lanes), dtype=np.bool_)
        some[is_partial] = self._whole(lanes[is_partial], 1) == 1
        lane_of = np.repeat(np.arange(len(lanes)), counts)
        there = ~is_partial[lane_of]
        if some.any():
            there[some[lane_of]] = self._flags(lanes[some], counts[some])
        known = np.bincount(lane_of[there], minlength=len(lanes)).astype(np.int64)
        if (known[some] == 0).any():
            raise PackingError("a column of which some are there has none")
        values: Ints = np.full(len(lane_of), MISSING, dtype=np.int64)
        has = known > 0
        if has.any():
            values[there] = self.column(lanes[has], known[has])
        return values

    def column(self, lanes: Ints, counts: Ints, *, may_be_sparse: bool = True) -> Ints:
        """The next column of some lanes, of ``counts`` numbers each, lane after lane.

        Raises:
            PackingError: the bits are cut or are not a column.
        """
        orders = self._whole(lanes, 2)
        if (orders > _MAX_ORDER).any() or (orders >= counts).any():
            raise PackingError("an order of differences is not possible")
        outer, inner = orders >= 1, orders == _MAX_ORDER
        first, second = self._signed(lanes[outer]), self._signed(lanes[inner])
        bias = self._signed(lanes)
        left = counts - orders
        values = self._residuals(lanes, left, may_be_sparse=may_be_sparse)
        if bias.any():
            values += np.repeat(bias, left)
        if inner.any():
            values, left = _summed(values, left, inner, second)
        if outer.any():
            values, left = _summed(values, left, outer, first)
        return values

    def require_end(self) -> None:
        """Nothing but the zeros that fill the last byte may be left anywhere.

        Raises:
            PackingError: there is more.
        """
        left = self._end - self._at
        if (left > 7).any() or self._read(self._at, left).any():
            raise PackingError("payload has a tail")

    def _residuals(self, lanes: Ints, counts: Ints, *, may_be_sparse: bool) -> Ints:
        is_varied = self._whole(lanes, 1) == 1
        is_spread = np.zeros(len(lanes), dtype=np.bool_)
        is_spread[is_varied] = self._whole(lanes[is_varied], 1) == 1
        is_sparse = is_varied & ~is_spread
        if is_spread.all():
            return self._spread(lanes, counts)
        values: Ints = np.zeros(int(counts.sum()), dtype=np.int64)
        if is_spread.any():
            told = self._spread(lanes[is_spread], counts[is_spread])
            values[np.repeat(is_spread, counts)] = told
        if is_sparse.any():
            if not may_be_sparse:
                raise PackingError("a sparse column within one")
            told = self._sparse(lanes[is_sparse], counts[is_sparse])
            values[np.repeat(is_sparse, counts)] = told
        return values

    def _sparse(self, lanes: Ints, counts: Ints) -> Ints:
        changes = self._signed(lanes)
        if ((changes < 1) | (changes > counts)).any():
            raise PackingError("so many changes are not possible")
        steps = self.column(lanes, changes, may_be_sparse=False)
        told = self.column(lanes, changes, may_be_sparse=False)
        places = _running(steps, changes) - 1
        if (steps < 1).any() or (places >= np.repeat(counts, changes)).any():
            raise PackingError("a change stands out of place")
        values: Ints = np.zeros(int(counts.sum()), dtype=np.int64)
        values[places + np.repeat(_starts(counts), changes)] = told
        return values

    def _spread(self, lanes: Ints, counts: Ints) -> Ints:
        scale = self._signed(lanes) + 1
        widths = self._whole(lanes, 6)
        long_widths = self._whole(lanes, 6)
        quotients = self._runs(lanes, counts)
        low = self._numbers(lanes, counts, widths)
        if long_widths.any():
            is_long = (quotients >= _LONGEST_RUN) & np.repeat(long_widths > 0, counts)
            places = np.flatnonzero(is_long)
            ends = np.cumsum(counts)
            longs = np.diff(np.searchsorted(places, ends), prepend=0)
            quotients[places] += self._numbers(lanes, longs, long_widths)
        folded = (quotients << np.repeat(widths, counts)) | low
        values: Ints = (folded >> 1) ^ -(folded & 1)
        if (scale != 1).any():
            values *= np.repeat(scale, counts)
        return values

    def _runs(self, lanes: Ints, counts: Ints) -> Ints:
        """How many zeros stand before each of the next ``counts`` ones."""
        starts = _starts(counts)
        begin = np.searchsorted(self._ones, self._at[lanes])
        if (begin + counts > len(self._ones)).any():
            raise PackingError("payload is cut")
        ones = self._ones[_spans(begin, counts)]
        runs: Ints = np.empty_like(ones)
        np.subtract(ones[1:], ones[:-1] + 1, out=runs[1:])
        runs[starts] = ones[starts] - self._at[lanes]
        last = ones[starts + counts - 1]
        self._move(lanes, last + 1)
        return runs

    def _numbers(self, lanes: Ints, counts: Ints, widths: Ints) -> Ints:
        """``counts`` unsigned numbers of ``widths`` bits."""
        begin = self._at[lanes]
        self._move(lanes, begin + counts * widths)
        total = int(counts.sum())
        if not widths.any() or not total:
            return np.zeros(total, dtype=np.int64)
        each = np.repeat(widths, counts)
        base = np.repeat(begin - _starts(counts) * widths, counts)
        return self._read(base + np.arange(total) * each, each)

    def _flags(self, lanes: Ints, counts: Ints) -> Bools:
        flags: Bools = self._numbers(lanes, counts, np.ones_like(counts)) == 1
        return flags

    def _signed(self, lanes: Ints) -> Ints:
        lengths = self._whole(lanes, 6)
        bits = np.maximum(lengths - 1, 0)
        begin = self._at[lanes]
        self._move(lanes, begin + bits)
        folded = self._read(begin, bits) | np.where(lengths > 0, np.int64(1) << bits, 0)
        signed: Ints = (folded >> 1) ^ -(folded & 1)
        return signed

    def _whole(self, lanes: Ints, bits: int) -> Ints:
        begin = self._at[lanes]
        self._move(lanes, begin + bits)
        return self._read(begin, np.full(len(lanes), bits, dtype=np.int64))

    def _move(self, lanes: Ints, to: Ints) -> None:
        if (to > self._end[lanes]).any():
            raise PackingError("payload is cut")
        self._at[lanes] = to

    def _read(self, at: Ints, bits: Ints) -> Ints:
        """Unsigned numbers of ``bits`` bits each, at most 63, from the places ``at``."""
        if len(bits) and int(bits.max()) > _WINDOW_BITS:
            low = np.minimum(bits, 32)
            high = bits - low
            whole: Ints = (self._read(at, high) << low) | self._read(at + high, low)
            return whole
        words: _Words = self._words[at >> 3].astype(np.uint64)
        words <<= (at & 7).astype(np.uint64)
        words >>= _ONE
        words >>= (63 - bits).astype(np.uint64)
        signed: Ints = words.view(np.int64)
        return signed


def _starts(counts: Ints) -> Ints:
    """Where each lane begins among the values of all."""
    starts: Ints = np.cumsum(counts) - counts
    return starts


def _spans(begin: Ints, counts: Ints) -> Ints:
    """``counts`` whole numbers upwards from each of ``begin``."""
    spans: Ints = np.repeat(begin - _starts(counts), counts) + np.arange(int(counts.sum()))
    return spans


def _running(values: Ints, counts: Ints) -> Ints:
    """Sums from the begin of each lane."""
    sums = np.cumsum(values)
    starts = _starts(counts)
    running: Ints = sums - np.repeat(sums[starts] - values[starts], counts)
    return running


def _summed(values: Ints, counts: Ints, chosen: Bools, heads: Ints) -> tuple[Ints, Ints]:
    """Put a head before the values of the chosen lanes, and take these for their differences."""
    grown = counts + chosen
    starts = _starts(grown)
    joined: Ints = np.empty(int(grown.sum()), dtype=np.int64)
    joined[_spans(starts + chosen, counts)] = values
    joined[starts[chosen]] = heads
    if chosen.all():
        return _running(joined, grown), grown
    is_chosen = np.repeat(chosen, grown)
    joined[is_chosen] = _running(joined[is_chosen], grown[chosen])
    return joined, grown
