"""What a van says, read from its bytes; whatever they are, nothing is raised. Pure.

Of a batch only what it says of itself is read: its fixes are looked into when it is stored.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from wire import codec
from wire.events import Gap, GatewayStarted
from wire.messages import BatchEnvelope, Event, Live, Presence, Result, Resume, State, Version
from wire.values import Seq, StreamText

STREAMS_BELOW: Final = 2**63


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that cannot be read: why, and which seqs it would have held, when that is known."""

    reason: str
    stream: int | None = None
    first: int = 0
    last: int = 0


type Said = BatchEnvelope | Event | Resume | State | Presence | Result | Live | Refused


class _EventEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """What can be told of an event whose body is not understood."""

    stream: StreamText
    seq: Seq
    v: Version


_KINDS: Final[dict[str, type[Resume | State | Presence | Result]]] = {
    "resume": Resume,
    "state": State,
    "presence": Presence,
    "result": Result,
}


def read(kind: str, payload: bytes) -> Said:
    """What a message below ``up/`` says; never raises, whatever the bytes."""
    try:
        if kind == "batch":
            return codec.check_batch(payload)
        if kind == "live":
            return codec.decode_live(payload)
        if kind == "event":
            event = codec.decode(payload, Event)
            return event if _fits(event) else Refused("event: stream is not below 2**63")
        if kind not in _KINDS:
            return Refused(f"{kind}: ingest takes no such message")
        return codec.decode(payload, _KINDS[kind])
    except codec.WireError as error:
        return _refused(kind, payload, str(error))


def _fits(event: Event) -> bool:
    told = [event.stream]
    match event.body:
        case Gap(stream=stream) | GatewayStarted(fixes=stream):
            told.append(stream)
        case _:
            pass
    return all(int(stream) < STREAMS_BELOW for stream in told)


def _refused(kind: str, payload: bytes, reason: str) -> Refused:
    try:
        if kind == "batch":
            batch = codec.read_envelope(payload)
            return Refused(reason, batch.stream, *batch.covered)
        if kind == "event":
            event = codec.decode(payload, _EventEnvelope)
            if int(event.stream) < STREAMS_BELOW:
                return Refused(reason, int(event.stream), event.seq, event.seq)
    except codec.WireError:
        pass
    return Refused(reason)
