"""The planning loop at work: depots beside each other, and nothing lost when a part fails."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from cloud.foundation.errors import CloudError
from cloud.foundation.ids import random_id
from cloud.foundation.outbox import Outbox
from cloud.foundation.settings import Settings
from cloud.planning import job_store
from cloud.planning.answering import DECISION_S, improvement
from cloud.planning.budget import Budget
from cloud.planning.client import PlannerUnavailable
from cloud.planning.job_queue import JobQueue
from cloud.planning.jobs import About, Job
from cloud.planning.questions import Solved, SolveRequest
from cloud.planning.triggers import SETTLE_S, Cause
from cloud.planning.yielding import GaveWay, Yielding
from tests.cloud.desk import DEPOT, NOW, TODAY, Desk, StillClock, open_desk
from tests.planning.office import ClockByHand, GoingClock, Office, PlannerHere, until, working


class Planner(PlannerHere):
    """The planner's own work, which begins for each depot's first van only when it is let."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.held: set[str] = set()
        self.failing: set[str] = set()

    async def solve(self, request: SolveRequest, *, timeout_s: float) -> Solved:
        van = request.problem.vehicles[0].id
        self.begun.append(f"{van} {request.solver}")
        if van in self.failing:
            raise PlannerUnavailable("planner: it broke off; it is restarted by itself")
        if request.seconds > 0.1:
            await until(lambda: van not in self.held)
        self.ended.append(f"{van} {request.solver}")
        return await PlannerHere().solve(request, timeout_s=timeout_s)


@pytest.fixture
def desk(tmp_path: Path, kept_in: Settings) -> Iterator[Desk]:
    found = open_desk(tmp_path, kept_in)
    assert found.ask("POST", "/depots", json={**DEPOT, "id": "south"}).status_code == 201
    yield found
    found.close()


def offices(desk: Desk, planner: Planner) -> tuple[Office, Office]:
    return Office(desk, planner=planner), Office(desk, "south", ("van-3",), planner)


async def ask(office: Office, seconds: float = 0.2) -> str:
    """Ask for a plan; its job."""
    answer = await away(office.ask, "POST", f"{office.plan}/optimize", 202, seconds=seconds)
    return str(answer["job_id"])


async def away(work: Callable[..., Any], *args: Any, **named: Any) -> Any:
    return await asyncio.to_thread(lambda: work(*args, **named))


def revisions(office: Office) -> list[str]:
    told = office.ask("GET", f"{office.plan}/revisions", 200)["items"]
    return [one["trigger"] for one in told]


def test_two_depots_are_planned_at_the_same_time_where_there_is_room(desk: Desk) -> None:
    planner = Planner()
    north, south = offices(desk, planner)
    planner.held = {"van-1", "van-3"}

    async def day() -> None:
        async with working(north.loop(at_once=2)):
            for office in (north, south, north, south):
                await ask(office)
            await until(lambda: len(planner.begun) == 2)
            await asyncio.sleep(0.1)
            assert sorted(planner.begun) == ["van-1 auto", "van-3 auto"]
            planner.held.clear()
            await until(lambda: not north.unfinished)

    asyncio.run(day())
    assert revisions(north) == revisions(south) == ["optimize", "optimize"]


def test_an_urgent_order_waits_neither_for_another_depot_nor_for_its_own(desk: Desk) -> None:
    planner = Planner()
    north, south = offices(desk, planner)
    assert [north.replan("optimize"), south.replan("optimize")] == [1, 1]
    planner.held = {"van-1"}

    async def day() -> None:
        loop = north.loop()
        async with working(loop), north.telling(loop):
            await ask(north, seconds=60)
            await until(lambda: len(planner.begun) == 3)
            await away(south.order, priority="urgent")
            await until(lambda: "urgent_order" in revisions(south))
            await away(north.order, priority="urgent")
            await until(lambda: "urgent_order" in revisions(north))
            assert "van-1 auto" not in planner.ended[2:]
            planner.held.clear()
            await until(lambda: not north.unfinished)

    asyncio.run(day())
    assert revisions(north).count("optimize") == 2
    assert revisions(north).index("urgent_order") == 1


def planned(office: Office) -> set[str]:
    """The orders on the routes in force."""
    routes = office.ask("GET", office.plan, 200)["routes"]
    return {one for route in routes for stop in route["stops"] for one in stop["order_ids"]}


def numbers(office: Office) -> list[int]:
    return [one["number"] for one in office.ask("GET", f"{office.plan}/revisions", 200)["items"]]


def test_urgent_orders_of_one_moment_are_all_served_and_each_revision_follows_one(
    desk: Desk,
) -> None:
    north, _ = offices(desk, Planner())
    assert north.replan("optimize") == 1

    async def day() -> None:
        loop = north.loop()
        async with working(loop), north.telling(loop):
            asked = [away(north.order, priority="urgent", lat=-29.91 - k / 900) for k in range(3)]
            wanted = set(await asyncio.gather(*asked))
            await until(lambda: wanted <= planned(north))
            await until(lambda: not north.unfinished)

    asyncio.run(day())
    assert "urgent_order" in revisions(north)
    assert numbers(north) == list(range(1, len(numbers(north)) + 1))


def test_routes_are_put_in_order_once_for_the_urgent_orders_of_three_seconds(desk: Desk) -> None:
    planner = Planner()
    north, _ = offices(desk, planner)
    assert north.replan("optimize") == 1

    clock = ClockByHand()

    async def day() -> None:
        loop = north.loop(clock=clock)
        async with working(loop), north.telling(loop):
            wanted: set[str] = set()
            for number in range(2):
                wanted.add(await away(north.order, priority="urgent", lat=-29.91 - number / 900))
                await until(lambda: wanted <= planned(north))
            assert planner.begun == ["van-1 auto", "van-1 insertion", "van-1 insertion"]
            clock.passed_s = SETTLE_S
            await until(lambda: not north.unfinished)

    asyncio.run(day())
    assert planner.begun[3:] == ["van-1 auto"]


def test_a_search_waits_from_the_moment_an_urgent_order_is_committed(desk: Desk) -> None:
    """Whatever ends then, it is not forgotten that the routes are to be put in order."""
    north, _ = offices(desk, Planner())
    assert north.replan("optimize") == 1
    about = About(trigger="urgent_order", order_id=north.order(priority="urgent"))
    cause = Cause("la-serena", date.fromisoformat(TODAY), "an urgent order", about)
    queue = JobQueue(desk.database, StillClock(), Outbox(desk.database), random_id, lambda _: {})
    queue.ask("main", cause)
    (decided,), _ = queue.take(lambda queued: queued)
    asyncio.run(north.maker.make(decided))
    with desk.database.reading() as connection:
        (waits,) = job_store.queued_jobs(connection)
    assert waits == improvement(decided, waits.id, NOW)


def test_news_that_was_to_be_planned_with_an_urgent_order_outlives_it(desk: Desk) -> None:
    """The order is called off before it is looked at; who waits for the other one still does."""
    north, _ = offices(desk, Planner())
    assert north.replan("optimize") == 1
    wanted = north.order(priority="urgent")
    day_of = "la-serena", date.fromisoformat(TODAY)
    queue = JobQueue(desk.database, StillClock(), Outbox(desk.database), random_id, lambda _: {})
    for about in (
        About(trigger="van_broken_down", vehicle_id="van-2"),
        About(trigger="urgent_order", order_id=wanted),
    ):
        assert queue.ask("main", Cause(*day_of, about.trigger, about))
    north.ask("POST", f"/orders/{wanted}/cancel", 200, reason="not wanted")

    async def day() -> None:
        async with working(north.loop()):
            await until(lambda: not north.unfinished)

    asyncio.run(day())
    with desk.database.reading() as connection:
        rows = connection.execute(
            select(job_store.job_row.c.solver, job_store.job_row.c.seconds).order_by(
                job_store.job_row.c.number
            )
        )
        assert [tuple(row) for row in rows][-2:] == [("insertion", DECISION_S), ("auto", 5.0)]


def test_an_urgent_order_that_nobody_worked_on_before_a_restart_is_served_after_it(
    desk: Desk,
) -> None:
    north, _ = offices(desk, Planner())
    assert north.replan("optimize") == 1

    async def day() -> None:
        async with north.telling(north.loop()):
            wanted = await away(north.order, priority="urgent")
            await until(lambda: bool(north.unfinished))
        assert wanted not in await away(planned, north)
        async with working(north.loop()):
            await until(lambda: not north.unfinished)
        assert wanted in await away(planned, north)

    asyncio.run(day())
    assert revisions(north).count("urgent_order") >= 1


class MeanwhileCancelling(Planner):
    """Somebody cancels an order in the middle of the first search after ``cancels`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.cancels: Callable[[], object] | None = None

    async def solve(self, request: SolveRequest, *, timeout_s: float) -> Solved:
        cancels, self.cancels = self.cancels, None
        if cancels is not None:
            await away(cancels)
        return await super().solve(request, timeout_s=timeout_s)


def test_what_is_written_while_an_urgent_order_is_placed_is_seen_before_it_is_published(
    desk: Desk,
) -> None:
    planner = MeanwhileCancelling()
    north, _ = offices(desk, planner)
    assert north.replan("optimize") == 1
    other = next(iter(planned(north)))

    async def day() -> None:
        loop = north.loop()
        planner.cancels = lambda: north.ask(
            "POST", f"/orders/{other}/cancel", 200, reason="not wanted"
        )
        async with working(loop), north.telling(loop):
            wanted = await away(north.order, priority="urgent")
            await until(lambda: wanted in planned(north))
            assert other not in await away(planned, north)
            await until(lambda: not north.unfinished)

    asyncio.run(day())
    assert other not in planned(north)


def test_a_depot_whose_plan_is_put_off_holds_up_no_other_and_is_told_once(desk: Desk) -> None:
    planner = Planner()
    north, south = offices(desk, planner)
    assert [north.replan("optimize"), south.replan("optimize")] == [1, 1]
    before = north.sequences
    planner.failing = {"van-1"}

    async def day() -> None:
        loop = north.loop()
        async with working(loop), north.telling(loop) as told:
            await away(north.order)
            await until(lambda: "PlanningFailed" in told)
            await away(south.order)
            await until(lambda: len(revisions(south)) == 2)
            assert await away(lambda: north.sequences) == before
            planner.failing.clear()
            await until(lambda: not north.unfinished)
            assert told.count("PlanningFailed") == 1

    asyncio.run(day())
    assert revisions(north) == ["optimize", "new_order"]


def test_news_of_one_moment_is_planned_for_together_and_what_came_to_nothing_is_not(
    desk: Desk,
) -> None:
    planner = Planner()
    north, _ = offices(desk, planner)
    assert north.replan("optimize") == 1

    async def day() -> None:
        loop = north.loop(clock=GoingClock(1))
        async with working(loop), north.telling(loop) as told:
            for _ in range(3):
                await away(north.order)
            await until(lambda: told.count("OrderReceived") == 3)
            await until(lambda: not north.unfinished)
            assert len(planner.begun) == 2
            gone = await away(north.order)
            await away(north.ask, "POST", f"/orders/{gone}/cancel", 200, reason="a test")
            await until(lambda: "OrderMoved" in told)
            await until(lambda: not north.unfinished)
            assert len(planner.begun) == 2

    asyncio.run(day())
    assert revisions(north) == ["optimize", "new_order"]


def test_a_day_that_has_spent_its_hour_waits_but_not_its_dispatcher(desk: Desk) -> None:
    planner = Planner()
    north, south = offices(desk, planner)
    assert [north.replan("optimize"), south.replan("optimize")] == [1, 1]

    async def day() -> None:
        loop = north.loop(budget=Budget(an_hour_s=0.01))
        async with working(loop), north.telling(loop):
            await away(north.order)
            await until(lambda: len(revisions(north)) == 2)
            await away(north.order)
            await away(south.order)
            await until(lambda: len(revisions(south)) == 2)
            assert len(await away(revisions, north)) == 2
            await ask(north)
            await until(lambda: len(revisions(north)) == 3)
            await away(north.order, priority="urgent")
            await until(lambda: "urgent_order" in revisions(north))

    asyncio.run(day())


def test_a_plan_asked_for_that_cannot_be_made_fails_and_the_next_one_works(desk: Desk) -> None:
    planner = Planner()
    north, _ = offices(desk, planner)
    planner.failing = {"van-1"}

    async def day() -> None:
        async with working(north.loop()):
            job = await ask(north)
            await until(lambda: north.ask("GET", f"/jobs/{job}", 200)["state"] == "failed")
            planner.failing.clear()
            await ask(north)
            await until(lambda: not north.unfinished)

    asyncio.run(day())
    assert revisions(north) == ["optimize"]


def test_a_job_that_a_stop_cuts_off_is_done_again_and_once(desk: Desk) -> None:
    planner = Planner()
    north, _ = offices(desk, planner)
    planner.held = {"van-1"}

    async def day() -> None:
        async with working(north.loop()):
            await ask(north)
            await until(lambda: bool(planner.begun))
        planner.held.clear()
        async with working(north.loop()):
            await until(lambda: not north.unfinished)

    asyncio.run(day())
    assert revisions(north) == ["optimize"]


def test_a_search_that_was_broken_off_waits_as_news_does_unless_somebody_waits_for_it(
    desk: Desk,
) -> None:
    queue = JobQueue(desk.database, StillClock(), Outbox(desk.database), random_id, lambda _: {})
    news = Job(
        tenant="main",
        id="news",
        depot_id="north",
        service_date=date(2026, 11, 23),
        trigger="new_order",
        reason="a test",
        solver="auto",
        seconds=1.0,
        seed=1,
    )
    asked = replace(news, id="asked", depot_id="south", trigger="optimize")
    with desk.database.writing() as connection:
        job_store.add_job(connection, news, NOW)
        job_store.add_job(connection, asked, NOW)
    taken, _ = queue.take(lambda queued: queued)
    for job in taken:
        queue.put_back(job, is_broken_off=True)
    with desk.database.reading() as connection:
        due = {job.id: job.due_at for job in job_store.queued_jobs(connection)}
    assert due == {"news": NOW + SETTLE_S, "asked": None}


def test_an_urgent_order_and_the_search_that_ends_for_it_change_places_or_neither(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    north, _ = offices(desk, Planner())
    assert north.replan("optimize") == 1
    queue = JobQueue(desk.database, StillClock(), Outbox(desk.database), random_id, lambda _: {})
    day_of = "la-serena", date.fromisoformat(TODAY)
    queue.ask("main", Cause(*day_of, "a test", About(trigger="new_order")))
    (search,), _ = queue.take(lambda queued: queued)
    about = About(trigger="urgent_order", order_id=north.order(priority="urgent"))
    urgent = queue.job_about("main", Cause(*day_of, "an urgent order", about))

    def found() -> list[tuple[str, str, float | None]]:
        row = job_store.job_row.c
        with desk.database.reading() as connection:
            rows = connection.execute(
                select(row.trigger, row.state, row.due_at).order_by(row.number)
            )
            return [(one.trigger, one.state, one.due_at) for one in rows]

    before = found()
    with monkeypatch.context() as patched:
        patched.setattr("cloud.planning.job_queue.due_again", fail_to_say)
        with pytest.raises(ZeroDivisionError):
            queue.ask_and_take(urgent, lambda queued: queued, search)
    assert found() == before
    taken = queue.ask_and_take(urgent, lambda queued: queued, search)
    assert ([one.id for one in taken.chosen], taken.waiting) == ([urgent.id], [])
    assert found()[-2:] == [
        ("new_order", "queued", NOW + SETTLE_S),
        ("urgent_order", "running", None),
    ]


def fail_to_say(*_: object) -> float:
    raise ZeroDivisionError


class Watching(Planner):
    """Notes how the jobs of the desk stand whenever something is decided at once."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self.seen: list[list[tuple[str, str]]] = []

    async def solve(self, request: SolveRequest, *, timeout_s: float) -> Solved:
        if request.solver == "insertion":
            self.seen.append(await away(self._jobs))
        return await super().solve(request, timeout_s=timeout_s)

    def _jobs(self) -> list[tuple[str, str]]:
        row = job_store.job_row.c
        with self._desk.database.reading() as connection:
            rows = connection.execute(select(row.trigger, row.state).order_by(row.number))
            return [(each.trigger, each.state) for each in rows if each.state != "done"]


def test_a_search_waits_again_in_the_moment_an_urgent_order_takes_its_place(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    planner = Watching(desk)
    north, _ = offices(desk, planner)
    assert north.replan("optimize") == 1
    planner.held = {"van-1"}
    put_back: list[Job] = []
    monkeypatch.setattr(JobQueue, "put_back", lambda _, job, **__: put_back.append(job))

    async def day() -> None:
        loop = north.loop()
        async with working(loop), north.telling(loop):
            await ask(north, seconds=60)
            await until(lambda: len(planner.begun) == 2)
            await away(north.order, priority="urgent")
            await until(lambda: "urgent_order" in revisions(north))
            planner.held.clear()
            await until(lambda: not north.unfinished)

    asyncio.run(day())
    assert planner.seen == [[("optimize", "queued"), ("urgent_order", "running")]]
    assert put_back == []
    assert revisions(north).count("optimize") == 2
    assert planner.begun.count("van-1 auto") - planner.ended.count("van-1 auto") == 1


def test_an_urgent_order_of_a_day_without_a_plan_ends_no_search(desk: Desk) -> None:
    planner = Planner()
    north, _ = offices(desk, planner)
    assert north.replan("optimize") == 1
    planner.held = {"van-1"}

    async def day() -> None:
        loop = north.loop()
        async with working(loop), north.telling(loop) as told:
            await ask(north, seconds=60)
            await until(lambda: len(planner.begun) == 2)
            await away(north.order, priority="urgent", service_date="2026-11-24")
            await until(lambda: "OrderReceived" in told)
            await asyncio.sleep(0.2)
            planner.held.clear()
            await until(lambda: not north.unfinished)

    asyncio.run(day())
    assert planner.begun == planner.ended == ["van-1 auto", "van-1 auto"]


@pytest.mark.parametrize("is_committed", [True, False])
def test_when_nobody_knows_whether_an_urgent_order_was_taken_all_is_done_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, *, is_committed: bool
) -> None:
    """The database fails as a search gives way: the order comes again, and both are planned."""
    planner = Planner()
    north, _ = offices(desk, planner)
    assert north.replan("optimize") == 1
    planner.held = {"van-1"}
    take, fails = JobQueue.ask_and_take, Event()
    fails.set()

    def take_or_fail(queue: JobQueue, job: Job, *more: Any) -> Any:
        if not fails.is_set():
            return take(queue, job, *more)
        fails.clear()
        if is_committed:
            take(queue, job, *more)
        raise OperationalError("no statement", None, RuntimeError("the disk is full"))

    monkeypatch.setattr(JobQueue, "ask_and_take", take_or_fail)

    async def day() -> None:
        loop = north.loop()
        async with working(loop), north.telling(loop):
            await ask(north, seconds=60)
            await until(lambda: len(planner.begun) == 2)
            wanted = await away(north.order, priority="urgent")
            await until(lambda: wanted in planned(north))
            planner.held.clear()
            await until(lambda: not north.unfinished)

    asyncio.run(day())
    assert revisions(north).count("optimize") == 2


async def _sought(ended: list[str], going: asyncio.Event) -> str:
    try:
        await going.wait()
    except asyncio.CancelledError:
        ended.append("broken off")
        raise
    ended.append("found")
    return "found"


@pytest.mark.parametrize("is_done_first", [True, False])
def test_what_was_asked_for_the_way_before_it_is_known_to_be_done_comes_to_nothing(
    *, is_done_first: bool
) -> None:
    ended: list[str] = []

    async def both_at_once() -> list[bool]:
        yielding, going, asked = Yielding(), asyncio.Event(), list[bool]()

        def ask() -> None:
            asked.append(yielding.ask())

        def do_both() -> None:
            for do in (going.set, ask) if is_done_first else (ask, going.set):
                do()

        asyncio.get_running_loop().call_later(0.01, do_both)
        with pytest.raises(GaveWay):
            await yielding.unless_asked(_sought(ended, going))
        return asked

    assert asyncio.run(both_at_once()) == [True]
    assert len(ended) == 1


def test_who_has_found_something_gives_way_no_more_until_it_seeks_again() -> None:
    async def twice() -> bool:
        yielding, going, ended = Yielding(), asyncio.Event(), list[str]()
        going.set()
        assert await yielding.unless_asked(_sought(ended, going)) == "found"
        is_sure = yielding.ask()
        with pytest.raises(GaveWay):
            await yielding.unless_asked(_sought(ended, going))
        return is_sure

    assert asyncio.run(twice()) is False


def test_what_a_search_raises_is_raised() -> None:
    async def fail() -> None:
        raise CloudError("no")

    with pytest.raises(CloudError, match="no"):
        asyncio.run(Yielding().unless_asked(fail()))
