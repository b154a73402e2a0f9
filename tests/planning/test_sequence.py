"""How far two sequences agree."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as some

from cloud.planning.sequence import kept_in_order, out_of_order

SEQUENCES = some.lists(some.integers(0, 8), unique=True, max_size=7)


def test_one_that_went_to_the_end_is_the_one_that_moved() -> None:
    assert out_of_order("abcdef", "acdefb") == ["b"]
    assert out_of_order("abc", "axbyc") == []
    assert out_of_order("abc", "ca") == ["a"] or out_of_order("abc", "ca") == ["c"]


@given(before=SEQUENCES, after=SEQUENCES)
def test_what_is_kept_is_the_largest_part_in_the_same_order(
    before: list[int], after: list[int]
) -> None:
    both = [one for one in before if one in after]
    kept = kept_in_order(before, after)
    assert [one for one in before if one in kept] == [one for one in after if one in kept]
    largest = max(
        size
        for size in range(len(both) + 1)
        for chosen in combinations(both, size)
        if list(chosen) == [one for one in after if one in chosen]
    )
    assert len(kept) == largest
    assert set(out_of_order(before, after)) == set(both) - kept
