import math
import statistics
from random import Random

import pynmea2
import pytest

from sim.driving import Motion
from sim.geodesy import offset_m
from sim.receiver import NoiseModel, Receiver, RedNoise, sentence

NOON_S = 1_795_348_800.0  # 2026-11-22T12:00:00Z
HERE = Motion(-29.92951, -71.27046, 12.0, 359.97)


def warm(seed: int = 1) -> Receiver:
    receiver = Receiver(rng=Random(seed), started_s=NOON_S - 120)
    receiver.epoch(NOON_S - 1, HERE)
    return receiver


def parsed(epoch: bytes) -> dict[str, pynmea2.NMEASentence]:
    lines = epoch.decode("ascii").split("\r\n")
    assert lines.pop() == ""
    messages = [pynmea2.parse(line, check=True) for line in lines]
    return {message.sentence_type: message for message in messages}


def error_m(epoch: bytes, truth: Motion) -> tuple[float, float]:
    rmc = parsed(epoch)["RMC"]
    return offset_m((truth.lat, truth.lon), (rmc.latitude, rmc.longitude))


def test_an_epoch_is_rmc_vtg_gga_gsa_of_one_instant_and_place() -> None:
    told = parsed(warm().epoch(NOON_S + 0.25, HERE))

    assert list(told) == ["RMC", "VTG", "GGA", "GSA"]
    assert told["RMC"].status == "A"
    assert told["RMC"].datetime.isoformat() == "2026-11-22T12:00:00.250000+00:00"
    assert told["GGA"].timestamp == told["RMC"].timestamp
    assert (told["GGA"].latitude, told["GGA"].longitude) == (
        told["RMC"].latitude,
        told["RMC"].longitude,
    )
    assert told["GSA"].mode_fix_type == "3"
    used = [number for number in told["GSA"].data[2:14] if number]
    assert len(used) == int(told["GGA"].num_sats)


def test_told_speed_and_course_are_near_the_truth() -> None:
    receiver = warm()
    for second in range(100):
        told = parsed(receiver.epoch(NOON_S + second, HERE))
        assert float(told["RMC"].spd_over_grnd) * 0.514444 == pytest.approx(12.0, abs=0.3)
        assert 0.0 <= told["RMC"].true_course < 360.0
        off = (told["RMC"].true_course - HERE.course_deg + 180) % 360 - 180
        assert abs(off) < 2.0
        assert told["VTG"].spd_over_grnd_kmph == pytest.approx(43.2, abs=1.0)


def test_a_standing_receiver_tells_no_course() -> None:
    told = parsed(warm().epoch(NOON_S, HERE._replace(speed_mps=0.0)))
    assert told["RMC"].true_course is None
    assert told["RMC"].status == "A"


def test_positions_agree_with_the_truth_within_the_noise() -> None:
    errors = [error_m(warm(seed).epoch(NOON_S + 300, HERE), HERE) for seed in range(400)]
    model = NoiseModel()
    for axis in (0, 1):
        spread = statistics.pstdev(error[axis] for error in errors)
        assert spread == pytest.approx(model.horizontal_m, rel=0.2)
    within = sum(math.hypot(*error) < 2.5 for error in errors) / len(errors)
    assert within == pytest.approx(0.5, abs=0.08), "2.5 m is where half of them lie (CEP)"


def test_noise_is_red() -> None:
    noise = RedNoise(deviation=2.0, correlation_s=60.0, rng=Random(3))
    values = [noise.advance(1.0) for _ in range(60_000)]

    def correlation(lag: int) -> float:
        return statistics.correlation(values[:-lag], values[lag:])

    assert statistics.pstdev(values) == pytest.approx(2.0, rel=0.1)
    assert correlation(1) == pytest.approx(math.exp(-1 / 60), abs=0.01)
    assert correlation(60) == pytest.approx(math.exp(-1), abs=0.1)
    assert abs(correlation(600)) < 0.12


def test_noise_does_not_depend_on_how_often_it_is_asked() -> None:
    slow = RedNoise(deviation=2.0, correlation_s=60.0, rng=Random(4))
    values = [slow.advance(30.0) for _ in range(20_000)]
    assert statistics.pstdev(values) == pytest.approx(2.0, rel=0.05)
    assert statistics.correlation(values[:-1], values[1:]) == pytest.approx(
        math.exp(-0.5), abs=0.03
    )


def test_a_cold_receiver_warms_up_without_a_fix() -> None:
    receiver = Receiver(rng=Random(2), started_s=NOON_S)
    statuses = [parsed(receiver.epoch(NOON_S + second, HERE))["RMC"].status for second in range(90)]

    first_fix = statuses.index("A")
    assert 5 <= first_fix <= 60
    assert set(statuses[:first_fix]) == {"V"}
    assert set(statuses[first_fix:]) == {"A"}


def test_without_sight_of_the_sky_there_is_no_position() -> None:
    receiver = warm()
    told = parsed(receiver.epoch(NOON_S, HERE, sky_is_visible=False))
    assert told["RMC"].status == "V"
    assert told["RMC"].lat == ""
    assert told["GGA"].gps_qual == 0
    assert told["GSA"].mode_fix_type == "1"
    assert not receiver.has_fix

    after = [parsed(receiver.epoch(NOON_S + second, HERE))["RMC"].status for second in range(1, 5)]
    assert after == ["V", "A", "A", "A"]


def test_minutes_never_reach_sixty() -> None:
    receiver = Receiver(
        rng=Random(1), started_s=NOON_S - 200, noise=NoiseModel(horizontal_m=0.0, vertical_m=0.0)
    )
    edge = Motion(-29.999_999_999, 71.999_999_999, 0.0, 0.0)
    told = parsed(receiver.epoch(NOON_S, edge))["RMC"]
    assert (told.lat, told.lat_dir) == ("3000.00000", "S")
    assert (told.lon, told.lon_dir) == ("07200.00000", "E")


def test_the_checksum_is_that_of_the_standard() -> None:
    told = sentence("GPGLL,5057.970,N,00146.110,E,142451,A")
    assert told == b"$GPGLL,5057.970,N,00146.110,E,142451,A*27\r\n"
