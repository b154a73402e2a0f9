"""A million hostile inputs to each decoder: none may raise what is not expected.

Inputs are noise, real messages with bytes changed, doubled, cut out and cut off, and several of
them run together; the seed is printed. Resync is how much stream time after the last garbage byte
passes until the stream's epochs come again, at 1 Hz.
"""

import os
import random
import sys
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from bench.figure import Figure
from bench.wire_size import drive
from gateway.fixes.epochs import EpochAssembler
from gateway.fixes.reports import ReportAssembler
from tests.gateway import ubx
from tests.gateway.rig import epoch_bytes, sentence
from wire import codec, messages
from wire.events import Gap
from wire.messages import Batch

NAME: Final = "fuzz"
INPUTS: Final = int(os.environ.get("ROUNDSMAN_FUZZ_INPUTS", "1000000"))
_SEED: Final = int(os.environ.get("ROUNDSMAN_FUZZ_SEED", "20261124"))
_RESYNC_ROUNDS: Final = 20_000

type Feed = Callable[[bytes], object]


def run() -> Iterator[Figure]:
    """Feed them all; an error that is not expected is printed with its input."""
    print(f"seed {_SEED}, {INPUTS} inputs each", flush=True)
    for name, corpus, feed in (
        ("sentences and UBX", _serial(), _Serial().feed),
        ("gpsd's reports", _reports(), _Reports().feed),
        ("messages of the wire", _wire(), _decode),
    ):
        chance = random.Random(f"{_SEED} {name}")
        uncaught = sum(not _survives(feed, _hostile(corpus, chance)) for _ in range(INPUTS))
        yield Figure(
            bench=NAME, figure=f"uncaught of {INPUTS:,} inputs: {name}", value=uncaught, unit="",
            goal=0,
        )  # fmt: skip
    yield Figure(
        bench=NAME, figure=f"resync after garbage, worst of {_RESYNC_ROUNDS:,}", value=_resync_s(),
        unit="s", goal=2,
    )  # fmt: skip


def _survives(feed: Feed, data: bytes) -> bool:
    try:
        feed(data)
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        print(f"  {error!r} by {data!r}", file=sys.stderr)
        return False
    return True


def _hostile(corpus: list[bytes], chance: random.Random) -> bytes:
    kind = chance.randrange(6)
    if kind == 0:
        return chance.randbytes(chance.randrange(120))
    data = bytearray(chance.choice(corpus))
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0 if at < len(data):
                data[at] = chance.randrange(256)
            case 1:
                data[at:at] = chance.randbytes(chance.randrange(5))
            case 2:
                del data[at : at + chance.randrange(20)]
            case _:
                data[at:at] = data[max(0, at - chance.randrange(20)) : at]
    if kind == 1:
        return bytes(data[: chance.randrange(len(data) + 1)])
    return bytes(data) + (chance.choice(corpus) if kind == 2 else b"")


class _Serial:
    """One assembler for all inputs, as a line has; what it held must stay bounded."""

    def __init__(self) -> None:
        self._assembler = EpochAssembler(lambda sentence, reason: None)

    def feed(self, data: bytes) -> None:
        for epoch in self._assembler.feed(data):
            lat, lon = epoch.position or (0.0, 0.0)
            if not (-90 <= lat <= 90 and -180 <= lon <= 180):
                raise ValueError("a position that is none")


class _Reports:
    def __init__(self) -> None:
        self._assembler = ReportAssembler()

    def feed(self, data: bytes) -> None:
        self._assembler.feed(data + b"\n")
        self._assembler.flush()


def _decode(data: bytes) -> None:
    for decode in _DECODERS:
        try:
            decode(data)
        except codec.WireError:
            continue


_DECODERS: Final[tuple[Callable[[bytes], object], ...]] = (
    codec.decode_batch,
    codec.read_envelope,
    codec.decode_live,
    lambda data: codec.decode(data, messages.Event),
    lambda data: codec.decode(data, messages.Ack),
    lambda data: codec.decode(data, messages.Command),
    lambda data: codec.decode(data, messages.Route),
    lambda data: codec.decode(data, messages.Desired),
)


def _serial() -> list[bytes]:
    return [
        *(epoch_bytes(tick) for tick in range(0, 100, 10)),
        sentence("GNGNS,080000.00,5430.0000,N,02516.0000,E,AN,08,0.9,545.4,46.9,,"),
        sentence("GNZDA,080000.00,02,03,2026,00,00"),
        sentence("GNGLL,5430.0000,N,02516.0000,E,080000.00,A,A"),
        sentence("GNTXT,01,01,02,ANTSTATUS=OPEN"),
        ubx.mon_rf((1, 2), (3, 4)),
        ubx.mon_hw(2, 3),
        ubx.nav_status(2),
        ubx.sec_sig(1, 2, 3),
        ubx.sec_sig(2, 1, 1),
    ]


def _reports() -> list[bytes]:
    return [
        b'{"class":"TPV","mode":3,"time":"2026-03-02T08:00:00.000Z","lat":54.5,"lon":25.3,"jam":3}',
        b'{"class":"TPV","device":"/dev/a","mode":3,"altMSL":112.0,"speed":5.0,"track":90,"ant":1}',
        b'{"class":"SKY","device":"/dev/a","hdop":0.9,"satellites":[{"used":true},{"used":false}]}',
        b'{"class":"DEVICE","path":"/dev/a"}',
        b'{"class":"ERROR","message":"no"}',
        b'{"class":"PPS","device":"/dev/a","real_sec":1772438400,"precision":-20}',
    ]


def _wire() -> list[bytes]:
    fixes = drive(1, 60)
    gap = Gap(stream="8", first=1, last=9, kept=3, reason="thinned")
    event = messages.Event(stream="7", seq=1, recorded_at_ms=5, body=gap)
    told: list[msgspec.Struct] = [
        event,
        messages.Ack(stream="7", upto=9, missing=((1, 3),)),
        messages.Command(id="c1", name="ping", expires_at_ms=9),
        messages.Route(route="r1", revision=4, stops=()),
        messages.Desired(settings=3, values={"live_every_s": 5}),
    ]
    return [
        codec.encode_batch(Batch(stream=7, first=0, fixes=tuple(fixes))),
        codec.encode_batch(Batch(stream=7, first=60, fixes=tuple(fixes[:3]))),
        codec.encode_live(messages.Live(fix=fixes[0])),
        *(codec.encode(one) for one in told),
    ]


def _resync_s() -> float:
    """Stream seconds from the last garbage byte to the next epoch, at one epoch a second."""
    chance = random.Random(f"{_SEED} resync")
    corpus = _serial()
    worst = 0
    for _ in range(_RESYNC_ROUNDS):
        assembler = EpochAssembler()
        for tick in range(0, 30, 10):
            list(assembler.feed(epoch_bytes(tick)))
        garbage = b"".join(_hostile(corpus, chance) for _ in range(chance.randrange(1, 4)))
        list(assembler.feed(garbage + chance.choice((b"", b"\xb5b\x0a8\xc0\x00", b"$GNRMC,"))))
        worst = max(worst, _seconds_until_epoch(assembler))
    return float(worst)


def _seconds_until_epoch(assembler: EpochAssembler) -> int:
    for second in range(1, 60):
        wanted_ms = 1_772_438_400_000 + 1000 * (second + 999)
        epochs = list(assembler.feed(epoch_bytes(10 * (second + 999))))
        if any(epoch.utc_ms is not None and epoch.utc_ms >= wanted_ms - 1000 for epoch in epochs):
            return second
    return 60
