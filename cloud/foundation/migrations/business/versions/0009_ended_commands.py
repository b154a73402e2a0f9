"""For which box a command was, so that one that nobody will do is told as ended."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step; of a command sent before it is not known."""
    with op.batch_alter_table("gateway_command") as table:
        table.add_column(sa.Column("box", sa.String(), nullable=True))


def downgrade() -> None:
    """Take the step back."""
    with op.batch_alter_table("gateway_command") as table:
        table.drop_column("box")
