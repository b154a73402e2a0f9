"""The wire keeps its bytes, loses nothing on a round trip, and survives garbage."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import golden
from wire import codec
from wire import messages as m

MAYBE = st.none()


def fixes() -> st.SearchStrategy[m.Fix]:
    return st.builds(
        m.Fix,
        recorded_at_ms=st.integers(0, 2**53),
        fix_time_ms=MAYBE | st.integers(-(2**53), 2**53),
        lat_e7=st.integers(-900_000_000, 900_000_000),
        lon_e7=st.integers(-1_800_000_000, 1_800_000_000),
        mode=st.sampled_from([2, 3]),
        speed_cmps=MAYBE | st.integers(0, 65_535),
        course_ddeg=MAYBE | st.integers(0, 3599),
        altitude_dm=MAYBE | st.integers(-20_000, 500_000),
        hdop_d=MAYBE | st.integers(0, 1000),
        satellites=MAYBE | st.integers(0, 255),
        source=st.sampled_from(["serial", "gpsd", "replay"]),
        quality=st.sampled_from(["none", "rtc", "ntp", "gnss"]),
    )


@pytest.mark.parametrize("name", golden.JSON_SAMPLES)
def test_a_message_has_its_golden_bytes_and_reads_back(name: str) -> None:
    message, payload = golden.JSON_SAMPLES[name]
    assert codec.encode(message) == payload
    assert codec.decode(payload, type(message)) == message


def test_a_batch_has_its_golden_envelope_columns_and_reads_back() -> None:
    payload = codec.encode_batch(golden.BATCH)
    assert payload[:22].hex() == golden.BATCH_ENVELOPE_HEX
    assert zlib.decompress(payload[22:]) == golden.BATCH_COLUMNS
    old = bytes.fromhex(golden.BATCH_ENVELOPE_HEX) + zlib.compress(golden.BATCH_COLUMNS)
    assert codec.decode_batch(old) == golden.BATCH


@given(
    stream=st.integers(0, 2**63 - 1),
    first=st.integers(0, 2**62 - 1),
    rows=st.lists(fixes(), min_size=1, max_size=40),
)
def test_a_batch_survives_the_round_trip(stream: int, first: int, rows: list[m.Fix]) -> None:
    batch = m.Batch(stream=stream, first=first, fixes=tuple(rows))
    payload = codec.encode_batch(batch)
    assert codec.decode_batch(payload) == batch
    assert codec.read_envelope(payload).count == len(rows)


@given(st.binary(max_size=400))
def test_garbage_is_refused_and_never_crashes(payload: bytes) -> None:
    for message, _ in golden.JSON_SAMPLES.values():
        with pytest.raises(codec.WireError):
            codec.decode(payload + b"\x00", type(message))
    with pytest.raises(codec.WireError):
        codec.decode_batch(payload[:21])


@given(place=st.integers(0, 10_000), mask=st.integers(1, 255))
def test_a_flipped_byte_in_a_batch_gives_a_batch_or_a_wire_error(place: int, mask: int) -> None:
    payload = bytearray(codec.encode_batch(golden.BATCH))
    payload[place % len(payload)] ^= mask
    try:
        batch = codec.decode_batch(bytes(payload))
    except codec.WireError:
        return
    assert batch.fixes == golden.BATCH.fixes


@given(st.binary(max_size=300))
def test_a_readable_envelope_with_a_bad_payload_is_told_apart(rest: bytes) -> None:
    payload = struct.pack("!BBQQI", 1, 1, 5, 0, 2) + rest
    assert codec.read_envelope(payload).first == 0
    with pytest.raises(codec.WireError) as refused:
        codec.decode_batch(payload)
    assert not isinstance(refused.value, codec.EnvelopeError)


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (b"[]", "columns"),
        (b"[[1],[2]]", "columns"),
        (b"[" + b",".join([b"[null]"] * 12) + b"]", "batch"),
        (b"[" + b",".join([b"[9]"] * 12) + b"]", "batch"),
        (b"[" + b",".join([b"[-1]"] * 12) + b"]", "batch"),
        (b"[" * 100_000, "payload"),
        (b" " * 2_000_000, "1000000 bytes"),
    ],
)
def test_a_payload_out_of_range_names_what_is_wrong(columns: bytes, names: str) -> None:
    payload = struct.pack("!BBQQI", 1, 1, 5, 0, 1) + zlib.compress(columns)
    with pytest.raises(codec.WireError, match=names):
        codec.decode_batch(payload)


def test_a_batch_of_none_or_too_many_is_refused() -> None:
    for fixes_ in ((), (golden.FIX,) * (m.MAX_BATCH_FIXES + 1)):
        with pytest.raises(codec.WireError, match="1 to 1000"):
            codec.encode_batch(m.Batch(stream=1, first=0, fixes=fixes_))


def test_another_version_is_refused_by_name() -> None:
    with pytest.raises(codec.EnvelopeError, match="version 2"):
        codec.read_envelope(b"\x02" + bytes(21))
    with pytest.raises(codec.WireError, match="Presence"):
        codec.decode(b'{"online":true,"v":2}', m.Presence)


def test_a_name_with_a_newline_at_its_end_is_no_name() -> None:
    with pytest.raises(codec.WireError, match="Command"):
        codec.decode(b'{"id":"a\\n","expires_at_ms":1,"name":"ping"}', m.Command)
    with pytest.raises(codec.WireError, match="Resume"):
        codec.decode(b'{"streams":["5\\n"]}', m.Resume)
