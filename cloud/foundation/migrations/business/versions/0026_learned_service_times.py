"""Whether somebody has said how long a service takes, or it is learned of the door."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    with op.batch_alter_table("customer_order") as table:
        table.add_column(
            sa.Column("is_service_given", sa.Boolean(), server_default=sa.true(), nullable=False)
        )


def downgrade() -> None:
    """Take the step back."""
    with op.batch_alter_table("customer_order") as table:
        table.drop_column("is_service_given")
