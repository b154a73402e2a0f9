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
from wire.messages import Batch, Fix

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


def batches(fixes: list[Fix]) -> list[Batch]:
    """The fixes in batches of 60."""
    return [
        Batch(stream=7, first=at, fixes=tuple(fixes[at : at + _BATCH]))
        for at in range(0, len(fixes), _BATCH)
    ]


def run() -> Iterator[Figure]:
    """Measure."""
    fixes = drive(1, _FIXES)
    made = batches(fixes)
    sent = [codec.encode_batch(batch) for batch in made]
    rows = [json.dumps(msgspec.to_builtins(fix)) for fix in fixes]
    zipped = [
        zlib.compress("\n".join(rows[at : at + _BATCH]).encode(), 6)
        for at in range(0, len(rows), _BATCH)
    ]
    count = len(fixes)
    yield Figure(
        bench=NAME,
        figure=f"bytes a fix, {_BATCH} a batch, all fields",
        value=round(sum(map(len, sent)) / count, 2),
        unit="bytes",
        goal=10,
        peer="JSON rows + zlib, same batches",
        peer_value=round(sum(map(len, zipped)) / count, 2),
    )
    yield Figure(
        bench=NAME,
        figure="bytes a fix as plain JSON, one a message",
        value=round(sum(map(len, rows)) / count, 1),
        unit="bytes",
    )
    encode = median_s(lambda: [codec.encode_batch(batch) for batch in made]) / count
    decode = median_s(lambda: [codec.decode_batch(payload) for payload in sent]) / count
    peer_encode = median_s(lambda: [json.dumps(msgspec.to_builtins(f)) for f in fixes]) / count
    peer_decode = median_s(lambda: [json.loads(row) for row in rows]) / count
    yield Figure(
        bench=NAME, figure="encode a fix", value=round(encode * 1e6, 2), unit="µs",
        peer="json.dumps", peer_value=round(peer_encode * 1e6, 2),
    )  # fmt: skip
    yield Figure(
        bench=NAME, figure="decode a fix", value=round(decode * 1e6, 2), unit="µs",
        peer="json.loads", peer_value=round(peer_decode * 1e6, 2),
    )  # fmt: skip
