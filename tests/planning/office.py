"""A desk with vans and orders, and the work of the planning loop, for tests.

Solver and checker are the real ones. Streets are as the crow flies, so that no road engine has to
be started.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry
from sqlalchemy import func, select

from cloud.foundation.clock import Clock
from cloud.foundation.ids import random_id
from cloud.foundation.outbox import DomainEvent, Outbox, outbox
from cloud.planning import job_store
from cloud.planning.budget import Budget
from cloud.planning.check import check
from cloud.planning.counts import LoopCounts
from cloud.planning.job_queue import JobQueue
from cloud.planning.jobs import About, Job
from cloud.planning.loop import PlanningLoop
from cloud.planning.making import PlanMaker
from cloud.planning.questions import Expected, Solved, SolveRequest
from cloud.planning.revision import Trigger
from cloud.planning.situation import At
from cloud.planning.solvers.keeping import prices_kept
from cloud.planning.solvers.solving import solve
from cloud.roads.model import Leg, Matrix, Point
from cloud.roads.model import Path as Way
from tests.cloud.desk import NOW, TODAY, Desk, StillClock

PLAN = f"/depots/la-serena/plans/{TODAY}"


def metres(points: Sequence[tuple[float, float]]) -> Any:
    lat, lon = (np.radians(np.array(each)) for each in zip(*points, strict=True))
    north = (lat[:, None] - lat[None, :]) * 6_371_000
    east = (lon[:, None] - lon[None, :]) * 6_371_000 * np.cos(lat.mean())
    return np.rint(np.hypot(north, east)).astype(np.int32)


class StraightStreets:
    """A way from place to place at 8 m/s."""

    async def route(self, points: Sequence[Point], departs: Sequence[float] = ()) -> Way:
        assert len(departs) in {0, len(points) - 1}
        there = [(point.lat, point.lon) for point in points]
        lengths = np.diagonal(metres(there), offset=1).tolist()
        line = tuple((point.lon, point.lat) for point in points)
        legs = tuple(
            Leg(seconds=length // 8, metres=length, first=at, last=at + 1)
            for at, length in enumerate(lengths)
        )
        return Way(seconds=sum(lengths) // 8, metres=sum(lengths), legs=legs, geometry=line)


class GoingClock:
    """It is ten to eight when it is made."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._begun_s = time.monotonic()

    def now_s(self) -> float:
        return NOW + (time.monotonic() - self._begun_s) * self.speed

    async def sleep_until(self, instant_s: float) -> None:
        await asyncio.sleep(max(0.0, instant_s - self.now_s()) / self.speed)


class ClockByHand:
    """It is ten to eight until somebody lets time pass."""

    speed = 1.0
    passed_s = 0.0

    def now_s(self) -> float:
        return NOW + self.passed_s

    async def sleep_until(self, instant_s: float) -> None:
        await until(lambda: self.now_s() >= instant_s)


class PlannerHere:
    """The planner's own work, in this process."""

    async def solve(self, request: SolveRequest, *, timeout_s: float) -> Solved:
        assert timeout_s > request.seconds
        length = metres([(place.lat, place.lon) for place in request.problem.locations])
        matrix = Matrix((length // 8).astype(np.int32), length)
        plan = solve(request, matrix)
        found = check(request.problem, matrix, plan)
        kept = prices_kept(request.problem, matrix)
        return Solved(plan=plan, check=found, seconds=0.1, kept=kept)

    async def expect(self, told: Expected, *, timeout_s: float) -> None:
        """It asks nobody for ways, so it has none to learn."""
        assert told.places
        assert timeout_s > 0


class Office:
    """A desk with two vans and six orders, and the work of the planning loop done when asked."""

    def __init__(
        self,
        desk: Desk,
        depot: str = "la-serena",
        vans: Sequence[str] = ("van-1", "van-2"),
        planner: Any = None,
    ) -> None:
        self.desk = desk
        self.depot = depot
        self.positions: dict[str, At] = {}
        self.plan = f"/depots/{depot}/plans/{TODAY}"
        asked: Any = PlannerHere() if planner is None else planner
        self.maker = PlanMaker(
            database=desk.database,
            clock=StillClock(),
            roads=StraightStreets(),  # type: ignore[arg-type]
            planner=asked,
            positions=lambda _: self.positions,
            events=Outbox(desk.database),
            new_id=random_id,
        )
        self.shifts: dict[str, str] = {}
        for van in vans:
            self.ask("POST", "/vehicles", 201, id=van, name=van, depot_id=depot, capacity_parcels=9)
            driver = self.ask("POST", "/drivers", 201, id=f"of-{van}", name="Ana")["id"]
            shift = self.ask("POST", "/shifts", 201, vehicle_id=van, driver_id=driver,
                             service_date=TODAY)  # fmt: skip
            self.shifts[van] = shift["id"]
        for number in range(1, 7):
            self.order(lat=-29.9 - number / 500, lon=-71.25 - (number % 2) / 50)

    def order(self, **wanted: Any) -> str:
        """Ask for an order; its id."""
        answer = self.desk.order(depot_id=self.depot, **wanted)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def loop(
        self, *, at_once: int = 1, budget: Budget | None = None, clock: Clock | None = None
    ) -> PlanningLoop:
        """The planning loop over this desk; the jobs of every depot are its work."""
        database, clock = self.desk.database, clock or GoingClock(10)
        queue = JobQueue(database, clock, Outbox(database), random_id, lambda _: self.positions)
        counts = LoopCounts(CollectorRegistry())
        return PlanningLoop(clock, queue, self.maker, counts, at_once=at_once, budget=budget)

    @asynccontextmanager
    async def telling(self, loop: PlanningLoop) -> AsyncIterator[list[str]]:
        """Bring the loop the events from now on; gives the kinds of those that came."""
        told: list[str] = []
        with self.desk.database.reading() as connection:
            last = connection.execute(select(func.max(outbox.c.position))).scalar() or 0

        async def take(event: DomainEvent) -> None:
            if event.position > last:
                told.append(event.kind)
                await loop.on_event(event)

        task = asyncio.create_task(Outbox(self.desk.database).run("planning", take))
        try:
            yield told
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def work_off(self) -> None:
        """Let the planning loop do what waits."""
        async with working(self.loop()):
            await until(lambda: not self.unfinished)

    @property
    def unfinished(self) -> list[str]:
        """The jobs of every depot that wait or are being worked on."""
        with self.desk.database.reading() as connection:
            wanted = job_store.job_row.c.state.in_(("queued", "running"))
            rows = connection.execute(select(job_store.job_row.c.id).where(wanted))
            return [str(row.id) for row in rows]

    def ask(self, method: str, path: str, status: int, **body: Any) -> Any:
        answer = self.desk.ask(method, path, json=body) if body else self.desk.ask(method, path)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def replan(self, trigger: Trigger, *about: About) -> int:
        """What the planning loop does when something has happened."""
        return self._make(
            Job(
                tenant="main",
                id=random_id("job"),
                depot_id=self.depot,
                service_date=date.fromisoformat(TODAY),
                trigger=trigger,
                reason="a test",
                solver="auto",
                seconds=0.2,
                seed=1,
                about=about,
            )
        )

    def work(self) -> int:
        """Do the one job that was asked for."""
        with self.desk.database.writing() as connection:
            (job,) = job_store.queued_jobs(connection)
            job_store.mark_job(connection, job.id, "done")
        return self._make(job)

    def _make(self, job: Job) -> int:
        return asyncio.run(self.maker.make(job)).revision

    @property
    def sequences(self) -> dict[str, list[list[str]]]:
        plan = self.ask("GET", self.plan, 200)
        return {
            route["vehicle_id"]: [stop["order_ids"] for stop in route["stops"]]
            for route in plan["routes"]
        }

    @property
    def paths(self) -> dict[str, Any]:
        """What each van is to drive along, by van."""
        plan = self.ask("GET", self.plan, 200)
        return {route["vehicle_id"]: route["geometry"]["coordinates"] for route in plan["routes"]}

    def differs(self, one: int, other: int) -> Any:
        return self.ask("GET", f"{self.plan}/comparison?from={one}&to={other}", 200)

    @property
    def proposals(self) -> list[Any]:
        found: list[Any] = self.ask("GET", f"{self.plan}/proposals", 200)["items"]
        return found


@asynccontextmanager
async def working(loop: PlanningLoop) -> AsyncIterator[None]:
    """The loop at work."""
    task = asyncio.create_task(loop.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def until(holds: Callable[[], bool], within_s: float = 30.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(within_s):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - of a database
            await asyncio.sleep(0.05)
