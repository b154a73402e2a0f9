"""Revisions that can be taken back or wait for a dispatcher, and each tenant's policy."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    with op.batch_alter_table("plan_revision") as table:
        table.add_column(sa.Column("steps", sa.JSON(), nullable=True))
        table.add_column(sa.Column("prices", sa.JSON(), nullable=True))
    with op.batch_alter_table("planning_job") as table:
        table.add_column(sa.Column("base", sa.Integer(), nullable=True))
        table.add_column(sa.Column("restores", sa.Integer(), nullable=True))
        table.add_column(sa.Column("proposal_id", sa.String(), nullable=True))
    op.create_table(
        "plan_proposal",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("depot_id", sa.String(), nullable=False),
        sa.Column("service_date", sa.String(), nullable=False),
        sa.Column("base", sa.Integer(), nullable=False),
        sa.Column("trigger", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("asks_because", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("cost", sa.JSON(), nullable=False),
        sa.Column("diff", sa.JSON(), nullable=False),
        sa.Column("sequences", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_plan_proposal")),
    )
    op.create_index("ix_plan_proposal_day", "plan_proposal", ["tenant", "depot_id", "service_date"])
    op.create_table(
        "planning_policy",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_planning_policy")),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("planning_policy")
    op.drop_index("ix_plan_proposal_day", "plan_proposal")
    op.drop_table("plan_proposal")
    with op.batch_alter_table("planning_job") as table:
        table.drop_column("proposal_id")
        table.drop_column("restores")
        table.drop_column("base")
    with op.batch_alter_table("plan_revision") as table:
        table.drop_column("prices")
        table.drop_column("steps")
