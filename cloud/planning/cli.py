"""``roundsman plan``: plans by hand."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from cloud.planning.problem import Location
from cloud.planning.questions import SolverName

if TYPE_CHECKING:
    from cloud.planning.cells.division import Cell
    from cloud.planning.files import How, ProblemFile, SolvedInstance, SolvedProblem
    from cloud.planning.problem import Problem
    from cloud.roads.model import Matrix


@click.group()
def main() -> None:
    """Plans by hand: solve a file."""


@main.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@click.option(
    "--seconds",
    type=click.FloatRange(0.01, 600),
    default=10.0,
    show_default=True,
    help="How long to search, real time.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=1,
    show_default=True,
    help="The same gives the same search.",
)
@click.option(
    "--solver",
    type=click.Choice(get_args(SolverName.__value__)),
    default="auto",
    show_default=True,
    help="auto takes the one with the better figures for the file.",
)
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--roads",
    metavar="URL",
    help="A road engine, for JSON files without a matrix: http://host:port.",
)
def solve(
    *, file: Path, seconds: float, seed: int, solver: SolverName, is_json: bool, roads: str | None
) -> None:
    """Solve FILE: text of Solomon's or Homberger's form, or the product's own JSON.

    Costs of the former follow the DIMACS convention: distances truncated to one decimal.
    """
    import msgspec

    from cloud.foundation.errors import CloudError
    from cloud.planning import files

    try:
        asked = files.read(file)
        found: SolvedInstance | SolvedProblem
        if isinstance(asked, files.ProblemFile):
            found = _solved(asked, roads, solver=solver, seconds=seconds, seed=seed)
        else:
            found = files.solve_instance(asked, solver=solver, seconds=seconds, seed=seed)
    except CloudError as error:
        raise click.ClickException(error.detail) from error
    click.echo(msgspec.json.encode(found).decode() if is_json else _told(found))


def _solved(
    asked: "ProblemFile", roads: str | None, *, solver: SolverName, seconds: float, seed: int
) -> "SolvedProblem":
    from cloud.planning import files
    from cloud.planning.cells.division import divided

    source = roads if asked.matrix is None else files.matrix_of(asked.matrix)
    if source is None:
        raise files.BadFile(
            "matrix: missing, and no road engine is named; put travel times into the file or give "
            "--roads http://host:port"
        )
    problem, how = asked.problem, files.How(solver=solver, seconds=seconds, seed=seed)
    if len(cells := divided(problem)) > 1:
        return asyncio.run(_in_cells(problem, cells, source, how))
    if isinstance(source, str):
        source = asyncio.run(_asked(problem.locations, source))
    return files.solve_problem(problem, source, how)


async def _in_cells(
    problem: "Problem", cells: "tuple[Cell, ...]", source: "Matrix | str", how: "How"
) -> "SolvedProblem":
    from cloud.planning.files import solve_in_cells
    from cloud.planning.travelling import table_of, table_within
    from cloud.roads.timed import TimedRoads

    if not isinstance(source, str):
        return await solve_in_cells(problem, cells, table_within(source), how)
    async with TimedRoads(None, source) as roads:
        return await solve_in_cells(problem, cells, table_of(roads, None), how)


async def _asked(locations: tuple[Location, ...], roads: str) -> "Matrix":
    from cloud.planning.files import BadFile
    from cloud.roads.client import RoadsClient
    from cloud.roads.model import NoStreetNear, Point

    async with RoadsClient(roads, lane="bulk") as client:
        try:
            return await client.table([Point(at.lat, at.lon) for at in locations])
        except NoStreetNear as error:
            at = min(error.far_m)
            raise BadFile(
                f"problem.locations[{at}]: no street within {error.far_m[at]:.0f} m; correct it"
            ) from error


def _told(found: "SolvedInstance | SolvedProblem") -> str:
    """As the solution files of the literature are written."""
    routes = found.routes.items() if isinstance(found.routes, dict) else enumerate(found.routes, 1)
    lines = [f"Route #{name}: {' '.join(str(stop) for stop in stops)}" for name, stops in routes]
    return "\n".join([*lines, f"Cost {found.cost:.1f}"])
