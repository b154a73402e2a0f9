"""Searches are lent to requests: each gets one, and no more are out than there are."""

import pytest

from cloud.planning.solvers.choice import LARGE, because
from cloud.planning.solvers.cores import Cores, search_threads


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 2), (3, 2), (8, 7)])
def test_one_core_is_left_for_everything_else_unless_there_are_two(
    cores: int, threads: int
) -> None:
    assert search_threads(cores) == threads


def test_what_is_lent_comes_back() -> None:
    cores = Cores(3)
    with cores.lent(2) as first, cores.lent(0) as second, cores.lent(0) as third:
        assert (first, second, third) == (2, 1, 1)
    with cores.lent(0) as every:
        assert every == 3


def test_a_plan_tells_why_its_solver_makes_it() -> None:
    assert "part by part" in because("auto", LARGE)
    assert "side by side" in because("auto", LARGE - 1)
    assert because("ortools") == "it was asked for"
    assert "urgent" in because("insertion")
