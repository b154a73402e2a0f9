"""Pauses that all vans have together are cut out of the day that PyVRP searches."""

from hypothesis import given
from hypothesis import strategies as st

from cloud.planning.solvers.pauses import without_common_pauses
from tests.planning.streets import at, between, day, order, planned, street, van

NOON = ((at(12), at(12.75)),)


@given(
    opens=st.floats(8, 17),
    hours=st.floats(0, 4),
    pauses=st.sampled_from([NOON, (*NOON, (at(15), at(15.5)))]),
)
def test_what_is_behind_a_pause_moves_up_by_its_length(
    opens: float, hours: float, pauses: tuple[tuple[int, int], ...]
) -> None:
    window = between(opens, opens + hours)
    (job,) = without_common_pauses(
        day([van(pauses=pauses)], [order("a", 5, window, ready_from=window.opens)])
    ).jobs
    (moved,) = job.windows
    for was, now in ((window.opens, moved.opens), (window.closes, moved.closes)):
        paused_s = sum(max(0, min(was, ends) - begins) for begins, ends in pauses)
        assert now == was - paused_s
    assert job.ready_from == moved.opens <= moved.closes


def test_windows_that_meet_in_a_pause_become_one() -> None:
    some = order("a", 5, between(10, 12.1), between(12.2, 14))
    (job,) = without_common_pauses(day([van(pauses=NOON)], [some])).jobs
    assert job.windows == (between(10, 13.25),)


def test_pauses_that_differ_stay() -> None:
    problem = day([van(pauses=NOON), van("van-2")], [order("a", 5)])
    assert without_common_pauses(problem) is problem


def test_a_search_gets_as_much_behind_a_pause_as_the_clock_leaves() -> None:
    """Each door about noon has six minutes, and the van needs all of the time between them."""
    orders = [order(f"o{k}", k, between(12 + k / 15, 12.1 + k / 15)) for k in range(12, 26)]
    problem, roads = day([van(pauses=NOON)], orders), street(range(31))
    plan = planned(problem, "pyvrp", matrix=roads)
    assert not plan.unserved
