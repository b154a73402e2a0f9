"""when a certificate was asked with after it was retired."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.add_column("gateway_certificate", sa.Column("asked_again_at", sa.Float(), nullable=True))


def downgrade() -> None:
    """Take the step back."""
    op.drop_column("gateway_certificate", "asked_again_at")
