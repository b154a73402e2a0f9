"""Adaptive keeping: the kept track is within the stated bound of the full one, at every moment."""

from itertools import pairwise
from math import cos, hypot, radians

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.fixes.adaptive import Keeper
from tests.gateway.tracks import Journey, fix_at
from wire.desired import Keeping
from wire.messages import Fix
from wire.track import METRES_AN_E7, at_ms

steps = st.lists(
    st.tuples(
        st.integers(50, 90_000),
        st.floats(-70, 70),
        st.floats(-70, 70),
        st.none() | st.floats(0, 60),
        st.none() | st.floats(0, 359.9),
    ),
    max_size=120,
)


def track(changes: list[tuple[int, float, float, float | None, float | None]]) -> list[Fix]:
    at_s = east_m = north_m = 0.0
    fixes = []
    for lasted_ms, east_mps, north_mps, speed_mps, course_deg in changes:
        at_s += lasted_ms / 1000
        east_m += east_mps * lasted_ms / 1000
        north_m += north_mps * lasted_ms / 1000
        fixes.append(fix_at(at_s, east_m, north_m, speed_mps=speed_mps, course_deg=course_deg))
    return fixes


def kept_of(keeper: Keeper, fixes: list[Fix]) -> list[Fix]:
    kept = [one for fix in fixes for one in keeper.take(fix)]
    return [*kept, *keeper.flush()]


def error_m(kept: list[Fix], fix: Fix) -> float:
    """How far the kept track, interpolated in time, is from ``fix``; worked out on its own."""
    after = next(index for index, one in enumerate(kept) if at_ms(one) >= at_ms(fix))
    if at_ms(kept[after]) == at_ms(fix):
        assert kept[after] == fix
        return 0.0
    one, other = kept[after - 1], kept[after]
    share = (at_ms(fix) - at_ms(one)) / (at_ms(other) - at_ms(one))
    lat_e7 = one.lat_e7 + share * (other.lat_e7 - one.lat_e7)
    lon_e7 = one.lon_e7 + share * (other.lon_e7 - one.lon_e7)
    east_m = (lon_e7 - fix.lon_e7) * METRES_AN_E7 * cos(radians(one.lat_e7 * 1e-7))
    return hypot(east_m, (lat_e7 - fix.lat_e7) * METRES_AN_E7)


@settings(max_examples=300)
@given(steps, st.sampled_from([0.5, 5.0, 40.0]))
@example([(1000, 10.0, 0.0, 10.0, 90.0)] * 50, 5.0)
def test_the_full_track_is_never_further_from_the_kept_one_than_stated(
    changes: list[tuple[int, float, float, float | None, float | None]], bound_m: float
) -> None:
    fixes = track(changes)
    kept = kept_of(Keeper(Keeping(error_m=bound_m)), fixes)
    assert kept == [fix for fix in fixes if fix in kept]
    assert max((error_m(kept, fix) for fix in fixes), default=0.0) <= bound_m * (1 + 1e-9)


@given(steps, st.integers(0, 130))
def test_what_a_power_cut_takes_is_less_than_the_bound_after_settling(
    changes: list[tuple[int, float, float, float | None, float | None]], cut: int
) -> None:
    rules = Keeping()
    keeper = Keeper(rules)
    fixes = track(changes)[: cut + 1]
    kept = [one for fix in fixes for one in keeper.take(fix)]
    kept += keeper.settle()
    for fix in fixes[-1:]:
        standing = Fix(
            recorded_at_ms=fix.recorded_at_ms + 1,
            fix_time_ms=at_ms(fix) + 1,
            lat_e7=kept[-1].lat_e7,
            lon_e7=kept[-1].lon_e7,
            mode=3,
        )
        assert error_m([*kept, standing], fix) <= rules.error_m * (1 + 1e-9)


@given(steps)
def test_changes_distance_and_silence_are_bounded_too(
    changes: list[tuple[int, float, float, float | None, float | None]],
) -> None:
    rules = Keeping(error_m=1000, turn_deg=30, speed_cmps=400, every_m=300, heartbeat_s=60)
    fixes = track(changes)
    kept = kept_of(Keeper(rules), fixes)
    at = {at_ms(fix): index for index, fix in enumerate(fixes)}
    for one, other in pairwise(kept):
        between = fixes[at[at_ms(one)] + 1 : at[at_ms(other)]]
        for fix in between:
            assert abs((fix.speed_cmps or 0) - (one.speed_cmps or 0)) < rules.speed_cmps
        if between:
            assert at_ms(other) - at_ms(one) <= rules.heartbeat_s * 1000


@given(steps)
def test_keep_all_keeps_all(
    changes: list[tuple[int, float, float, float | None, float | None]],
) -> None:
    fixes = track(changes)
    keeper = Keeper(Keeping(is_all=True))
    assert [keeper.take(fix) for fix in fixes] == [(fix,) for fix in fixes]
    assert keeper.flush() == ()


def test_a_straight_drive_keeps_little_and_a_stand_one_fix_a_heartbeat() -> None:
    journey = Journey()
    driven = kept_of(Keeper(Keeping()), list(journey.drive(600, 12.0)))
    assert len(driven) == 1 + 600 * 12 // 240, "every 250 m, which is 240 m of whole seconds"
    stood = kept_of(Keeper(Keeping()), list(journey.stand(600)))
    assert len(stood) == 11


def test_a_turn_is_kept_where_it_happens() -> None:
    fixes = [fix_at(s, 10.0 * s, speed_mps=10, course_deg=90) for s in range(10)]
    turned = [fix_at(10 + s, 90.0, 10.0 * (s + 1), speed_mps=10, course_deg=0) for s in range(10)]
    kept = kept_of(Keeper(Keeping()), fixes + turned)
    assert kept == [fixes[0], fixes[-1], turned[0], turned[-1]]


def test_after_a_break_nothing_is_drawn_between() -> None:
    keeper = Keeper(Keeping())
    fixes = [fix_at(s, 10.0 * s) for s in range(5)]
    kept = [one for fix in fixes for one in keeper.take(fix)]
    far = fix_at(5, 90_000)
    kept += keeper.take(far, is_break=True)
    assert kept == [fixes[0], fixes[-1], far]


def test_rules_told_later_hold_from_then_on() -> None:
    keeper = Keeper(Keeping())
    for s in range(5):
        keeper.take(fix_at(s, 10.0 * s))
    keeper.follow(Keeping(is_all=True))
    assert [at_ms(fix) for fix in keeper.take(fix_at(5, 50))] == [
        at_ms(fix_at(4)),
        at_ms(fix_at(5)),
    ]
