"""The end of what planning keeps of days long gone, by age and a bounded piece at a time."""

from typing import Final

from sqlalchemy import Connection, Table, delete, select, tuple_, update

from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.planning.job_store import job_row
from cloud.planning.proposal_store import proposal_row
from cloud.planning.rules.store import plan_rule
from cloud.planning.tables import revision_row

_ROWS: Final = 500
"""Of one kind in one transaction."""


class PlanRetention:
    """Ends jobs that are over, proposals, lifted rules, and the sequences of revisions.

    A revision itself stays, with what it changed and cost; it can be taken back no more.

    Args:
        database: of the business.
        kept_days: how long each is kept.
        clock: domain time.
    """

    def __init__(self, database: Database, kept_days: float, clock: Clock) -> None:
        self._database = database
        self._kept_s = kept_days * 86_400
        self._clock = clock

    def work(self) -> int:
        """End a piece of each kind; how many rows it was.

        Raises:
            DBAPIError: the database fails.
        """
        before = self._clock.now_s() - self._kept_s
        with self._database.writing() as connection:
            return (
                _end_jobs(connection, before)
                + _end_rows(connection, proposal_row, "created_at", before)
                + _end_rows(connection, plan_rule, "lifted_at", before)
                + _end_sequences(connection, before)
            )


def _end_jobs(connection: Connection, before: float) -> int:
    old = select(job_row.c.number).where(
        job_row.c.created_at < before, job_row.c.state.in_(("done", "failed"))
    )
    numbers = connection.execute(old.order_by(job_row.c.number).limit(_ROWS)).scalars().all()
    if numbers:
        connection.execute(delete(job_row).where(job_row.c.number.in_(numbers)))
    return len(numbers)


def _end_rows(connection: Connection, table: Table, when: str, before: float) -> int:
    """Rows with an id that are older; those without a time are still in force."""
    key = (table.c.tenant, table.c.id)
    rows = connection.execute(select(*key).where(table.c[when] < before).limit(_ROWS)).all()
    if rows:
        found = [tuple(row) for row in rows]
        connection.execute(delete(table).where(tuple_(*key).in_(found)))
    return len(rows)


def _end_sequences(connection: Connection, before: float) -> int:
    row = revision_row.c
    key = (row.tenant, row.depot_id, row.service_date, row.number)
    old = select(*key).where(row.created_at < before, row.steps.is_not(None))
    rows = connection.execute(old.limit(_ROWS)).all()
    if rows:
        found = [tuple(each) for each in rows]
        connection.execute(
            update(revision_row).where(tuple_(*key).in_(found)).values(steps=None, sequences={})
        )
    return len(rows)
