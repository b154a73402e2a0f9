"""Which fixes are believed, and that no receiver is locked out for ever."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fixes.keeping import ROLLOVER_MS, to_fix
from gateway.fixes.validation import Validation, ValidationRules, Verdict
from gateway.stamp import Stamp
from tests.gateway.tracks import START_MS, epoch_of, fix_at, moved, stamp_at
from wire.messages import Fix
from wire.track import at_ms, distance_m

MAX_MPS = 250 / 3.6


def judged(fixes: list[Fix], validation: Validation | None = None) -> list[Verdict]:
    rule = validation or Validation(ValidationRules())
    return [
        rule.judge(
            fix,
            None if fix.speed_cmps is None else fix.speed_cmps / 100,
            Stamp(fix.recorded_at_ms, "gnss"),
        )
        for fix in fixes
    ]


def test_an_ordinary_drive_is_believed() -> None:
    fixes = [fix_at(s / 10, 2.0 * s, speed_mps=20) for s in range(200)]
    assert {verdict.refused for verdict in judged(fixes)} == {None}


def test_a_leap_is_refused_and_the_way_goes_on() -> None:
    fixes = [fix_at(s, 10.0 * s, speed_mps=10) for s in range(10)]
    fixes[5] = fix_at(5, 5_000, speed_mps=10)
    assert [verdict.refused for verdict in judged(fixes)] == [None] * 5 + ["jump"] + [None] * 4


def test_a_bad_first_fix_locks_nothing_out() -> None:
    fixes = [fix_at(0, 500_000), *(fix_at(s, 10.0 * s, speed_mps=10) for s in range(1, 12))]
    verdicts = judged(fixes)
    assert [verdict.refused for verdict in verdicts] == [None] + ["jump"] * 4 + [None] * 7
    assert [verdict.is_break for verdict in verdicts].index(True) == 5


def test_two_places_in_turn_are_no_recovery() -> None:
    fixes = [fix_at(0)]
    fixes += [fix_at(s, 50_000 if s % 2 else 100_000) for s in range(1, 60)]
    assert {verdict.refused for verdict in judged(fixes)[1:]} == {"jump"}


@given(
    st.lists(
        st.tuples(st.integers(-2000, 5000), st.floats(-400, 400), st.floats(-400, 400)),
        max_size=80,
    )
)
def test_believed_fixes_never_imply_more_than_250_km_h_unless_the_track_breaks(
    changes: list[tuple[int, float, float]],
) -> None:
    at_s = east_m = north_m = 0.0
    fixes = []
    for by_ms, by_east_m, by_north_m in changes:
        at_s, east_m, north_m = at_s + by_ms / 1000, east_m + by_east_m, north_m + by_north_m
        fixes.append(fix_at(at_s, east_m, north_m))
    believed = [
        (fix, verdict.is_break)
        for fix, verdict in zip(fixes, judged(fixes), strict=True)
        if verdict.refused is None
    ]
    for (one, _), (other, is_break) in pairwise(believed):
        elapsed_s = (at_ms(other) - at_ms(one)) / 1000
        assert is_break or (elapsed_s > 0 and distance_m(one, other) <= MAX_MPS * elapsed_s)


@given(
    st.lists(
        st.tuples(st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)),
        max_size=30,
    )
)
def test_after_anything_a_plain_drive_is_believed_within_six_fixes(
    garbage: list[tuple[int, float, float]],
) -> None:
    validation = Validation(ValidationRules())
    judged([fix_at(at_s, east_m, north_m) for at_s, east_m, north_m in garbage], validation)
    drive = [fix_at(s, 10.0 * s, speed_mps=10) for s in range(20)]
    verdicts = judged(drive, validation)
    assert all(verdict.refused is None for verdict in verdicts[6:])


@pytest.mark.parametrize("told_mps", [70.0, -1.0, 1e9])
def test_an_absurd_speed_is_refused(told_mps: float) -> None:
    verdict = Validation(ValidationRules()).judge(fix_at(0), told_mps, stamp_at(0))
    assert verdict.refused == "speed_absurd"


def test_a_receiver_that_repeats_itself_is_refused() -> None:
    fixes = [fix_at(0), fix_at(0), fix_at(0), fix_at(1)]
    assert [verdict.refused for verdict in judged(fixes)] == [None, "repeated", "repeated", None]


def test_a_position_that_stays_while_the_speed_says_otherwise_is_frozen() -> None:
    fixes = [fix_at(s, speed_mps=10) for s in range(20)]
    refused = [verdict.refused for verdict in judged(fixes)]
    assert refused[:6] == [None] * 6
    assert set(refused[6:]) == {"frozen"}
    again = [*fixes, fix_at(20, 200, speed_mps=10)]
    assert judged(again)[-1].refused is None


def test_a_van_that_stands_on_one_spot_is_not_frozen() -> None:
    fixes = [fix_at(s, speed_mps=0.2) for s in range(3600)]
    assert {verdict.refused for verdict in judged(fixes)} == {None}


def test_time_that_goes_back_is_refused_until_it_is_steady() -> None:
    fixes = [fix_at(s) for s in range(100, 105)] + [fix_at(s) for s in range(10)]
    refused = [verdict.refused for verdict in judged(fixes)]
    assert refused == [None] * 5 + ["time_back"] * 4 + [None] * 6


@pytest.mark.parametrize(
    ("off_ms", "quality", "refused"),
    [
        (700_000, "gnss", "time_far"),
        (-700_000, "ntp", "time_far"),
        (700_000, "rtc", None),
        (500_000, "gnss", None),
    ],
)
def test_a_time_far_from_a_trusted_clock_is_refused(
    off_ms: int, quality: str, refused: str | None
) -> None:
    stamp = Stamp(START_MS + off_ms, quality)  # type: ignore[arg-type]
    assert Validation(ValidationRules()).judge(fix_at(0), None, stamp).refused == refused


def test_a_recording_keeps_its_dates() -> None:
    fix = moved(fix_at(0), source="replay", fix_time_ms=START_MS - 10**12)
    assert Validation(ValidationRules()).judge(fix, None, stamp_at(0)).refused is None


@given(st.integers(0, 3), st.integers(0, 40 * 365 * 86_400))
def test_a_receiver_that_lost_count_of_the_weeks_is_put_right(rollovers: int, later_s: int) -> None:
    true_ms = START_MS + later_s * 1000
    told = moved(fix_at(0), fix_time_ms=true_ms - rollovers * ROLLOVER_MS)
    read = to_fix(epoch_of(told), Stamp(true_ms + 900, "gnss"), "serial")
    assert read is not None
    assert read.fix_time_ms == true_ms


def test_a_recording_in_pieces_is_believed_in_pieces() -> None:
    fixes = [moved(fix_at(s), source="replay") for s in (100, 101, 5, 6)]
    assert judged(fixes) == [
        Verdict(None),
        Verdict(None),
        Verdict(None, is_break=True),
        Verdict(None),
    ]
