"""carriers, and whose each van is."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step: what is there is a tenant's own."""
    op.create_table(
        "carrier",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("retired_at", sa.Float(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_carrier")),
    )
    op.execute(
        "INSERT INTO carrier (tenant, id, name)"
        " SELECT tenant, 'own', 'Own fleet' FROM depot UNION"
        " SELECT 'main', 'own', 'Own fleet'"
    )
    with op.batch_alter_table("vehicle") as batch:
        batch.add_column(sa.Column("carrier_id", sa.String(), server_default="own", nullable=False))


def downgrade() -> None:
    """Take the step back."""
    with op.batch_alter_table("vehicle") as batch:
        batch.drop_column("carrier_id")
    op.drop_table("carrier")
