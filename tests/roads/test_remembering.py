"""What is told of places that are known already is what the engine tells."""

import asyncio
import random
from math import cos, hypot, radians
from typing import cast

import numpy as np
import pytest

from bench.city_days import doors
from cloud.roads.client import RoadsClient
from cloud.roads.model import Matrix, NoStreetNear, Point, RoadsUnavailable
from cloud.roads.remembering import MOST_PLACES, RememberedTables
from tests.parts.roads_engine import RoadEngine, demo_city

pytestmark = pytest.mark.slow

SEA = Point(-29.93, -71.45)
ROUNDED_S = 2


class Counting(RoadsClient):
    """Counts the questions of the lane that whole tables take."""

    asked = 0

    async def table(self, points, **given) -> Matrix:  # type: ignore[no-untyped-def]
        self.asked += 1
        return await super().table(points, **given)


class Straight:
    """Tells the way along a grid, ``times`` as long, and counts; nothing of it is an engine's."""

    url = ""

    def __init__(self) -> None:
        self.times = 1
        self.asked = 0
        self.told = 0

    async def table(self, points, rows=None, columns=None) -> Matrix:  # type: ignore[no-untyped-def]
        self.told += 1
        self.asked += rows is None and columns is None
        at = np.array([(one.lat, one.lon) for one in points])
        away = np.abs(at[:, None] - at[None]).sum(axis=2) * 1e5 * self.times
        far = np.rint(away).astype(np.int32)
        far = far[:, range(len(points)) if columns is None else columns]
        far = far[range(len(points)) if rows is None else rows]
        return Matrix(far, far.copy())


def line(count: int, *, lon: float = 0.0) -> list[Point]:
    return [Point(at / 1_000, lon) for at in range(count)]


def places(count: int) -> list[Point]:
    return [Point(at.lat, at.lon) for at in doors(demo_city(), count, random.Random(3))]


def test_a_data_set_that_is_let_go_still_answers_who_asked_it(engine: RoadEngine) -> None:
    async def ask() -> Matrix:
        tables = RememberedTables(RoadsClient(engine.url, lane="bulk"), RoadsClient(engine.url))
        asking = asyncio.create_task(tables.table(places(60)))
        await asyncio.sleep(0)
        closing = asyncio.create_task(tables.close_unused())
        told = await asking
        await closing
        with pytest.raises(RoadsUnavailable):
            await tables.table(places(2))
        return told

    assert asyncio.run(ask()).seconds.shape == (60, 60)


def test_a_new_place_costs_a_row_and_a_column(engine: RoadEngine) -> None:
    async def ask() -> None:
        bulk = Counting(engine.url, lane="bulk")
        tables = RememberedTables(bulk, RoadsClient(engine.url))
        known = places(30)
        await tables.table(known[:28])
        every = range(len(known))
        mixed = [*known[5:], known[0], known[5]]
        told = await tables.table(mixed, is_quick=True, ends=range(len(mixed)))
        again = await tables.table(known, is_quick=True, ends=every)
        assert bulk.asked == 1
        for points, found in ((mixed, told), (known, again)):
            whole = await bulk.table(points)
            assert np.array_equal(found.seconds, whole.seconds)
            assert np.array_equal(found.metres, whole.metres)
        await tables.close()

    asyncio.run(ask())


def test_to_a_new_place_the_best_way_leads_from_nearby_and_a_way_over_there_from_elsewhere(
    engine: RoadEngine,
) -> None:
    async def ask() -> None:
        bulk = RoadsClient(engine.url, lane="bulk")
        tables = RememberedTables(bulk, RoadsClient(engine.url))
        points = places(80)
        new, end = 79, 3
        await tables.table(points[:new])
        told = await tables.table(points, is_quick=True, ends=[end])
        whole = await bulk.table(points)
        here = points[new]
        near = sorted(
            range(80),
            key=lambda at: hypot(
                points[at].lat - here.lat, (points[at].lon - here.lon) * cos(radians(here.lat))
            ),
        )[:20]
        for found, true in (
            (told.seconds[new], whole.seconds[new]),
            (told.seconds[:, new], whole.seconds[:, new]),
        ):
            assert np.array_equal(found[[*near, end]], true[[*near, end]])
            assert (found >= true - ROUNDED_S).all(), "a way that can be driven is never too short"
            assert np.median(found - true) <= 150, "and seldom much longer"
        assert np.array_equal(told.seconds[:new, :new], whole.seconds[:new, :new])
        with pytest.raises(NoStreetNear) as told_far:
            await tables.table([*points[:60], SEA], is_quick=True)
        assert list(told_far.value.far_m) == [60]
        await tables.close()

    asyncio.run(ask())


def test_what_is_expected_is_learned_before_and_who_asks_meanwhile_waits_for_it() -> None:
    async def ask() -> None:
        grid, rows = Straight(), Straight()
        tables = RememberedTables(cast(RoadsClient, grid), cast(RoadsClient, rows))
        known, depot = line(30), Point(0.0, 0.0)
        await tables.expect(known[29:], [depot], is_whole=False)
        assert grid.asked == 0, "of a day that nobody has told it knows nothing to add it to"
        await tables.expect(known[:28], [depot], is_whole=True)
        assert grid.asked == 1
        waiting = asyncio.create_task(tables.expect(known[28:], [depot], is_whole=False))
        await asyncio.sleep(0)
        told = await tables.table(known, is_quick=True, ends=[0])
        await waiting
        assert grid.asked == 1
        assert rows.told == 2, "a row and a column, for who expects it"
        assert np.array_equal(told.seconds, (await grid.table(known)).seconds)

    asyncio.run(ask())


def test_a_day_of_the_most_places_is_still_known_when_a_door_is_one_too_many() -> None:
    async def ask() -> None:
        grid = Straight()
        tables = RememberedTables(cast(RoadsClient, grid), cast(RoadsClient, Straight()))
        known = line(MOST_PLACES + 1)
        await tables.expect(known[:-1], known[:1], is_whole=True)
        await tables.expect(known[-1:], known[:1], is_whole=False)
        await tables.table(known, is_quick=True, ends=[0])
        assert grid.asked == 1

    asyncio.run(ask())


def test_a_place_without_a_street_is_left_out_of_what_is_expected(engine: RoadEngine) -> None:
    async def ask() -> None:
        bulk = Counting(engine.url, lane="bulk")
        tables = RememberedTables(bulk, RoadsClient(engine.url))
        known = places(30)
        await tables.expect([*known, SEA], known[:1], is_whole=True)
        asked = bulk.asked
        told = await tables.table(known, is_quick=True, ends=[0])
        assert told.seconds.shape == (30, 30)
        assert bulk.asked == asked
        await tables.close()

    asyncio.run(ask())


def test_a_search_asks_for_all_of_it_anew_and_so_does_who_knows_too_little(
    engine: RoadEngine,
) -> None:
    async def ask() -> None:
        bulk = Counting(engine.url, lane="bulk")
        tables = RememberedTables(bulk, RoadsClient(engine.url))
        known = places(60)
        await tables.table(known[:30], is_quick=True)
        await tables.table(known[:30])
        await tables.table(known, is_quick=True)
        assert bulk.asked == 3
        await tables.close()

    asyncio.run(ask())


def test_a_new_place_without_a_street_is_named(engine: RoadEngine) -> None:
    async def ask() -> None:
        tables = RememberedTables(RoadsClient(engine.url, lane="bulk"), RoadsClient(engine.url))
        known = places(5)
        await tables.table(known)
        with pytest.raises(NoStreetNear) as told:
            await tables.table([*known, SEA], is_quick=True)
        assert list(told.value.far_m) == [5]
        await tables.close()

    asyncio.run(ask())


def test_an_older_table_is_never_taken_before_a_newer_one_nor_one_from_before_a_closure() -> None:
    async def ask() -> None:
        engine, drawn = Straight(), ["open"]
        both = cast("RoadsClient", engine)
        tables = RememberedTables(both, both, lambda: drawn[0])
        day, new = line(40), Point(0.2, 0.0)
        await tables.table(day)
        engine.times = 10
        await tables.table(day[:-1])
        told = await tables.table([*day, new], is_quick=True, ends=[0])
        assert told.seconds[0, 5] == 5_000
        assert engine.asked == 2
        engine.times, drawn[0] = 20, "closed"
        told = await tables.table([*day, new], is_quick=True, ends=[0])
        assert told.seconds[0, 5] == 10_000
        assert engine.asked == 3

    asyncio.run(ask())


def test_each_place_of_many_new_ones_side_by_side_has_the_ways_of_its_own() -> None:
    async def ask() -> None:
        engine = Straight()
        both = cast("RoadsClient", engine)
        tables = RememberedTables(both, both)
        known, new = line(60), line(24, lon=1.0)
        await tables.table(known)
        told = await tables.table(known + new, is_quick=True)
        true = await engine.table(known + new)
        assert engine.asked == 2, "the test's own and the first"
        assert (told.seconds >= true.seconds).all()
        assert np.array_equal(told.seconds[:60, :60], true.seconds[:60, :60])
        assert np.array_equal(told.seconds[60:, 60:], true.seconds[60:, 60:])
        assert (told.seconds - true.seconds).max() <= 2 * true.seconds[0, 59]
        elsewhere = line(3, lon=2.0)
        told = await tables.table(elsewhere, is_quick=True)
        assert np.array_equal(told.seconds, (await engine.table(elsewhere)).seconds)

    asyncio.run(ask())
