"""The queue of planning jobs, kept over a restart."""

from collections.abc import Collection
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    String,
    Table,
    insert,
    select,
    update,
)

from cloud.foundation.database import BUSINESS
from cloud.foundation.identity.reach import Reach
from cloud.foundation.identity.within import within
from cloud.planning.jobs import About, Job, JobState
from cloud.planning.turns import joined, joins

job_row = Table(
    "planning_job",
    BUSINESS,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("tenant", String, nullable=False),
    Column("id", String, nullable=False, unique=True),
    Column("depot_id", String, nullable=False),
    Column("service_date", String, nullable=False),
    Column("trigger", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("solver", String, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("revision", Integer),
    Column("error", String),
    Column("created_at", Float, nullable=False),
    Column("base", Integer),
    Column("restores", Integer),
    Column("proposal_id", String),
    Column("about", JSON, nullable=False),
    Column("due_at", Float),
    sqlite_autoincrement=True,
)


def jobs_within(reach: Reach) -> ColumnElement[bool]:
    """Jobs within reach: a plan is a depot's, and no single carrier's."""
    return within(reach, depot=job_row.c.depot_id)


def add_job(connection: Connection, job: Job, created_at: float) -> None:
    """Queue a job."""
    connection.execute(
        insert(job_row).values(
            tenant=job.tenant,
            id=job.id,
            depot_id=job.depot_id,
            service_date=job.service_date.isoformat(),
            trigger=job.trigger,
            reason=job.reason,
            solver=job.solver,
            seconds=job.seconds,
            seed=job.seed,
            state=job.state,
            base=job.base,
            restores=job.restores,
            proposal_id=job.proposal_id,
            about=msgspec.to_builtins(job.about),
            due_at=job.due_at,
            created_at=created_at,
        )
    )


def put_job(connection: Connection, job: Job, created_at: float) -> None:
    """Queue a job, by itself or joined to one that waits."""
    for waiting in queued_jobs(connection):
        if joins(waiting, job):
            join(connection, waiting, job)
            return
    add_job(connection, job, created_at)


def find_job(connection: Connection, tenant: str, job_id: str) -> Job | None:
    """One job."""
    found = _jobs(connection, [job_row.c.tenant == tenant, job_row.c.id == job_id])
    return found[0] if found else None


def queued_jobs(connection: Connection) -> list[Job]:
    """Jobs that nobody works on yet: those of urgent orders first, then in the order they came."""
    return _jobs(connection, [job_row.c.state == "queued"])


def unfinished_of_day(connection: Connection, job: Job) -> bool:
    """Whether a job for the same day waits or is being worked on."""
    same_day = [
        job_row.c.tenant == job.tenant,
        job_row.c.depot_id == job.depot_id,
        job_row.c.service_date == job.service_date.isoformat(),
        job_row.c.state.in_(("queued", "running")),
    ]
    return bool(_jobs(connection, same_day))


def count_queued(connection: Connection, tenant: str) -> int:
    """How many jobs of a tenant wait."""
    return len(
        connection.execute(
            select(job_row.c.id).where(job_row.c.tenant == tenant, job_row.c.state == "queued")
        ).all()
    )


def mark_job(connection: Connection, job_id: str, state: JobState, **values: Any) -> None:
    """A job has gone on."""
    connection.execute(update(job_row).where(job_row.c.id == job_id).values(state=state, **values))


def queue_again(connection: Connection, at_work: Collection[str] = ()) -> None:
    """Jobs that nobody works on any more wait again: all that run but those ``at_work``."""
    connection.execute(
        update(job_row)
        .where(job_row.c.state == "running", job_row.c.id.not_in(at_work))
        .values(state="queued")
    )


def _jobs(connection: Connection, wanted: list[ColumnElement[bool]]) -> list[Job]:
    rows = connection.execute(
        select(job_row)
        .where(*wanted)
        .order_by(job_row.c.trigger != "urgent_order", job_row.c.number)
    ).mappings()
    return [
        Job(
            **{
                name: row[name]
                for name in row
                if name not in {"number", "created_at", "service_date", "about"}
            },
            about=msgspec.convert(row["about"], tuple[About, ...]),
            service_date=date.fromisoformat(row["service_date"]),
        )
        for row in rows
    ]


def join(connection: Connection, waiting: Job, further: Job) -> None:
    """A waiting job serves a further reason too."""
    one = joined(waiting, further)
    connection.execute(
        update(job_row)
        .where(job_row.c.id == waiting.id)
        .values(
            trigger=one.trigger,
            reason=one.reason,
            solver=one.solver,
            seconds=one.seconds,
            about=msgspec.to_builtins(one.about),
            due_at=one.due_at,
        )
    )
