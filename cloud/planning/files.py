"""Solving a file by hand: reading it, whichever of the two forms it has, and what came of it."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta

from cloud.foundation.errors import CloudError
from cloud.planning import vrptw
from cloud.planning.cells.division import Cell
from cloud.planning.cells.planning import Table, planned_in_cells
from cloud.planning.check import check
from cloud.planning.problem import Problem
from cloud.planning.questions import MAX_REQUEST_BYTES, SolveRequest, SolverName
from cloud.planning.solution import Cost, Plan, Violation
from cloud.planning.solvers.choice import chosen
from cloud.planning.solvers.port import Sequences, Solver, SolverFailed, Task
from cloud.planning.solvers.schedule import feasible, price_of
from cloud.planning.solvers.solving import solve, solver_named
from cloud.roads.model import NO_WAY, Matrix

MAX_FILE_BYTES: Final = 4 * MAX_REQUEST_BYTES

type _Row = tuple[Annotated[int, Meta(ge=0, le=NO_WAY)], ...]


class MatrixRows(msgspec.Struct, frozen=True, kw_only=True):
    """Travel between all locations: a row for each origin, whole seconds and whole metres."""

    seconds: tuple[_Row, ...]
    metres: tuple[_Row, ...]


class ProblemFile(msgspec.Struct, frozen=True, kw_only=True):
    """The product's own form: a `Problem`, and travel between its locations where it is known."""

    problem: Problem
    matrix: MatrixRows | None = None


class BadFile(CloudError):
    """The file cannot be solved; the text names the field and the remedy."""


class NotSolved(CloudError):
    """The time went by without a plan that may be used; the text says what is wrong with it."""


class How(msgspec.Struct, frozen=True, kw_only=True):
    """By which solver, for how long (real time), with which seed."""

    solver: SolverName
    seconds: float
    seed: int


class SolvedInstance(msgspec.Struct, frozen=True, kw_only=True):
    """A solution of a VRPTW file: ``cost`` in the units of the file, ``seconds`` of real time.

    ``because``: why by that solver.
    """

    cost: float
    routes: tuple[tuple[int, ...], ...]
    seconds: float
    solver: str
    because: str


class SolvedProblem(msgspec.Struct, frozen=True, kw_only=True):
    """A plan of the product's own form.

    Attributes:
        cost: by the problem's policy, in seconds of driving.
        routes: the orders that each van delivers, in order; vans that stay are not in it.
        because: why by that solver.
        plan: all of it, with times.
    """

    cost: float
    routes: dict[str, tuple[str, ...]]
    seconds: float
    solver: str
    because: str
    parts: Cost
    plan: Plan


def read(path: Path) -> vrptw.Instance | ProblemFile:
    """What stands in a file: JSON is the product's own form, anything else Solomon's.

    Raises:
        BadFile, BadInstance: it cannot be read, and why.
    """
    try:
        with path.open("rb") as file:
            said = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror}; give a file that can be read") from error
    if len(said) > MAX_FILE_BYTES:
        raise BadFile(f"{path}: more than {MAX_FILE_BYTES} bytes; plan fewer orders")
    if said.lstrip()[:1] in {b"{", b"["}:
        return _own(path, said)
    try:
        text = said.decode()
    except UnicodeDecodeError as error:
        raise BadFile(
            f"{path}: byte {error.start} is no text; give a file of Solomon's form, or JSON"
        ) from error
    return vrptw.read(text)


def _own(path: Path, said: bytes) -> ProblemFile:
    try:
        file = msgspec.json.decode(said, type=ProblemFile)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BadFile(f'{path}: {error}; give {{"problem": …, "matrix": …}}') from error
    if file.matrix is not None:
        _require_square("seconds", file.matrix.seconds, len(file.problem.locations))
        _require_square("metres", file.matrix.metres, len(file.problem.locations))
    return file


def _require_square(field: str, rows: Sequence[_Row], size: int) -> None:
    if len(rows) != size:
        raise BadFile(
            f"matrix.{field}: {len(rows)} rows for {size} locations; give a row for each of them"
        )
    for at, row in enumerate(rows):
        if len(row) != size:
            raise BadFile(
                f"matrix.{field}[{at}]: {len(row)} values for {size} locations; give one for each"
            )


def matrix_of(rows: MatrixRows) -> Matrix:
    """The file's matrix as the solvers take it."""
    return Matrix(np.array(rows.seconds, dtype=np.int32), np.array(rows.metres, dtype=np.int32))


def solve_instance(
    instance: vrptw.Instance, *, solver: SolverName, seconds: float, seed: int
) -> SolvedInstance:
    """A solution of a VRPTW file, checked by the rules of its format.

    Raises:
        NotSolved: none was found in that time.
    """
    begun = time.perf_counter()
    problem, matrix = vrptw.problem_of(instance)
    choice = chosen(solver, problem)
    named = solver_named(choice.solver)
    routes: list[list[int]] = []
    if problem.jobs:
        task = Task(
            problem=problem,
            matrix=matrix,
            seconds=max(0.01, seconds - (time.perf_counter() - begun)),
            seed=seed,
            start=None,
            is_cancelled=lambda: False,
        )
        routes = vrptw.routes_of(instance, _found(named, task))
    if faults := vrptw.faults(instance, routes):
        raise NotSolved(
            f"{named.name} found no solution in {seconds:g} s: {'; '.join(faults[:3])}; "
            "give it more seconds or more vehicles"
        )
    return SolvedInstance(
        cost=vrptw.cost_tenths(instance, routes) / vrptw.TENTHS,
        routes=tuple(tuple(route) for route in routes),
        seconds=round(time.perf_counter() - begun, 3),
        solver=named.name,
        because=choice.because,
    )


def solve_problem(problem: Problem, matrix: Matrix, how: How) -> SolvedProblem:
    """A plan of the product's own form, passed by the independent checker.

    Raises:
        NotSolved: the solver gave none, or one that breaks a rule.
    """
    begun = time.perf_counter()
    request = SolveRequest(problem=problem, solver=how.solver, seconds=how.seconds, seed=how.seed)
    try:
        plan = solve(request, matrix)
    except SolverFailed as error:
        raise NotSolved(str(error)) from error
    return _solved(problem, plan, check(problem, matrix, plan), how.solver, begun)


async def solve_in_cells(
    problem: Problem, cells: Sequence[Cell], table: Table, how: How
) -> SolvedProblem:
    """As `solve_problem`, of a problem that is divided; the seconds are for travel times, too.

    Raises:
        NotSolved: a solver gave none, or one that breaks a rule.
        RoadsUnavailable: the travel times were not to be had.
    """
    begun = time.perf_counter()
    request = SolveRequest(problem=problem, solver=how.solver, seconds=how.seconds, seed=how.seed)
    try:
        planned = await planned_in_cells(request, cells, table, ends=begun + how.seconds)
    except SolverFailed as error:
        raise NotSolved(str(error)) from error
    return _solved(problem, planned.plan, planned.check, how.solver, begun)


def _solved(
    problem: Problem, plan: Plan, found: Sequence[Violation], asked: SolverName, begun: float
) -> SolvedProblem:
    if found:
        raise NotSolved(
            f"{plan.solver}: the plan breaks its rules: "
            + "; ".join(violation.text for violation in found[:3])
        )
    routes = {
        route.vehicle: tuple(visit.job for visit in route.visits if visit.kind == "delivery")
        for route in plan.routes
        if route.visits
    }
    return SolvedProblem(
        cost=round(price_of(problem, plan), 1),
        routes=routes,
        seconds=round(time.perf_counter() - begun, 3),
        solver=plan.solver,
        because=plan.because,
        parts=plan.cost,
        plan=plan,
    )


def _found(solver: Solver, task: Task) -> Sequences:
    try:
        return feasible(task.problem, task.matrix, solver.solve(task))
    except SolverFailed as error:
        raise NotSolved(str(error)) from error
