"""The breaks of a route's driver."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    with op.batch_alter_table("route") as table:
        table.add_column(sa.Column("breaks", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    """Take the step back."""
    with op.batch_alter_table("route") as table:
        table.drop_column("breaks")
