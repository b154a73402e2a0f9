"""Messages to bytes and back, at one boundary. Whatever arrives, only `WireError` is raised.

All messages are JSON but the batch: a plain 22-byte envelope, then a compressed payload of
columns, each holding its first value and then the change from row to row.
"""

import struct
import zlib
from collections.abc import Iterable
from itertools import accumulate
from typing import Any, Final, get_args

import msgspec

from wire.messages import (
    MAX_BATCH_FIXES,
    VERSION,
    Batch,
    BatchEnvelope,
    Fix,
)
from wire.values import ClockQuality, FixSource

_ENVELOPE: Final = struct.Struct("!BBQQI")
_DELTA_JSON_ZLIB: Final = 1
_MAX_PAYLOAD_BYTES: Final = 1_000_000
_MAX_MESSAGE_BYTES: Final = 1_000_000

_SOURCES: Final[tuple[str, ...]] = get_args(FixSource.__value__)
_QUALITIES: Final[tuple[str, ...]] = get_args(ClockQuality.__value__)
_COLUMNS: Final = tuple(Fix.__struct_fields__)
_encoder: Final = msgspec.json.Encoder()
_columns_decoder: Final = msgspec.json.Decoder(list[list[int | None]])


class WireError(ValueError):
    """A message does not follow the wire; says which field and what was expected."""


class EnvelopeError(WireError):
    """Not even the batch's envelope can be read, so it cannot be acknowledged."""


def encode(message: msgspec.Struct) -> bytes:
    """Any message but a batch, as JSON."""
    return _encoder.encode(message)


def decode[M: msgspec.Struct](payload: bytes, kind: type[M]) -> M:
    """Read one message of type ``kind``.

    Raises:
        WireError: too long, not JSON, a field missing, of the wrong type or out of range.
    """
    if len(payload) > _MAX_MESSAGE_BYTES:
        raise WireError(f"{kind.__name__}: {len(payload)} bytes; at most {_MAX_MESSAGE_BYTES}")
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"{kind.__name__}: {error}") from error


def encode_batch(batch: Batch) -> bytes:
    """A batch of 1 to `MAX_BATCH_FIXES` fixes.

    Raises:
        WireError: it is empty or too long.
    """
    _require_count(len(batch.fixes), EnvelopeError)
    rows = [_to_row(fix) for fix in batch.fixes]
    columns = [_deltas(column) for column in zip(*rows, strict=True)]
    envelope = _ENVELOPE.pack(
        VERSION, _DELTA_JSON_ZLIB, batch.stream, batch.first, len(batch.fixes)
    )
    return envelope + zlib.compress(_encoder.encode(columns), 6)


def read_envelope(payload: bytes) -> BatchEnvelope:
    """What a batch says of itself before its payload.

    Raises:
        EnvelopeError: it is too short, of an unknown version, or out of range.
    """
    if len(payload) < _ENVELOPE.size:
        raise EnvelopeError(f"batch: {len(payload)} bytes; the envelope has {_ENVELOPE.size}")
    version, _, stream, first, count = _ENVELOPE.unpack_from(payload)
    if version != VERSION:
        raise EnvelopeError(f"batch: version {version}; this side knows {VERSION}")
    if stream >= 2**63:
        raise EnvelopeError(f"batch: stream {stream} does not fit 63 bits")
    if first >= 2**62:
        raise EnvelopeError(f"batch: first {first} is not below 2**62")
    _require_count(count, EnvelopeError)
    return BatchEnvelope(stream=stream, first=first, count=count)


def decode_batch(payload: bytes) -> Batch:
    """Read a whole batch.

    Raises:
        EnvelopeError: the envelope cannot be read.
        WireError: the envelope can be read and the payload cannot.
    """
    envelope = read_envelope(payload)
    encoding = payload[1]
    if encoding != _DELTA_JSON_ZLIB:
        raise WireError(f"batch: payload encoding {encoding}; this side knows {_DELTA_JSON_ZLIB}")
    columns = _read_columns(payload[_ENVELOPE.size :], envelope.count)
    rows = zip(*(_values(column) for column in columns), strict=True)
    try:
        fixes = tuple(msgspec.convert(_from_row(row), Fix) for row in rows)
    except (msgspec.ValidationError, IndexError, TypeError) as error:
        raise WireError(f"batch: {error}") from error
    return Batch(stream=envelope.stream, first=envelope.first, fixes=fixes)


def _require_count(count: int, error: type[WireError]) -> None:
    if not 1 <= count <= MAX_BATCH_FIXES:
        raise error(f"batch: {count} fixes; 1 to {MAX_BATCH_FIXES} are allowed")


def _read_columns(compressed: bytes, count: int) -> list[list[int | None]]:
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(compressed, _MAX_PAYLOAD_BYTES)
        if inflater.unconsumed_tail or not inflater.eof or inflater.unused_data:
            raise WireError(
                f"batch: payload is cut, has a tail or passes {_MAX_PAYLOAD_BYTES} bytes"
            )
        columns = _columns_decoder.decode(text)
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"batch: payload: {error}") from error
    if len(columns) != len(_COLUMNS) or any(len(column) != count for column in columns):
        raise WireError(f"batch: payload is not {len(_COLUMNS)} columns of {count} rows")
    return columns


def _to_row(fix: Fix) -> tuple[int | None, ...]:
    values = list(msgspec.structs.astuple(fix))
    values[-2] = _SOURCES.index(fix.source)
    values[-1] = _QUALITIES.index(fix.quality)
    return tuple(values)


def _from_row(row: Iterable[int | None]) -> dict[str, Any]:
    fields: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
    fields["source"] = _name_at(_SOURCES, fields["source"])
    fields["quality"] = _name_at(_QUALITIES, fields["quality"])
    return fields


def _name_at(names: tuple[str, ...], index: int) -> str:
    if index < 0:
        raise IndexError(f"{index} names none of {', '.join(names)}")
    return names[index]


def _deltas(column: Iterable[int | None]) -> list[int | None]:
    """Change from the last known value; a missing value stays missing and changes nothing."""
    last = 0
    changes: list[int | None] = []
    for value in column:
        changes.append(None if value is None else value - last)
        last = last if value is None else value
    return changes


def _values(changes: list[int | None]) -> list[int | None]:
    if None not in changes:
        return list(accumulate(changes))
    last = 0
    values: list[int | None] = []
    for change in changes:
        last += change or 0
        values.append(None if change is None else last)
    return values
