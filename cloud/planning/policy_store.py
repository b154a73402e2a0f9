"""The table of tenants' policies."""

import msgspec
from sqlalchemy import JSON, Column, Connection, String, Table, insert, select, update

from cloud.foundation.database import BUSINESS
from cloud.planning.policy import TenantPolicy

policy_row = Table(
    "planning_policy",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("policy", JSON, nullable=False),
)


def policy_of(connection: Connection, tenant: str) -> TenantPolicy:
    """A tenant's policy; the usual one when none was set."""
    wanted = select(policy_row.c.policy).where(policy_row.c.tenant == tenant)
    found = connection.execute(wanted).scalar()
    return TenantPolicy() if found is None else msgspec.convert(found, TenantPolicy)


def put_policy(connection: Connection, tenant: str, policy: TenantPolicy) -> None:
    """Set a tenant's policy."""
    told = msgspec.to_builtins(policy)
    same = policy_row.c.tenant == tenant
    if connection.execute(update(policy_row).where(same).values(policy=told)).rowcount == 0:
        connection.execute(insert(policy_row).values(tenant=tenant, policy=told))
