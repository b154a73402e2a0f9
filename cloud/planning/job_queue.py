"""The transactions of the planning loop: news becomes jobs, and jobs are begun and ended."""

from collections.abc import Callable, Collection, Mapping
from datetime import date
from typing import Final, NamedTuple

from sqlalchemy import Connection

from cloud.fleet import shift_store
from cloud.fleet import store as fleet_store
from cloud.fleet.model import Depot
from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.ids import NewId
from cloud.orders import store as order_store
from cloud.planning import job_store, plan_store, proposal_store, route_store
from cloud.planning.answering import due_again, job_of
from cloud.planning.events import PlanningFailed, RouteFinished
from cloud.planning.hours_news import HoursNews, PlaceNews, PlannedDay, cause_of_hours
from cloud.planning.jobs import DayKey, Job
from cloud.planning.rest_news import causes_of_rest
from cloud.planning.revision import Trigger
from cloud.planning.situation import At
from cloud.planning.street_news import StreetNews, causes_of
from cloud.planning.triggers import Cause, VanCause

_SOON_S: Final = 86_400.0
"""Of the streets' news only routes that begin until then are told."""
_BEFORE_THE_SHIFT: Final[frozenset[Trigger]] = frozenset({"van_broken_down", "changed_shift"})
"""What is news of a van that has not set out yet, too."""


type Choose = Callable[[list[Job]], list[Job]]
"""Picks those of the jobs that wait whose turn it is."""


class Taken(NamedTuple):
    """Jobs that were asked for, those that begin now, and those that wait on."""

    asked: list[Job]
    chosen: list[Job]
    waiting: list[Job]


class JobQueue:
    """Jobs by what asks for them; each use case is one transaction.

    Args:
        positions: where each van of a tenant is.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        events: outbox.Outbox,
        new_id: NewId,
        positions: Callable[[str], Mapping[str, At]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._events = events
        self._new_id = new_id
        self._positions = positions

    def ask(self, tenant: str, cause: Cause | VanCause) -> list[Job]:
        """Let a job wait for each day that something touches; those that wait now, or joined."""
        return [
            job
            for depot_id, service_date in self._days(tenant, cause)
            if self.add(job := self._job((tenant, depot_id, service_date), cause))
        ]

    def ask_of_streets(self, news: StreetNews) -> list[Job]:
        """The same for each route of any company that news of the streets concern."""
        now = self._clock.now_s()
        soon = now - route_store.LATE_S, now + _SOON_S
        with self._database.reading() as connection:
            known = [
                (tenant, route_store.routes_between(connection, tenant, *soon))
                for tenant in route_store.tenants_on_road(connection, *soon)
            ]
        return [
            job
            for tenant, routes in known
            for cause in causes_of(news, routes, self._positions(tenant))
            for job in self.ask(tenant, cause)
        ]

    def ask_of_hours(self, tenant: str, news: HoursNews) -> list[Job]:
        """The same for each day to come or under way whose orders other hours concern."""
        now = self._clock.now_s()
        with self._database.reading() as connection:
            causes = [
                cause
                for depot in fleet_store.depots(connection, tenant)
                if news.depot_id in {None, depot.id}
                for day in _days_of(connection, depot, news, depot.service_date(now))
                if _is_to_come(connection, tenant, depot.id, day, now)
                and (cause := cause_of_hours(news, _planned(connection, depot, day))) is not None
            ]
        return [job for cause in causes for job in self.ask(tenant, cause)]

    def ask_of_rest(self, tenant: str, told: RouteFinished) -> list[Job]:
        """The same for each day whose plan asks more of the driver than is left of a shift."""
        with self._database.reading() as connection:
            causes = list(causes_of_rest(connection, tenant, told, self._clock.now_s()))
        return [job for cause in causes for job in self.ask(tenant, cause)]

    def _job(self, day: DayKey, cause: Cause | VanCause) -> Job:
        return job_of(day, cause, self.new_job_id(), self._clock.now_s())

    def _days(self, tenant: str, cause: Cause | VanCause) -> list[tuple[str, date]]:
        if isinstance(cause, Cause):
            return [(cause.depot_id, cause.service_date)]
        now = self._clock.now_s()
        until = now + (_SOON_S if cause.about.trigger in _BEFORE_THE_SHIFT else 1)
        with self._database.reading() as connection:
            routes = route_store.routes_between(connection, tenant, now - route_store.LATE_S, until)
            shifts = shift_store.shifts_between(connection, tenant, now, until, cause.vehicle_id)
        days = [
            (route.depot_id, route.service_date)
            for route in routes
            if route.vehicle_id == cause.vehicle_id and route.open_stops
        ]
        days += [(shift.depot_id, shift.service_date) for shift in shifts]
        return list(dict.fromkeys(days))

    def job_about(self, tenant: str, cause: Cause) -> Job:
        """What is done about news of a day."""
        return self._job((tenant, cause.depot_id, cause.service_date), cause)

    def ask_and_take(self, job: Job, choose: Choose, broken_off: Job | None = None) -> Taken:
        """As `ask` and `take` in one transaction, for what nobody is to wait for.

        Args:
            job: that is to begin.
            choose: picks it, or another.
            broken_off: a search for the same day that ended for it; waits again.
        """
        with self._database.writing() as connection:
            if not _is_planned(connection, job):
                return Taken([], [], [])
            now = self._clock.now_s()
            job_store.put_job(connection, job, now)
            taken = _taken(connection, choose)
            if broken_off is not None:
                due_at = due_again(broken_off, now)
                job_store.mark_job(connection, broken_off.id, "queued", due_at=due_at)
            return Taken([job], *taken)

    def add(self, job: Job) -> bool:
        """Whether the job waits now, by itself or joined; not where its day has no plan."""
        with self._database.reading() as connection:
            if not _is_planned(connection, job):
                return False
        with self._database.writing() as connection:
            job_store.put_job(connection, job, self._clock.now_s())
        return True

    def new_job_id(self) -> str:
        """An id for a job."""
        return self._new_id("job")

    def queue_again(self, at_work: Collection[str]) -> None:
        """Jobs that run by the book and nobody works on wait again."""
        with self._database.writing() as connection:
            job_store.queue_again(connection, at_work)

    def take(self, choose: Choose) -> tuple[list[Job], list[Job]]:
        """The jobs that ``choose`` picks of those that wait, and those that wait on.

        What is picked is marked as running.
        """
        with self._database.reading() as connection:
            queued = job_store.queued_jobs(connection)
        if not choose(queued):
            return [], queued
        with self._database.writing() as connection:
            return _taken(connection, choose)

    def put_back(self, job: Job, *, is_broken_off: bool = False) -> None:
        """A job waits again; ``is_broken_off``: its search was, for something more urgent."""
        due_at = due_again(job, self._clock.now_s()) if is_broken_off else job.due_at
        with self._database.writing() as connection:
            job_store.mark_job(connection, job.id, "queued", due_at=due_at)

    def fail(self, job: Job, error: str) -> None:
        """A job is given up, and that is told."""
        with self._database.writing() as connection:
            job_store.mark_job(connection, job.id, "failed", error=error)
            if job.proposal_id is not None:
                proposal_store.overtaken(connection, job.tenant, job.proposal_id)
            self._append_failure(connection, job, error)
        self._events.wake()

    def tell_failure(self, job: Job, error: str) -> None:
        """A plan could not be made yet; the one before stays in force."""
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


def _is_planned(connection: Connection, job: Job) -> bool:
    """Whether its day has a plan, or is to get one."""
    revision = plan_store.current_revision(connection, *job.day_key)
    return revision > 0 or job_store.unfinished_of_day(connection, job)


def _taken(connection: Connection, choose: Choose) -> tuple[list[Job], list[Job]]:
    queued = job_store.queued_jobs(connection)
    chosen = choose(queued)
    for job in chosen:
        job_store.mark_job(connection, job.id, "running")
    return chosen, [job for job in queued if job not in chosen]


def _days_of(connection: Connection, depot: Depot, news: HoursNews, today: date) -> list[date]:
    """The planned days of a depot that news may concern: of a place those with an order there."""
    days = plan_store.planned_days(connection, depot.tenant, depot.id, today)
    if not days or not isinstance(news, PlaceNews):
        return days
    place_id = news.told.place_id
    there = order_store.days_at_place(connection, depot.tenant, depot.id, place_id, days[0])
    return [day for day in days if day in there]


def _is_to_come(connection: Connection, tenant: str, depot_id: str, day: date, now: float) -> bool:
    """Whether a shift of a day holds and is not over."""
    shifts = shift_store.shifts_of_day(connection, tenant, depot_id, day)
    return any(shift.state == "planned" and shift.ends_at > now for shift in shifts)


def _planned(connection: Connection, depot: Depot, day: date) -> PlannedDay:
    plan = plan_store.find_plan(connection, depot.tenant, depot.id, day)
    orders = order_store.of_day(connection, depot.tenant, depot.id, day)
    return PlannedDay(depot, plan, tuple(orders))
