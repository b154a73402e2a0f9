"""Sentences gathered into epochs, and epochs into the wire's fixes."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fixes.epochs import Epoch, EpochAssembler
from gateway.fixes.keeping import ROLLOVER_MS, is_fix, to_fix, unrolled_ms
from gateway.stamp import Stamp
from tests.gateway.rig import epoch_bytes, sentence
from wire import codec
from wire.messages import Fix

NOW = Stamp(1_772_438_400_000, "ntp")


def epochs(bodies: Iterable[str], *, then_silence: bool = True) -> list[Epoch]:
    assembler = EpochAssembler()
    found = [epoch for body in bodies for epoch in assembler.feed(sentence(body))]
    return [*found, *assembler.flush()] if then_silence else found


def gga(time: str, lat: str = "5430.0000", *, talker: str = "GP") -> str:
    return f"{talker}GGA,{time},{lat},N,02516.0000,E,1,09,0.9,112.0,M,25.0,M,,"


def rmc(time: str, day: str = "020326", lat: str = "5430.0000") -> str:
    return f"GPRMC,{time},A,{lat},N,02516.0000,E,10.0,90.0,{day},,,A"


def test_an_epoch_holds_what_all_its_sentences_say() -> None:
    (epoch,) = epochs([rmc("080000.00"), gga("080000.00"), "GPGSA,A,3,01,,,,,,,,,,,,1.6,0.8,1.3"])
    assert epoch == Epoch(
        utc_ms=1_772_438_400_000,
        position=(54.5, 25.266666666666666),
        mode=3,
        speed_mps=10 * 1852 / 3600,
        course_deg=90.0,
        altitude_m=112.0,
        hdop=0.8,
        satellites=9,
    )


@pytest.mark.parametrize(
    ("bodies", "mode"),
    [
        (["GPGLL,5430.0000,N,02516.0000,E,080000,A,A"], 2),
        ([rmc("080000")], 2),
        ([gga("080000")], 3),
        (["GNGNS,080000,5430.0000,N,02516.0000,E,AN,08,0.9,545.4,46.9,,"], 3),
        ([gga("080000"), "GPGSA,A,2,01,,,,,,,,,,,,1.6,0.9,1.3"], 2),
        ([gga("080000"), "GPGSA,A,1,,,,,,,,,,,,,,,"], 1),
    ],
)
def test_receivers_with_only_some_sentences(bodies: list[str], mode: int) -> None:
    (epoch,) = epochs(bodies)
    assert epoch.mode == mode
    assert epoch.position == (54.5, 25.266666666666666)


def test_several_talkers_of_one_instant_are_one_epoch() -> None:
    found = epochs(
        [gga("080000", talker="GP"), gga("080000", talker="GL"), gga("080001", talker="GP")]
    )
    assert len(found) == 2


def test_a_new_time_closes_the_epoch() -> None:
    assert len(epochs([gga("080000"), gga("080001")], then_silence=False)) == 1


COLD = [
    "GPRMC,,V,,,,,,,,,,N",
    "GPVTG,,,,,,,,,N",
    "GPGGA,,,,,,0,00,99.99,,,,,,",
    "GPGSA,A,1,,,,,,,,,,,,,99.99,99.99,99.99",
]


@pytest.mark.parametrize("cycles", [1, 16, 30, 100])
def test_the_first_fix_after_a_cold_start_of_any_length_is_not_lost(cycles: int) -> None:
    found = epochs([*COLD * cycles, rmc("080000.00"), gga("080000.00"), "GPGSA,A,3,01" + "," * 14])
    assert [(epoch.position is not None, epoch.mode) for epoch in found] == [(True, 3)]


def test_a_position_without_a_time_is_not_of_the_first_epoch_that_has_one() -> None:
    old = "GPGGA,,5000.0000,N,02000.0000,E,1,09,0.9,112.0,M,25.0,M,,"
    speed = "GPVTG,0.0,T,,M,20.0,N,37.0,K,A"
    (epoch,) = epochs([speed, old, "GPGSA,A,3,01" + "," * 14, rmc("080000.00")])
    assert epoch.position == (54.5, 25.266666666666666)
    assert epoch.speed_mps == 10 * 1852 / 3600
    assert epoch.altitude_m is None


def test_a_known_cycle_closes_the_epoch_with_its_last_sentence() -> None:
    bodies = [
        body for second in range(4) for body in (rmc(f"08000{second}"), gga(f"08000{second}"))
    ]
    assert len(epochs(bodies, then_silence=False)) == 4


def test_a_sentence_that_comes_late_makes_no_second_epoch() -> None:
    bodies = [
        body for second in range(4) for body in (rmc(f"08000{second}"), gga(f"08000{second}"))
    ]
    late = "GPGLL,5430.0000,N,02516.0000,E,080003,A,A"
    assert len(epochs([*bodies, late])) == 4


def test_sentences_without_a_time_alone_make_no_epoch() -> None:
    assert epochs(["GPGSA,A,3,01,,,,,,,,,,,,1.6,0.9,1.3"] * 500) == []


def test_without_a_date_there_is_no_time() -> None:
    (epoch,) = epochs([gga("080000")])
    assert epoch.utc_ms is None


def test_a_date_told_once_is_counted_on_over_midnight() -> None:
    found = epochs([rmc("235959.00"), gga("000000.00"), gga("000001.00")])
    assert [epoch.utc_ms for epoch in found] == [1_772_495_999_000 + 1000 * n for n in range(3)]


def test_a_date_by_zda_counts_too() -> None:
    (epoch,) = epochs(["GPZDA,080000.00,02,03,2026,00,00", gga("080000.00")])
    assert epoch.utc_ms == 1_772_438_400_000


def test_an_epoch_without_a_position_is_no_fix() -> None:
    (epoch,) = epochs(["GPRMC,080000,V,,,,,,,020326,,,N"])
    assert not is_fix(epoch)
    assert to_fix(epoch, NOW, "serial") is None


def epoch_at(position: tuple[float, float], **values: float) -> Epoch:
    fields: dict[str, object] = {"utc_ms": NOW.now_ms, "position": position, "mode": 3, **values}
    return Epoch(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("position", [(0.0, 0.0), (90.1, 0.0), (0.0, 180.1), (-91.0, 5.0)])
def test_a_place_that_is_none_is_no_fix(position: tuple[float, float]) -> None:
    assert to_fix(epoch_at(position), NOW, "gpsd") is None


def test_a_fix_is_put_into_whole_numbers() -> None:
    epoch = epoch_at(
        (54.68721345, -25.27954321),
        speed_mps=12.346,
        course_deg=359.97,
        altitude_m=-3.14,
        hdop=0.94,
        satellites=11,
    )
    fix = to_fix(epoch, NOW, "serial")
    assert fix is not None
    assert (fix.lat_e7, fix.lon_e7) == (546_872_134, -252_795_432)
    assert (fix.speed_cmps, fix.course_ddeg, fix.altitude_dm) == (1235, 0, -31)
    assert (fix.hdop_d, fix.satellites, fix.mode) == (9, 11, 3)
    assert (fix.recorded_at_ms, fix.quality, fix.source) == (NOW.now_ms, "ntp", "serial")


@given(
    lat=st.floats(-90, 90).filter(bool),
    lon=st.floats(-180, 180),
    speed=st.none() | st.floats(0, 1e9),
    course=st.none() | st.floats(0, 360),
    altitude=st.none() | st.floats(-1e9, 1e9),
    hdop=st.none() | st.floats(0, 1e9),
    satellites=st.none() | st.integers(0, 10_000),
)
def test_whatever_a_receiver_claims_stays_within_the_wire(
    lat: float,
    lon: float,
    speed: float | None,
    course: float | None,
    altitude: float | None,
    hdop: float | None,
    satellites: int | None,
) -> None:
    epoch = Epoch(
        utc_ms=NOW.now_ms,
        position=(lat, lon),
        mode=3,
        speed_mps=speed,
        course_deg=course,
        altitude_m=altitude,
        hdop=hdop,
        satellites=satellites,
    )
    fix = to_fix(epoch, NOW, "serial")
    assert fix is not None
    assert codec.decode(codec.encode(fix), Fix) == fix


def test_a_receiver_that_lost_count_of_weeks_is_put_right() -> None:
    rolled = NOW.now_ms - ROLLOVER_MS
    fix = to_fix(epoch_at((54.5, 25.0), utc_ms=rolled), NOW, "serial")
    assert fix is not None
    assert fix.fix_time_ms == NOW.now_ms


def test_a_recording_keeps_the_dates_it_was_made_on() -> None:
    fix = to_fix(epoch_at((54.5, 25.0), utc_ms=1_000_000_000_000), NOW, "replay")
    assert fix is not None
    assert fix.fix_time_ms == 1_000_000_000_000


@given(utc_ms=st.integers(0, 4 * 10**12), earliest_ms=st.integers(0, 4 * 10**12))
def test_unrolling_ends_at_most_one_rollover_after_the_earliest(
    utc_ms: int, earliest_ms: int
) -> None:
    unrolled = unrolled_ms(utc_ms, earliest_ms)
    assert unrolled >= earliest_ms
    assert (unrolled - utc_ms) % ROLLOVER_MS == 0
    assert unrolled == utc_ms or unrolled < earliest_ms + ROLLOVER_MS


def test_an_epoch_at_ten_hertz_is_closed_at_once() -> None:
    assembler = EpochAssembler()
    found = [len(list(assembler.feed(epoch_bytes(tick)))) for tick in range(30)]
    assert found == [0, 1, 2, *[1] * 27]


TALKERS = ("GP", "GL", "GA", "GB", "BD", "GQ", "GN")


@given(
    order=st.permutations(
        [
            f"{talker}GSA,A,{3 if talker == 'GP' else 2},01,,,,,,,,,,,,1.6,0.9,1.3"
            for talker in TALKERS
        ]
        + [f"{talker}GSV,1,1,01,01,40,083,46" for talker in TALKERS]
    )
)
def test_the_sentences_of_all_constellations_are_of_one_epoch(order: list[str]) -> None:
    cycle = [[rmc(f"08000{n}"), gga(f"08000{n}", talker="GN"), *order] for n in range(4)]
    found = epochs([body for bodies in cycle for body in bodies])
    assert [epoch.utc_ms for epoch in found] == [1_772_438_400_000 + 1000 * n for n in range(4)]
    assert {(epoch.mode, epoch.hdop, epoch.satellites) for epoch in found} == {(3, 0.9, 9)}


def test_the_leap_second_is_the_first_of_the_next_day() -> None:
    found = epochs([rmc("235959"), rmc("235960"), rmc("000001", "030326")])
    assert [epoch.utc_ms for epoch in found] == [1_772_495_999_000 + 1000 * n for n in (0, 1, 2)]
