"""Why a plan is made by the solver it is made by, in words for a dispatcher. Pure."""

from typing import Final

from cloud.planning.model import SolverName

LARGE: Final = 250
"""From so many orders on a problem is improved in parts."""


def because(asked: SolverName, orders: int | None = None) -> str:
    """Why.

    Args:
        asked: what was asked for.
        orders: how many there are to plan; None when that is not known yet.
    """
    if asked == "insertion":
        return "what is urgent is put in at once where it costs least; nothing else moves"
    if asked != "auto":
        return "it was asked for"
    chosen = (
        "auto takes PyVRP, which came nearest to the best known of the solvers here after the same "
        "seconds, and puts in by insertion what it leaves out"
    )
    if orders is None:
        return f"{chosen}; from {LARGE} orders on it improves them part by part"
    how = "part by part" if orders >= LARGE else "as a whole, in searches side by side"
    return f"{chosen}; {orders} orders are searched {how}"
