"""Closures and slow zones, speeds out of files, and what vans met on the streets by the hour."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "road_rule",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("points", sa.Text(), nullable=False),
        sa.Column("is_area", sa.Boolean(), nullable=False),
        sa.Column("kmh", sa.Float(), nullable=True),
        sa.Column("is_one_way", sa.Boolean(), nullable=False),
        sa.Column("depot_id", sa.String(), nullable=True),
        sa.Column("from_s", sa.Float(), nullable=True),
        sa.Column("until_s", sa.Float(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_road_rule")),
    )
    op.create_table(
        "road_speed_file",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", name=op.f("pk_road_speed_file")),
    )
    op.create_table(
        "road_hour",
        sa.Column("hour_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("hour_s", name=op.f("pk_road_hour")),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("road_hour")
    op.drop_table("road_speed_file")
    op.drop_table("road_rule")
