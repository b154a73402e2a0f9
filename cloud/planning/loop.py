"""The planning loop: what happened in the day becomes jobs, and jobs become revisions."""

import asyncio
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.exc import DBAPIError

from cloud.foundation.clock import Clock
from cloud.foundation.errors import CloudError, Unavailable
from cloud.foundation.outbox import DomainEvent
from cloud.planning.budget import Budget
from cloud.planning.counts import LoopCounts
from cloud.planning.events import RouteFinished
from cloud.planning.hours_news import hours_of
from cloud.planning.job_queue import JobQueue
from cloud.planning.jobs import DayKey, DepotKey, Job
from cloud.planning.making import PlanMaker
from cloud.planning.street_news import streets_of
from cloud.planning.triggers import Cause, cause_of
from cloud.planning.turns import gives_way, is_due, retry_after_s, to_begin
from cloud.planning.yielding import GaveWay, Yielding

log = logging.getLogger(__name__)

_IDLE_S: Final = 1.0
_RETRY_S: Final = 2.0


@dataclass(slots=True)
class _AtWork:
    """A job that was begun, and the word by which its search gives way.

    ``is_put_back``: it waits again, as what it gave way to was begun.
    """

    job: Job
    yielding: Yielding = field(default_factory=Yielding)
    is_put_back: bool = False


@dataclass(slots=True)
class _PutOff:
    """A depot whose planner or roads did not answer; ``until_s`` of the event loop's time."""

    failures: int
    until_s: float


class PlanningLoop:
    """Works on one job of a depot at a time; triggers for a day that waits already join its job.

    Args:
        clock: domain time.
        queue: of jobs.
        maker: makes plans.
        counts: of what is done.
        at_once: how many searches the planner does at a time.
        budget: what the news of a day may cost.
    """

    def __init__(
        self,
        clock: Clock,
        queue: JobQueue,
        maker: PlanMaker,
        counts: LoopCounts,
        *,
        at_once: int = 1,
        budget: Budget | None = None,
    ) -> None:
        self._clock = clock
        self._queue = queue
        self._maker = maker
        self._counts = counts
        self._at_once = at_once
        self._budget = budget or Budget()
        self._waker = asyncio.Event()
        self._beginning = asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._at_work: dict[DepotKey, _AtWork] = {}
        self._put_off: dict[DepotKey, _PutOff] = {}
        self._over_budget: set[DayKey] = set()
        self._last_turn: dict[DepotKey, int] = {}
        self._turns = 0
        self._may_be_torn = True

    def wake(self) -> None:
        """Look for queued jobs now; safe from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._waker.set)

    async def run(self) -> None:
        """Work until cancelled. Jobs that a stop of the service cut off are done again."""
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as self._tasks:
                await self._go_on(self._tasks)
        finally:
            await self._maker.close()

    async def _go_on(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            self._waker.clear()
            try:
                waiting = await self._begin(tasks)
            except DBAPIError as error:
                log.warning("the database does not answer", extra={"reason": error.orig})
                self._may_be_torn = True
                await asyncio.sleep(_RETRY_S)
            else:
                await self._wait(waiting)

    async def on_event(self, event: DomainEvent) -> None:
        """A consumer of the outbox: queues a re-plan when an event touches a published plan."""
        jobs: list[Job] = []
        if (streets := streets_of(event)) is not None:
            jobs = await asyncio.to_thread(self._queue.ask_of_streets, streets)
        elif (hours := hours_of(event)) is not None:
            jobs = await asyncio.to_thread(self._queue.ask_of_hours, event.tenant, hours)
        elif event.kind == "RouteFinished":
            finished = event.body(RouteFinished)
            jobs = await asyncio.to_thread(self._queue.ask_of_rest, event.tenant, finished)
        elif (cause := cause_of(event)) is not None:
            is_urgent = cause.about.trigger == "urgent_order"
            if is_urgent and isinstance(cause, Cause) and self._tasks is not None:
                await self._begin_at_once(self._tasks, event.tenant, cause)
                return
            jobs = await asyncio.to_thread(self._queue.ask, event.tenant, cause)
        if jobs:
            self._waker.set()

    async def _begin_at_once(self, tasks: asyncio.TaskGroup, tenant: str, cause: Cause) -> None:
        """An urgent order is put where it fits, unless its depot is at something that must end."""
        job = self._queue.job_about(tenant, cause)
        self._put_off.pop(job.depot_key, None)  # the part may answer again
        async with self._beginning:
            ended = self._break_off_for(job)
            broken_off = None if ended is None else ended.job
            choosing = self._choosing(ended)
            try:
                taken = await asyncio.to_thread(self._queue.ask_and_take, job, choosing, broken_off)
            except DBAPIError:
                self._may_be_torn = True  # nobody knows whether it was taken
                raise
            if ended is not None:
                ended.is_put_back = True
            self._start(tasks, taken.chosen, taken.waiting)
        if taken.waiting:
            self._waker.set()

    def _break_off_for(self, urgent: Job) -> _AtWork | None:
        """End what is sought for an urgent order's day, where it surely ends and changes nothing.

        What is sought for another day of its depot gives way once the order is seen to wait: its
        own day may have no plan.
        """
        begun = self._at_work.get(urgent.depot_key)
        if begun is None or not gives_way(begun.job, urgent):
            return None
        is_ended = begun.job.is_of_same_day(urgent) and begun.yielding.ask()
        return begun if is_ended else None

    async def _wait(self, waiting: Collection[Job]) -> None:
        """Until there is news, or something may be due."""
        loop_s, now = asyncio.get_running_loop().time(), self._clock.now_s()
        pauses = [one.until_s - loop_s for one in self._put_off.values()]
        pauses += [(one.due_at - now) / self._clock.speed for one in waiting if one.due_at]
        ahead = [pause for pause in pauses if pause > 0]
        try:
            async with asyncio.timeout(min([*ahead, _IDLE_S])):
                await self._waker.wait()
        except TimeoutError:
            return

    async def _begin(self, tasks: asyncio.TaskGroup) -> list[Job]:
        """Begin every job whose turn it is; gives those that wait on."""
        self._maker.look_ahead()
        async with self._beginning:
            if self._may_be_torn:
                self._may_be_torn = False  # what fails meanwhile is looked at once more
                at_work = [one.job.id for one in self._at_work.values()]
                await asyncio.to_thread(self._queue.queue_again, at_work)
            chosen, waiting = await asyncio.to_thread(self._queue.take, self._choosing())
            self._start(tasks, chosen, waiting)
        self._tell_budget(waiting)
        return waiting

    def _start(
        self, tasks: asyncio.TaskGroup, chosen: Iterable[Job], waiting: Iterable[Job]
    ) -> None:
        """Begin jobs; what is done meanwhile for less urgent ones gives way to those that wait."""
        for begun in self._at_work.values():
            if any(gives_way(begun.job, job) for job in waiting):
                begun.yielding.ask()
        for job in chosen:
            self._turns += 1
            self._last_turn[job.depot_key] = self._turns
            begun = self._at_work[job.depot_key] = _AtWork(job)
            tasks.create_task(self._work(begun), name=f"plan {job.id}")

    def _choosing(self, ended: _AtWork | None = None) -> "_Choosing":
        loop_s = asyncio.get_running_loop().time()
        return _Choosing(
            now=self._clock.now_s(),
            at_work=tuple(one.job for one in self._at_work.values() if one is not ended),
            held_off=frozenset(d for d, one in self._put_off.items() if one.until_s > loop_s),
            over_budget=frozenset(self._over_budget),
            at_once=self._at_once,
            last_turn=dict(self._last_turn),
        )

    def _tell_budget(self, waiting: Collection[Job]) -> None:
        """Say of a day once that its news waits, and let it go on when the hour is over."""
        now = self._clock.now_s()
        for day in [one for one in self._over_budget if not self._budget.is_spent(one, now)]:
            self._over_budget.discard(day)
            self._waker.set()
        for job in waiting:
            day = job.day_key
            if day in self._over_budget or not self._budget.is_counted(job):
                continue
            if self._budget.is_spent(day, now):
                self._over_budget.add(day)
                self._counts.budgets_spent.inc()
                log.warning(
                    "an hour's searching is spent, the news of the day waits",
                    extra={"depot": job.depot_id, "date": job.service_date.isoformat()},
                )

    async def _work(self, begun: _AtWork) -> None:
        """Do a job to its end; nothing that happens to it ends the others."""
        job, begun_s = begun.job, asyncio.get_running_loop().time()
        try:
            outcome = await self._make(begun)
            self._counts.jobs.labels(job.trigger, outcome).inc()
        except DBAPIError as error:
            log.warning("the database does not answer", extra={"reason": error.orig})
            self._may_be_torn = True
        finally:
            took_s = asyncio.get_running_loop().time() - begun_s
            self._counts.search_seconds.inc(took_s)
            if self._budget.is_counted(job):
                self._budget.spend(job.day_key, self._clock.now_s(), took_s)
            self._end(begun)

    def _end(self, begun: _AtWork) -> None:
        """Its depot may have another job."""
        if self._at_work.get(begun.job.depot_key) is begun:
            del self._at_work[begun.job.depot_key]
            self._waker.set()

    async def _make(self, begun: _AtWork) -> str:
        job = begun.job
        try:
            made = await self._maker.make(job, begun.yielding)
        except GaveWay:
            await self._give_way(begun)
            return "gave_way"
        except Unavailable as error:
            return await self._try_later(job, error)
        except CloudError as error:
            log.warning("plan not made", extra={"job": job.id, "reason": error.detail})
            await asyncio.to_thread(self._queue.fail, job, error.detail)
            return "failed"
        except DBAPIError:
            raise
        except Exception as error:
            log.exception("planning broke", extra={"job": job.id})
            reason = f"{type(error).__name__}; see the log"
            await asyncio.to_thread(self._queue.fail, job, reason)
            return "failed"
        self._put_off.pop(job.depot_key, None)
        return made.how

    async def _give_way(self, begun: _AtWork) -> None:
        """Let a job wait again, unless it does already."""
        log.info("a search gave way to an urgent order", extra={"job": begun.job.id})
        async with self._beginning:
            if not begun.is_put_back:
                await asyncio.to_thread(self._queue.put_back, begun.job, is_broken_off=True)
            self._end(begun)

    async def _try_later(self, job: Job, error: Unavailable) -> str:
        """What the day asks for is not forgotten because a part does not answer now."""
        if job.trigger == "optimize":
            await asyncio.to_thread(self._queue.fail, job, error.detail)
            return "failed"
        before = self._put_off.get(job.depot_key)
        failures = 1 if before is None else before.failures + 1
        until_s = asyncio.get_running_loop().time() + retry_after_s(failures)
        self._put_off[job.depot_key] = _PutOff(failures, until_s)
        log.warning("plan put off", extra={"job": job.id, "reason": error.detail})
        await asyncio.to_thread(self._queue.put_back, job)
        if failures == 1:
            told = f"{error.detail} It is tried again."
            await asyncio.to_thread(self._queue.tell_failure, job, told)
        return "put_off"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choosing:
    """Who may begin, as it stood when it was asked; called off the event loop."""

    now: float
    at_work: tuple[Job, ...]
    held_off: frozenset[DepotKey]
    over_budget: frozenset[DayKey]
    at_once: int
    last_turn: dict[DepotKey, int]

    def __call__(self, queued: list[Job]) -> list[Job]:
        able = [
            job
            for job in queued
            if is_due(job, self.now)
            and job.depot_key not in self.held_off
            and (job.day_key not in self.over_budget or job.is_asked_for or job.is_quick)
        ]
        return to_begin(able, self.at_work, at_once=self.at_once, last_turn=self.last_turn)
