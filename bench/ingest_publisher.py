"""A van of the ingest benchmark, a process of its own that costs as little as it can.

It speaks MQTT 3.1.1 by itself: what it will say is made before it begins, and many messages leave
in one piece, as far as its window of unconfirmed ones allows.
"""

import random
import socket
import struct
import sys
import zlib
from typing import Final

import msgspec

from bench.wire_size import drive
from wire import codec, topics
from wire.messages import Batch

STREAM: Final = 7
_WINDOW: Final = 500
_TOGETHER: Final = 50
_KINDS: Final = 64
_ENVELOPE_BYTES: Final = 22
_CHECKSUM_BYTES: Final = 4


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What one van says, and as whom."""

    port: int
    client_id: str
    username: str
    password: str
    tenant: str
    van: str
    messages: int
    size: int
    from_seq: int = 0


def packets(task: Task) -> list[bytes]:
    """Every message as an MQTT packet; the columns of a few batches serve for all of them."""
    fixes = drive(random.Random(task.van).randrange(1000), _KINDS * task.size)
    bodies = [
        codec.encode_batch(Batch(stream=STREAM, first=0, fixes=tuple(fixes[at : at + task.size])))[
            _ENVELOPE_BYTES:-_CHECKSUM_BYTES
        ]
        for at in range(0, len(fixes), task.size)
    ]
    topic = topics.up(task.tenant, task.van, "batch").encode()
    made = []
    for number in range(task.messages):
        first = task.from_seq + number * task.size
        told = struct.pack("!BBQQI", 1, 2, STREAM, first, task.size) + bodies[number % _KINDS]
        payload = told + struct.pack("!I", zlib.crc32(told))
        packet_id = number % 65_535 + 1
        rest = struct.pack("!H", len(topic)) + topic + struct.pack("!H", packet_id) + payload
        made.append(b"\x32" + _length(len(rest)) + rest)
    return made


def _length(count: int) -> bytes:
    told = bytearray()
    while count > 127:
        told.append(count & 127 | 128)
        count >>= 7
    return bytes(told) + bytes((count,))


def _connected(task: Task) -> socket.socket:
    told = b"\x00\x04MQTT\x04\xc2\x00\x00"
    for one in (task.client_id, task.username, task.password):
        told += struct.pack("!H", len(one)) + one.encode()
    link = socket.create_connection(("127.0.0.1", task.port))
    link.sendall(b"\x10" + _length(len(told)) + told)
    if link.recv(4)[3:] != b"\x00":
        raise ConnectionError(f"{task.van}: the broker does not let it in")
    return link


def main() -> None:
    """Say everything once a line comes; ``done`` is printed when the broker has all of it."""
    task = msgspec.json.decode(sys.stdin.readline(), type=Task)
    made = packets(task)
    link = _connected(task)
    print("ready", flush=True)
    sys.stdin.readline()
    sent = confirmed_bytes = 0
    while confirmed_bytes < 4 * len(made):
        while sent < len(made) and sent - confirmed_bytes // 4 < _WINDOW:
            link.sendall(b"".join(made[sent : sent + _TOGETHER]))
            sent += _TOGETHER
        received = link.recv(65_536)
        if not received:
            raise ConnectionError(f"{task.van}: the broker ended the connection")
        confirmed_bytes += len(received)
    print("done", flush=True)


if __name__ == "__main__":
    main()
