"""Hard manoeuvres from speeds and courses, at 1 to 10 Hz, with noise and with wild fixes."""

from collections.abc import Iterable
from itertools import chain
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.fixes.driving import Driving, DrivingRules
from tests.gateway.tracks import START_MS, Journey, fix_at, moved
from wire.events import HarshDriving
from wire.messages import Fix
from wire.motion import Motion

RULES = DrivingRules()


def manoeuvres(fixes: Iterable[Fix], rules: DrivingRules = RULES) -> list[HarshDriving]:
    motion, driving = Motion(), Driving(rules)
    return [
        event for fix in fixes for event in driving.take(motion.take(fix, is_break=False), None)
    ]


def noisy(fixes: Iterable[Fix], seed: int, mps: float = 0.05) -> list[Fix]:
    rng = Random(seed)
    return [
        moved(fix, speed_cmps=max(0, (fix.speed_cmps or 0) + round(rng.gauss(0, mps * 100))))
        for fix in fixes
    ]


def braking(mps2: float, rate_hz: float) -> Iterable[Fix]:
    journey = Journey(rate_hz=rate_hz)
    return chain(
        journey.change(15, 1.2),
        journey.drive(10, 15),
        journey.change(0, -mps2),
        journey.stand(10),
    )


@pytest.mark.parametrize("rate_hz", [1.0, 5.0, 10.0])
@pytest.mark.parametrize("seed", range(5))
def test_hard_braking_is_found_at_any_rate_and_gentle_braking_is_not(
    rate_hz: float, seed: int
) -> None:
    (found,) = manoeuvres(noisy(braking(6.0, rate_hz), seed))
    assert found.manoeuvre == "braking"
    assert found.peak_cmps2 == pytest.approx(600, rel=0.15)
    assert found.speed_cmps == pytest.approx(1500, rel=0.15)
    assert found.at_ms == pytest.approx(START_MS + 23_000, abs=2000)
    assert found.is_estimate is (rate_hz < 4)
    assert manoeuvres(noisy(braking(2.0, rate_hz), seed)) == []


def test_a_hard_start_is_acceleration() -> None:
    journey = Journey(rate_hz=5)
    fixes = chain(journey.stand(5), journey.change(15, 4.5), journey.drive(10, 15))
    (found,) = manoeuvres(fixes)
    assert found.manoeuvre == "acceleration"
    assert found.peak_cmps2 == pytest.approx(450, rel=0.1)


@pytest.mark.parametrize(("deg_s", "is_harsh"), [(30, True), (10, False)])
def test_cornering_is_speed_times_turning(deg_s: float, *, is_harsh: bool) -> None:
    fixes = [fix_at(s, speed_mps=12, course_deg=350) for s in range(5)]
    fixes += [fix_at(5 + s, speed_mps=12, course_deg=(350 + deg_s * s) % 360) for s in range(4)]
    fixes += [fix_at(9 + s, speed_mps=12, course_deg=(350 + deg_s * 3) % 360) for s in range(5)]
    found = manoeuvres(fixes)
    assert [one.manoeuvre for one in found] == (["cornering"] if is_harsh else [])
    if is_harsh:
        assert found[0].peak_cmps2 == pytest.approx(12 * 0.5236 * 100, rel=0.05)


@settings(max_examples=40)
@given(st.integers(3, 37), st.floats(0, 40), st.floats(0, 359))
def test_one_wild_speed_and_course_is_no_manoeuvre(at: int, mps: float, course_deg: float) -> None:
    fixes = [fix_at(s, speed_mps=12, course_deg=90) for s in range(40)]
    fixes[at] = fix_at(at, speed_mps=mps, course_deg=course_deg)
    assert manoeuvres(fixes) == []


def test_what_no_tyre_can_do_is_the_receivers_error() -> None:
    fixes = [fix_at(s, speed_mps=30 if s < 20 else 5, course_deg=90) for s in range(40)]
    assert manoeuvres(fixes) == []


def test_nothing_is_said_of_what_lies_between_distant_fixes() -> None:
    fixes = [fix_at(3.0 * s, speed_mps=15 if s % 8 < 4 else 0, course_deg=90) for s in range(40)]
    assert manoeuvres(fixes) == []


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 40), st.none() | st.floats(0, 359)), max_size=80))
def test_no_manoeuvre_is_longer_or_harder_than_is_possible(
    story: list[tuple[float, float | None]],
) -> None:
    fixes = [fix_at(s, speed_mps=mps, course_deg=deg) for s, (mps, deg) in enumerate(story)]
    for found in manoeuvres(fixes):
        assert 300 <= found.peak_cmps2 <= 1200
        assert 0 < found.lasted_ms <= 16_000
