"""Revisions tell why their solver made them."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.add_column("plan_revision", sa.Column("because", sa.String()))


def downgrade() -> None:
    """Take the step back."""
    op.drop_column("plan_revision", "because")
