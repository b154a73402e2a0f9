"""What is asked of the planner, and what it answers: one JSON line there, one back. Pure."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from cloud.planning.bounds import MAX_LOCATIONS, Instant
from cloud.planning.problem import Location, Problem
from cloud.planning.solution import Plan, Prices, Violation

type SolverName = Literal["auto", "pyvrp", "ortools", "insertion"]

QUICK_S: Final = 0.1
"""Who asks for no longer than this does not wait for those who search."""

MAX_REQUEST_BYTES: Final = 16_000_000
MAX_ANSWER_BYTES: Final = 16_000_000


class SolveRequest(msgspec.Struct, frozen=True, kw_only=True, tag="solve"):
    """Asks the planner for a plan.

    Attributes:
        previous: where the search starts when it is given.
        now: when it is asked: what vans meet on the streets then counts for what they drive soon
            after. None: only what is usual at each hour does, as far as that is learned.
    """

    problem: Problem
    solver: SolverName = "auto"
    seconds: Annotated[float, Meta(ge=0.01, le=600)] = 2.0
    seed: Annotated[int, Meta(ge=0, lt=2**32)] = 1
    previous: Plan | None = None
    now: Instant | None = None


class Expected(msgspec.Struct, frozen=True, kw_only=True, tag="expected"):
    """Tells the planner which places will be asked about, so that it learns their ways before.

    Attributes:
        places: all of a day, or new ones to be added to a day that was told before.
        ends: where vans begin, end and load: every way to and from there is to be the best one.
        is_whole: whether these are all places of a day.
        from_s, until_s: when vans drive, as the problem will say. now: as in `SolveRequest`.
    """

    places: Annotated[tuple[Location, ...], Meta(max_length=MAX_LOCATIONS)]
    ends: Annotated[tuple[Location, ...], Meta(max_length=MAX_LOCATIONS)]
    is_whole: bool
    from_s: Instant
    until_s: Instant
    now: Instant


type Question = SolveRequest | Expected


class Heard(msgspec.Struct, frozen=True, kw_only=True, tag="heard"):
    """What was expected is known now."""


class Solved(msgspec.Struct, frozen=True, kw_only=True, tag="solved"):
    """A plan. ``check`` is empty, or the plan must not be used. ``seconds``: real time taken.

    ``kept`` is what the plan in force costs as things are now, by the same prices; None where it
    was not computed.
    """

    plan: Plan
    check: tuple[Violation, ...]
    seconds: float
    kept: Prices | None = None


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """No plan: the reason names the field at fault, or the part that failed, and the remedy.

    ``is_passing``: a part does not answer now, so the same request may be answered later.
    """

    reason: str
    is_passing: bool = False


type Answer = Solved | Heard | Refused
