"""Where a van stands before its shift, and where it goes after it."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_COLUMNS = ("start_lat", "start_lon", "end_lat", "end_lon")


def upgrade() -> None:
    """Take the step."""
    with op.batch_alter_table("vehicle") as table:
        for name in _COLUMNS:
            table.add_column(sa.Column(name, sa.Float(), nullable=True))


def downgrade() -> None:
    """Take the step back."""
    with op.batch_alter_table("vehicle") as table:
        for name in reversed(_COLUMNS):
            table.drop_column(name)
