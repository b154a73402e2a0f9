"""Which times of the next day have travel times of their own, and what a plan reads of them."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.foundation.clock import RealClock
from cloud.foundation.database import Database
from cloud.roads import store
from cloud.roads.ahead import HORIZON_S, MOST_SETS, Foreseen, overlaid, parts, says_as_much, steady
from cloud.roads.hours import Timetable, Week
from cloud.roads.keeper import ENGINES
from cloud.roads.publisher import SpeedPublisher
from cloud.roads.speeds import RoadRule
from cloud.roads.timed import TimedRoads
from cloud.roads.ways import TimedWays
from tests.parts.migrated import upgrade
from tests.parts.roads_engine import demo_city
from tests.roads.test_keeper import HARBOUR, PLAZA, roads_process

MONDAY = int(datetime(2026, 11, 23, tzinfo=UTC).timestamp())
NOW = MONDAY + 8 * 3_600
WEEK = Week(zone="UTC", classes=tuple(hour % 24 // 8 for hour in range(72)))
"""Nights, days and evenings."""


def rule(name: str, *, begins: float | None = None, ends: float | None = None) -> RoadRule:
    """A closure whose place tells it from others; hours from eight o'clock."""
    at = float(sum(map(ord, name)))
    return RoadRule(
        id=name, name=name, kind="closed", points=((at / 1e3, 0.0), (at / 1e3, 0.1)),
        is_area=False,
        from_s=None if begins is None else NOW + begins * 3_600,
        until_s=None if ends is None else NOW + ends * 3_600,
    )  # fmt: skip


@st.composite
def rules(draw: st.DrawFn) -> list[RoadRule]:
    hours = st.one_of(st.none(), st.floats(-5, 40))
    names = [chr(ord("a") + number) for number in range(draw(st.integers(0, 7)))]
    return [rule(name, begins=draw(hours), ends=draw(hours)) for name in names]


@given(rules(), st.sampled_from([None, WEEK]))
def test_what_is_given_holds_then_and_is_in_order_and_bounded(
    some: list[RoadRule], week: Week | None
) -> None:
    usual = steady(some, NOW)
    found = parts(some, week, NOW, usual)
    assert len({one.kind for one in found}) <= MOST_SETS
    assert found == sorted(found, key=lambda one: one.begins_s)
    for one in found:
        assert NOW <= one.begins_s < one.ends_s <= NOW + HORIZON_S
        middle = (one.begins_s + one.ends_s) // 2
        assert {r.id for r in one.rules} == {r.id for r in some if r.holds(middle)}
    assert all(one.ends_s <= after.begins_s for one, after in pairwise(found))


@given(rules())
def test_what_holds_now_and_not_all_day_is_always_among_it(some: list[RoadRule]) -> None:
    usual = steady(some, NOW)
    holding = {r.id for r in some if r.holds(NOW)}
    if holding != {r.id for r in usual}:
        first = parts(some, WEEK, NOW, usual)[0]
        assert (first.begins_s, {r.id for r in first.rules}) == (NOW, holding)


def test_each_class_of_hours_in_a_closure_has_its_own_until_there_are_too_many() -> None:
    over_two = [rule("a", begins=6, ends=9)]
    assert [one.number for one in parts(over_two, WEEK, NOW, ())] == [1, 2]
    many = [rule(name, begins=4 + at, ends=10 + at) for at, name in enumerate("abc")]
    found = parts(many, WEEK, NOW, ())
    assert len({one.kind for one in found}) <= MOST_SETS
    assert found[0].begins_s == NOW + 4 * 3_600, "the next ones first"


@given(
    st.lists(st.integers(1, 900), max_size=6),
    st.lists(st.integers(0, 2), min_size=7, max_size=7),
    st.integers(-100, 6_000),
)
def test_a_span_laid_over_a_timetable_holds_there_and_nowhere_else(
    steps: list[int], classes: list[int], at_s: int
) -> None:
    changes = [sum(steps[:number]) for number in range(len(steps) + 1)]
    usual = Timetable(changes=tuple(changes), classes=tuple(classes[: len(changes)]))
    over = overlaid(usual, [(1_000, 2_000, 7), (2_000, 2_500, 8)])
    expected = 7 if 1_000 <= at_s < 2_000 else 8 if 2_000 <= at_s < 2_500 else None
    if at_s >= 0:
        assert over.class_at(at_s) == (usual.class_at(at_s) if expected is None else expected)


def test_what_is_foreseen_is_told_anew_when_it_says_more_and_not_at_each_look() -> None:
    some = [rule("now", begins=-1, ends=3), rule("later", begins=6, ends=9), rule("on", begins=20)]

    def at(second: int, rules: list[RoadRule] = some) -> list[Foreseen]:
        wanted = parts(rules, None, NOW + second, steady(rules, NOW + second))
        return [one.named(()) for one in wanted]

    assert at(0) != at(20)
    assert says_as_much(at(0), at(20), NOW + 20)
    assert says_as_much(at(0), at(20), NOW + 20.7)
    assert not says_as_much(at(0), at(3_600), NOW + 3_600), "the horizon is an hour farther"
    longer = [replace(some[0], until_s=NOW + 4 * 3_600.0), *some[1:]]
    assert not says_as_much(at(0), at(20, longer), NOW + 20)
    assert not says_as_much(at(0), at(20, some[:2]), NOW + 20)


class Clock(RealClock):
    """It is eight."""

    def now_s(self) -> float:
        return float(NOW)


@pytest.mark.slow
def test_a_street_that_closes_at_two_is_driven_around_from_two_to_four(tmp_path: Path) -> None:
    database = Database(tmp_path / "business.db")
    upgrade(database, "business")

    async def ask() -> None:
        with roads_process(tmp_path) as roads:
            publisher = SpeedPublisher(
                database=database, clock=Clock(), city=demo_city(), desk=roads.desk
            )
            async with roads.client() as client:
                way = await client.route([PLAZA, HARBOUR])
            lon, lat = way.geometry[len(way.geometry) // 2]
            near = ((-1e-4, -1e-4), (-1e-4, 1e-4), (1e-4, 0))
            fair = replace(
                rule("fair", begins=6, ends=8),
                points=tuple((lat + dy, lon + dx) for dy, dx in near),
                is_area=True,
            )
            with database.writing() as connection:
                store.add(connection, "main", fair)
            await publisher.publish(roads.desk)
            await publisher.publish_ahead(roads.desk)
            folder, places = roads.folder / "roads", [PLAZA, HARBOUR]
            async with TimedRoads(folder, roads.client().url) as timed:
                day = await timed.table(places, NOW, NOW + 12 * 3_600, NOW)
                usual, around = (day.travel_s(0, 1, NOW + hour * 3_600) for hour in (5, 7))
                assert usual == way.seconds
                assert around > usual
                assert day.travel_s(0, 1, NOW + 9 * 3_600) == usual
                morning = await timed.table(places, NOW, NOW + 4 * 3_600, NOW)
                assert len(morning.hours.changes) == 1, "what is not driven then is not asked"
                async with roads.client() as client:
                    ways = TimedWays(client, folder, Clock())
                    there = [PLAZA, HARBOUR, PLAZA]
                    early, late = NOW + 5 * 3_600, NOW + 7 * 3_600
                    assert (await ways.route(there, [early, early])).geometry == (
                        await ways.route(there)
                    ).geometry
                    both = await ways.route(there, [late, early])
                    assert (lon, lat) not in both.geometry[: both.legs[0].last + 1]
                    assert both.legs[0].seconds == around
                    assert both.geometry[both.legs[1].first] == both.geometry[both.legs[0].last]
                    assert both.seconds == sum(leg.seconds for leg in both.legs)
                (folder / ENGINES).write_bytes(b"{}")
                fallen_back = await timed.table(places, NOW, NOW + 12 * 3_600, NOW)
                assert fallen_back.travel_s(0, 1, NOW + 7 * 3_600) == usual
                assert "not served" in timed.problem

    asyncio.run(ask())
    database.close()


@pytest.mark.slow
def test_an_urgent_order_gets_no_times_from_before_a_street_was_closed(tmp_path: Path) -> None:
    database = Database(tmp_path / "business.db")
    upgrade(database, "business")

    async def ask() -> None:
        with roads_process(tmp_path) as roads:
            publisher = SpeedPublisher(
                database=database, clock=Clock(), city=demo_city(), desk=roads.desk
            )
            await publisher.publish(roads.desk)
            async with roads.client() as client:
                way = await client.route([PLAZA, HARBOUR])
            lon, lat = way.geometry[len(way.geometry) // 2]
            near = ((-1e-4, -1e-4), (-1e-4, 1e-4), (1e-4, 0))
            burst = replace(
                rule("burst main"),
                points=tuple((lat + dy, lon + dx) for dy, dx in near),
                is_area=True,
            )
            async with TimedRoads(roads.folder / "roads", roads.client().url) as timed:
                asked = [PLAZA, HARBOUR], NOW, NOW + 3_600, NOW
                before = (await timed.table(*asked)).travel_s(0, 1, NOW)
                with database.writing() as connection:
                    store.add(connection, "main", burst)
                await publisher.publish(roads.desk)
                quick = (await timed.table(*asked, is_quick=True)).travel_s(0, 1, NOW)
                assert quick > before
                assert quick == (await timed.table(*asked)).travel_s(0, 1, NOW)

    asyncio.run(ask())
    database.close()
