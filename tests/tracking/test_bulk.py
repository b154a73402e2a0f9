"""Messages read many at a time are those of the bytes, however these arrive."""

import socket
import struct
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.tracking.bulk import Message, Tap, acknowledgements, publication, split

TOLD = st.tuples(
    st.binary(max_size=40),
    st.binary(max_size=300),
    st.sampled_from([0, 0, 16_384]),
    st.integers(0, 1),
    st.integers(1, 65_535),
)
"""Topic, content, zeros after it, quality of service, packet id: what makes a message."""


def message(topic: bytes, content: bytes, zeros: int, qos: int, packet: int) -> Message:
    return Message(topic, content + bytes(zeros), qos, packet if qos else 0)


def length(count: int) -> bytes:
    return bytes((count,)) if count < 128 else bytes((count & 127 | 128,)) + length(count >> 7)


def publish(told: Message) -> bytes:
    number = struct.pack("!H", told.packet) if told.qos else b""
    rest = struct.pack("!H", len(told.topic)) + told.topic + number + told.payload
    return bytes((0x30 | told.qos << 1,)) + length(len(rest)) + rest


@pytest.fixture(scope="module")
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    near.setblocking(False)
    with closing(near), closing(far):
        yield near, far


@settings(deadline=None)
@given(
    st.lists(st.one_of(TOLD, st.sampled_from([b"\xd0\x00", b"\x90\x03\x00\x01\x01"])), max_size=8),
    st.lists(st.integers(1, 900), min_size=4, max_size=9),
)
def test_any_chunking_gives_the_messages_and_hands_on_the_rest(
    ends: tuple[socket.socket, socket.socket],
    drawn: list[tuple[bytes, bytes, int, int, int] | bytes],
    sizes: list[int],
) -> None:
    near, far = ends
    told = [one if isinstance(one, bytes) else message(*one) for one in drawn]
    tap, found, handed_on = Tap(near), list[Message](), b""
    whole = b"".join(publish(one) if isinstance(one, Message) else one for one in told)
    at = turn = 0
    while at < len(whole):
        size = sizes[turn % len(sizes)]
        far.sendall(whole[at : at + size])
        at, turn = at + size, turn + 1
        found += tap.read()
        while tap.has_handed_on:
            handed_on += tap.recv(3)
    assert found == [one for one in told if isinstance(one, Message)]
    assert handed_on == b"".join(one for one in told if isinstance(one, bytes))
    with pytest.raises(BlockingIOError):
        tap.recv(1)


@given(st.binary(max_size=400))
def test_whatever_bytes_come_they_are_split_without_loss(told: bytes) -> None:
    packets, left = split(told)
    assert b"".join(packet for packet, _ in packets) + left == told


@pytest.mark.parametrize(
    "told", [b"\x32\x02\x00\x09", b"\x30\x01\x00", b"\x32\x02\x00\x00", b"\x34\x00"]
)
def test_a_message_that_is_cut_within_is_left_to_the_client_to_judge(told: bytes) -> None:
    near, far = socket.socketpair()
    with closing(near), closing(far):
        tap = Tap(near)
        far.sendall(told)
        assert tap.read() == []
        assert tap.recv(9) == told


def test_the_end_of_the_connection_is_handed_on() -> None:
    near, far = socket.socketpair()
    with closing(near):
        tap = Tap(near)
        far.close()
        assert tap.read() == []
        assert tap.has_handed_on
        assert tap.recv(1) == b""


def test_many_are_acknowledged_in_one_piece() -> None:
    assert acknowledgements([1, 65_535]) == b"\x40\x02\x00\x01\x40\x02\xff\xff"


@given(st.text(max_size=40), st.integers(0, 70_000))
def test_what_is_published_reads_back(topic: str, size: int) -> None:
    told = message(topic.encode(), bytes(size), 0, 0, 0)
    assert publication(topic, told.payload, is_retained=False) == publish(told)
    assert publication(topic, told.payload, is_retained=True) == b"\x31" + publish(told)[1:]


def test_a_topic_too_long_for_mqtt_is_refused() -> None:
    with pytest.raises(ValueError, match="too long for MQTT"):
        publication("a" * 65_536, b"", is_retained=False)
