"""Pure: how rows are laid out in the spool, and what an acknowledgement says of them."""

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

import msgspec

from wire.messages import Ack, Fix

type Kind = Literal["event", "fix"]

KINDS: Final[tuple[Kind, Kind]] = ("event", "fix")

BOOT_BIT: Final = 40
KIND_BIT: Final = 62
SEQS: Final = 1 << BOOT_BIT
"""A row's id is kind, start and seq in one number, so that one tree holds all in their order."""

_FIX_FIELDS: Final = Fix.__struct_fields__
_fix_decoder: Final = msgspec.msgpack.Decoder(list[int | str | None])


class Stream(NamedTuple):
    """One stream this spool has opened, now or at an earlier start."""

    kind: Kind
    boot: int
    id: int


class Row(NamedTuple):
    """One committed row; ``id`` orders events before fixes, and each by start and seq."""

    id: int
    body: bytes

    @property
    def seq(self) -> int:
        """Its place in its stream."""
        return self.id % SEQS


class Told(NamedTuple):
    """An acknowledgement in inclusive spans of row ids."""

    kind: Kind
    committed: list[tuple[int, int]]
    missing: list[tuple[int, int]]


def base_id(kind: Kind, boot: int) -> int:
    """The id of seq 0 of a start's stream."""
    return (KINDS.index(kind) << KIND_BIT) | (boot << BOOT_BIT)


def write_fix(fix: Fix) -> bytes:
    """The body of a row of fixes."""
    return msgspec.msgpack.encode(msgspec.structs.astuple(fix))


def committed_ranges(ack: Ack) -> list[tuple[int, int]]:
    """The inclusive ranges of seq that an acknowledgement covers, ascending."""
    ranges: list[tuple[int, int]] = []
    start = 0
    for first, last in sorted(ack.missing):
        if first > start:
            ranges.append((start, min(first - 1, ack.upto)))
        start = max(start, last + 1)
    if start <= ack.upto:
        ranges.append((start, ack.upto))
    return [(first, last) for first, last in ranges if first <= last]


def spans(ranges: Iterable[tuple[int, int]], base: int, end: int) -> list[tuple[int, int]]:
    """Ranges of seq as spans of row ids from ``base`` on, none beyond ``end``."""
    return [(base + first, min(base + last, end)) for first, last in ranges if base + first <= end]


def read_fix(body: bytes) -> Fix:
    """The fix that a row of fixes holds."""
    values = dict(zip(_FIX_FIELDS, _fix_decoder.decode(body), strict=True))
    return msgspec.convert(values, Fix)
