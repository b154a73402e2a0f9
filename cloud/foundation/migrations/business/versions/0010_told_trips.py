"""Up to where what the vans told was handed on to third parties."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "integration_place",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("received_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_integration_place")),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("integration_place")
