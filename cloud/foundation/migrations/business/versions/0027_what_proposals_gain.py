"""What proposals cost and gain."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    with op.batch_alter_table("plan_proposal") as table:
        table.add_column(sa.Column("prices", sa.JSON(), nullable=True))
        table.add_column(sa.Column("gain", sa.Float(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Take the step back."""
    with op.batch_alter_table("plan_proposal") as table:
        table.drop_column("gain")
        table.drop_column("prices")
