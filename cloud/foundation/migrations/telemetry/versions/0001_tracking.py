"""Fixes, events, what is committed of each stream, what was set aside, live state."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _numbered() -> list[sa.Column[Any]]:
    return [
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("van", sa.String, primary_key=True),
        sa.Column("stream", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    ]


def _fix(*, nullable: bool) -> list[sa.Column[Any]]:
    return [
        sa.Column("at_ms", sa.BigInteger, nullable=nullable),
        sa.Column("is_gnss_time", sa.Boolean, nullable=nullable),
        sa.Column("recorded_at_ms", sa.BigInteger, nullable=nullable),
        sa.Column("lat_e7", sa.Integer, nullable=nullable),
        sa.Column("lon_e7", sa.Integer, nullable=nullable),
        sa.Column("mode", sa.Integer, nullable=nullable),
        sa.Column("speed_cmps", sa.Integer),
        sa.Column("course_ddeg", sa.Integer),
        sa.Column("altitude_dm", sa.Integer),
        sa.Column("hdop_d", sa.Integer),
        sa.Column("satellites", sa.Integer),
        sa.Column("source", sa.Integer, nullable=nullable),
        sa.Column("quality", sa.Integer, nullable=nullable),
        sa.Column("received_at_ms", sa.BigInteger, nullable=nullable),
    ]


def upgrade() -> None:
    """Take the step."""
    op.create_table("fix", *_numbered(), *_fix(nullable=False), sqlite_with_rowid=False)
    op.create_index("ix_fix_tenant_van_at_ms", "fix", ["tenant", "van", "at_ms"])
    op.create_table(
        "event",
        *_numbered(),
        sa.Column("recorded_at_ms", sa.BigInteger, nullable=False),
        sa.Column("quality", sa.Integer, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("received_at_ms", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "stream",
        *_numbered()[:3],
        sa.Column("ranges", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "set_aside",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("received_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_set_aside_topic", "set_aside", ["topic"])
    op.create_table(
        "live_state",
        *_numbered()[:2],
        *_fix(nullable=True),
        sa.Column("is_online", sa.Boolean),
        sa.Column("presence_at_ms", sa.BigInteger),
        sa.Column("state", sa.Text),
        sa.Column("state_at_ms", sa.BigInteger),
        sa.Column("change", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_live_state_change", "live_state", ["change"])


def downgrade() -> None:
    """Take the step back."""
    for table in ("live_state", "set_aside", "stream", "event", "fix"):
        op.drop_table(table)
