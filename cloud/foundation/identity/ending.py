"""The end of old lines of the audit log: by age, and never without a line that tells of it."""

from typing import Final

from sqlalchemy import Connection, delete, insert, select

from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.identity.audit import audit_row

_LINES: Final = 2_000
"""Of one tenant in one transaction."""
ACTION: Final = "audit log shortened"
BY: Final = "retention"


class AuditRetention:
    """Deletes what has had its time.

    Only the oldest lines go, so that what is left has no hole but at its beginning, and numbers are
    never used again: whoever keeps a copy can tell what ended from what was taken out.
    """

    def __init__(self, database: Database, kept_days: float, real_time: Clock) -> None:
        self._database = database
        self._kept_s = kept_days * 86_400
        self._real_time = real_time

    def work(self) -> int:
        """End a piece of each tenant's log; how many lines it was.

        Raises:
            DBAPIError: the database fails.
        """
        now_s = self._real_time.now_s()
        before_s = now_s - self._kept_s
        with self._database.reading() as connection:
            tenants = connection.scalars(select(audit_row.c.tenant).distinct()).all()
            due = [one for one in tenants if _begins_at(connection, one) < before_s]
        ended = 0
        for tenant in due:
            with self._database.writing() as connection:
                ended += _end(connection, tenant, before_s, now_s)
        return ended


def _begins_at(connection: Connection, tenant: str) -> float:
    """When the oldest line of a tenant was written."""
    of_tenant = select(audit_row.c.at).where(audit_row.c.tenant == tenant)
    return float(connection.execute(of_tenant.order_by(audit_row.c.number).limit(1)).scalar_one())


def _end(connection: Connection, tenant: str, before_s: float, now_s: float) -> int:
    """End the lines of a tenant up to the first that is young enough, and tell of it."""
    oldest = connection.execute(
        select(audit_row.c.number, audit_row.c.at)
        .where(audit_row.c.tenant == tenant)
        .order_by(audit_row.c.number)
        .limit(_LINES)
    ).all()
    old: list[int] = []
    for row in oldest:
        if row.at >= before_s:
            break
        old.append(row.number)
    if old:
        connection.execute(
            delete(audit_row).where(audit_row.c.tenant == tenant, audit_row.c.number <= old[-1])
        )
        connection.execute(
            insert(audit_row).values(
                tenant=tenant,
                at=now_s,
                user_id=None,
                user_name=BY,
                role="system",
                token_id=None,
                action=ACTION,
                subject="audit_log",
                detail={"lines": len(old), "upto_number": old[-1]},
                address="",
            )
        )
    return len(old)
