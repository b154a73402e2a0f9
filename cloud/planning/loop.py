"""The planning loop: what happened in the day becomes jobs, and jobs become revisions."""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import CloudError, Unavailable
from cloud.foundation.outbox import DomainEvent
from cloud.planning import job_store, proposal_store, store
from cloud.planning.day import DepotKey, Job, PlanningFailed
from cloud.planning.making import GaveWay, PlanMaker
from cloud.planning.service import Planning
from cloud.planning.triggers import Cause, cause_of
from cloud.planning.turns import gives_way, joins, retry_after_s, to_begin

log = logging.getLogger(__name__)

REPLAN_S: Final = 1.0
DECISION_S: Final = 0.05
"""For an urgent order, which is put where it fits at once; the loop improves on that later."""
_IDLE_S: Final = 1.0
_RETRY_S: Final = 2.0


@dataclass(slots=True)
class _AtWork:
    """A job that was begun, and the word that its search is to give way."""

    job: Job
    gives_way: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _PutOff:
    """A depot whose planner or roads did not answer; ``until_s`` of the event loop's time."""

    failures: int
    until_s: float


class PlanningLoop:
    """Works on one job of a depot at a time; triggers for a day that waits already join its job.

    Args:
        database: of the business.
        clock: domain time.
        planning: names jobs.
        maker: makes plans.
        events: woken when there is news.
        at_once: how many searches the planner does at a time.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        planning: Planning,
        maker: PlanMaker,
        events: outbox.Outbox,
        *,
        at_once: int = 1,
    ) -> None:
        self._database = database
        self._clock = clock
        self._planning = planning
        self._maker = maker
        self._events = events
        self._at_once = at_once
        self._waker = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._at_work: dict[DepotKey, _AtWork] = {}
        self._put_off: dict[DepotKey, _PutOff] = {}
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
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._waker.clear()
                try:
                    await self._begin(tasks)
                except DBAPIError as error:
                    log.warning("the database does not answer", extra={"reason": error.orig})
                    self._may_be_torn = True
                    await asyncio.sleep(_RETRY_S)
                else:
                    await self._wait()

    async def _wait(self) -> None:
        now_s = asyncio.get_running_loop().time()
        again_s = min((one.until_s for one in self._put_off.values()), default=now_s + _IDLE_S)
        try:
            async with asyncio.timeout(max(0.0, min(again_s - now_s, _IDLE_S))):
                await self._waker.wait()
        except TimeoutError:
            return

    async def _begin(self, tasks: asyncio.TaskGroup) -> None:
        """Begin every job whose turn it is."""
        if self._may_be_torn:
            at_work = [one.job.id for one in self._at_work.values()]
            await asyncio.to_thread(self._queue_again, at_work)
            self._may_be_torn = False
        now_s = asyncio.get_running_loop().time()
        held_off = {depot for depot, one in self._put_off.items() if one.until_s > now_s}
        at_work_now = [one.job for one in self._at_work.values()]
        chosen, waiting = await asyncio.to_thread(self._take, at_work_now, held_off)
        for begun in self._at_work.values():
            if any(gives_way(begun.job, job) for job in waiting):
                begun.gives_way.set()
        for job in chosen:
            self._turns += 1
            self._last_turn[job.depot_key] = self._turns
            begun = self._at_work[job.depot_key] = _AtWork(job)
            tasks.create_task(self._work(begun), name=f"plan {job.id}")

    async def on_event(self, event: DomainEvent) -> None:
        """A consumer of the outbox: queues a re-plan when an event touches a published plan."""
        cause = cause_of(event)
        if cause is not None:
            await self._replan(event.tenant, cause)

    async def _replan(self, tenant: str, cause: Cause) -> None:
        is_urgent = cause.trigger == "urgent_order"
        job = Job(
            tenant=tenant,
            id=self._planning.new_job_id(),
            depot_id=cause.depot_id,
            service_date=cause.service_date,
            trigger=cause.trigger,
            reason=cause.reason,
            solver="insertion" if is_urgent else "auto",
            seconds=DECISION_S if is_urgent else REPLAN_S,
            seed=1,
        )
        if await asyncio.to_thread(self._queue, job):
            if job.is_urgent:
                self._put_off.pop(job.depot_key, None)  # the part may answer again
            self._waker.set()

    def _improvement(self, decided: Job) -> Job:
        """A search from where an urgent order was put at once."""
        return replace(
            decided,
            id=self._planning.new_job_id(),
            reason=f"{decided.reason}, the routes put in order around it",
            solver="auto",
            seconds=REPLAN_S,
        )

    def _queue(self, job: Job) -> bool:
        """Whether the job waits now, by itself or joined; one a day at the most does."""
        with self._database.reading() as connection:
            known = store.find_plan(connection, job.tenant, job.depot_id, job.service_date)
            if known.revision == 0 and not job_store.unfinished_of_day(connection, job):
                return False
        with self._database.writing() as connection:
            for waiting in job_store.queued_jobs(connection):
                if joins(waiting, job):
                    job_store.join(connection, waiting, job)
                    return True
            job_store.add_job(connection, job, self._clock.now_s())
        return True

    def _queue_again(self, at_work: Collection[str]) -> None:
        with self._database.writing() as connection:
            job_store.queue_again(connection, at_work)

    def _take(
        self, at_work: Collection[Job], held_off: Collection[DepotKey]
    ) -> tuple[list[Job], list[Job]]:
        """The jobs that begin now, which are marked as running, and those that wait on."""
        with self._database.reading() as connection:
            queued = job_store.queued_jobs(connection)
        if not self._chosen(queued, at_work, held_off):
            return [], queued
        with self._database.writing() as connection:
            queued = job_store.queued_jobs(connection)
            chosen = self._chosen(queued, at_work, held_off)
            for job in chosen:
                job_store.mark_job(connection, job.id, "running")
        return chosen, [job for job in queued if job not in chosen]

    def _chosen(
        self, queued: list[Job], at_work: Collection[Job], held_off: Collection[DepotKey]
    ) -> list[Job]:
        waiting = [job for job in queued if job.depot_key not in held_off]
        return to_begin(waiting, at_work, at_once=self._at_once, last_turn=self._last_turn)

    def _put_back(self, job: Job) -> None:
        with self._database.writing() as connection:
            job_store.mark_job(connection, job.id, "queued")

    async def _work(self, begun: _AtWork) -> None:
        """Do a job to its end; nothing that happens to it ends the others."""
        try:
            await self._make(begun)
        except DBAPIError as error:
            log.warning("the database does not answer", extra={"reason": error.orig})
            self._may_be_torn = True
        finally:
            del self._at_work[begun.job.depot_key]
            self._waker.set()

    async def _make(self, begun: _AtWork) -> None:
        job = begun.job
        try:
            await self._maker.make(job, begun.gives_way)
        except GaveWay:
            log.info("a search gave way to an urgent order", extra={"job": job.id})
            await asyncio.to_thread(self._put_back, job)
        except Unavailable as error:
            await self._try_later(job, error)
        except CloudError as error:
            log.warning("plan not made", extra={"job": job.id, "reason": error.detail})
            await asyncio.to_thread(self._fail, job, error.detail)
        except DBAPIError:
            raise
        except Exception as error:
            log.exception("planning broke", extra={"job": job.id})
            await asyncio.to_thread(self._fail, job, f"{type(error).__name__}; see the log")
        else:
            self._put_off.pop(job.depot_key, None)
            if job.is_urgent:
                await asyncio.to_thread(self._queue, self._improvement(job))

    async def _try_later(self, job: Job, error: Unavailable) -> None:
        """What the day asks for is not forgotten because a part does not answer now."""
        if job.trigger == "optimize":
            await asyncio.to_thread(self._fail, job, error.detail)
            return
        before = self._put_off.get(job.depot_key)
        failures = 1 if before is None else before.failures + 1
        until_s = asyncio.get_running_loop().time() + retry_after_s(failures)
        self._put_off[job.depot_key] = _PutOff(failures, until_s)
        log.warning("plan put off", extra={"job": job.id, "reason": error.detail})
        await asyncio.to_thread(self._put_back, job)
        if failures == 1:
            await asyncio.to_thread(self._tell_failure, job, f"{error.detail} It is tried again.")

    def _fail(self, job: Job, error: str) -> None:
        with self._database.writing() as connection:
            job_store.mark_job(connection, job.id, "failed", error=error)
            if job.proposal_id is not None:
                proposal_store.overtaken(connection, job.tenant, job.proposal_id)
            self._append_failure(connection, job, error)
        self._events.wake()

    def _tell_failure(self, job: Job, error: str) -> None:
        with self._database.writing() as connection:
            self._append_failure(connection, job, error)
        self._events.wake()

    def _append_failure(self, connection: Connection, job: Job, error: str) -> None:
        outbox.append(
            connection,
            job.tenant,
            self._clock.now_s(),
            PlanningFailed(
                depot_id=job.depot_id,
                service_date=job.service_date.isoformat(),
                job_id=job.id,
                error=error,
            ),
        )
