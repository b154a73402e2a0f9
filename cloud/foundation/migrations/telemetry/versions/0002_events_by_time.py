"""When an event happened, so that a van's events can be read by time."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step; of what is stored already the gateway's time is the nearest there is."""
    op.add_column("event", sa.Column("at_ms", sa.BigInteger, nullable=False, server_default="0"))
    op.execute("UPDATE event SET at_ms = recorded_at_ms")
    op.create_index("ix_event_tenant_van_at_ms", "event", ["tenant", "van", "at_ms"])


def downgrade() -> None:
    """Take the step back."""
    op.drop_index("ix_event_tenant_van_at_ms", "event")
    op.drop_column("event", "at_ms")
