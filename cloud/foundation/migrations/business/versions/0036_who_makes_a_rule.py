"""Rules tell whether the office made them or a driver, who may lift only a driver's own."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step: what drivers have laid down until now bears their note."""
    office = sa.Column("maker", sa.String(), nullable=False, server_default="office")
    op.add_column("plan_rule", office)
    rules = sa.table("plan_rule", *(sa.column(name) for name in ("kind", "note", "maker")))
    drivers = rules.c.kind == "sequence", rules.c.note == "the driver's own order"
    op.execute(rules.update().where(*drivers).values(maker="driver"))


def downgrade() -> None:
    """Take the step back."""
    op.drop_column("plan_rule", "maker")
