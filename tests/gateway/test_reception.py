"""Jamming, spoofing and antenna, from UBX between the sentences and from TXT notes."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fixes.epochs import Epoch, EpochAssembler
from gateway.fixes.reception import ReceptionMemory, read_reception
from gateway.fixes.sentences import MAX_HELD_BYTES, FrameSplitter, UbxFrame
from tests.gateway import ubx
from tests.gateway.rig import epoch_bytes, sentence

FRAMES = [
    ubx.mon_rf((1, 2)),
    ubx.mon_rf((1, 2), (3, 4)),
    ubx.mon_hw(2, 3),
    ubx.nav_status(2),
    ubx.sec_sig(1, 2, 3),
    ubx.sec_sig(2, 1, 1),
    ubx.frame("NAV", "NAV-PVT", lat=54.5, lon=25.3),
]
"""The last is of a kind that is not read."""


def epochs_of(*chunks: bytes) -> list[Epoch]:
    assembler = EpochAssembler()
    found = [epoch for chunk in chunks for epoch in assembler.feed(chunk)]
    return [*found, *assembler.finish()]


def states(data: bytes) -> tuple[str, str, str]:
    epoch = epochs_of(data, epoch_bytes(1))[-1]
    return epoch.jamming, epoch.spoofing, epoch.antenna


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", ("unknown", "unknown", "unknown")),
        (ubx.mon_hw(0, 0), ("unknown", "unknown", "unknown")),
        (ubx.mon_hw(1, 1), ("ok", "unknown", "unknown")),
        (ubx.mon_hw(2, 2), ("warning", "unknown", "ok")),
        (ubx.mon_hw(3, 4), ("critical", "unknown", "open")),
        (ubx.mon_rf((1, 3)), ("ok", "unknown", "short")),
        (ubx.mon_rf((1, 2), (3, 4)), ("critical", "unknown", "open")),
        (ubx.mon_rf(), ("unknown", "unknown", "unknown")),
        (ubx.nav_status(1), ("unknown", "none", "unknown")),
        (ubx.nav_status(3), ("unknown", "multiple", "unknown")),
        (ubx.sec_sig(1, 2, 2), ("warning", "indicated", "unknown")),
        (ubx.sec_sig(2, 3, 3), ("critical", "multiple", "unknown")),
        (ubx.mon_rf((0, 2)) + ubx.sec_sig(2, 1, 1), ("ok", "none", "ok")),
        (sentence("GNTXT,01,01,02,ANTSTATUS=OPEN"), ("unknown", "unknown", "open")),
        (sentence("GPTXT,01,01,01,ANTENNA SHORT"), ("unknown", "unknown", "short")),
        (b"$GNTXT,01,01,02,ANTSTATUS=OPEN*00\r\n", ("unknown", "unknown", "unknown")),
    ],
)
def test_an_epoch_carries_what_the_receiver_says_of_its_reception(
    data: bytes, told: tuple[str, str, str]
) -> None:
    assert states(data) == told


def test_a_frame_with_a_wrong_checksum_says_nothing() -> None:
    good = ubx.mon_hw(3, 4)
    assert states(good[:-1] + bytes([good[-1] ^ 1])) == ("unknown", "unknown", "unknown")


def test_reception_that_is_told_no_more_is_forgotten() -> None:
    memory = ReceptionMemory()
    (frame,) = FrameSplitter().feed(ubx.mon_hw(3, 4))
    assert isinstance(frame, UbxFrame)
    memory.take(frame)
    told = [memory.of_epoch().jamming for _ in range(70)]
    assert told == ["critical"] * 64 + ["unknown"] * 6


def test_a_sentence_right_after_a_broken_head_is_not_lost() -> None:
    for size in (0, 10, 16, 60, 300, 65_535):
        head = b"\xb5b\x0a\x09" + size.to_bytes(2, "little")
        found = epochs_of(head, b"".join(map(epoch_bytes, range(5))))
        assert len(found) == 5


STREAM = st.lists(
    st.one_of(
        st.sampled_from(FRAMES),
        st.tuples(st.sampled_from(FRAMES), st.integers(1, 40)).map(lambda cut: cut[0][: cut[1]]),
        st.integers(0, 5).map(epoch_bytes),
        st.binary(max_size=30),
        st.sampled_from(
            [b"\xb5", b"\xb5b", b"\xb5b\x0a8$", b"$GN\xb5b\x01\x03", b"$", b"*\xb5b\r"]
        ),
    ),
    max_size=10,
).map(b"".join)


@given(data=STREAM, places=st.lists(st.integers(0, 100_000), max_size=30))
def test_any_chunking_gives_the_same_frames_and_epochs(data: bytes, places: list[int]) -> None:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    chunks = [data[start:end] for start, end in itertools.pairwise(edges)]
    splitter, whole = FrameSplitter(), FrameSplitter()
    found = []
    for chunk in chunks:
        found += splitter.feed(chunk)
        assert len(splitter._held) <= MAX_HELD_BYTES
    assert found == whole.feed(data)
    assert splitter._held == whole._held
    assert epochs_of(*chunks) == epochs_of(data)


@given(data=STREAM)
def test_byte_by_byte_gives_the_same_frames(data: bytes) -> None:
    slow = FrameSplitter()
    assert [found for byte in data for found in slow.feed(bytes([byte]))] == FrameSplitter().feed(
        data
    )


@given(frames=st.lists(st.sampled_from(FRAMES[:-1]), max_size=5), noise=st.binary(max_size=60))
def test_whole_frames_are_all_found_unless_noise_runs_into_them(
    frames: list[bytes], noise: bytes
) -> None:
    splitter = FrameSplitter()
    splitter.feed(noise + b"\r" * MAX_HELD_BYTES)
    found = splitter.feed(b"".join(frames))
    assert [one for one in found if isinstance(one, UbxFrame)] == [
        UbxFrame(data[2:4], data[6:-2]) for data in frames
    ]


@given(kind=st.sampled_from([b"\x01\x03", b"\x0a\x09", b"\x0a8", b"'\x09"]), payload=st.binary())
def test_no_payload_of_a_right_checksum_raises(kind: bytes, payload: bytes) -> None:
    read_reception(UbxFrame(kind, payload))
