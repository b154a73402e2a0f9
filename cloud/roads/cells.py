"""How a street network is divided into cells, on which the speed of matrices hangs. Pure.

The engine searches on the borders of its cells. Its own sizes (128, 4,096, 65,536, 2,097,152) are
made for a continent: of a city all lies in one cell of the upper two, and those of the second are
so few that a search crosses hundreds of streets in each. Sizes that grow by four, up to a handful
of cells, take half the time (docs/decisions/road-engine.md).
"""

from math import ceil, log2
from typing import Final

_SMALLEST: Final = 64
_FEWEST: Final = 4
"""Cells of the largest size: one that holds everything only costs time."""
_STEPS: Final = (4, 8, 16, 32)
_BITS: Final = 60
"""A node keeps its cells of all sizes in 64 bits."""


def cell_sizes(nodes: int) -> list[int]:
    """The most nodes in a cell of each size, ascending, for a network of so many nodes.

    The engine counts a node for each piece of street in each direction.
    """
    for step in _STEPS:
        sizes = _by(step, nodes)
        if sum(_bits(nodes, size) for size in sizes) <= _BITS:
            return sizes
    return _by(_STEPS[-1], nodes)


def _by(step: int, nodes: int) -> list[int]:
    sizes = [_SMALLEST]
    while sizes[-1] * step * _FEWEST <= nodes:
        sizes.append(sizes[-1] * step)
    return sizes


def _bits(nodes: int, size: int) -> int:
    """For numbers of cells, which are two thirds full or more."""
    return ceil(log2(max(2.0, 2.0 * nodes / size)))
