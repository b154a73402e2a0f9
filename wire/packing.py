"""Columns of whole numbers to bits and back, in as few as their changes need. Pure.

A column is coded as the residuals of its 0th, 1st or 2nd differences around a bias, divided by
what they have in common, and these by a Rice code (R. F. Rice, JPL 79-22, 1979) whose quotients
stand together before the remainders, so that an interpreter reads each in one go. Bits are text
of 0 and 1 while they are worked on: joining and splitting text is what an interpreter does fast.
"""

from bisect import bisect_left
from collections.abc import Sequence
from functools import cache
from itertools import accumulate, repeat
from math import gcd
from operator import rshift, sub
from typing import Final

_LENGTH_BITS: Final = 6
_MAX_BITS: Final = 2**_LENGTH_BITS - 1
_ORDER_BITS: Final = 2
_LONGEST_RUN: Final = 6
"""A quotient from here on stands in a section of its own, so that an outlier costs little."""
_TABLE_BITS: Final = 10
_FLAT, _SPARSE, _SPREAD = "0", "10", "11"


class PackingError(ValueError):
    """The bits are not what a packed column looks like, or a number is too large to pack."""


class BitReader:
    """Bits read from the front, never past their end."""

    def __init__(self, payload: bytes) -> None:
        """``payload``: what `to_bytes` made."""
        self._bits = to_text(payload)
        self._at = 0

    def take(self, count: int) -> str:
        """The next ``count`` bits as text.

        Raises:
            PackingError: so many are not left.
        """
        end = self._at + count
        if end > len(self._bits):
            raise PackingError("payload is cut")
        taken = self._bits[self._at : end]
        self._at = end
        return taken

    def whole(self, count: int) -> int:
        """An unsigned number of ``count`` bits."""
        return int("0" + self.take(count), 2)

    def runs(self, count: int) -> list[int]:
        """How many zeros stand before each of the next ``count`` ones."""
        *runs, rest = self._bits[self._at :].split("1", count)
        if len(runs) != count:
            raise PackingError("payload is cut")
        self._at = len(self._bits) - len(rest)
        return list(map(len, runs))

    def flat(self) -> int | None:
        """What every number of the next column is; None, and nothing is read, when they differ."""
        value, self._at = flat_number(self._bits, self._at)
        return value

    def require_end(self) -> None:
        """Nothing but the zeros that fill the last byte may be left.

        Raises:
            PackingError: there is more.
        """
        rest = self._bits[self._at :]
        if len(rest) > 7 or "1" in rest:
            raise PackingError("payload has a tail")


def to_bytes(parts: Sequence[str]) -> bytes:
    """Bits as bytes, the first one highest, the last byte filled with zeros."""
    bits = "".join(parts)
    size = -(-len(bits) // 8)
    return int("0" + bits.ljust(size * 8, "0"), 2).to_bytes(size)


def to_text(payload: bytes) -> str:
    """What `to_bytes` made ``payload`` of, with the zeros that fill the last byte."""
    return bin(int.from_bytes(b"\x01" + payload))[3:]


def flat_number(bits: str, at: int) -> tuple[int | None, int]:
    """What every number of the next column is, and the column's end.

    None and the column's begin when they differ, or it is written in another way.
    """
    begin = at + _HEAD_BITS
    length = _FLAT_HEADS.get(bits[at:begin])
    if length is None:
        return None, at
    end = begin + length - 1 if length else begin
    if bits[end : end + 1] != _FLAT:
        return None, at
    if not length:
        return 0, end + 1
    folded = int("1" + bits[begin:end], 2)
    return (-(folded + 1 >> 1) if folded & 1 else folded >> 1), end + 1


_HEAD_BITS: Final = _ORDER_BITS + _LENGTH_BITS
_FLAT_HEADS: Final = {f"{length:0{_HEAD_BITS}b}": length for length in range(_MAX_BITS + 1)}
"""The order 0, and how long the bias is."""


def pack_column(values: Sequence[int], orders: Sequence[int]) -> str:
    """The shortest bits of ``values``, of which there must be one at least.

    Args:
        values: each below 2**60 in size.
        orders: which orders of differences to try; more of them take longer and save bits.

    Raises:
        PackingError: a number is too large.
    """
    return _pack(values, orders, may_be_sparse=True)


def unpack_column(bits: BitReader, count: int) -> list[int]:
    """The next column, of ``count`` numbers.

    Raises:
        PackingError: the bits are cut or are not a column.
    """
    value = bits.flat()
    return _unpack(bits, count, may_be_sparse=True) if value is None else [value] * count


def _pack(values: Sequence[int], orders: Sequence[int], *, may_be_sparse: bool) -> str:
    if min(values) == max(values):
        orders = (0,)
    usable = [order for order in orders if order < len(values)] or (0,)
    return min(
        (_differences(values, order, may_be_sparse=may_be_sparse) for order in usable), key=len
    )


def _differences(values: Sequence[int], order: int, *, may_be_sparse: bool) -> str:
    heads = []
    for _ in range(order):
        heads.append(_signed(values[0]))
        values = list(map(sub, values[1:], values))
    return f"{order:02b}{''.join(heads)}{_residuals(values, may_be_sparse=may_be_sparse)}"


def _residuals(values: Sequence[int], *, may_be_sparse: bool) -> str:
    ranked = sorted(values)
    bias = ranked[len(ranked) // 2]
    head = _signed(bias)
    if ranked[0] == ranked[-1]:
        return head + _FLAT
    values = [value - bias for value in values]
    spread = _SPREAD + _spread(values)
    if may_be_sparse and values.count(0) * 4 > len(values) * 3:
        spread = min(spread, _SPARSE + _sparse(values), key=len)
    return head + spread


def _sparse(values: Sequence[int]) -> str:
    """Where the few that are not zero stand, and what they are."""
    places = [place for place, value in enumerate(values) if value]
    steps = list(map(sub, places, [-1, *places]))
    changes = [value for value in values if value]
    return (
        _signed(len(places))
        + _pack(steps, (0,), may_be_sparse=False)
        + _pack(changes, (0,), may_be_sparse=False)
    )


def _spread(values: Sequence[int]) -> str:
    """Rice code: scale, widths, quotients as runs of zeros, remainders, long quotients."""
    scale = gcd(*values)
    if scale > 1:
        values = [value // scale for value in values]
    folded = [value * 2 if value >= 0 else -2 * value - 1 for value in values]
    ranked = sorted(folded)
    width, long_width = _cheapest(ranked)
    head = f"{_signed(scale - 1)}{width:06b}{long_width:06b}"
    quotients = list(map(rshift, folded, repeat(width)))
    mask = (1 << width) - 1
    low = [value & mask for value in folded]
    if not long_width:
        return f"{head}{_unary(quotients)}{_words(low, width)}"
    long = [one - _LONGEST_RUN for one in quotients if one >= _LONGEST_RUN]
    short = [min(one, _LONGEST_RUN) for one in quotients]
    return f"{head}{_unary(short)}{_words(low, width)}{_words(long, long_width)}"


def _cheapest(ranked: Sequence[int]) -> tuple[int, int]:
    """The width of the remainders that makes it shortest, and that of the long quotients."""
    likely = max(0, ranked[len(ranked) // 2].bit_length() - 1)
    costs = [_cost(ranked, width) for width in range(likely, likely + 3)]
    _, width, long_width = min(costs)
    if width > _MAX_BITS or long_width > _MAX_BITS:
        raise PackingError("a number is too large to pack")
    return width, long_width


def _cost(ranked: Sequence[int], width: int) -> tuple[int, int, int]:
    short = bisect_left(ranked, _LONGEST_RUN << width)
    long = len(ranked) - short
    long_width = max(1, ((ranked[-1] >> width) - _LONGEST_RUN).bit_length()) if long else 0
    runs = sum(map(rshift, ranked[:short], repeat(width)))
    bits = runs + long * (_LONGEST_RUN + long_width) + len(ranked) * (width + 1)
    return bits, width, long_width


def _unpack(bits: BitReader, count: int, *, may_be_sparse: bool) -> list[int]:
    order = bits.whole(_ORDER_BITS)
    if order > 2 or order >= count:
        raise PackingError(f"order {order} of {count} numbers")
    heads = [_read_signed(bits) for _ in range(order)]
    bias = _read_signed(bits)
    values = _read_residuals(bits, count - order, may_be_sparse=may_be_sparse)
    if bias:
        values = [value + bias for value in values]
    for head in reversed(heads):
        values = list(accumulate(values, initial=head))
    return values


def _read_residuals(bits: BitReader, count: int, *, may_be_sparse: bool) -> list[int]:
    if bits.take(1) == _FLAT:
        return [0] * count
    if bits.take(1) == "1":
        return _read_spread(bits, count)
    if not may_be_sparse:
        raise PackingError("a sparse column within one")
    return _read_sparse(bits, count)


def _read_sparse(bits: BitReader, count: int) -> list[int]:
    changes = _read_signed(bits)
    if not 1 <= changes <= count:
        raise PackingError(f"{changes} changes among {count} numbers")
    steps = _unpack(bits, changes, may_be_sparse=False)
    values = [0] * count
    place = -1
    for step, change in zip(steps, _unpack(bits, changes, may_be_sparse=False), strict=True):
        place += step
        if step < 1 or place >= count:
            raise PackingError("a change stands out of place")
        values[place] = change
    return values


def _read_spread(bits: BitReader, count: int) -> list[int]:
    scale = _read_signed(bits) + 1
    width = bits.whole(_LENGTH_BITS)
    long_width = bits.whole(_LENGTH_BITS)
    quotients = bits.runs(count)
    low = _read_words(bits, count, width)
    if long_width:
        places = [place for place, one in enumerate(quotients) if one >= _LONGEST_RUN]
        for place, more in zip(places, _read_words(bits, len(places), long_width), strict=True):
            quotients[place] += more
    folded = [(high << width) + rest for high, rest in zip(quotients, low, strict=True)]
    values = [-(one + 1 >> 1) if one & 1 else one >> 1 for one in folded]
    return values if scale == 1 else [value * scale for value in values]


def _signed(value: int) -> str:
    """How many bits it has when folded, then these but for the first, which is always one."""
    folded = value * 2 if value >= 0 else -2 * value - 1
    length = folded.bit_length()
    if length > _MAX_BITS:
        raise PackingError("a number is too large to pack")
    return f"{length:06b}" + f"{folded:b}"[1:]


def _read_signed(bits: BitReader) -> int:
    length = bits.whole(_LENGTH_BITS)
    if not length:
        return 0
    folded = int("1" + bits.take(length - 1), 2)
    return -(folded + 1 >> 1) if folded & 1 else folded >> 1


def _unary(runs: Sequence[int]) -> str:
    return "".join(map(_RUNS.__getitem__, runs))


_RUNS: Final = tuple("0" * run + "1" for run in range(_LONGEST_RUN + 1))


def _words(values: Sequence[int], width: int) -> str:
    if not width:
        return ""
    if width <= _TABLE_BITS:
        return "".join(map(_table(width).__getitem__, values))
    return "".join([f"{value:0{width}b}" for value in values])


@cache
def _table(width: int) -> tuple[str, ...]:
    return tuple(f"{value:0{width}b}" for value in range(1 << width))


@cache
def _reverse(width: int) -> dict[str, int]:
    return {word: value for value, word in enumerate(_table(width))}


def _read_words(bits: BitReader, count: int, width: int) -> list[int]:
    if not width:
        return [0] * count
    text = bits.take(count * width)
    words = [text[at : at + width] for at in range(0, count * width, width)]
    if width <= _TABLE_BITS:
        return list(map(_reverse(width).__getitem__, words))
    return [int(word, 2) for word in words]
