"""Orders that are fetched elsewhere than at the depot, returns, and when parcels are ready."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    with op.batch_alter_table("customer_order") as table:
        table.add_column(sa.Column("kind", sa.String(), server_default="delivery", nullable=False))
        table.add_column(sa.Column("pickup_place_id", sa.String(), nullable=True))
        table.add_column(sa.Column("pickup_begin", sa.Float(), nullable=True))
        table.add_column(sa.Column("pickup_end", sa.Float(), nullable=True))
        table.add_column(sa.Column("ready_from", sa.Float(), nullable=True))


def downgrade() -> None:
    """Take the step back."""
    with op.batch_alter_table("customer_order") as table:
        table.drop_column("ready_from")
        table.drop_column("pickup_end")
        table.drop_column("pickup_begin")
        table.drop_column("pickup_place_id")
        table.drop_column("kind")
