"""Bytes to sentences to readings: garbage, cuts, and the traps of pynmea2."""

import itertools
import math
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fixes.epochs import Epoch, EpochAssembler
from gateway.fixes.readings import read_sentence, time_of_day_ms
from gateway.fixes.sentences import MAX_HELD_BYTES, MAX_SENTENCE_BYTES, FrameSplitter
from tests.gateway.rig import epoch_bytes, sentence

DRIVE = b"".join(map(epoch_bytes, range(6)))
NOISE = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"$", b"*", b"\r\n", b"$GPGGA,", b"$GNRMC,080000.00,A", b"*4", b"\xb5b\x01\x07"]
    ),
)
STREAM = st.lists(
    st.one_of(NOISE, st.integers(0, 5).map(epoch_bytes), st.just(DRIVE)), max_size=8
).map(b"".join)


def epochs_of(chunks: list[bytes]) -> list[Epoch]:
    assembler = EpochAssembler()
    found = [epoch for chunk in chunks for epoch in assembler.feed(chunk)]
    return [*found, *assembler.finish()]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(data=STREAM, places=st.lists(st.integers(0, 100_000), max_size=30))
def test_any_chunking_gives_the_same_epochs(data: bytes, places: list[int]) -> None:
    assert epochs_of(cut(data, places)) == epochs_of([data])


@given(data=STREAM)
def test_byte_by_byte_gives_the_same_sentences(data: bytes) -> None:
    whole, slow = FrameSplitter(), FrameSplitter()
    one_by_one = [found for byte in data for found in slow.feed(bytes([byte]))]
    assert one_by_one == whole.feed(data)


@given(data=st.binary(max_size=600))
def test_garbage_never_raises_and_never_makes_a_position(data: bytes) -> None:
    assert all(epoch.position is None for epoch in epochs_of([data]))


@given(data=STREAM)
def test_a_stream_recovers_with_the_next_whole_epochs(data: bytes) -> None:
    found = epochs_of([data, b"\r\n", b"".join(map(epoch_bytes, range(100, 103)))])
    assert [epoch.utc_ms for epoch in found[-3:]] == [1772438410000 + 100 * n for n in range(3)]


def test_an_endless_line_is_not_held() -> None:
    splitter = FrameSplitter()
    for _ in range(100):
        assert splitter.feed(b"$GPGGA," + b"1" * MAX_SENTENCE_BYTES) == []
    assert len(splitter._held) <= MAX_HELD_BYTES


@pytest.mark.parametrize(
    "line",
    [
        b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,\r\n",
        b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*00\r\n",
        b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*ZZ\r\n",
    ],
    ids=["no checksum", "wrong checksum", "no number for a checksum"],
)
def test_a_line_without_its_checksum_makes_no_epoch(line: bytes) -> None:
    assert epochs_of([line]) == []


def position(body: str) -> tuple[float, float] | None:
    reading = read_sentence(sentence(body).decode().strip())
    assert reading is not None
    return reading.position


def test_a_position_is_read_in_degrees() -> None:
    lat, lon = position("GPGGA,123519,4807.038,N,01131.000,W,1,08,0.9,545.4,M,46.9,M,,") or (0, 0)
    assert math.isclose(lat, 48.1173)
    assert math.isclose(lon, -11.516666666666667)


@pytest.mark.parametrize(
    "body",
    [
        "GPGGA,123519,,,,,1,08,0.9,545.4,M,46.9,M,,",
        "GPGGA,123519,9986.000,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,",
        "GPGGA,123519,4807.038,N,20031.000,E,1,08,0.9,545.4,M,46.9,M,,",
        "GPGGA,123519,4860.000,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,",
        "GPGGA,123519,4807.038,X,01131.000,E,1,08,0.9,545.4,M,46.9,M,,",
        "GPGGA,123519,0000.000,N,00000.000,E,1,08,0.9,545.4,M,46.9,M,,",
        "GPGGA,123519,4807.038,N,01131.000,E,0,08,0.9,545.4,M,46.9,M,,",
        "GPGGA,123519,4807.038,N,01131.000,E,8,08,0.9,545.4,M,46.9,M,,",
        "GPGGA,123519,4807.038,N,01131.000,E,1,00,0.9,545.4,M,46.9,M,,",
        "GPRMC,123519,V,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W,A",
        "GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W,E",
        "GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W,S",
        "GPGLL,4807.038,N,01131.000,E,123519,V,N",
        "GNGNS,123519,4807.038,N,01131.000,E,NN,08,0.9,545.4,46.9,,",
        "GPGGA,1",
    ],
)
def test_what_the_receiver_does_not_vouch_for_is_no_position(body: str) -> None:
    assert position(body) is None


KINDS = ["RMC", "GGA", "GSA", "VTG", "GLL", "GNS", "ZDA", "RME", "UBX"]
PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="$*")
TEXTS = st.one_of(st.text(PRINTABLE, max_size=10), st.from_regex(r"\A[0-9.]{0,10}\Z"))


@given(
    talker=st.sampled_from(["GP", "GN", "P", "PG", "PA", "XX", "QQ"]),
    kind=st.sampled_from(KINDS),
    fields=st.lists(TEXTS | st.sampled_from(["A", "N", "E", "080000.00"]), max_size=22),
)
def test_a_sentence_with_its_right_checksum_never_raises(
    talker: str, kind: str, fields: list[str]
) -> None:
    epochs_of([sentence(",".join([talker + kind, *fields])), epoch_bytes(1)])


@pytest.mark.parametrize("kind", ["RMC", "GGA", "GSA", "VTG", "GLL", "GNS", "ZDA"])
@pytest.mark.parametrize("talker", ["PG", "PA"])
def test_a_makers_own_sentence_is_passed_over(talker: str, kind: str) -> None:
    garmin = sentence(f"{talker}{kind},A,218.8,100,6378137.000,298.257223563,0.0,0.0,0.0,A,3,1")
    assert read_sentence(garmin.decode().strip()) is None
    assert [epoch.mode for epoch in epochs_of([garmin, epoch_bytes(1)])] == [3]


@pytest.mark.parametrize(
    ("mode", "is_believed"),
    [(",A", True), (",D", True), (",", True), ("", True), (",N", False), (",E", False)],
)
def test_a_speed_is_believed_only_in_a_mode_of_position(mode: str, *, is_believed: bool) -> None:
    reading = read_sentence(sentence(f"GPVTG,90.0,T,,M,10.0,N,18.5,K{mode}").decode().strip())
    assert reading is not None
    assert (reading.speed_mps is not None, reading.course_deg is not None) == (is_believed,) * 2


def test_a_u_blox_navigation_status_of_v_does_not_spoil_a_good_fix() -> None:
    assert position("GNRMC,223745.00,A,3806.62964,N,12237.61382,W,0.040,,110720,,,D,V") is not None


def test_an_empty_rmc_says_nothing() -> None:
    reading = read_sentence(sentence("GPRMC,,V,,,,,,,,,,N").decode().strip())
    assert reading is not None
    assert (reading.time_ms, reading.day, reading.position) == (None, None, None)


@pytest.mark.parametrize("day", ["310226", "000000", "12", "aabbcc", "999999"])
def test_an_impossible_date_is_no_date(day: str) -> None:
    body = f"GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,{day},003.1,W,A"
    reading = read_sentence(sentence(body).decode().strip())
    assert reading is not None
    assert reading.day is None


def test_a_date_of_the_last_century_stays_there() -> None:
    body = "GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W,A"
    reading = read_sentence(sentence(body).decode().strip())
    assert reading is not None
    assert reading.day == date(1994, 3, 23)


def test_second_60_is_the_leap_second() -> None:
    assert time_of_day_ms("235960.500") == 86_400_500


@pytest.mark.parametrize("text", ["", "240000", "126000", "120061", "12000", "1200000", "12:00:00"])
def test_an_impossible_time_is_no_time(text: str) -> None:
    assert time_of_day_ms(text) is None
