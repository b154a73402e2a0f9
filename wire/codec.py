"""Messages to bytes and back, at one boundary. Whatever arrives, only `WireError` is raised.

All messages are JSON but two: the live fix and the batch are packed columns (`wire.columns`), the
batch behind a plain 22-byte envelope and before a checksum.
"""

import struct
import zlib
from typing import Final, Literal

import msgspec

from wire.columns import pack_fixes, unpack_fix, unpack_fixes
from wire.messages import MAX_BATCH_FIXES, VERSION, Batch, BatchEnvelope, Live
from wire.packing import PackingError

_ENVELOPE: Final = struct.Struct("!BBQQI")
_CHECKSUM: Final = struct.Struct("!I")
_PACKED_COLUMNS: Final = 2
_STEP_BIT: Final = 4
"""The upper half of the encoding's byte says how far the fixes are thinned."""

_STEPS: Final[tuple[Literal[1, 2, 4, 8], ...]] = (1, 2, 4, 8)
_MAX_BATCH_BYTES: Final = 200_000
_MAX_LIVE_BYTES: Final = 200
_MAX_MESSAGE_BYTES: Final = 1_000_000

_encoder: Final = msgspec.json.Encoder()


class WireError(ValueError):
    """A message does not follow the wire; says which field and what was expected."""


class EnvelopeError(WireError):
    """Not even the batch's envelope can be read, so it cannot be acknowledged."""


def encode(message: msgspec.Struct) -> bytes:
    """Any message but a live fix or a batch, as JSON."""
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


def encode_live(live: Live) -> bytes:
    """The newest fix in about 34 bytes.

    Raises:
        WireError: a value is far outside what `Fix` allows.
    """
    try:
        return bytes((VERSION,)) + pack_fixes((live.fix,))
    except PackingError as error:
        raise WireError(f"live: {error}") from error


def decode_live(payload: bytes) -> Live:
    """Read a live fix.

    Raises:
        WireError: it is of an unknown version, too long, cut, or a value is out of range.
    """
    if payload[:1] != bytes((VERSION,)):
        raise WireError(f"live: version {payload[:1].hex() or 'missing'}; this side knows 01")
    if len(payload) > _MAX_LIVE_BYTES:
        raise WireError(f"live: {len(payload)} bytes; at most {_MAX_LIVE_BYTES}")
    try:
        fix = unpack_fix(payload[1:])
    except PackingError as error:
        raise WireError(f"live: {error}") from error
    return Live(fix=fix)


def encode_batch(batch: Batch) -> bytes:
    """A batch of 1 to `MAX_BATCH_FIXES` fixes.

    Raises:
        WireError: it is empty or too long, or a value is far outside what `Fix` allows.
    """
    _require_count(len(batch.fixes), EnvelopeError)
    encoding = _PACKED_COLUMNS | _STEPS.index(batch.step) << _STEP_BIT
    envelope = _ENVELOPE.pack(VERSION, encoding, batch.stream, batch.first, len(batch.fixes))
    try:
        told = envelope + pack_fixes(batch.fixes)
    except PackingError as error:
        raise WireError(f"batch: {error}") from error
    return told + _CHECKSUM.pack(zlib.crc32(told))


def read_envelope(payload: bytes) -> BatchEnvelope:
    """What a batch says of itself before its payload.

    Raises:
        EnvelopeError: it is too short, of an unknown version, or out of range.
    """
    if len(payload) < _ENVELOPE.size:
        raise EnvelopeError(f"batch: {len(payload)} bytes; the envelope has {_ENVELOPE.size}")
    version, encoding, stream, first, count = _ENVELOPE.unpack_from(payload)
    if version != VERSION:
        raise EnvelopeError(f"batch: version {version}; this side knows {VERSION}")
    if stream >= 2**63:
        raise EnvelopeError(f"batch: stream {stream} does not fit 63 bits")
    if first >= 2**62:
        raise EnvelopeError(f"batch: first {first} is not below 2**62")
    _require_count(count, EnvelopeError)
    if encoding >> _STEP_BIT >= len(_STEPS):
        raise EnvelopeError(f"batch: thinned to 2**-{encoding >> _STEP_BIT}; at most to an eighth")
    step = _STEPS[encoding >> _STEP_BIT]
    if first % step:
        raise EnvelopeError(f"batch: first {first} is not a multiple of the step {step}")
    return BatchEnvelope(stream=stream, first=first, count=count, step=step)


def check_batch(payload: bytes) -> BatchEnvelope:
    """What a batch says of itself, when it came whole; its fixes are not unpacked.

    Raises:
        EnvelopeError: the envelope cannot be read.
        WireError: the encoding is not known, it is too long, or its checksum differs.
    """
    envelope = read_envelope(payload)
    encoding = payload[1] % (1 << _STEP_BIT)
    if encoding != _PACKED_COLUMNS:
        raise WireError(f"batch: payload encoding {encoding}; this side knows {_PACKED_COLUMNS}")
    if len(payload) > _MAX_BATCH_BYTES:
        raise WireError(f"batch: {len(payload)} bytes; at most {_MAX_BATCH_BYTES}")
    told, checksum = payload[: -_CHECKSUM.size], payload[-_CHECKSUM.size :]
    if len(told) < _ENVELOPE.size or _CHECKSUM.pack(zlib.crc32(told)) != checksum:
        raise WireError("batch: payload is cut or damaged, its checksum differs")
    return envelope


def decode_batch(payload: bytes) -> Batch:
    """Read a whole batch.

    Raises:
        EnvelopeError: the envelope cannot be read.
        WireError: the envelope can be read and the payload cannot.
    """
    envelope = check_batch(payload)
    try:
        fixes = unpack_fixes(payload[_ENVELOPE.size : -_CHECKSUM.size], envelope.count)
    except PackingError as error:
        raise WireError(f"batch: {error}") from error
    return Batch(stream=envelope.stream, first=envelope.first, fixes=fixes, step=envelope.step)


def _require_count(count: int, error: type[WireError]) -> None:
    if not 1 <= count <= MAX_BATCH_FIXES:
        raise error(f"batch: {count} fixes; 1 to {MAX_BATCH_FIXES} are allowed")
