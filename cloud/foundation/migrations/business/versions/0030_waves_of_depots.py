"""When depots have parcels ready of what was ordered until a time."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "depot_waves",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("depot_id", sa.String(), nullable=False),
        sa.Column("waves", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "depot_id", name=op.f("pk_depot_waves")),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("depot_waves")
