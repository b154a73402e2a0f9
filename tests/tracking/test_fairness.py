"""A van that floods is held back, nobody else is, and nothing that would be lost is left out."""

from hypothesis import given
from hypothesis import strategies as st

from cloud.tracking.fairness import CALM_AFTER_S, CROWDS_FOR_S, SHARE, FairShare, Who

FLOOD, CALM = ("main", "flood"), ("main", "calm")
FULL = 1_000
GROUP: list[Who | None] = [CALM if place % 100 == 0 else FLOOD for place in range(FULL)]


def held(share: FairShare, now_s: float = CROWDS_FOR_S) -> FairShare:
    """One that has seen a van flood for long enough."""
    share.sift(GROUP, now_s - CROWDS_FOR_S)
    share.sift(GROUP, now_s)
    return share


def test_a_hundred_times_the_others_is_a_share_of_each_group_after_two_seconds() -> None:
    share = FairShare(FULL)
    assert share.sift(GROUP, 0.0).left == []
    assert share.sift(GROUP, CROWDS_FOR_S - 0.1).left == []
    sifted = share.sift(GROUP, CROWDS_FOR_S)
    assert sifted.held_back == {FLOOD}
    assert [GROUP[place] for place in sifted.taken].count(FLOOD) == SHARE
    assert {GROUP[place] for place in sifted.left} == {FLOOD}


def test_it_is_let_in_again_when_it_is_calm() -> None:
    share = held(FairShare(FULL))
    assert share.sift(GROUP[:500], CROWDS_FOR_S + 1).held_back == {FLOOD}
    assert share.sift(GROUP, CROWDS_FOR_S + CALM_AFTER_S + 1).left == []


def test_a_van_alone_and_groups_that_are_not_full_are_never_held_back() -> None:
    share = FairShare(FULL)
    for second in range(60):
        assert share.sift([FLOOD] * FULL, float(second)).left == []
        assert share.sift(GROUP[:-1], second + 0.5).left == []


def test_several_that_send_alike_are_not_held_back() -> None:
    share = FairShare(FULL)
    even: list[Who | None] = [("main", f"van-{place % 4}") for place in range(FULL)]
    assert all(share.sift(even, second).left == [] for second in range(60))


@given(st.lists(st.sampled_from([FLOOD, CALM, None]), max_size=400))
def test_each_message_is_taken_or_left_and_only_the_flood_is_left(
    senders: list[Who | None],
) -> None:
    sifted = held(FairShare(FULL)).sift(senders, CROWDS_FOR_S + 1)
    assert sorted(sifted.taken + sifted.left) == list(range(len(senders)))
    assert all(senders[place] == FLOOD for place in sifted.left)
    assert sifted.taken == sorted(sifted.taken)
