"""How far a van comes, and what its kilometres, hours and use cost."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_COLUMNS = ("range_km", "price_km", "price_hour", "price_use")


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
