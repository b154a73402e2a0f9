"""Which solver `auto` takes for a problem, and why, in words for a dispatcher. Pure.

By figures, which docs/decisions/solvers.md has: PyVRP was nearer to the best known wherever there
is something to search for, in the shortest times and with breaks, too, which it cannot model.
"""

from typing import Final, Literal, NamedTuple

from cloud.planning.problem import Problem, Vehicle
from cloud.planning.questions import SolverName

LARGE: Final = 250
"""From so many orders on a problem is improved in parts."""
FEW: Final = 2
"""So many orders that are in no plan yet are put where they cost least at once: on 30 days with one
and 30 with two no search found anything cheaper. What is in a plan insertion would not move."""

type NamedSolver = Literal["pyvrp", "ortools", "insertion"]


class Choice(NamedTuple):
    """The solver that makes a plan, and why it does."""

    solver: NamedSolver
    because: str


def chosen(asked: SolverName, problem: Problem, *, is_revised: bool = False) -> Choice:
    """The solver for a problem; `auto` leaves it to what the problem is.

    Args:
        asked: by whoever wants the plan.
        problem: with the plan in force, if there is one.
        is_revised: a plan before is given beside the problem.
    """
    if asked != "auto":
        return Choice(asked, because_asked(asked))
    orders = len(problem.jobs)
    is_begun = is_revised or any(van.in_force for van in problem.vehicles)
    if orders <= FEW and not is_begun:
        return Choice("insertion", f"insertion: {_orders(orders)}, put where it costs least")
    how = "part by part" if orders >= LARGE else "as a whole"
    return Choice("pyvrp", f"PyVRP: {_orders(orders)}, searched {how}{_beside(problem)}")


def because_asked(asked: SolverName) -> str:
    """Why, as far as that is known before there is a problem."""
    match asked:
        case "auto":
            return "auto: the number of orders and a plan in force decide; the revision tells how"
        case "insertion":
            return "insertion: what is urgent goes at once where it costs least; nothing else moves"
        case "pyvrp":
            return "PyVRP: it was asked for"
        case "ortools":
            return "OR-Tools: it was asked for"


def because_in_cells(orders: int, cells: int, one: str) -> str:
    """Why so many orders were planned in cells; ``one``: why one of them was as it was."""
    return f"{_orders(orders)} in {cells} cells, too many for one search; a cell by {one}"


def _orders(count: int) -> str:
    return "1 order" if count == 1 else f"{count:,} orders"


def _beside(problem: Problem) -> str:
    """What of the problem the search itself does not know, and what sees to it."""
    has_breaks = any(_rests(van) for van in problem.vehicles)
    is_soft = any(job.late_s is not None for job in problem.jobs)
    told = "; breaks are placed exactly in what it finds" if has_breaks else ", no breaks"
    return f"{told}; soft windows by searching with later ones, too" if is_soft else told


def _rests(van: Vehicle) -> bool:
    return van.work_rules is not None or bool(van.pauses)
