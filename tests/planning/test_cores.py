"""Searches are lent to requests: each gets one, and no more are out than there are."""

import pytest
from msgspec.structs import replace

from cloud.planning.solvers.choice import FEW, LARGE, because_asked, chosen
from cloud.planning.solvers.cores import Cores, search_threads
from tests.planning.streets import at, day, order, planned, van


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
    some = day([van()], [order(f"o{k}", k % 30) for k in range(FEW + 1)])
    assert chosen("auto", some) == ("pyvrp", "PyVRP: 3 orders, searched as a whole, no breaks")
    few = replace(some, jobs=some.jobs[:1])
    assert chosen("auto", few).solver == "insertion"
    many = replace(some, jobs=tuple(order(f"o{k}", k % 30) for k in range(LARGE)))
    assert "250 orders, searched part by part" in chosen("auto", many).because
    resting = replace(some, vehicles=(van(pauses=((at(12), at(13)),)),))
    assert "breaks are placed" in chosen("auto", resting).because
    assert chosen("ortools", some) == ("ortools", "OR-Tools: it was asked for")
    assert "revision" in because_asked("auto")
    assert "breaks" not in because_asked("auto")
    assert "every place" not in chosen("auto", few).because
    assert planned(few, "auto").because.startswith("insertion: 1 order")
