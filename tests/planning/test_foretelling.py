"""The planner that decides at once is told of days and doors before it is asked about them."""

import asyncio
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import cast

import pytest

from cloud.foundation.database import Database
from cloud.foundation.settings import Settings
from cloud.planning import foretelling
from cloud.planning.answering import job_of
from cloud.planning.client import PlannerClient, PlannerUnavailable
from cloud.planning.foretelling import Foretelling
from cloud.planning.jobs import About
from cloud.planning.problem import Location, Problem, Vehicle
from cloud.planning.questions import Expected
from cloud.planning.triggers import Cause
from tests.cloud.desk import NOW, TODAY, Desk, open_desk
from tests.planning.office import Office, PlannerHere, until
from tests.planning.streets import at

DAY = "main", "la-serena", date(2026, 11, 24)


class Listening(PlannerHere):
    """Keeps what it is told; by ``is_deaf`` it does not answer."""

    def __init__(self) -> None:
        self.told: list[Expected] = []
        self.is_deaf = False

    async def expect(self, told: Expected, *, timeout_s: float) -> None:
        await super().expect(told, timeout_s=timeout_s)
        self.told.append(told)
        if self.is_deaf:
            raise PlannerUnavailable("planner: it broke off")


class Hour:
    """A clock that is set."""

    speed = 1.0

    def __init__(self, now_s: float) -> None:
        self.now = now_s

    def now_s(self) -> float:
        return self.now

    async def sleep_until(self, instant_s: float) -> None:
        self.now = instant_s


class Passing:
    """What stands for the monotonic clock."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def monotonic(self) -> float:
        return self.s


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> Passing:
    found = Passing()
    monkeypatch.setattr(foretelling, "time", found)
    return found


@pytest.fixture
def desk(tmp_path: Path, kept_in: Settings) -> Iterator[Desk]:
    found = open_desk(tmp_path, kept_in)
    yield found
    found.close()


def problem(places: int = 3) -> Problem:
    van = Vehicle(
        id="van-1", start=0, end=0, capacity=9, available_from=at(8), shift_end=at(18),
        loads_at_start=True,
    )  # fmt: skip
    locations = tuple(Location(lat=-29.9 - number / 1e4, lon=-71.2) for number in range(places))
    return Problem(locations=locations, vehicles=(van,), jobs=())


def ahead(planner: Listening, clock: Hour) -> Foretelling:
    nowhere = Database(Path("never opened"))
    return Foretelling(nowhere, cast(PlannerClient, planner), clock)


def test_a_day_is_told_at_once_and_again_when_its_speeds_grow_old(passing: Passing) -> None:
    planner, clock = Listening(), Hour(at(9))

    async def run() -> None:
        telling = ahead(planner, clock)
        telling.day(DAY, problem())
        await asyncio.sleep(0)
        assert [(one.is_whole, len(one.ends), one.from_s) for one in planner.told] == [
            (True, 1, at(9))
        ]
        for later_s, count in ((390, 1), (20, 2), (390, 2), (20, 3)):
            passing.s += later_s
            telling.again()
            await asyncio.sleep(0)
            assert len(planner.told) == count
        clock.now = at(19)
        passing.s += 1_000
        telling.again()
        assert not telling.knows(DAY), "it is over"

    asyncio.run(run())
    assert len(planner.told) == 3


def test_what_could_not_be_told_is_told_soon_again(passing: Passing) -> None:
    planner = Listening()

    async def run() -> None:
        telling = ahead(planner, Hour(at(9)))
        planner.is_deaf = True
        telling.day(DAY, problem())
        await asyncio.sleep(0)
        planner.is_deaf = False
        for later_s, count in ((20, 1), (20, 2), (60, 2)):
            passing.s += later_s
            telling.again()
            await asyncio.sleep(0)
            assert len(planner.told) == count
        await telling.close()

    asyncio.run(run())


def test_a_day_to_come_is_told_when_it_is_near_and_one_of_too_many_places_never() -> None:
    planner, clock = Listening(), Hour(at(4))

    async def run() -> None:
        telling = ahead(planner, clock)
        telling.day(DAY, problem())
        telling.day(("main", "south", DAY[2]), problem(1_001))
        await asyncio.sleep(0)
        assert planner.told == []
        clock.now = at(7) + 60
        telling.again()
        await asyncio.sleep(0)
        assert len(planner.told) == 1

    asyncio.run(run())


def test_the_door_of_an_urgent_order_is_told_while_its_day_is_read(desk: Desk) -> None:
    planner = Listening()
    office = Office(desk, planner=planner)
    day = "main", office.depot, date.fromisoformat(TODAY)
    assert office.replan("optimize") == 1
    urgent = office.order(lat=-29.95, lon=-71.27, priority="urgent")
    about = About(trigger="urgent_order", order_id=urgent)
    job = job_of(day, Cause(day[1], day[2], "urgent", about), "job-urgent", NOW)

    def doors() -> list[tuple[float, float]]:
        further = [one for one in planner.told if not one.is_whole]
        return [(place.lat, place.lon) for one in further for place in one.places]

    async def decided() -> None:
        await office.maker.make(job)
        await until(lambda: bool(doors()))

    asyncio.run(decided())
    assert doors() == [(-29.95, -71.27)]
