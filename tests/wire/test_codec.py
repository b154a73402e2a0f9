"""The wire keeps its bytes, loses nothing on a round trip, and survives garbage."""

import random
import struct
import zlib
from typing import Literal, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.wire_size import drive
from tests.wire import golden, plain_decoder
from wire import codec
from wire import messages as m
from wire.columns import pack_fixes, unpack_fix, unpack_fixes
from wire.desired import DesiredValues, read_values
from wire.events import EventBody
from wire.packing import PackingError

MAYBE = st.none()


def fixes() -> st.SearchStrategy[m.Fix]:
    return st.builds(
        m.Fix,
        recorded_at_ms=st.integers(-(2**53), 2**53),
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


@pytest.mark.parametrize("kind", golden.EVENT_BODIES)
def test_what_an_event_tells_has_its_golden_bytes_and_reads_back(kind: str) -> None:
    body, told = golden.EVENT_BODIES[kind]
    assert codec.encode(body) == told
    event = m.Event(stream="7", seq=0, recorded_at_ms=golden.AT_MS, body=body)
    payload = codec.encode(event)
    assert b'"body":' + told in payload
    assert f'"type":"{kind}"'.encode() in told
    assert codec.decode(payload, m.Event) == event


def test_every_kind_of_event_has_a_sample() -> None:
    kinds = {body.__struct_config__.tag for body in get_args(EventBody.__value__)}
    assert set(golden.EVENT_BODIES) == kinds


def test_everything_that_may_be_desired_has_a_sample() -> None:
    values = read_values(golden.DESIRED_VALUES)
    told = msgspec.json.decode(msgspec.json.encode(values))
    assert set(told) == set(DesiredValues.__struct_fields__)
    assert told == golden.DESIRED_VALUES


@pytest.mark.parametrize("name", golden.LIVE_SAMPLES)
def test_a_live_fix_has_its_golden_bytes_and_reads_back(name: str) -> None:
    live, told = golden.LIVE_SAMPLES[name]
    assert codec.encode_live(live).hex() == told
    assert codec.decode_live(bytes.fromhex(told)) == live


def test_a_batch_has_its_golden_bytes_and_reads_back() -> None:
    assert codec.encode_batch(golden.BATCH).hex() == golden.BATCH_HEX
    assert codec.decode_batch(bytes.fromhex(golden.BATCH_HEX)) == golden.BATCH


@given(
    stream=st.integers(0, 2**63 - 1),
    place=st.integers(0, 2**59 - 1),
    rows=st.lists(fixes(), min_size=1, max_size=40),
    step=st.sampled_from([1, 2, 4, 8]),
)
def test_a_batch_survives_the_round_trip(
    stream: int, place: int, rows: list[m.Fix], step: Literal[1, 2, 4, 8]
) -> None:
    batch = m.Batch(stream=stream, first=place * step, fixes=tuple(rows), step=step)
    payload = codec.encode_batch(batch)
    assert codec.decode_batch(payload) == batch
    envelope = codec.read_envelope(payload)
    assert (envelope.count, envelope.step) == (len(rows), step)
    assert envelope.covered == batch.covered


def test_a_thinned_batch_covers_what_is_gone_around_its_fixes() -> None:
    fix = m.Fix(recorded_at_ms=0, lat_e7=0, lon_e7=0, mode=2)
    batch = m.Batch(stream=1, first=16, fixes=(fix, fix, fix), step=8)
    assert list(batch.seqs) == [16, 24, 32]
    assert batch.covered == (9, 39)
    assert m.Batch(stream=1, first=0, fixes=(fix,), step=4).covered == (0, 3)
    assert m.Batch(stream=1, first=5, fixes=(fix, fix)).covered == (5, 6)


def test_a_batch_thinned_in_no_known_way_is_refused() -> None:
    payload = bytearray(codec.encode_batch(golden.BATCH))
    payload[1] |= 5 << 4
    with pytest.raises(codec.EnvelopeError, match="thinned"):
        codec.read_envelope(bytes(payload))
    payload[1] = 2 | 3 << 4
    payload[17] = 1
    with pytest.raises(codec.EnvelopeError, match="multiple"):
        codec.read_envelope(bytes(payload))


@given(st.lists(fixes(), min_size=1, max_size=40))
def test_who_reads_by_the_documentation_alone_reads_the_same(rows: list[m.Fix]) -> None:
    payload = codec.encode_batch(m.Batch(stream=1, first=0, fixes=tuple(rows)))
    assert plain_decoder.fixes(payload[22:-4], len(rows)) == [
        msgspec.to_builtins(row) for row in rows
    ]


def test_a_drive_reads_the_same_by_the_documentation_alone() -> None:
    rows = drive(5, 300)
    payload = codec.encode_batch(m.Batch(stream=1, first=0, fixes=tuple(rows)))
    assert plain_decoder.fixes(payload[22:-4], len(rows)) == [
        msgspec.to_builtins(row) for row in rows
    ]
    assert len(payload) < 6 * len(rows)


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


@given(fix=fixes())
def test_a_live_fix_survives_the_round_trip_in_few_bytes(fix: m.Fix) -> None:
    payload = codec.encode_live(m.Live(fix=fix))
    assert codec.decode_live(payload) == m.Live(fix=fix)
    assert len(payload) <= 45


@given(st.binary(max_size=300))
def test_garbage_on_the_live_lane_is_a_fix_or_a_wire_error(payload: bytes) -> None:
    for told in (payload, b"\x01" + payload):
        try:
            live = codec.decode_live(told)
        except codec.WireError:
            continue
        assert codec.decode_live(codec.encode_live(live)) == live


@given(fixes(), st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=3))
def test_a_single_fix_is_read_as_a_batch_of_one_is_whatever_was_done_to_its_bits(
    fix: m.Fix, changes: list[tuple[int, bool]]
) -> None:
    payload = pack_fixes([fix])
    for place, is_cut in changes:
        at = place // 8 % max(1, len(payload))
        flipped = bytes(one ^ 1 << place % 8 for one in payload[at : at + 1])
        payload = payload[:at] if is_cut else payload[:at] + flipped + payload[at + 1 :]
    try:
        (told,) = unpack_fixes(payload, 1)
    except PackingError:
        with pytest.raises(PackingError):
            unpack_fix(payload)
    else:
        assert unpack_fix(payload) == told


def test_json_on_the_live_lane_is_refused_by_its_version() -> None:
    with pytest.raises(codec.WireError, match="version 7b"):
        codec.decode_live(codec.encode(m.Live(fix=golden.FIX)))


def readable(rest: bytes, count: int = 2, encoding: int = 2) -> bytes:
    """A batch whose envelope and checksum are right, whatever the payload."""
    told = struct.pack("!BBQQI", 1, encoding, 5, 0, count) + rest
    return told + zlib.crc32(told).to_bytes(4)


@given(st.binary(max_size=300), st.integers(1, 1000))
def test_a_readable_envelope_with_a_bad_payload_is_told_apart(rest: bytes, count: int) -> None:
    payload = readable(rest, count)
    assert codec.read_envelope(payload).first == 0
    try:
        batch = codec.decode_batch(payload)
    except codec.EnvelopeError:
        pytest.fail("the envelope can be read")
    except codec.WireError:
        return
    assert len(batch.fixes) == count


@pytest.mark.parametrize(
    ("payload", "names"),
    [
        (readable(b"", encoding=1), "encoding 1"),
        (readable(b""), "cut"),
        (readable(bytes(300_000)), "200000"),
        (readable(bytes(50)), "batch"),
        (readable(b"\xff" * 50), "batch"),
        (bytes.fromhex(golden.BATCH_HEX)[:-1], "checksum"),
        (bytes.fromhex(golden.BATCH_HEX)[:22], "cut"),
    ],
)
def test_a_bad_payload_is_refused_by_name(payload: bytes, names: str) -> None:
    with pytest.raises(codec.WireError, match=names):
        codec.decode_batch(payload)


def test_the_largest_batch_of_the_widest_values_fits() -> None:
    low = m.Fix(
        recorded_at_ms=-(2**53), lat_e7=-900_000_000, lon_e7=-1_800_000_000, mode=2,
        fix_time_ms=2**53, speed_cmps=0, course_ddeg=0, altitude_dm=-20_000, hdop_d=0, satellites=0,
    )  # fmt: skip
    high = m.Fix(
        recorded_at_ms=2**53, lat_e7=900_000_000, lon_e7=1_800_000_000, mode=3,
        fix_time_ms=-(2**53), speed_cmps=65_535, course_ddeg=3599, altitude_dm=500_000,
        hdop_d=1000, satellites=255, source="replay", quality="gnss",
    )  # fmt: skip
    rng = random.Random(4)
    rows = tuple(rng.choice([low, high]) for _ in range(m.MAX_BATCH_FIXES))
    batch = m.Batch(stream=1, first=0, fixes=rows)
    assert codec.decode_batch(codec.encode_batch(batch)) == batch


def test_a_batch_of_none_or_too_many_is_refused() -> None:
    for fixes_ in ((), (golden.FIX,) * (m.MAX_BATCH_FIXES + 1)):
        with pytest.raises(codec.WireError, match="1 to 1000"):
            codec.encode_batch(m.Batch(stream=1, first=0, fixes=fixes_))


def test_another_version_is_refused_by_name() -> None:
    with pytest.raises(codec.EnvelopeError, match="version 2"):
        codec.read_envelope(b"\x02" + bytes(21))
    with pytest.raises(codec.WireError, match="version 02"):
        codec.decode_live(b"\x02" + codec.encode_live(m.Live(fix=golden.FIX))[1:])
    with pytest.raises(codec.WireError, match="Presence"):
        codec.decode(b'{"online":true,"v":2}', m.Presence)


def test_a_name_with_a_newline_at_its_end_is_no_name() -> None:
    with pytest.raises(codec.WireError, match="Command"):
        codec.decode(b'{"id":"a\\n","expires_at_ms":1,"name":"ping"}', m.Command)
    with pytest.raises(codec.WireError, match="Resume"):
        codec.decode(b'{"streams":["5\\n"]}', m.Resume)


ROUTE = (
    '{{"route":"r","revision":{revision},"path":[[{path_lat},{path_lon}]],"stops":[{{"stop":"s",'
    '"kind":"delivery","lat_e7":{lat},"lon_e7":{lon},"planned_arrival_ms":0}}]}}'
)
HUGE = "1" + 400 * "0"


@pytest.mark.parametrize(
    ("field", "most"),
    [
        ("lat", 900_000_000),
        ("lon", 1_800_000_000),
        ("path_lat", 900_000_000),
        ("path_lon", 1_800_000_000),
        ("revision", 2**53),
    ],
)
def test_a_route_off_the_earth_is_refused(field: str, most: int) -> None:
    def read(value: int | str) -> m.Route:
        told = dict.fromkeys(["lat", "lon", "path_lat", "path_lon", "revision"], "0")
        return codec.decode(ROUTE.format(**{**told, field: value}).encode(), m.Route)

    assert read(most).route == "r"
    for beyond in (most + 1, -most - 1, HUGE, f"-{HUGE}"):
        with pytest.raises(codec.WireError, match="Route"):
            read(beyond)
