"""How a van moves, whether it is silent and how far it is on its path: laws of pure rules."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.tracking.motion import (
    OFFLINE_AFTER_MS,
    PARKED_AFTER_MS,
    RESTS_MPS,
    SETS_OFF_MPS,
    Course,
    Signs,
    follow,
    motion,
)
from cloud.tracking.progress import Line, progress
from cloud.tracking.silence import (
    INTERVALS,
    Listening,
    also_deaf,
    heard_nothing_s,
    listen,
    patience_s,
)

speeds = st.one_of(st.none(), st.floats(0, 40))


def driven(told: list[tuple[int, float | None]]) -> Course | None:
    course = None
    for at_ms, speed in told:
        course = follow(course, at_ms, speed)
    return course


@given(st.lists(speeds, min_size=1, max_size=12), st.lists(st.integers(0, 11), max_size=8))
def test_late_and_repeated_fixes_change_nothing(found: list[float | None], late: list[int]) -> None:
    told = [(at * 1000, speed) for at, speed in enumerate(found)]
    again = [told[at] for at in late if at < len(told)]
    assert driven(told) == driven(told + again)


@given(st.lists(st.floats(RESTS_MPS, SETS_OFF_MPS - 0.01), max_size=20), st.booleans())
def test_between_the_two_speeds_a_van_stays_as_it_was(found: list[float], goes: bool) -> None:
    course = follow(None, 0, 10.0 if goes else 0.0)
    for at, speed in enumerate(found, 1):
        course = follow(course, at, speed)
    assert (course.is_moving, course.since_ms) == (goes, 0)


@given(
    st.builds(Course, st.booleans(), st.integers(0, 10**6), st.just(10**6)),
    st.builds(
        Signs,
        is_online=st.sampled_from([None, True, False]),
        heard_ms=st.one_of(st.none(), st.integers(0, 10**6)),
        finds_position=st.booleans(),
        is_ignited=st.sampled_from([None, True, False]),
        is_on_trip=st.sampled_from([None, True, False]),
    ),
    st.integers(10**6, 2 * 10**6),
)
def test_every_van_has_one_word_and_time_alone_only_parks_or_loses_it(
    course: Course, signs: Signs, now_ms: int
) -> None:
    order = ["moving", "idling", "parked", "offline"]
    now, later = motion(course, signs, now_ms), motion(course, signs, now_ms + 10**6)
    if "no_fix" not in (now, later):
        assert order.index(later) >= order.index(now)


def test_the_words_of_the_rule() -> None:
    stands, goes = Course(False, 0, 0), Course(True, 0, 0)
    assert motion(None, Signs(is_online=True, heard_ms=0), 0) == "no_fix"
    assert motion(goes, Signs(), 0) == "moving"
    assert motion(goes, Signs(finds_position=False), 0) == "no_fix"
    assert motion(goes, Signs(is_online=False, heard_ms=0), OFFLINE_AFTER_MS) == "offline"
    assert motion(stands, Signs(), PARKED_AFTER_MS - 1) == "idling"
    assert motion(stands, Signs(), PARKED_AFTER_MS) == "parked"
    assert motion(stands, Signs(is_ignited=True), PARKED_AFTER_MS) == "idling"
    assert motion(stands, Signs(is_ignited=False, is_on_trip=True), 1) == "parked"
    assert motion(stands, Signs(is_on_trip=False), 1) == "parked"


spans = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 60)), max_size=80)


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans(), st.booleans()), max_size=60))
def test_a_silence_is_told_once_within_three_intervals_and_ended_once(
    looks: list[tuple[int, bool, bool]],
) -> None:
    state, now, heard, told = Listening(), 0.0, 0.0, []
    for passed, speaks, is_due in looks:
        now += passed
        heard = now if speaks else heard
        before = state
        patience = patience_s(4.0, 1.0)
        state, change = listen(state, heard_s=heard, is_due=is_due, now_s=now, patience_s=patience)
        if change is not None:
            told.append(change)
        if is_due and before.due_since_s is not None:
            is_long = now - max(heard, before.due_since_s) >= INTERVALS * 4.0
            assert (state.silent_since_s is not None) or not is_long
        if speaks or not is_due:
            assert state.silent_since_s is None
    begun = told.count("van_silent")
    assert begun - (len(told) - begun) == (state.silent_since_s is not None)
    assert all((one == "van_silent") != (after == "van_silent") for one, after in pairwise(told))


@given(st.floats(1, 600), st.floats(0.1, 1))
def test_a_silence_is_told_after_two_intervals_and_before_three(
    interval: float, look: float
) -> None:
    patience = patience_s(interval, look)
    assert 2 * interval <= patience
    assert patience + look <= INTERVALS * interval


@given(spans, st.integers(0, 100), st.integers(0, 5_000))
def test_only_time_in_which_a_van_could_be_heard_is_silence(
    told: list[tuple[int, int]], since: int, longer: int
) -> None:
    deaf: tuple[tuple[float, float], ...] = ()
    begin, seconds = 0, set[int]()
    for gap, length in told:
        begin += gap
        deaf = also_deaf(deaf, begin, begin + length)
        seconds |= set(range(begin, begin + length))
        begin += length
    assert all(one[1] < other[0] for one, other in pairwise(deaf))
    now = since + longer
    heard_nothing = heard_nothing_s(since, now, deaf)
    plain = len(set(range(since, now)) - seconds)
    assert heard_nothing <= plain
    if len(told) < 32:
        assert heard_nothing == plain


def test_a_van_that_never_spoke_is_not_silent() -> None:
    state, change = listen(Listening(), heard_s=None, is_due=True, now_s=9e9, patience_s=8)
    assert (state, change) == (Listening(), None)


@settings(deadline=None)  # the first one loads numpy
@given(st.floats(0, 1), st.floats(-20, 20))
def test_a_place_beside_a_straight_path_is_where_it_is(share: float, beside_m: float) -> None:
    line = Line([(0.0, 0.0), (0.0, 0.01), (0.0, 0.02)])
    found = line.place(beside_m / 111_195.0, 0.02 * share)
    assert abs(found.along_m - share * line.length_m) < 0.1
    assert abs(found.off_m - abs(beside_m)) < 0.1


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_progress_through_a_street_driven_twice_follows_the_stops(shares: list[float]) -> None:
    """Out to the end of a street and back: only what is done tells which way the van goes."""
    line = Line([(0.0, 0.0), (0.0, 0.01), (0.0, 0.0)])
    stops = [(0.0, 0.01), (0.0, 0.0)]
    half_m = line.length_m / 2
    for share in shares:
        out = progress(line, stops, 0, (0.0, 0.01 * share))
        back = progress(line, stops, 1, (0.0, 0.01 * share))
        assert abs(out.fraction * line.length_m - share * half_m) < 0.1
        assert abs(back.fraction * line.length_m - (2 - share) * half_m) < 0.1
        assert out.to_next_m is not None
        assert abs(out.to_next_m - (1 - share) * half_m) < 0.1
    over = progress(line, stops, 2, (0.0, 0.0))
    assert (over.to_next_m, round(over.fraction, 6)) == (None, 1.0)


def test_a_path_of_one_point_is_driven() -> None:
    assert progress(Line([(1.0, 1.0)]), [], 0, (1.0, 1.0)).fraction == 1.0
