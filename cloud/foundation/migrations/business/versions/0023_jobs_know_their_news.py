"""Jobs know the news they serve, and when they may begin."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    with op.batch_alter_table("planning_job") as table:
        table.add_column(sa.Column("about", sa.JSON(), nullable=False, server_default="[]"))
        table.add_column(sa.Column("due_at", sa.Float(), nullable=True))


def downgrade() -> None:
    """Take the step back."""
    with op.batch_alter_table("planning_job") as table:
        table.drop_column("due_at")
        table.drop_column("about")
