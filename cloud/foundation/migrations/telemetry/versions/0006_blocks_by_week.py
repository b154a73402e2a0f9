"""Blocks lie in parts by time, where the store can: a week of them goes in one piece."""

from alembic import op

from cloud.foundation.database import divide, unite

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    divide(op.get_bind(), "block", "from_ms")


def downgrade() -> None:
    """Take the step back."""
    unite(op.get_bind(), "block", "from_ms")
