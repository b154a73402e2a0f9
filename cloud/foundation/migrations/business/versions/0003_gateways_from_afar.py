"""Settings desired of gateways, and commands sent to them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "gateway_settings",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("vehicle_id", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("is_following_shifts", sa.Boolean(), nullable=False),
        sa.Column("shifts", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "vehicle_id", name=op.f("pk_gateway_settings")),
    )
    op.create_table(
        "gateway_command",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("vehicle_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("sent_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_gateway_command")),
    )
    op.create_index(op.f("ix_gateway_command_vehicle_id"), "gateway_command", ["vehicle_id"])


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("gateway_command")
    op.drop_table("gateway_settings")
