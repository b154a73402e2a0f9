"""Which geofences each van is in."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "fence_presence",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("vehicle_id", sa.String(), nullable=False),
        sa.Column("inside", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "vehicle_id", name=op.f("pk_fence_presence")),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("fence_presence")
