"""The planning loop: what happened in the day becomes jobs, and jobs become revisions."""

import asyncio
import logging
from dataclasses import replace
from typing import Final

from sqlalchemy.exc import DBAPIError

from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import CloudError, Unavailable
from cloud.foundation.outbox import DomainEvent
from cloud.planning import job_store, proposal_store, store
from cloud.planning.day import Job, PlanningFailed
from cloud.planning.making import PlanMaker
from cloud.planning.service import Planning
from cloud.planning.triggers import Cause, cause_of

log = logging.getLogger(__name__)

REPLAN_S: Final = 1.0
DECISION_S: Final = 0.05
"""For an urgent order, which is put where it fits at once; the loop improves on that later."""
_IDLE_S: Final = 1.0
_RETRY_S: Final = 2.0
_RETRY_MOST_S: Final = 30.0


class PlanningLoop:
    """Works on one job at a time; triggers for a day that waits already join its job."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        planning: Planning,
        maker: PlanMaker,
        events: outbox.Outbox,
    ) -> None:
        self._database = database
        self._clock = clock
        self._planning = planning
        self._maker = maker
        self._events = events
        self._waker = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: tuple[Job, asyncio.Task[None]] | None = None
        self._gives_way = False
        self._failures = 0

    def wake(self) -> None:
        """Look for queued jobs now; safe from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._waker.set)

    async def run(self) -> None:
        """Work until cancelled. Jobs that a stop of the service cut off are done again."""
        self._loop = asyncio.get_running_loop()
        is_first = True
        while True:
            self._waker.clear()
            try:
                if is_first:
                    await asyncio.to_thread(self._queue_again)
                    is_first = False
                await self._work_or_wait()
            except DBAPIError as error:
                log.warning("the database does not answer", extra={"reason": error.orig})
                is_first = True  # a job may have been left marked as running
                await asyncio.sleep(_RETRY_S)

    async def _work_or_wait(self) -> None:
        job = await asyncio.to_thread(self._take)
        if job is None:
            try:
                async with asyncio.timeout(_IDLE_S):
                    await self._waker.wait()
            except TimeoutError:
                return
            return
        self._running = job, asyncio.create_task(self._work(job), name=f"plan {job.id}")
        try:
            await self._running[1]
        except asyncio.CancelledError:
            if not self._gives_way:
                self._running[1].cancel()
                raise
            await asyncio.to_thread(self._put_back, job)
        finally:
            self._running, self._gives_way = None, False

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
            if cause.trigger == "urgent_order":
                self._give_way()
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

    def _give_way(self) -> None:
        """An urgent order does not wait for a long plan somebody asked for: that starts anew."""
        if self._running is not None and self._running[0].trigger == "optimize":
            self._gives_way = True
            self._running[1].cancel()

    def _queue(self, job: Job) -> bool:
        """Whether the job waits now, by itself or joined; one a day at the most does."""
        with self._database.reading() as connection:
            known = store.find_plan(connection, job.tenant, job.depot_id, job.service_date)
            if known.revision == 0 and not job_store.unfinished_of_day(connection, job):
                return False
        with self._database.writing() as connection:
            for waiting in job_store.queued_jobs(connection):
                if waiting.is_of_same_day(job) and not waiting.is_held:
                    job_store.join(connection, waiting, job)
                    return True
            job_store.add_job(connection, job, self._clock.now_s())
        return True

    def _queue_again(self) -> None:
        with self._database.writing() as connection:
            job_store.queue_again(connection)

    def _take(self) -> Job | None:
        with self._database.reading() as connection:
            if not job_store.queued_jobs(connection):
                return None
        with self._database.writing() as connection:
            job = job_store.queued_jobs(connection)[0]
            job_store.mark_job(connection, job.id, "running")
        return job

    def _put_back(self, job: Job) -> None:
        with self._database.writing() as connection:
            job_store.mark_job(connection, job.id, "queued")

    async def _work(self, job: Job) -> None:
        try:
            revision = await self._maker.make(job)
        except Unavailable as error:
            await self._try_later(job, error)
        except CloudError as error:
            log.warning("plan not made", extra={"job": job.id, "reason": error.detail})
            await asyncio.to_thread(self._fail, job, error.detail)
        except Exception as error:
            log.exception("planning broke", extra={"job": job.id})
            await asyncio.to_thread(self._fail, job, f"{type(error).__name__}; see the log")
        else:
            self._failures = 0
            await asyncio.to_thread(self._finish, job, revision)
            if job.trigger == "urgent_order" and job.solver == "insertion":
                await asyncio.to_thread(self._queue, self._improvement(job))

    async def _try_later(self, job: Job, error: Unavailable) -> None:
        """What the day asks for is not forgotten because a part does not answer now."""
        if job.trigger == "optimize":
            await asyncio.to_thread(self._fail, job, error.detail)
            return
        self._failures += 1
        log.warning("plan put off", extra={"job": job.id, "reason": error.detail})
        if self._failures == 1:
            await asyncio.to_thread(self._tell_failure, job, f"{error.detail} It is tried again.")
        await asyncio.sleep(min(_RETRY_S * self._failures, _RETRY_MOST_S))
        await asyncio.to_thread(self._put_back, job)

    def _finish(self, job: Job, revision: int) -> None:
        with self._database.writing() as connection:
            job_store.mark_job(connection, job.id, "done", revision=revision)

    def _fail(self, job: Job, error: str) -> None:
        with self._database.writing() as connection:
            job_store.mark_job(connection, job.id, "failed", error=error)
            if job.proposal_id is not None:
                proposal_store.overtaken(connection, job.tenant, job.proposal_id)
        self._tell_failure(job, error)

    def _tell_failure(self, job: Job, error: str) -> None:
        with self._database.writing() as connection:
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
        self._events.wake()
