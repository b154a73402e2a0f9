"""A van that floods is held back, nobody else is, and nothing that would be lost is left out."""

from collections import Counter, defaultdict, deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.tracking.fairness import (
    CALM_AFTER_S,
    SHARE,
    FairShare,
    Sifted,
    Who,
    crowding_part,
)

FLOOD, CALM = ("main", "flood"), ("main", "calm")
FULL = 1_000
GROUP: list[Who | None] = [CALM if place % 100 == 0 else FLOOD for place in range(FULL)]
EVERY_S = 0.05


def looks(
    share: FairShare, group: list[Who | None], seconds: float, from_s: float = 0.0
) -> list[Sifted]:
    """One group after another."""
    turns = round(seconds / EVERY_S)
    return [share.sift(group, from_s + turn * EVERY_S) for turn in range(turns)]


def held() -> FairShare:
    """One that has seen a van flood for long enough."""
    share = FairShare()
    looks(share, GROUP, 1.0)
    return share


def test_a_hundred_times_the_others_is_a_share_of_each_group_after_six() -> None:
    told = looks(FairShare(), GROUP, 6 * EVERY_S)
    assert told[0].left == []
    sifted = told[-1]
    assert sifted.held_back == {FLOOD}
    assert [GROUP[place] for place in sifted.taken].count(FLOOD) == SHARE
    assert {GROUP[place] for place in sifted.left} == {FLOOD}


def test_a_flood_is_seen_though_the_others_come_through_now_and_then_only() -> None:
    share = FairShare()
    crowd: list[Who | None] = [FLOOD] * FULL
    looks(share, crowd, 1.0)
    assert looks(share, GROUP, EVERY_S, 1.0)[0].held_back == {FLOOD}


def test_it_is_let_in_again_when_it_is_calm() -> None:
    share = held()
    few = GROUP[:200]
    assert share.sift(few, 1.5).held_back == {FLOOD}
    assert share.sift(few, 2 + CALM_AFTER_S).left == []


def test_a_van_alone_and_one_at_a_gateway_s_pace_are_never_held_back() -> None:
    assert all(one.left == [] for one in looks(FairShare(), [FLOOD] * FULL, 60))
    drain: list[Who | None] = [CALM, *[FLOOD] * 50]  # of 60 fixes each, 0.5 MB/s
    assert all(one.left == [] for one in looks(FairShare(), drain, 60))


def test_who_finishes_last_of_several_that_sent_alike_is_not_held_back() -> None:
    share = FairShare()
    even: list[Who | None] = [("main", f"van-{place % 8}") for place in range(FULL)]
    assert all(one.left == [] for one in looks(share, even, 2))
    assert all(one.left == [] for one in looks(share, [("main", "van-3")] * FULL, 5, 2.0))


def who_of(number: int) -> Who | None:
    return ("main", f"van-{number}")


@pytest.mark.parametrize("vans", [2, 4, 8, 1_000])
@pytest.mark.parametrize("together", [1, 50, 100])
def test_however_many_send_alike_none_is_held_back(vans: int, together: int) -> None:
    share = FairShare()
    for turn in range(100):
        first = turn * FULL
        group = [who_of((first + place) // together % vans) for place in range(FULL)]
        assert share.sift(group, turn * EVERY_S).left == []


@given(st.integers(2, 2_000))
def test_of_more_vans_less_is_a_crowd_and_never_a_fair_part(vans: int) -> None:
    assert crowding_part(vans + 1) <= crowding_part(vans)
    assert crowding_part(vans) > 1 / vans


@given(st.lists(st.sampled_from([FLOOD, CALM, None]), max_size=400))
def test_each_message_is_taken_or_left_and_only_the_flood_is_left(
    senders: list[Who | None],
) -> None:
    sifted = held().sift(senders, 1.0)
    assert sorted(sifted.taken + sifted.left) == list(range(len(senders)))
    assert all(senders[place] == FLOOD for place in sifted.left)
    assert sifted.taken == sorted(sifted.taken)


@settings(deadline=None, max_examples=12)
@given(
    st.dictionaries(st.integers(1, 30), st.integers(1, 40), min_size=1, max_size=12),
    st.integers(1, 2),
    st.integers(600, 1_500),
)
def test_no_van_starves_and_what_a_flood_sends_again_is_taken_in_the_end(
    calm: dict[int, int], floods: int, surplus: int
) -> None:
    """Calm vans send a few messages a group, floods send all that is not taken, over and over."""
    share, now_s = FairShare(), 0.0
    owed = {("main", f"flood-{one}"): deque(range(surplus * 12)) for one in range(floods)}
    taken: dict[Who, Counter[int]] = defaultdict(Counter)
    while any(owed.values()) and now_s < 3_600:
        group = list[Who | None]()
        numbers: list[int] = []
        for van, count in calm.items():
            group += [("main", f"van-{van}")] * count
            numbers += range(count)
        for name, left in owed.items():
            sent = [left.popleft() for _ in range(min(len(left), surplus))]
            group += [name] * len(sent)
            numbers += sent
        sifted = share.sift(group, now_s)
        for place in sifted.taken:
            who = group[place]
            assert who is not None
            taken[who][numbers[place]] += 1
        for place in sifted.left:
            who = group[place]
            assert who in owed, "nobody but a flood is left out"
            owed[who].append(numbers[place])
        now_s += EVERY_S
    assert not any(owed.values()), "what was left out came through later"
    for flood in range(floods):
        assert set(taken["main", f"flood-{flood}"]) == set(range(surplus * 12))
