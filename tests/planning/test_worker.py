"""The planner's process over its socket, with the real road engine on the demo city."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from msgspec.structs import replace

from cloud.planning.client import PlannerClient, PlannerUnavailable
from cloud.planning.problem import Job, Location, Problem, Vehicle
from cloud.planning.questions import (
    Answer,
    Expected,
    Refused,
    Solved,
    SolveRequest,
    SolverName,
)
from cloud.roads.engine import url_of
from cloud.roads.hours import Week
from cloud.roads.keeper import NOW
from cloud.roads.timed import data_set
from tests.parts.planner import PlannerProcess, planner_process
from tests.parts.ports import free_port
from tests.parts.roads_engine import RoadEngine, roads_engine
from tests.planning.streets import at
from tests.roads.test_keeper import everywhere, roads_process

pytestmark = [pytest.mark.slow, pytest.mark.alone]

DEPOT = Location(lat=-29.9082, lon=-71.2489)
MALL = Location(lat=-29.9131, lon=-71.2585)
HARBOUR = Location(lat=-29.9533, lon=-71.3393)
SEA = Location(lat=-29.93, lon=-71.45)


@pytest.fixture(scope="module")
def roads() -> Iterator[RoadEngine]:
    with roads_engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def planner(
    roads: RoadEngine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PlannerProcess]:
    with planner_process(tmp_path_factory.mktemp("run") / "planner.sock", roads.url) as running:
        yield running


def day_in_the_city(*doors: Location, vans: int = 1) -> Problem:
    jobs = [
        Job(id=f"order-{number}", size=1, delivery=number, pickup=0, service_s=120)
        for number, _ in enumerate(doors, start=1)
    ]
    shift: dict[str, Any] = {"available_from": at(8), "shift_end": at(18)}
    vehicles = [
        Vehicle(id=f"van-{k}", start=0, end=0, capacity=50, loads_at_start=True, **shift)
        for k in range(vans)
    ]
    return Problem(locations=(DEPOT, *doors), vehicles=tuple(vehicles), jobs=tuple(jobs))


def spread(doors: int) -> list[Location]:
    """Doors between the depot and the harbour road, each a little farther."""
    return [Location(lat=-29.906 - k * 0.0003, lon=-71.2500 - k * 0.0001) for k in range(doors)]


def ask(planner: PlannerProcess, request: SolveRequest, *, timeout_s: float = 30) -> Solved:
    return asyncio.run(PlannerClient(planner.socket).solve(request, timeout_s=timeout_s))


async def _say(socket: Path, line: bytes) -> Answer:
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(line)
    await writer.drain()
    said = await reader.readline()
    writer.transport.abort()
    await writer.wait_closed()
    answer: Answer = msgspec.json.decode(said, type=Answer)
    return answer


def refusal(planner: PlannerProcess, line: bytes) -> str:
    answer = asyncio.run(_say(planner.socket, line))
    assert isinstance(answer, Refused)
    return answer.reason


def problem_line(job: bytes, more: bytes = b"") -> bytes:
    """A request as it stands on the wire, with one job (or none) and further fields."""
    problem = b'{"locations":[],"vehicles":[],"jobs":[%s]}' % job
    return b'{"type":"solve","problem":%s%s}\n' % (problem, more)


@pytest.mark.parametrize("solver", ["auto", "ortools"])
def test_a_day_is_planned_on_real_streets(planner: PlannerProcess, solver: SolverName) -> None:
    request = SolveRequest(
        problem=day_in_the_city(MALL, HARBOUR, vans=2), solver=solver, seconds=0.5
    )
    solved = ask(planner, request)
    assert solved.check == ()
    assert not solved.plan.unserved
    assert 15_000 < solved.plan.cost.distance_m < 60_000
    assert solved.seconds < 10


def test_an_order_in_the_sea_is_left_with_the_reason_and_the_rest_is_served(
    planner: PlannerProcess,
) -> None:
    plan = ask(planner, SolveRequest(problem=day_in_the_city(MALL, SEA), seconds=0.3)).plan
    (left,) = plan.unserved
    assert (left.job, left.constraint) == ("order-2", "street")
    assert "no street" in left.reason


def test_a_city_without_any_of_the_places_leaves_all(planner: PlannerProcess) -> None:
    elsewhere = day_in_the_city(SEA)
    moved = msgspec.structs.replace(elsewhere, locations=(SEA, SEA))
    plan = ask(planner, SolveRequest(problem=moved, seconds=0.3)).plan
    assert [left.constraint for left in plan.unserved] == ["street"]


def test_at_noon_an_urgent_order_goes_to_a_van_under_way(
    planner: PlannerProcess,
) -> None:
    doors = spread(120)
    morning = ask(planner, SolveRequest(problem=day_in_the_city(*doors, vans=8), seconds=1)).plan
    vans = [
        Vehicle(
            id=f"van-{k}",
            start=1 + 15 * k,
            end=0,
            available_from=at(12),
            shift_end=at(18),
            capacity=50,
        )
        for k in range(8)
    ]
    jobs = [
        Job(
            id=f"order-{n}",
            size=1,
            delivery=n,
            pickup=None,
            only_vehicle=f"van-{n % 8}",
            service_s=120,
        )
        for n in range(1, 121)
        if n % 15 > 7
    ]
    urgent = Job(id="urgent", size=1, delivery=5, pickup=0, service_s=120, priority="urgent")
    noon = Problem(locations=(DEPOT, *doors), vehicles=tuple(vans), jobs=(*jobs, urgent))
    solved = ask(planner, SolveRequest(problem=noon, seconds=0.5, previous=morning))
    assert solved.check == ()
    assert not solved.plan.unserved
    assert "urgent" in {visit.job for route in solved.plan.routes for visit in route.visits}


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (b"hello\n", "question"),
        (b"\n", "question"),
        (b"{}\n", "type"),
        (b'{"type":"solve"}\n', "problem"),
        (b'{"type":"expected"}\n', "places"),
        (problem_line(b'{"id":"a"}'), "jobs[0]"),
        (problem_line(b'{"id":"a","size":1,"delivery":4}'), "pickup"),
        (problem_line(b'{"id":"a","size":1,"delivery":4,"pickup":4}'), "jobs[0].delivery"),
        (problem_line(b"", b',"seconds":1e9'), "seconds"),
        (problem_line(b"", b',"solver":"guess"'), "solver"),
        (b"\xff\xfe\n", "question"),
        (b"[" * 50_000 + b"\n", "question"),
        (b"x" * 9_000_000 + b"\n", "question"),
    ],
)
def test_bad_input_is_refused_by_its_field(
    planner: PlannerProcess, line: bytes, named: str
) -> None:
    assert named in refusal(planner, line)
    assert ask(planner, SolveRequest(problem=day_in_the_city(MALL), seconds=0.1)).check == ()


def test_a_planner_killed_in_mid_solve_is_a_failed_question_and_the_next_works(
    roads: RoadEngine, tmp_path: Path
) -> None:
    async def killed(planner: PlannerProcess) -> None:
        request = SolveRequest(problem=day_in_the_city(*spread(100)), seconds=20)
        asking = asyncio.create_task(PlannerClient(planner.socket).solve(request, timeout_s=30))
        await asyncio.sleep(1.5)
        os.kill(planner.pid, signal.SIGKILL)
        with pytest.raises(PlannerUnavailable, match="broke off"):
            await asking

    with planner_process(tmp_path / "planner.sock", roads.url) as planner:
        asyncio.run(killed(planner))
        planner.kill()
        with pytest.raises(PlannerUnavailable):
            ask(planner, SolveRequest(problem=day_in_the_city(MALL)))
        planner.start()
        assert ask(planner, SolveRequest(problem=day_in_the_city(MALL), seconds=0.1)).check == ()


def test_who_decides_at_once_is_asked_what_is_quick_and_the_other_when_that_one_is_gone(
    planner: PlannerProcess, roads: RoadEngine, tmp_path: Path
) -> None:
    quick = SolveRequest(problem=day_in_the_city(MALL), solver="insertion", seconds=0.05)
    search = SolveRequest(problem=day_in_the_city(MALL), seconds=0.2)

    async def asked(client: PlannerClient, request: SolveRequest) -> Solved:
        return await client.solve(request, timeout_s=30)

    nobody = tmp_path / "nobody.sock"
    with planner_process(tmp_path / "quick.sock", roads.url) as deciding:
        alone = PlannerClient(nobody, deciding.socket)
        assert asyncio.run(asked(alone, quick)).check == ()
        with pytest.raises(PlannerUnavailable):
            asyncio.run(asked(alone, search))
    left = PlannerClient(planner.socket, nobody)
    assert asyncio.run(asked(left, quick)).plan.solver == "insertion"


def test_what_was_expected_is_known_when_it_is_asked_for(tmp_path: Path) -> None:
    problem = day_in_the_city(*spread(30))
    vans = problem.vehicles
    told = Expected(
        places=problem.locations[:20],
        ends=problem.locations[:1],
        is_whole=True,
        from_s=min(van.available_from for van in vans),
        until_s=max(van.shift_end for van in vans),
        now=min(van.available_from for van in vans),
    )
    further = replace(told, places=problem.locations[20:], is_whole=False)
    elsewhere = replace(further, ends=(Location(lat=-29.93, lon=-71.45),))

    async def expect(socket: Path) -> None:
        client = PlannerClient(socket)
        for one in (elsewhere, told, further):
            await client.expect(one, timeout_s=30)

    request = SolveRequest(problem=problem, solver="insertion", seconds=0.05)
    with (
        roads_engine() as engine,
        planner_process(tmp_path / "planner.sock", engine.url) as planner,
    ):
        asyncio.run(expect(planner.socket))
        engine.stop()
        assert ask(planner, request).check == ()
        with pytest.raises(PlannerUnavailable):
            ask(planner, replace(request, seconds=0.2))


def test_who_hangs_over_a_quick_question_is_given_up_for_the_other(
    planner: PlannerProcess, roads: RoadEngine, tmp_path: Path
) -> None:
    quick = SolveRequest(problem=day_in_the_city(MALL), solver="insertion", seconds=0.05)

    async def asked(client: PlannerClient) -> Solved:
        return await client.solve(quick, timeout_s=30)

    with planner_process(tmp_path / "quick.sock", roads.url) as hanging:
        os.kill(hanging.pid, signal.SIGSTOP)
        begun = time.monotonic()
        assert asyncio.run(asked(PlannerClient(planner.socket, hanging.socket))).check == ()
        assert time.monotonic() - begun < 15


def test_a_caller_that_leaves_ends_its_search(planner: PlannerProcess) -> None:
    long = SolveRequest(problem=day_in_the_city(*spread(100), vans=4), seconds=60)
    with pytest.raises(PlannerUnavailable, match="within 1 s"):
        ask(planner, long, timeout_s=1)
    begun = time.monotonic()
    ask(planner, SolveRequest(problem=day_in_the_city(MALL), seconds=0.1))
    assert time.monotonic() - begun < 5


def test_a_planner_that_hangs_is_given_up(tmp_path: Path) -> None:
    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)
        writer.close()

    async def asked() -> None:
        socket = tmp_path / "hung.sock"
        server = await asyncio.start_unix_server(hang, socket)
        doors = [MALL] * 4_900
        request = SolveRequest(problem=day_in_the_city(*doors))
        begun = time.monotonic()
        with pytest.raises(PlannerUnavailable, match="within"):
            await PlannerClient(socket).solve(request, timeout_s=0.5)
        assert time.monotonic() - begun < 5
        server.close()

    asyncio.run(asked())


def test_the_planner_ends_at_once_when_it_is_told_to(roads: RoadEngine, tmp_path: Path) -> None:
    async def stopped(planner: PlannerProcess) -> float:
        request = SolveRequest(problem=day_in_the_city(*spread(100)), seconds=60)
        asking = asyncio.create_task(PlannerClient(planner.socket).solve(request, timeout_s=90))
        await asyncio.sleep(1.5)
        begun = time.monotonic()
        code = await asyncio.to_thread(planner.terminate)
        assert code == 0
        with pytest.raises(PlannerUnavailable):
            await asking
        return time.monotonic() - begun

    with planner_process(tmp_path / "planner.sock", roads.url) as planner:
        assert asyncio.run(stopped(planner)) < 3
        assert not planner.socket.exists()


def test_the_socket_is_for_the_owner_only(planner: PlannerProcess) -> None:
    assert planner.socket.stat().st_mode & 0o077 == 0


def test_the_planner_yields_the_cores_to_the_rest(planner: PlannerProcess) -> None:
    assert os.getpriority(os.PRIO_PROCESS, planner.pid) >= 10


def test_too_many_questions_are_turned_away_and_none_is_lost(planner: PlannerProcess) -> None:
    request = SolveRequest(problem=day_in_the_city(MALL), seconds=0.05)

    async def many() -> list[Solved | BaseException]:
        asked = [PlannerClient(planner.socket).solve(request, timeout_s=60) for _ in range(40)]
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(many())
    refused = [answer for answer in answers if isinstance(answer, PlannerUnavailable)]
    assert refused
    assert len(refused) + sum(isinstance(answer, Solved) for answer in answers) == 40


def test_a_road_engine_that_is_gone_is_named(tmp_path: Path) -> None:
    with (
        planner_process(tmp_path / "p.sock", f"http://127.0.0.1:{free_port()}") as lost,
        pytest.raises(PlannerUnavailable, match="roads"),
    ):
        ask(lost, SolveRequest(problem=day_in_the_city(MALL)))


def test_plans_follow_the_hour_and_outlive_its_engines(tmp_path: Path) -> None:
    """At eight everybody is slow: the same round takes longer, and a promise is not made then."""
    begins = 1_790_553_600 + 8 * 3_600  # 2026-09-28, a Monday, in UTC
    classes = tuple(int(hour == 8) for hour in range(24)) * 3

    def round_from(hour: int, now: int | None = None) -> Solved:
        at_s = begins + (hour - 8) * 3_600
        shift = {"available_from": at_s, "shift_end": at_s + 3_600}
        whole = day_in_the_city(MALL)
        vehicles = tuple(msgspec.structs.replace(one, **shift) for one in whole.vehicles)
        problem = msgspec.structs.replace(whole, vehicles=vehicles)
        return ask(running, SolveRequest(problem=problem, seconds=0.2, now=now))

    with (
        roads_process(tmp_path) as served,
        planner_process(
            tmp_path / "planner.sock", url_of(served.port), tmp_path / "roads"
        ) as running,
    ):
        for number, kmh in enumerate((40, 10)):
            asyncio.run(served.desk.publish(data_set(number), everywhere(kmh)))
        served.desk.write_week(Week(zone="UTC", classes=classes))
        rush, free = round_from(8), round_from(9)
        assert (rush.check, free.check) == ((), ())
        assert 2 * free.plan.cost.drive_s < rush.plan.cost.drive_s < 5 * free.plan.cost.drive_s
        asyncio.run(served.desk.publish(NOW, everywhere(5)))
        assert round_from(9, begins + 3_600).plan.cost.drive_s > rush.plan.cost.drive_s
        assert served.process is not None
        keeper = psutil.Process(served.process.pid)
        keeper.suspend()  # nobody starts an engine again
        try:
            for process in keeper.children():
                if str(served.folder / "roads" / "hours-") in " ".join(process.cmdline()):
                    process.kill()
            newest = round_from(9)
        finally:
            keeper.resume()
        assert newest.check == ()
        assert newest.plan.cost.drive_s > rush.plan.cost.drive_s
