from random import Random

import pytest

from sim.driving import (
    ACCELERATION_MPS2,
    BRAKING_MPS2,
    SIDEWAYS_MPS2,
    Drive,
)
from sim.geodesy import distance_m
from sim.streets import Path, Streets
from tests.sim.test_streets import somewhere

STEP_S = 0.5


def drives(streets: Streets) -> list[tuple[Path, Drive]]:
    rng = Random(11)
    paths = [streets.path(somewhere(streets, rng), somewhere(streets, rng)) for _ in range(6)]
    return [(path, Drive(path, rng=Random(number))) for number, path in enumerate(paths)]


def instants(drive: Drive) -> list[float]:
    return [step * STEP_S for step in range(int(drive.lasts_s / STEP_S) + 2)]


def test_a_drive_stays_on_the_streets_and_below_their_speed(streets: Streets) -> None:
    for path, drive in drives(streets):
        fastest = max(path.speeds_mps)
        for instant in instants(drive)[::8]:
            motion = drive.at(instant)
            place = streets.nearest((motion.lat, motion.lon))
            assert place.away_m < 1.0
            assert motion.speed_mps <= fastest + 1e-6


def test_a_drive_begins_and_ends_standing(streets: Streets) -> None:
    for path, drive in drives(streets):
        begins, ends = drive.at(0.0), drive.at(drive.lasts_s + 60)
        assert begins.speed_mps == 0.0
        assert ends.speed_mps == 0.0
        assert distance_m((begins.lat, begins.lon), path.points[0]) < 0.1
        assert (ends.lat, ends.lon) == path.points[-1]


def test_speed_and_distance_agree_and_never_jump(streets: Streets) -> None:
    for path, drive in drives(streets):
        rolled_m = 0.0
        before = drive.at(0.0)
        for instant in instants(drive)[1:]:
            now = drive.at(instant)
            moved_m = distance_m((before.lat, before.lon), (now.lat, now.lon))
            rolled_m += (before.speed_mps + now.speed_mps) / 2 * STEP_S
            assert moved_m <= max(before.speed_mps, now.speed_mps) * STEP_S + 0.5
            assert now.speed_mps - before.speed_mps <= ACCELERATION_MPS2 * STEP_S + 1e-6
            assert before.speed_mps - now.speed_mps <= BRAKING_MPS2 * STEP_S + 1e-6
            before = now
        assert rolled_m == pytest.approx(path.distance_m, rel=0.02)


def test_what_lies_ahead_is_told_by_the_way_and_not_by_the_time(streets: Streets) -> None:
    for path, drive in drives(streets):
        assert (drive.left(0.0), drive.left(drive.lasts_s)) == (1.0, 0.0)
        rolled_m = 0.0
        for instant in instants(drive):
            assert drive.left(instant) == pytest.approx(1 - rolled_m / path.distance_m, abs=0.03)
            rolled_m += drive.at(instant).speed_mps * STEP_S


def test_a_drive_takes_longer_than_full_speed_all_the_way(streets: Streets) -> None:
    for path, drive in drives(streets):
        assert path.drive_s < drive.lasts_s < 4 * path.drive_s + 60


def test_one_seed_is_always_the_same_drive(streets: Streets) -> None:
    path, drive = drives(streets)[0]
    again, other = Drive(path, rng=Random(0)), Drive(path, rng=Random(99))
    assert [drive.at(second) for second in range(200)] == [
        again.at(second) for second in range(200)
    ]
    assert other.lasts_s != drive.lasts_s


def test_a_corner_is_taken_no_faster_than_is_comfortable() -> None:
    corner = Path(
        points=((0.0, 0.0), (0.003, 0.0), (0.003, 0.003)),
        speeds_mps=(14.0, 14.0),
        kinds=("primary", "primary"),
        gives_way=(False, False, False),
        drive_s=48.0,
        distance_m=667.0,
    )
    drive = Drive(corner, rng=Random(1))
    at_corner = min(
        (drive.at(tenth / 10) for tenth in range(int(drive.lasts_s * 10))),
        key=lambda motion: distance_m((motion.lat, motion.lon), (0.003, 0.0)),
    )
    assert at_corner.speed_mps <= (SIDEWAYS_MPS2 * 15.0 / 1.57) ** 0.5 + 0.2


def test_a_path_that_leads_nowhere_is_over_at_once() -> None:
    here = (-29.9, -71.2)
    path = Path(
        points=(here, here),
        speeds_mps=(8.0,),
        kinds=("residential",),
        gives_way=(False, False),
        drive_s=0,
        distance_m=0,
    )
    drive = Drive(path, rng=Random(1), course_deg=90.0)
    assert drive.lasts_s == 0.0
    assert drive.at(5.0) == (*here, 0.0, 90.0)
