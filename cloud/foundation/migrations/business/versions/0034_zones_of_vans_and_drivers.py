"""Vans and drivers may have zones in which they would rather deliver."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_TABLES = ("vehicle", "driver")


def upgrade() -> None:
    """Take the step."""
    for table in _TABLES:
        op.add_column(table, sa.Column("zones", sa.Text(), nullable=False, server_default="[]"))


def downgrade() -> None:
    """Take the step back."""
    for table in _TABLES:
        op.drop_column(table, "zones")
