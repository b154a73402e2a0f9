"""Which promises were told to be in danger."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "promise_risk",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("promised_until", sa.Float(), nullable=False),
        sa.Column("told_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant", "order_id", "promised_until", name=op.f("pk_promise_risk")
        ),
    )
    op.create_index("promise_risk_by_time", "promise_risk", ["told_at"])


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("promise_risk")
