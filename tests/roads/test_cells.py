"""Cells of a street network, whatever its size."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cloud.roads.cells import cell_sizes


@given(st.integers(2, 2_000_000_000))
def test_sizes_ascend_and_none_holds_everything(nodes: int) -> None:
    sizes = cell_sizes(nodes)
    assert all(other % one == 0 and other > one for one, other in pairwise(sizes))
    assert len(sizes) == 1 or sizes[-1] * 4 <= nodes


def test_a_city_a_country_and_a_continent() -> None:
    assert cell_sizes(23_000) == [64, 256, 1_024, 4_096]
    assert cell_sizes(500) == [64]
    assert cell_sizes(10_000_000) == [64, 1_024, 16_384, 262_144]
    assert len(cell_sizes(400_000_000)) <= 6
