"""Phones as position sources."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "phone",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("vehicle_id", sa.String(), nullable=False),
        sa.Column("app", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("stream", sa.BigInteger(), nullable=False),
        sa.Column("max_accuracy_m", sa.Float(), nullable=False),
        sa.Column("is_only_on_shift", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.Float(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("next_seq", sa.BigInteger(), nullable=False),
        sa.Column("committed_before", sa.BigInteger(), nullable=False),
        sa.Column("heard_at", sa.Float(), nullable=True),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("problem_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_phone")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_phone_fingerprint")),
    )
    op.create_index("ix_phone_tenant_vehicle_id", "phone", ["tenant", "vehicle_id"])
    op.create_table(
        "phone_fix",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("phone_id", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("lat_e7", sa.Integer(), nullable=False),
        sa.Column("lon_e7", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("taken_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "phone_id", "seq", name=op.f("pk_phone_fix")),
        sa.UniqueConstraint(
            "tenant",
            "phone_id",
            "at_ms",
            "lat_e7",
            "lon_e7",
            name=op.f("uq_phone_fix_tenant_phone_id_at_ms_lat_e7_lon_e7"),
        ),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("phone_fix")
    op.drop_table("phone")
