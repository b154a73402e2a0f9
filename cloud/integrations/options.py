"""What a tenant has switched on for third parties; off until it says so."""

from sqlalchemy import Boolean, Column, Connection, String, Table, insert, select, update

from cloud.foundation.database import BUSINESS

integration_option = Table(
    "integration_option",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("home_assistant", Boolean, nullable=False),
)


def wants_home_assistant(connection: Connection, tenant: str) -> bool:
    """Whether the tenant's vans are told to Home Assistant."""
    found = connection.execute(
        select(integration_option.c.home_assistant).where(integration_option.c.tenant == tenant)
    ).scalar()
    return bool(found)


def set_home_assistant(connection: Connection, tenant: str, *, is_on: bool) -> None:
    """Switch it."""
    changed = connection.execute(
        update(integration_option)
        .where(integration_option.c.tenant == tenant)
        .values(home_assistant=is_on)
    )
    if changed.rowcount == 0:
        connection.execute(insert(integration_option).values(tenant=tenant, home_assistant=is_on))


def tenants_with_home_assistant(connection: Connection) -> frozenset[str]:
    """Every tenant that wants it."""
    rows = connection.execute(
        select(integration_option.c.tenant).where(integration_option.c.home_assistant)
    )
    return frozenset(row.tenant for row in rows)
