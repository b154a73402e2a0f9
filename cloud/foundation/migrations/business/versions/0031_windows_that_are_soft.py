"""Windows of orders are hard, or only preferred."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.add_column(
        "customer_order",
        sa.Column("window_kind", sa.String(), nullable=False, server_default="hard"),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_column("customer_order", "window_kind")
