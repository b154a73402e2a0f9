"""How gateways answered commands."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "result",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("van", sa.String, primary_key=True),
        sa.Column("command", sa.String, primary_key=True),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("data", sa.Text),
        sa.Column("received_at_ms", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("result")
