"""people of several tenants: what each grant covers, scopes of tokens, and the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "tenant",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenant")),
    )
    op.create_table(
        "audit_log",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=True),
        sa.Column("user_name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("token_id", sa.String(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_log")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_log_tenant_number", "audit_log", ["tenant", "number"])
    with op.batch_alter_table("user") as batch:
        batch.add_column(sa.Column("depot_ids", sa.JSON(), nullable=True))
        batch.add_column(sa.Column("carrier_id", sa.String(), nullable=True))
        batch.add_column(sa.Column("disabled_at", sa.Float(), nullable=True))
        batch.drop_constraint(op.f("uq_user_name"), type_="unique")
        batch.create_unique_constraint(op.f("uq_user_tenant_name"), ["tenant", "name"])
    with op.batch_alter_table("token") as batch:
        batch.add_column(sa.Column("id", sa.String(), nullable=True))
        batch.add_column(sa.Column("name", sa.String(), nullable=True))
        batch.add_column(sa.Column("scopes", sa.JSON(), nullable=True))
        batch.add_column(sa.Column("last_used_at", sa.Float(), nullable=True))
    # A part of a fingerprint of 256 random bits tells nothing of them, and is as good as an id.
    op.execute("UPDATE token SET id = 'token-' || substr(fingerprint, 1, 16), name = ''")
    op.execute(
        "INSERT INTO tenant (id, name, created_at) "
        'SELECT tenant, tenant, min(created_at) FROM "user" GROUP BY tenant'
    )
    with op.batch_alter_table("token") as batch:
        batch.alter_column("id", existing_type=sa.String(), nullable=False)
        batch.alter_column("name", existing_type=sa.String(), nullable=False)
        batch.create_unique_constraint(op.f("uq_token_tenant_id"), ["tenant", "id"])


def downgrade() -> None:
    """Take the step back; names that two tenants share must be changed before it."""
    with op.batch_alter_table("token") as batch:
        batch.drop_constraint(op.f("uq_token_tenant_id"), type_="unique")
        for name in ("last_used_at", "scopes", "name", "id"):
            batch.drop_column(name)
    with op.batch_alter_table("user") as batch:
        batch.drop_constraint(op.f("uq_user_tenant_name"), type_="unique")
        batch.create_unique_constraint(op.f("uq_user_name"), ["name"])
        for name in ("disabled_at", "carrier_id", "depot_ids"):
            batch.drop_column(name)
    op.drop_index("ix_audit_log_tenant_number", "audit_log")
    op.drop_table("audit_log")
    op.drop_table("tenant")
