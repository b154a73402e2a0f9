"""How PyVRP searches: what breaking a rule costs at first, how far back it compares. Pure.

The figures behind each number are in docs/decisions/solvers.md.
"""

from dataclasses import replace
from typing import Final

import pyvrp
from pyvrp.PenaltyManager import PenaltyParams
from pyvrp.search import NeighbourhoodParams

_SOFT: Final = 1_000.0
"""What a second late, or a unit too much, costs at first where a search begins far off: it goes
through such plans, which PyVRP's own 50,000 keeps it from for its first 40,000 steps."""
_STEP_S: Final = 5e-6
"""What a step of the search takes for each order, about."""
_TURNS: Final = 40
_HISTORY: Final = 10, 300
"""A step is held against the plan so many steps ago: that many times in the search, but no nearer
and, as PyVRP has it, no further. One that looks back further wanders, and a search of 2 s, which
makes some 1,800 steps, is over before it comes down."""

KEEPING: Final = pyvrp.SolveParams()
"""PyVRP's own: it keeps to the rules from the first step on."""
FAR_OFF: Final = pyvrp.SolveParams(
    penalty=PenaltyParams(max_penalty=2 * _SOFT, solutions_between_updates=50)
)
"""It goes through plans that break some."""
IN_PARTS: Final = pyvrp.SolveParams(neighbourhood=NeighbourhoodParams(num_neighbours=20))
"""For a large problem and its parts."""


def fitted(
    parameters: pyvrp.SolveParams, *, scale: int, is_whole: bool, orders: int, seconds: float
) -> pyvrp.SolveParams:
    """The parameters for one search.

    Args:
        parameters: one of the above.
        scale: of the formulation, in which first penalties are told.
        is_whole: whether every order must be served. Where some may be left the penalties are
            PyVRP's own: leaving is a price, too, and a search that may be late for less never
            leaves one.
        orders: so many are searched.
        seconds: so long, which tells how far back a step is compared.
    """
    own = PenaltyParams()
    soft = parameters.penalty
    most = min(soft.max_penalty * scale, own.max_penalty)
    return pyvrp.SolveParams(
        ils=replace(parameters.ils, history_length=history_length(orders, seconds)),
        penalty=replace(soft, max_penalty=most) if is_whole else own,
        neighbourhood=parameters.neighbourhood,
        perturbation=parameters.perturbation,
    )


def history_length(orders: int, seconds: float) -> int:
    """With the plan of how many steps ago a step is compared in a search of so long."""
    steps = seconds / (_STEP_S * max(1, orders))
    least, most = _HISTORY
    return min(max(round(steps / _TURNS), least), most)
