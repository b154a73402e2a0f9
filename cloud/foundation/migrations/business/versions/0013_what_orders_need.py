"""What orders weigh, how much room they take, and which skills they need."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    with op.batch_alter_table("customer_order") as table:
        table.add_column(sa.Column("weight_kg", sa.Float(), nullable=True))
        table.add_column(sa.Column("volume_litres", sa.Float(), nullable=True))
        table.add_column(sa.Column("needs", sa.Text(), server_default="[]", nullable=False))


def downgrade() -> None:
    """Take the step back."""
    with op.batch_alter_table("customer_order") as table:
        table.drop_column("needs")
        table.drop_column("volume_litres")
        table.drop_column("weight_kg")
