"""Bytes and time of a batch on the wire, against the forms that peers use.

The track is a drive with turns and stops at 1 Hz, with positions off by a slowly wandering error
of 2 m and jitter of 5 cm between fixes, as a receiver's filtered output has.
"""

import json
import math
import random
import zlib
from collections.abc import Iterator
from typing import Final

import msgspec

from bench.figure import Figure, median_s
from wire import codec
from wire.columns import QUALITIES, SOURCES
from wire.messages import Batch, Fix, Live

NAME: Final = "wire"
_BATCH: Final = 60
_FIXES: Final = 60 * 60


def drive(seed: int, count: int) -> list[Fix]:
    """A moving track at 1 Hz with stated noise."""
    rng = random.Random(seed)
    lat, lon, course, speed = -29.90, -71.25, 45.0, 8.0
    east_m = north_m = 0.0
    fixes = []
    for second in range(count):
        wanted = 0.0 if second % 300 > 240 else 9.0 + 4.0 * math.sin(second / 40)
        speed += max(-2.5, min(1.5, wanted - speed)) + rng.gauss(0, 0.05)
        speed = max(0.0, speed)
        course = (course + (rng.gauss(0, 1.0) if second % 45 else rng.choice([-90, 0, 90]))) % 360
        lat += speed * math.cos(math.radians(course)) / 111_320
        lon += speed * math.sin(math.radians(course)) / (111_320 * math.cos(math.radians(lat)))
        east_m = 0.99 * east_m + rng.gauss(0, 0.28)
        north_m = 0.99 * north_m + rng.gauss(0, 0.28)
        noisy_lat = lat + (north_m + rng.gauss(0, 0.05)) / 111_320
        noisy_lon = lon + (east_m + rng.gauss(0, 0.05)) / 96_500
        time_ms = 1_795_345_200_000 + 1000 * second
        fixes.append(
            Fix(
                recorded_at_ms=time_ms + 180 + rng.randrange(25),
                fix_time_ms=time_ms,
                lat_e7=round(noisy_lat * 1e7),
                lon_e7=round(noisy_lon * 1e7),
                mode=3,
                speed_cmps=round(speed * 100),
                course_ddeg=round(course * 10) % 3600,
                altitude_dm=400 + round(10 * math.sin(second / 90)) + rng.randrange(-2, 3),
                hdop_d=8 + (second // 40) % 3,
                satellites=10 + (second // 55) % 3,
                quality="gnss",
            )
        )
    return fixes


def batches(fixes: list[Fix], size: int = _BATCH) -> list[Batch]:
    """The fixes in batches of ``size``."""
    return [
        Batch(stream=7, first=at, fixes=tuple(fixes[at : at + size]))
        for at in range(0, len(fixes), size)
    ]


def as_json_columns(batch: Batch) -> bytes:
    """The naive columnar form: changes from row to row as JSON text under zlib, and an envelope."""
    rows = [
        (
            *msgspec.structs.astuple(fix)[:-2],
            SOURCES.index(fix.source),
            QUALITIES.index(fix.quality),
        )
        for fix in batch.fixes
    ]
    columns = [
        [value - before for value, before in zip(column, (0, *column), strict=False)]
        for column in zip(*rows, strict=True)
    ]
    return bytes(22) + zlib.compress(msgspec.json.encode(columns), 6)


def run() -> Iterator[Figure]:
    """Measure."""
    fixes = drive(1, _FIXES)
    rows = [json.dumps(msgspec.to_builtins(fix)) for fix in fixes]
    yield from _sizes(fixes, rows)
    yield from _times(fixes, rows)


def _sizes(fixes: list[Fix], rows: list[str]) -> Iterator[Figure]:
    zipped = sum(
        len(zlib.compress("\n".join(rows[at : at + _BATCH]).encode(), 6))
        for at in range(0, len(rows), _BATCH)
    )
    columns = sum(len(as_json_columns(batch)) for batch in batches(fixes))
    plain = sum(map(len, rows))
    yield _bytes(f"bytes a fix, {_BATCH} a batch, all fields", fixes, _BATCH, 9, "JSON", plain)
    yield _bytes("the same against rows", fixes, _BATCH, None, "JSON rows + zlib", zipped)
    yield _bytes("the same against columns", fixes, _BATCH, None, "JSON changes + zlib", columns)
    yield _bytes("bytes a fix, 300 a batch", fixes, 300)
    yield _bytes("bytes a fix, 10 a batch", fixes, 10)
    yield _bytes("bytes a fix, 60 a batch, each 15th fix", fixes[::15], _BATCH)
    live = [Live(fix=fix) for fix in fixes]
    yield Figure(
        bench=NAME, figure="bytes of a live fix", unit="bytes", goal=45,
        value=round(sum(len(codec.encode_live(one)) for one in live) / len(live), 1),
        peer="JSON", peer_value=round(sum(len(codec.encode(one)) for one in live) / len(live), 1),
    )  # fmt: skip


def _bytes(
    figure: str,
    fixes: list[Fix],
    size: int,
    goal: float | None = None,
    peer: str | None = None,
    peer_bytes: int = 0,
) -> Figure:
    """Bytes a fix with envelope and checksum; every batch is read back and compared."""
    total = 0
    for batch in batches(fixes, size):
        payload = codec.encode_batch(batch)
        if codec.decode_batch(payload) != batch:
            raise AssertionError(f"a batch from seq {batch.first} does not read back")
        total += len(payload)
    return Figure(
        bench=NAME,
        figure=figure,
        value=round(total / len(fixes), 2),
        unit="bytes",
        goal=goal,
        peer=peer,
        peer_value=None if peer is None else round(peer_bytes / len(fixes), 2),
    )


def _times(fixes: list[Fix], rows: list[str]) -> Iterator[Figure]:
    made = batches(fixes)
    sent = [codec.encode_batch(batch) for batch in made]
    count = len(fixes)
    encode = median_s(lambda: [codec.encode_batch(batch) for batch in made]) / count
    decode = median_s(lambda: [codec.decode_batch(payload) for payload in sent]) / count
    peer_encode = median_s(lambda: [json.dumps(msgspec.to_builtins(f)) for f in fixes]) / count
    peer_decode = median_s(lambda: [json.loads(row) for row in rows]) / count
    yield Figure(
        bench=NAME, figure=f"encode a fix, {_BATCH} a batch", value=round(encode * 1e6, 2),
        unit="µs", peer="json.dumps", peer_value=round(peer_encode * 1e6, 2),
    )  # fmt: skip
    yield Figure(
        bench=NAME, figure=f"decode a fix, {_BATCH} a batch", value=round(decode * 1e6, 2),
        unit="µs", peer="json.loads", peer_value=round(peer_decode * 1e6, 2),
    )  # fmt: skip
