"""Pure: how rows are laid out in the spool, and what an acknowledgement says of them."""

import zlib
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple, get_args

import msgspec

from wire import codec
from wire.messages import Ack, Event, Fix
from wire.values import ClockQuality, FixSource

type Kind = Literal["event", "fix"]

KINDS: Final[tuple[Kind, Kind]] = ("event", "fix")

BOOT_BIT: Final = 40
KIND_BIT: Final = 62
SEQS: Final = 1 << BOOT_BIT
"""A row's id is kind, start and seq in one number, so that one tree holds all in their order."""

_CHECK_BYTES: Final = 3
_SOURCES: Final[tuple[FixSource, ...]] = get_args(FixSource.__value__)
_QUALITIES: Final[tuple[ClockQuality, ...]] = get_args(ClockQuality.__value__)
_FIX_FIELDS: Final = Fix.__struct_fields__
_fix_decoder: Final = msgspec.msgpack.Decoder(list[int | None])


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


def kind_of(row_id: int) -> Kind:
    """What a row is."""
    return KINDS[row_id >> KIND_BIT]


def boot_of(row_id: int) -> int:
    """The ordinal of the start that recorded a row."""
    return (row_id >> BOOT_BIT) & ((1 << (KIND_BIT - BOOT_BIT)) - 1)


def checked(body: bytes, row_id: int) -> bytes:
    """A body as it lies on the medium: with a check over it and its place, as SQLite has none."""
    return body + _check(body, row_id)


def unchecked(body: object, row_id: int) -> bytes | None:
    """What `checked` was given; None when a bit of it, or of its place, has changed since."""
    if not isinstance(body, bytes) or len(body) < _CHECK_BYTES:
        return None
    bare = body[:-_CHECK_BYTES]
    return bare if body[-_CHECK_BYTES:] == _check(bare, row_id) else None


def _check(body: bytes, row_id: int) -> bytes:
    folded = zlib.crc32(body, row_id & 0xFFFF_FFFF ^ row_id >> 32)
    return (folded & 0xFFFFFF).to_bytes(_CHECK_BYTES)


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


def fix_body(fix: Fix) -> bytes:
    """The body of a row of fixes, which `read_fix` reads.

    Raises:
        ValueError: a value is outside what the wire allows; nothing checks it on construction.
    """
    try:
        body = write_fix(fix)
    except (TypeError, OverflowError) as error:
        raise ValueError(f"fix: {error}") from error
    read_fix(body)
    return body


def event_body(event: Event) -> bytes:
    """The body of a row of events.

    Raises:
        ValueError: a value is outside what the wire allows; nothing checks it on construction.
    """
    try:
        body = codec.encode(event)
    except (TypeError, OverflowError, msgspec.MsgspecError) as error:
        raise ValueError(f"event: {error}") from error
    codec.decode(body, Event)
    return body


def is_readable(row: Row) -> bool:
    """Whether the row is a fix or an event of this version."""
    try:
        if kind_of(row.id) == "fix":
            read_fix(row.body)
        else:
            codec.decode(row.body, Event)
    except ValueError:
        return False
    return True


def write_fix(fix: Fix) -> bytes:
    """The body of a row of fixes: its fields as whole numbers, the GNSS time as a difference."""
    values = list(msgspec.structs.astuple(fix))
    if fix.fix_time_ms is not None:
        values[_FIX_FIELDS.index("fix_time_ms")] = fix.fix_time_ms - fix.recorded_at_ms
    values[-2:] = _SOURCES.index(fix.source), _QUALITIES.index(fix.quality)
    return msgspec.msgpack.encode(values)


def read_fix(body: bytes) -> Fix:
    """The fix that a row of fixes holds.

    Raises:
        ValueError: `write_fix` did not write it.
    """
    try:
        values = dict(zip(_FIX_FIELDS, _fix_decoder.decode(body), strict=True))
        named: dict[str, int | str | None] = {
            **values,
            "source": _SOURCES[values["source"] or 0],
            "quality": _QUALITIES[values["quality"] or 0],
        }
        if values["fix_time_ms"] is not None:
            named["fix_time_ms"] = values["fix_time_ms"] + (values["recorded_at_ms"] or 0)
        return msgspec.convert(named, Fix)
    except (msgspec.MsgspecError, IndexError) as error:
        raise ValueError(f"row: not a fix of this version: {error}") from error
