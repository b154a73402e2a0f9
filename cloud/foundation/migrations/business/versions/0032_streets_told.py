"""Which closures and slow zones were told to hold, so that a restart tells what changed since."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "road_told",
        sa.Column("effect", sa.String(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("effect", name=op.f("pk_road_told")),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("road_told")
