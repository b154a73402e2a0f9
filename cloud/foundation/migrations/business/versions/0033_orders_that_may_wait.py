"""Orders may wait for a later day, until a date."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.add_column("customer_order", sa.Column("wait_until", sa.String()))
    op.create_index("ix_customer_order_wait", "customer_order", ["wait_until", "state"])


def downgrade() -> None:
    """Take the step back."""
    op.drop_index("ix_customer_order_wait", table_name="customer_order")
    op.drop_column("customer_order", "wait_until")
