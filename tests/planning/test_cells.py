"""Dividing and joining: nothing lost, nothing doubled, what belongs together stays together."""

import asyncio
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cloud.planning.cells.checking import check_in_cells
from cloud.planning.cells.child import CellTask
from cloud.planning.cells.division import WHOLE_ORDERS, Cell, Ground, divided
from cloud.planning.cells.joining import Piece, joined, sewn_in
from cloud.planning.cells.planning import halved_share, lines, planned_in_cells, rescue_s
from cloud.planning.cells.processes import SearchProcess
from cloud.planning.cells.seams import Standing, borders, rescues
from cloud.planning.check import check
from cloud.planning.cli import main
from cloud.planning.files import MatrixRows, ProblemFile
from cloud.planning.portion import Portion, portion
from cloud.planning.problem import Location, Problem, RouteStep
from cloud.planning.questions import SolveRequest
from cloud.planning.solution import Plan
from cloud.planning.solvers.keeping import prices_kept
from cloud.planning.solvers.port import SolverFailed
from cloud.planning.solvers.schedule import price_of
from cloud.planning.solvers.solving import solve
from cloud.roads.model import Matrix, RoadsUnavailable
from tests.planning.streets import aboard, at, order, van, van_under_way

type Roads = tuple[Matrix, dict[int, float]]


def roads_of(problem: Problem) -> Matrix:
    """As the crow flies, at 10 m/s."""
    at = np.array([(each.lat, each.lon) for each in problem.locations]) * 100_000
    metres = np.hypot(*np.moveaxis(at[:, None] - at[None, :], 2, 0))
    return Matrix(np.rint(metres / 10).astype(np.int32), np.rint(metres).astype(np.int32))


async def table(part: Portion) -> Roads:
    return roads_of(part.problem), {}


@st.composite
def regions(draw: st.DrawFn) -> Problem:
    """A few depots; vans that load, are under way, locked, skilled; jobs bound, banned and free."""
    dice = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    depots, vans, jobs = (draw(st.integers(1, most)) for most in (4, 9, 40))
    spots = [Location(lat=float(y), lon=float(x)) for y, x in dice.uniform(0, 0.4, (depots, 2))]
    doors = [Location(lat=float(y), lon=float(x)) for y, x in dice.uniform(0, 0.4, (jobs, 2))]
    fleet = []
    for k in range(vans):
        skills = ("cold",) if dice.random() < 0.3 else ()
        depot = int(dice.integers(depots))
        start = depots + int(dice.integers(jobs))
        is_home = dice.random() < 0.6
        fleet.append(
            van(f"van-{k}", depot, end=depot, skills=skills, loads_at=depot)
            if is_home
            else van_under_way(
                f"van-{k}", start, end=depot, skills=skills, loads_at=depot if k % 2 else None
            )
        )
    orders = []
    for k in range(jobs):
        bound = f"van-{dice.integers(vans)}"
        given: dict[str, Any] = {
            "needs": ("cold",) if dice.random() < 0.2 else (),
            "banned_vehicles": (bound,) if dice.random() < 0.1 else (),
            "previous_vehicle": bound if dice.random() < 0.2 else None,
        }
        if dice.random() < 0.3:
            orders.append(aboard(f"o{k}", depots + k, bound))
        else:
            pickup = int(dice.integers(depots)) if dice.random() < 0.8 else depots
            pinned = bound if dice.random() < 0.2 else None
            given |= {"pickup": pickup, "only_vehicle": pinned}
            orders.append(order(f"o{k}", depots + k, **given))
    locked = orders[0]
    if locked.pickup is None:
        step = RouteStep(job=locked.id, kind="delivery")
        fleet = [
            replace(each, locked=(step,)) if each.id == locked.only_vehicle else each
            for each in fleet
        ]
    return Problem(locations=(*spots, *doors), vehicles=tuple(fleet), jobs=tuple(orders))


@given(regions(), st.integers(1, 12))
@settings(max_examples=200, deadline=None)
def test_each_van_and_each_job_is_in_one_cell_and_pins_are_kept(
    problem: Problem, most: int
) -> None:
    cells = divided(problem, whole=0, most=most)
    assert sorted(at for cell in cells for at in cell.vehicles) == list(
        range(len(problem.vehicles))
    )
    assert sorted(at for cell in cells for at in cell.jobs) == list(range(len(problem.jobs)))
    for cell in cells:
        vans = {problem.vehicles[at].id for at in cell.vehicles}
        for job in (problem.jobs[index] for index in cell.jobs):
            assert job.only_vehicle is None or job.only_vehicle in vans
        assert portion(problem, cell.vehicles, cell.jobs).problem.policy == problem.policy


@given(regions(), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_what_is_joined_passes_the_check_and_loses_nothing(problem: Problem, most: int) -> None:
    pieces = planned_pieces(problem, divided(problem, whole=0, most=most))
    plan = joined(problem, pieces)
    assert check_in_cells(problem, pieces, plan) == ()
    assert check(problem, roads_of(problem), plan) == ()


@given(regions(), st.integers(1, 12), st.integers(5, 30))
@settings(max_examples=60, deadline=None)
def test_seams_lose_nothing_break_no_rule_and_never_cost_more(
    problem: Problem, most: int, seam: int
) -> None:
    ground = Ground(problem, None)
    pieces = planned_pieces(problem, divided(problem, whole=0, most=most))
    for seams in (
        partial(borders, most=seam),
        partial(rescues, is_near=True),
        partial(rescues, is_near=False),
    ):
        before, found = joined(problem, pieces), seams(Standing(ground, pieces))
        vans = [van for cell in found for van in cell.vehicles]
        jobs = [job for cell in found for job in cell.jobs]
        assert len(set(vans)) == len(vans)
        assert len(set(jobs)) == len(jobs)
        pieces = sewn_in(pieces, before, planned_pieces(problem, found, before))
        after = joined(problem, pieces)
        assert check_in_cells(problem, pieces, after) == ()
        assert check(problem, roads_of(problem), after) == ()
        assert price_of(problem, after) <= price_of(problem, before) + 1e-6


def planned_pieces(
    problem: Problem, cells: tuple[Cell, ...], previous: Plan | None = None
) -> list[Piece]:
    pieces = []
    for cell in cells:
        part = portion(problem, cell.vehicles, cell.jobs)
        request = SolveRequest(problem=part.problem, solver="insertion", previous=previous)
        matrix = roads_of(problem).cut(part.places)
        pieces.append(Piece(part, matrix, solve(request, matrix)))
    return pieces


def two_towns(orders: int = 20, vans: int = 4) -> Problem:
    """Two depots 20 km apart, doors around them, an order in each town that only cold vans take."""
    dice = np.random.default_rng(5)
    middles = [(0.0, 0.0), (0.2, 0.0)]
    spots = [Location(lat=lat, lon=lon) for lat, lon in middles]
    jobs = []
    for k in range(orders):
        lat, lon = middles[k % 2]
        spots.append(Location(lat=lat + dice.normal(0, 0.02), lon=lon + dice.normal(0, 0.02)))
        needs = ("cold",) if k < 2 else ()
        jobs.append(order(f"o{k}", k + 2, pickup=k % 2, needs=needs))
    fleet = [
        van(f"van-{k}", k % 2, end=k % 2, skills=("cold",) if k < 2 else ()) for k in range(vans)
    ]
    return Problem(locations=tuple(spots), vehicles=tuple(fleet), jobs=tuple(jobs))


def test_orders_and_vans_go_with_their_depot() -> None:
    problem = two_towns()
    cells = divided(problem, whole=0, most=100)
    assert len(cells) == 2
    for cell in cells:
        assert len({problem.vehicles[at].start for at in cell.vehicles}) == 1
        assert {problem.jobs[at].pickup for at in cell.jobs} == {
            problem.vehicles[cell.vehicles[0]].start
        }


def test_a_depot_with_too_many_orders_is_halved_with_vans_and_skills_in_proportion() -> None:
    problem = two_towns(400, 40)
    cells = divided(problem, whole=0, most=100)
    assert len(cells) == 4
    for cell in cells:
        assert 90 <= len(cell.jobs) <= 110
        assert 8 <= len(cell.vehicles) <= 12
        some = portion(problem, cell.vehicles, cell.jobs).problem
        if any(job.needs for job in some.jobs):
            assert any(each.skills for each in some.vehicles)


def test_a_small_problem_is_one_cell() -> None:
    problem = two_towns(20)
    assert divided(problem) == (Cell(tuple(range(4)), tuple(range(20))),)
    assert WHOLE_ORDERS >= 1_000


def test_rounds_of_the_plan_before_are_not_torn() -> None:
    problem = two_towns(80, 8)
    plan = joined(problem, planned_pieces(problem, divided(problem, whole=0, most=100)))
    fleet = tuple(
        replace(each, in_force=tuple(RouteStep(job=v.job, kind=v.kind) for v in route.visits))
        for each, route in zip(problem.vehicles, plan.routes, strict=True)
    )
    van_of = {visit.job: route.vehicle for route in plan.routes for visit in route.visits}
    for again, previous in ((replace(problem, vehicles=fleet), None), (problem, plan)):
        for cell in divided(again, previous, whole=0, most=20):
            vans = {again.vehicles[at].id for at in cell.vehicles}
            assert {van_of[again.jobs[at].id] for at in cell.jobs} <= vans


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.integers(1, 8))
def test_lines_have_each_cell_once(sizes: list[int], count: int) -> None:
    dealt = lines(sizes, count)
    assert sorted(at for line in dealt for at in line) == list(range(len(sizes)))
    assert all(dealt)


def test_only_depots_that_were_halved_have_borders() -> None:
    cells = (Cell((0,), (0, 1, 2)), Cell((1,), (3,)), Cell((2,), (4,)))
    assert halved_share(cells, home=[0, 0, 1]) == 4 / 5
    assert halved_share(cells, home=[0, 1, 2]) == 0
    problem = two_towns()
    whole = divided(problem, whole=0, most=100)
    assert halved_share(whole, Ground(problem, None).home) == 0


def test_time_is_kept_for_orders_left_out_in_earnest_once_there_are_any() -> None:
    problem = two_towns(60, 4)
    short = replace(problem, vehicles=tuple(problem.vehicles[at] for at in (1, 2, 3)))
    short = replace(
        short, vehicles=(replace(short.vehicles[0], shift_end=at(9)), *short.vehicles[1:])
    )
    all_served, some_left = (
        planned_pieces(each, divided(each, whole=0, most=100)) for each in (problem, short)
    )
    assert not joined(problem, all_served).unserved
    assert joined(short, some_left).unserved
    assert rescue_s(50.0, all_served) < rescue_s(50.0, some_left) < 5.0
    assert rescue_s(1.0, all_served) == rescue_s(1.0, some_left)
    assert rescue_s(50.0, []) > 0


def test_the_checker_finds_what_dividing_could_lose() -> None:
    problem = two_towns()
    cells = divided(problem, whole=0, most=100)
    pieces = planned_pieces(problem, cells)
    plan = joined(problem, pieces)
    assert [one.rule for one in check_in_cells(problem, pieces[:1], plan)].count("cells") >= 10
    busy = next(route for route in plan.routes if route.visits)
    bare = replace(
        plan, routes=tuple(r if r != busy else replace(r, visits=()) for r in plan.routes)
    )
    assert {one.rule for one in check_in_cells(problem, pieces, bare)} >= {"once"}
    elsewhere = replace(
        busy.visits[0],
        location=next(
            at for at in range(len(problem.locations)) if at not in pieces[0].portion.places
        ),
    )
    moved = replace(busy, visits=(elsewhere, *busy.visits[1:]))
    strange = replace(plan, routes=tuple(moved if r == busy else r for r in plan.routes))
    assert {one.rule for one in check_in_cells(problem, pieces, strange)} == {"place"}
    heavier = [
        Piece(replace_portion(pieces[0], weight_g=1), pieces[0].matrix, pieces[0].plan),
        *pieces[1:],
    ]
    assert {one.rule for one in check_in_cells(problem, heavier, plan)} == {"cells"}
    cheap = replace(plan, cost=replace(plan.cost, drive_s=0))
    assert {one.rule for one in check_in_cells(problem, pieces, cheap)} == {"cost"}


def replace_portion(piece: Piece, **changes: Any) -> Any:
    part = piece.portion
    jobs = (replace(part.problem.jobs[0], **changes), *part.problem.jobs[1:])
    return type(part)(replace(part.problem, jobs=jobs), part.places)


@pytest.mark.slow
def test_cells_are_searched_in_processes_and_joined_within_the_time() -> None:
    problem = two_towns(60, 8)
    cells = divided(problem, whole=0, most=20)
    request = SolveRequest(problem=problem, seconds=3.0)
    begun = time.perf_counter()
    plan, found, kept = asyncio.run(planned_in_cells(request, cells, table, ends=begun + 3.0))
    assert found == ()
    assert kept is None
    assert plan.unserved == ()
    assert check(problem, roads_of(problem), plan) == ()
    assert msgspec.json.decode(msgspec.json.encode(plan), type=type(plan)) == plan


@pytest.mark.slow
def test_cells_tell_what_it_costs_to_drive_on_as_planned() -> None:
    bare = two_towns(60, 8)
    planned = solve(SolveRequest(problem=bare, solver="insertion"), roads_of(bare))
    routes = {route.vehicle: route for route in planned.routes}
    vans = tuple(
        replace(
            van,
            in_force=tuple(
                RouteStep(job=visit.job, kind=visit.kind) for visit in routes[van.id].visits
            ),
        )
        for van in bare.vehicles
    )
    problem = replace(bare, vehicles=vans)
    cells = divided(problem, whole=0, most=20)
    assert len(cells) > 1
    request = SolveRequest(problem=problem, seconds=3.0)
    ends = time.perf_counter() + 3.0
    kept = asyncio.run(planned_in_cells(request, cells, table, ends=ends)).kept
    whole = prices_kept(problem, roads_of(problem))
    assert kept is not None
    assert kept.total == pytest.approx(whole.total)
    assert kept.driving == pytest.approx(whole.driving)
    assert kept.unserved == whole.unserved == 0


def test_a_van_of_another_depot_comes_for_what_its_own_cell_cannot_serve() -> None:
    problem = two_towns(60, 4)
    short_shift = replace(problem.vehicles[0], shift_end=at(9))
    short = replace(problem, vehicles=(short_shift, problem.vehicles[1], problem.vehicles[3]))
    pieces = planned_pieces(short, divided(short, whole=0, most=100))
    before = joined(short, pieces)
    assert before.unserved
    assert rescues(Standing(Ground(short, None), pieces), is_near=True) == ()
    seams = rescues(Standing(Ground(short, None), pieces), is_near=False)
    after = joined(short, sewn_in(pieces, before, planned_pieces(short, seams, before)))
    assert len(after.unserved) < len(before.unserved)


@pytest.mark.slow
def test_a_large_file_is_solved_in_cells(tmp_path: Path) -> None:
    problem = two_towns(WHOLE_ORDERS + 40, 120)
    roads = roads_of(problem)
    rows = MatrixRows(
        seconds=tuple(map(tuple, roads.seconds.tolist())),
        metres=tuple(map(tuple, roads.metres.tolist())),
    )
    file = tmp_path / "region.json"
    file.write_bytes(msgspec.json.encode(ProblemFile(problem=problem, matrix=rows)))
    result = CliRunner().invoke(main, ["solve", str(file), "--seconds", "4", "--json"])
    assert result.exit_code == 0, result.output
    found = msgspec.json.decode(result.output)
    plan = msgspec.convert(found["plan"], Plan)
    assert check(problem, roads, plan) == ()
    assert len(plan.unserved) == 0
    for route in plan.routes:
        depot = int(route.vehicle.split("-")[1]) % 2
        assert all(visit.location == depot for visit in route.visits if visit.kind == "pickup")


@pytest.mark.slow
def test_roads_that_fail_end_all_searches() -> None:
    problem = two_towns(60, 8)
    cells = divided(problem, whole=0, most=20)
    asked: list[Portion] = []

    async def failing(part: Portion) -> Roads:
        asked.append(part)
        if len(asked) == 3:
            raise RoadsUnavailable("roads: gone")
        return await table(part)

    request = SolveRequest(problem=problem, seconds=30.0)
    begun = time.perf_counter()
    with pytest.raises(RoadsUnavailable):
        asyncio.run(planned_in_cells(request, cells, failing, ends=begun + 30.0))
    assert time.perf_counter() - begun < 20


@pytest.mark.slow
def test_a_search_fails_by_name_when_its_process_is_killed() -> None:
    problem = two_towns(60, 8)
    task = CellTask(SolveRequest(problem=problem, seconds=60.0), roads_of(problem), {}, cores=1)

    async def killed() -> None:
        before = set(psutil.Process().children())
        async with await SearchProcess.started() as process:
            (child,) = set(psutil.Process().children()) - before
            searching = asyncio.create_task(process.plan(task))
            await asyncio.sleep(1.0)
            child.kill()
            await searching

    with pytest.raises(SolverFailed, match="cells: the process of a search ended"):
        asyncio.run(killed())
