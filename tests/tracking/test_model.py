"""Laws of tracking: the order and number of deliveries make no difference."""

from functools import reduce
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloud.tracking.model import (
    FUTURE_TOLERANCE_MS,
    MAX_RANGES,
    Committed,
    GroupLimits,
    TooManyHoles,
    moment_ms,
    moves_live,
)
from tests.tracking.vans import NOON_MS, fix
from wire.messages import MAX_ACK_RANGES, Ack, Fix

RANGES = st.lists(
    st.tuples(st.integers(0, 120), st.integers(0, 12)).map(lambda one: (one[0], sum(one))),
    max_size=25,
)


def committed(ranges: list[tuple[int, int]]) -> Committed:
    return reduce(lambda known, one: known.adding(*one), ranges, Committed())


def seqs(ranges: list[tuple[int, int]]) -> set[int]:
    return {seq for first, last in ranges for seq in range(first, last + 1)}


@given(RANGES)
@example([(0, 0), (2, 2), (1, 1)])
def test_what_is_committed_is_exactly_what_was_added(ranges: list[tuple[int, int]]) -> None:
    known = committed(ranges)
    assert seqs(list(known.ranges)) == seqs(ranges)
    for (_, last), (first, _) in pairwise(known.ranges):
        assert last + 1 < first, "ascending and apart"


STEPPED = st.lists(
    st.tuples(st.integers(0, 120), st.integers(0, 20), st.sampled_from([0, 1, 2, 4, 8])),
    max_size=25,
)


@given(STEPPED, st.integers(0, 130), st.integers(0, 30), st.sampled_from([1, 2, 4, 8]))
def test_what_is_news_of_a_batch_is_exactly_what_is_not_kept(
    added: list[tuple[int, int, int]], first: int, more: int, step: int
) -> None:
    known, kept = Committed(), set[int]()
    for begin, length, thinned in added:
        if thinned:
            kept |= {one for one in range(begin, begin + length + 1) if one % thinned == 0}
        known = known.adding(begin, begin + length, thinned)
    wanted = {one for one in range(first, first + more + 1) if one % step == 0}
    told = seqs(known.news(first, first + more, step))
    assert wanted - kept <= told, "nothing is missed"
    for piece in known.pieces:
        assert piece[0] <= piece[1]
        if piece[2] and piece[2] <= step:
            assert not told & set(range(piece[0], piece[1] + 1)), "what is kept is no news"
    after = known.adding(first, first + more, step)
    assert after.news(first, first + more, step) == []
    assert known.adding(first, first + more).ranges == after.ranges


@given(STEPPED, st.randoms())
def test_what_is_kept_does_not_depend_on_the_order(
    added: list[tuple[int, int, int]], random: object
) -> None:
    again = [*added, *added[::2]]
    random.shuffle(again)  # type: ignore[attr-defined]

    def grown(pieces: list[tuple[int, int, int]]) -> Committed:
        return reduce(
            lambda known, one: known.adding(one[0], one[0] + one[1], one[2]), pieces, Committed()
        )

    assert grown(again) == grown(added)
    for (_, last, step), (first, _, other) in pairwise(grown(added).pieces):
        assert last < first
        assert (last + 1, step) != (first, other), "as few pieces as can be"


def test_what_is_lost_of_a_range_is_news_again_and_stays_committed() -> None:
    known = Committed().adding(0, 9, 1).losing(3, 5)
    assert known.ranges == ((0, 9),)
    assert known.news(0, 9, 1) == [(3, 5)]


def test_too_many_pieces_forget_what_is_kept_and_nothing_that_is_committed() -> None:
    singles = tuple((seq * 2, seq * 2, 1) for seq in range(MAX_RANGES - 1))
    known = Committed().adding(0, 4 * MAX_RANGES)
    for first, last, step in singles:
        known = known.adding(first, last, step)
    assert len(known.pieces) <= MAX_RANGES
    assert known.ranges == ((0, 4 * MAX_RANGES),)


@given(RANGES, st.randoms())
def test_permuted_and_repeated_delivery_converges(
    ranges: list[tuple[int, int]], random: object
) -> None:
    again = [*ranges, *ranges[::2]]
    random.shuffle(again)  # type: ignore[attr-defined]
    assert committed(again) == committed(ranges)


@given(RANGES, st.integers(0, 130), st.integers(0, 10))
def test_it_holds_a_range_when_it_holds_every_seq(
    ranges: list[tuple[int, int]], first: int, more: int
) -> None:
    wanted = set(range(first, first + more + 1))
    assert committed(ranges).holds(first, first + more) == (wanted <= seqs(ranges))


@given(RANGES)
def test_upto_less_missing_is_all_committed_and_never_more(ranges: list[tuple[int, int]]) -> None:
    upto, missing = committed(ranges).told()
    told = set(range(upto + 1)) - seqs(list(missing))
    assert told <= seqs(ranges)
    if len(missing) < MAX_ACK_RANGES:
        assert told == seqs(ranges)
    Ack(stream="1", upto=upto, missing=missing)


def test_more_holes_than_an_answer_holds_shorten_upto() -> None:
    known = committed([(seq, seq) for seq in range(0, 200, 2)])
    upto, missing = known.told()
    assert len(missing) == MAX_ACK_RANGES
    assert upto == 2 * MAX_ACK_RANGES


def test_nothing_committed_is_minus_one() -> None:
    assert Committed().told() == (-1, ())


def test_a_gap_lets_upto_pass() -> None:
    assert committed([(0, 9), (20, 29)]).told() == (29, ((10, 19),))
    assert committed([(0, 9), (20, 29), (10, 19)]).told() == (29, ())


def test_a_stream_full_of_holes_is_refused_until_they_are_filled() -> None:
    full = Committed(tuple((seq * 2, seq * 2, 1) for seq in range(MAX_RANGES)))
    with pytest.raises(TooManyHoles):
        full.adding(MAX_RANGES * 2 + 5, MAX_RANGES * 2 + 5)
    far = MAX_RANGES * 2 + 5
    assert full.adding(1, 1).adding(far, far).holds(far, far)
    with pytest.raises(ValueError, match="ascending"):
        full.adding(5, 4)


@given(st.permutations(range(12)), st.integers(0, 12))
def test_the_live_fix_is_the_newest_in_whatever_order_they_come(
    order: list[int], repeated: int
) -> None:
    live: Fix | None = None
    for second in [*order, *order[:repeated]]:
        if moves_live(live, fix(second), NOON_MS + 60_000):
            live = fix(second)
    assert live == fix(11)


def test_a_late_fix_and_one_from_the_future_never_move_the_marker() -> None:
    now_ms = NOON_MS + 60_000
    assert moves_live(None, fix(0), now_ms)
    assert not moves_live(fix(10), fix(9), now_ms)
    assert not moves_live(fix(10), fix(10), now_ms)
    too_far_s = 60 + FUTURE_TOLERANCE_MS // 1000 + 1
    assert not moves_live(None, fix(too_far_s), now_ms)


@pytest.mark.parametrize("moment_ms", [-(2**53), 0, 315_964_800_000, 2**53])
def test_a_time_that_cannot_be_true_never_moves_the_marker_and_gives_way(moment_ms: int) -> None:
    now_ms = NOON_MS + 60_000
    absurd = Fix(recorded_at_ms=moment_ms, lat_e7=0, lon_e7=0, mode=2)
    assert not moves_live(None, absurd, now_ms)
    assert moves_live(absurd, fix(0), now_ms), "it may have been stored by an earlier release"


def test_without_gnss_time_the_gateways_own_counts() -> None:
    told = Fix(recorded_at_ms=5, lat_e7=0, lon_e7=0, mode=2)
    assert moment_ms(told) == 5
    assert moment_ms(fix(3)) == NOON_MS + 3000


def test_a_group_is_due_by_age_by_number_or_by_size() -> None:
    limits = GroupLimits(wait_s=0.02, messages=10, payload_bytes=1000)
    assert not limits.is_due(age_s=9, messages=0, payload_bytes=0)
    assert not limits.is_due(age_s=0.01, messages=9, payload_bytes=999)
    assert limits.is_due(age_s=0.02, messages=1, payload_bytes=1)
    assert limits.is_due(age_s=0, messages=10, payload_bytes=1)
    assert limits.is_due(age_s=0, messages=1, payload_bytes=1000)
