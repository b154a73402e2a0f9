"""Events in the order in which they were received, of all vans."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_index("ix_event_kind_received_at_ms", "event", ["kind", "received_at_ms"])


def downgrade() -> None:
    """Take the step back."""
    op.drop_index("ix_event_kind_received_at_ms", "event")
