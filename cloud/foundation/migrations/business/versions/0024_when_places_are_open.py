"""What stands at a place and when somebody is there; areas with access hours."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    with op.batch_alter_table("place") as table:
        table.add_column(sa.Column("kind", sa.String(), nullable=True))
        table.add_column(sa.Column("hours", sa.Text(), nullable=True))
    op.create_table(
        "access_area",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("points", sa.Text(), nullable=False),
        sa.Column("hours", sa.Text(), nullable=False),
        sa.Column("depot_id", sa.String(), nullable=True),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_access_area")),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("access_area")
    with op.batch_alter_table("place") as table:
        table.drop_column("hours")
        table.drop_column("kind")
