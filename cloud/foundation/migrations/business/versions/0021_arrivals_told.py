"""Forecasts of arrivals as they were made, to learn from what they were worth."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "arrival_told",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("route_id", sa.String(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("horizon", sa.Integer(), nullable=False),
        sa.Column("stop_id", sa.String(), nullable=False),
        sa.Column("told_at", sa.Float(), nullable=False),
        sa.Column("p10", sa.Float(), nullable=False),
        sa.Column("p50", sa.Float(), nullable=False),
        sa.Column("p90", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant", "route_id", "slot", "horizon", name=op.f("pk_arrival_told")
        ),
    )
    op.create_index("arrival_told_by_time", "arrival_told", ["told_at"])


def downgrade() -> None:
    """Take the step back."""
    op.drop_index("arrival_told_by_time", "arrival_told")
    op.drop_table("arrival_told")
