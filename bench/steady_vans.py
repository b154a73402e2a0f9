"""A thousand vans of the steady benchmark, in one process: each with a connection of its own.

Each says its newest fix at once, each second (``up/live``), and ten kept ones each ten seconds
(``up/batch``), both with the system's time, so that who hears of a fix knows how old it is.
"""

import asyncio
import random
import struct
import sys
import time
from typing import Final

import msgspec

from wire import codec, topics
from wire.messages import Batch, Fix, Live

STREAM: Final = 7
_EACH_S: Final = 1.0
_BATCH: Final = 10
_CONNECT: Final = b"\x00\x04MQTT\x04\xc2\x00\x00"


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """As whom one van speaks."""

    van: str
    client_id: str
    username: str
    password: str


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """Who speaks, where, and for how long."""

    port: int
    seconds: float
    vans: tuple[Login, ...]


def fix(number: int, at_ms: int) -> Fix:
    """Where a van is at an instant: it goes north by 10 m a second."""
    return Fix(
        recorded_at_ms=at_ms,
        fix_time_ms=at_ms,
        lat_e7=-300_000_000 + number * 10_000 + at_ms // 1000 % 10_000 * 900,
        lon_e7=-712_000_000 + number * 5_000,
        mode=3,
        speed_cmps=1_000,
        course_ddeg=0,
        source="serial",
        quality="gnss",
    )


def packet(topic: str, payload: bytes, packet_id: int | None) -> bytes:
    """A message as MQTT 3.1.1 sends it, with QoS 1 when it has an id."""
    name = topic.encode()
    rest = struct.pack("!H", len(name)) + name
    if packet_id is not None:
        rest += struct.pack("!H", packet_id)
    rest += payload
    return (b"\x30" if packet_id is None else b"\x32") + _length(len(rest)) + rest


def _length(count: int) -> bytes:
    told = bytearray()
    while count > 127:
        told.append(count & 127 | 128)
        count >>= 7
    return bytes(told) + bytes((count,))


type Link = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _connected(task: Task, login: Login) -> Link:
    reader, writer = await asyncio.open_connection("127.0.0.1", task.port)
    told = _CONNECT
    for one in (login.client_id, login.username, login.password):
        told += struct.pack("!H", len(one)) + one.encode()
    writer.write(b"\x10" + _length(len(told)) + told)
    if (await reader.readexactly(4))[3:] != b"\x00":
        raise ConnectionError(f"{login.van}: the broker does not let it in")
    return reader, writer


async def _drive(task: Task, number: int, login: Login, link: Link) -> None:
    reader, writer = link
    drain = asyncio.create_task(_drain(reader))
    live, batch = (topics.up("main", login.van, kind) for kind in ("live", "batch"))
    loop = asyncio.get_running_loop()
    due_s = loop.time() + random.random() * _EACH_S
    end_s = due_s + task.seconds
    kept: list[Fix] = []
    seq = random.randrange(_BATCH)
    first = 0
    while due_s < end_s:
        await asyncio.sleep(due_s - loop.time())
        due_s += _EACH_S
        now = fix(number, time.time_ns() // 1_000_000)
        writer.write(packet(live, codec.encode_live(Live(fix=now)), None))
        kept.append(now)
        seq += 1
        if seq % _BATCH == 0:
            told = codec.encode_batch(Batch(stream=STREAM, first=first, fixes=tuple(kept)))
            writer.write(packet(batch, told, seq // _BATCH % 65_535 + 1))
            first += len(kept)
            kept = []
    drain.cancel()
    writer.close()


async def _drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(4096):
        pass


async def _all(task: Task) -> None:
    links = [await _connected(task, login) for login in task.vans]
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    async with asyncio.TaskGroup() as vans:
        for number, (login, link) in enumerate(zip(task.vans, links, strict=True)):
            vans.create_task(_drive(task, number, login, link))


def main() -> None:
    """Connect, say ``ready``, begin at the next line."""
    asyncio.run(_all(msgspec.json.decode(sys.stdin.readline(), type=Task)))


if __name__ == "__main__":
    main()
