"""What has arrived tells when and where its fixes were taken, once ingest has looked into it."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_MOMENTS: Final = ("from_ms", "to_ms")
_SIDES: Final = ("south_e7", "west_e7", "north_e7", "east_e7")


def upgrade() -> None:
    """Take the step; what has arrived by then is read again by ingest, which fills it in."""
    for name in _MOMENTS:
        op.add_column("arrived", sa.Column(name, sa.BigInteger))
    for name in _SIDES:
        op.add_column("arrived", sa.Column(name, sa.Integer))


def downgrade() -> None:
    """Take the step back."""
    for name in (*_MOMENTS, *_SIDES):
        op.drop_column("arrived", name)
