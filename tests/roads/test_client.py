"""The client against the real engine on the demo city."""

import asyncio
import time

import pytest

from cloud.roads.client import RoadsClient
from cloud.roads.model import NO_WAY, NoStreetNear, Point, RoadsUnavailable
from tests.parts.ports import free_port
from tests.parts.roads_engine import RoadEngine, demo_city, roads_engine

pytestmark = pytest.mark.slow

PLAZA = Point(-29.9027, -71.2519)
HARBOUR = Point(-29.9533, -71.3393)
MALL = Point(-29.9131, -71.2585)
SEA = Point(-29.93, -71.45)
ELSEWHERE = Point(52.52, 13.40)


def test_an_address_snaps_to_the_street_in_front(engine: RoadEngine) -> None:
    async def ask() -> None:
        async with RoadsClient(engine.url) as roads:
            door = await roads.snap(PLAZA.lat, PLAZA.lon)
        assert door.distance_m < 100
        assert abs(door.lat - PLAZA.lat) < 0.001
        assert abs(door.lon - PLAZA.lon) < 0.001

    asyncio.run(ask())


@pytest.mark.parametrize("place", [SEA, ELSEWHERE])
def test_a_place_without_a_street_is_refused_by_name(engine: RoadEngine, place: Point) -> None:
    async def ask() -> None:
        async with RoadsClient(engine.url) as roads:
            with pytest.raises(NoStreetNear) as told:
                await roads.snap(place.lat, place.lon)
        (problem,) = told.value.problems
        assert problem.field == "lat, lon"
        assert f"{place.lat:.6f}" in problem.problem
        assert "250 m" in problem.remedy

    asyncio.run(ask())


def test_the_matrix_and_the_path_agree(engine: RoadEngine) -> None:
    points = [PLAZA, HARBOUR, MALL]

    async def ask() -> None:
        async with RoadsClient(engine.url) as roads:
            matrix = await roads.table(points)
            path = await roads.route(points)
        assert [leg.seconds for leg in path.legs] == [matrix.seconds[0, 1], matrix.seconds[1, 2]]
        assert [leg.metres for leg in path.legs] == [matrix.metres[0, 1], matrix.metres[1, 2]]
        assert path.metres > 10_000
        assert not matrix.seconds.diagonal().any()

    asyncio.run(ask())


def test_legs_cut_the_geometry_at_the_stops(engine: RoadEngine) -> None:
    points = [PLAZA, MALL, HARBOUR, PLAZA]

    async def ask() -> None:
        async with RoadsClient(engine.url) as roads:
            path = await roads.route(points)
            stops = [await roads.snap(point.lat, point.lon) for point in points]
        corners = [path.geometry[leg.first] for leg in path.legs] + [path.geometry[-1]]
        for corner, stop in zip(corners, stops, strict=True):
            assert corner == pytest.approx((stop.lon, stop.lat), abs=1e-5)
        assert path.legs[-1].last == len(path.geometry) - 1

    asyncio.run(ask())


def test_rows_and_columns_are_parts_of_the_matrix(engine: RoadEngine) -> None:
    points = [PLAZA, HARBOUR, MALL]

    async def ask() -> None:
        async with RoadsClient(engine.url) as roads:
            whole = await roads.table(points)
            row = await roads.table(points, rows=[1])
            column = await roads.table(points, columns=[2])
        assert (row.seconds == whole.seconds[1:2]).all()
        assert (column.metres == whole.metres[:, 2:3]).all()

    asyncio.run(ask())


def test_one_place_is_a_matrix_and_none_is_too(engine: RoadEngine) -> None:
    async def ask() -> None:
        async with RoadsClient(engine.url) as roads:
            assert (await roads.table([PLAZA])).seconds.tolist() == [[0]]
            assert (await roads.table([])).seconds.shape == (0, 0)

    asyncio.run(ask())


def test_a_matrix_larger_than_one_question_is_put_together(engine: RoadEngine) -> None:
    points = [PLAZA, HARBOUR, MALL] * 150

    async def ask() -> None:
        async with RoadsClient(engine.url, lane="bulk") as roads:
            small = await roads.table(points[:3])
            large = await roads.table(points)
        assert large.seconds.shape == (450, 450)
        assert (large.seconds[447:, 447:] == small.seconds).all()
        assert (large.seconds[:3, 447:] == small.seconds).all()

    asyncio.run(ask())


def test_a_path_of_more_points_than_one_question_takes_is_joined(engine: RoadEngine) -> None:
    points = [PLAZA, MALL] * 300

    async def ask() -> None:
        async with RoadsClient(engine.url, lane="bulk") as roads:
            path = await roads.route(points)
        assert len(path.legs) == 599
        assert path.seconds == sum(leg.seconds for leg in path.legs)
        assert path.legs[-1].last == len(path.geometry) - 1

    asyncio.run(ask())


def test_every_place_without_a_street_is_named(engine: RoadEngine) -> None:
    async def ask() -> None:
        async with RoadsClient(engine.url) as roads:
            for far in (SEA, ELSEWHERE):
                with pytest.raises(NoStreetNear) as told:
                    await roads.table([PLAZA, far, MALL, far])
                assert set(told.value.far_m) == {1, 3}
                with pytest.raises(NoStreetNear):
                    await roads.route([PLAZA, far])

    asyncio.run(ask())


def test_no_answer_ends_in_unavailable() -> None:
    async def ask() -> None:
        async with RoadsClient(f"http://127.0.0.1:{free_port()}") as roads:
            with pytest.raises(RoadsUnavailable, match="does not answer"):
                await roads.snap(PLAZA.lat, PLAZA.lon)

    asyncio.run(ask())


def test_an_engine_that_hangs_is_given_up() -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def ask() -> None:
        server = await asyncio.start_server(swallow, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, RoadsClient(f"http://127.0.0.1:{port}", limit_s=0.3) as roads:
            begun = time.monotonic()
            with pytest.raises(RoadsUnavailable):
                await roads.snap(PLAZA.lat, PLAZA.lon)
            assert time.monotonic() - begun < 1

    asyncio.run(ask())


def test_an_answer_that_is_not_the_engines_is_refused() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
        await writer.drain()
        writer.close()

    async def ask() -> None:
        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, RoadsClient(f"http://127.0.0.1:{port}", limit_s=2) as roads:
            with pytest.raises(RoadsUnavailable, match="not understood"):
                await roads.table([PLAZA, MALL])

    asyncio.run(ask())


def test_too_many_questions_at_once_are_turned_away(engine: RoadEngine) -> None:
    async def ask() -> None:
        async with RoadsClient(engine.url, lane="bulk") as roads:
            asked = [roads.snap(PLAZA.lat, PLAZA.lon) for _ in range(40)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, RoadsUnavailable)]
        assert refused
        assert len(answers) - len(refused) == 16

    asyncio.run(ask())


def test_a_restarted_engine_is_found_again() -> None:
    async def ask(engine: RoadEngine) -> None:
        async with RoadsClient(engine.url) as roads:
            before = await roads.table([PLAZA, MALL])
            engine.stop()
            with pytest.raises(RoadsUnavailable):
                await roads.table([PLAZA, MALL])
            await asyncio.to_thread(engine.start)
            after = await roads.table([PLAZA, MALL])
        assert (before.seconds == after.seconds).all()

    with roads_engine(city=demo_city()) as engine:
        asyncio.run(ask(engine))


def test_many_questions_outlive_the_engines_habit_of_closing_connections(
    engine: RoadEngine,
) -> None:
    async def ask() -> None:
        async with RoadsClient(engine.url) as roads:
            for _ in range(12):
                asked = [roads.snap(PLAZA.lat, PLAZA.lon) for _ in range(100)]
                await asyncio.gather(*asked)

    asyncio.run(ask())


def test_an_interactive_question_does_not_wait_behind_a_bulk_one(engine: RoadEngine) -> None:
    points = [PLAZA, HARBOUR, MALL] * 100

    async def ask() -> None:
        async with RoadsClient(engine.url, lane="bulk") as bulk, RoadsClient(engine.url) as roads:
            table = asyncio.create_task(bulk.table(points))
            await asyncio.sleep(0.02)
            await roads.snap(PLAZA.lat, PLAZA.lon)
            assert not table.done()
            matrix = await table
        assert matrix.seconds.max() < NO_WAY

    asyncio.run(ask())


def test_who_waits_when_a_data_set_is_dropped_is_told_that_it_does_not_answer() -> None:
    async def late(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)
        writer.close()

    async def ask() -> None:
        async with await asyncio.start_server(late, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            roads = RoadsClient(f"http://127.0.0.1:{port}", lane="bulk")
            points = [Point(-29.9, -71.2), Point(-29.91, -71.21)]
            asked = [asyncio.create_task(roads.table(points)) for _ in range(2)]
            await asyncio.sleep(0.2)
            await roads.close()
            found = await asyncio.gather(*asked, return_exceptions=True)
            assert [type(one) for one in found] == [RoadsUnavailable] * 2

    asyncio.run(ask())
