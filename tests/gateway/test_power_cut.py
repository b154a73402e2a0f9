"""The power may be cut at any moment: what was promised is there afterwards."""

import pytest

from bench import power_cut

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not power_cut.is_possible(), reason="strace is missing or may not be used"),
]


def test_no_cut_loses_a_committed_row_or_more_than_the_group_under_way() -> None:
    found = power_cut.cuts("FULL", 100, seed=7, groups=700)
    assert max(cut.lost for cut in found) == 0
    assert not any(cut.is_corrupt for cut in found)
    assert max(cut.unsaved for cut in found) <= 10


def test_the_cuts_are_hard_enough_to_harm_a_spool_that_does_not_sync() -> None:
    found = power_cut.cuts("NORMAL", 30, seed=7, groups=300)
    assert sum(cut.lost > 0 for cut in found) > 10
