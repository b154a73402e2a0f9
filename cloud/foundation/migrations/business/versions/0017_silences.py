"""Silences of vans that are told and not over."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "van_silence",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("vehicle_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("heard_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "vehicle_id", name=op.f("pk_van_silence")),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("van_silence")
