"""the whole fleet: calendars, loads, boxes, crews, and who is with which van when."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def _registered() -> list[sa.Column[Any]]:
    return [
        sa.Column("retired_at", sa.Float(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
    ]


def _key() -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in ("tenant", "id", "name")]


def _words(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), server_default="[]", nullable=False)


def _is_active() -> sa.Column[Any]:
    return sa.Column("is_active", sa.Boolean(), server_default=sa.true(), nullable=False)


def _columns() -> dict[str, list[sa.Column[Any]]]:
    """What each table that was there gets."""
    return {
        "depot": [sa.Column("calendar", sa.Text(), nullable=True), *_registered()],
        "vehicle": [
            sa.Column("capacity_kg", sa.Float(), nullable=True),
            sa.Column("capacity_litres", sa.Float(), nullable=True),
            _words("skills"),
            sa.Column("height_m", sa.Float(), nullable=True),
            sa.Column("weight_kg", sa.Float(), nullable=True),
            _is_active(),
            *_registered(),
        ],
        "driver": [
            sa.Column("carrier_id", sa.String(), server_default="own", nullable=False),
            sa.Column("depot_id", sa.String(), nullable=True),
            _words("skills"),
            _words("licences"),
            _is_active(),
            *_registered(),
        ],
        "shift": [
            sa.Column("crew_id", sa.String(), nullable=True),
            _words("helper_ids"),
            _words("breaks"),
            sa.Column("state", sa.String(), server_default="planned", nullable=False),
            sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        ],
    }


_UNIQUE = ("driver_id", "vehicle_id")


def upgrade() -> None:
    """Take the step: each shift's driver is with its van for the shift."""
    for table, columns in _columns().items():
        with op.batch_alter_table(table) as batch:
            if table == "shift":
                for name in _UNIQUE:
                    batch.drop_constraint(f"uq_shift_tenant_{name}_service_date", type_="unique")
            for column in columns:
                batch.add_column(column)
    op.create_index("ix_shift_time", "shift", ["tenant", "starts_at"])
    op.create_index(
        "uq_shift_van_day",
        "shift",
        ["tenant", "vehicle_id", "service_date"],
        unique=True,
        sqlite_where=sa.text("state = 'planned'"),
        postgresql_where=sa.text("state = 'planned'"),
    )
    _create_tables()
    _assign_drivers()


def _create_tables() -> None:
    op.create_table(
        "gateway_box",
        *_key(),
        sa.Column("serial", sa.String(), nullable=False),
        *_registered(),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_gateway_box")),
    )
    op.create_table(
        "crew",
        *_key(),
        sa.Column("driver_id", sa.String(), nullable=False),
        sa.Column("helper_ids", sa.Text(), nullable=False),
        *_registered(),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_crew")),
    )
    op.create_table(
        "assignment",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("vehicle_id", sa.String(), nullable=False),
        sa.Column("holder_id", sa.String(), nullable=False),
        sa.Column("begin_at", sa.Float(), nullable=False),
        sa.Column("end_at", sa.Float(), nullable=True),
        sa.Column("shift_id", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "kind", "id", name=op.f("pk_assignment")),
    )
    for name, column in (("vehicle", "vehicle_id"), ("holder", "holder_id")):
        op.create_index(
            f"ix_assignment_{name}", "assignment", ["tenant", "kind", column, "begin_at"]
        )


def _assign_drivers() -> None:
    """Where shifts overlapped, the later one has the van and the driver from its start."""
    connection = op.get_bind()
    rows = connection.execute(
        sa.text(
            "SELECT tenant, id, vehicle_id, driver_id, starts_at, ends_at FROM shift"
            " ORDER BY starts_at DESC, id"
        )
    ).all()
    next_at: dict[tuple[str, str, str], float] = {}
    made = []
    for row in rows:
        van, driver = (row.tenant, "van", row.vehicle_id), (row.tenant, "driver", row.driver_id)
        end = min(row.ends_at, *(next_at.get(key, row.ends_at) for key in (van, driver)))
        if end <= row.starts_at:
            continue
        next_at[van] = next_at[driver] = row.starts_at
        made.append(
            {
                "tenant": row.tenant,
                "kind": "driver",
                "id": f"as-{row.id}",
                "vehicle_id": row.vehicle_id,
                "holder_id": row.driver_id,
                "begin_at": row.starts_at,
                "end_at": end,
                "shift_id": row.id,
            }
        )
    table = sa.table("assignment", *(sa.column(name) for name in made[0])) if made else None
    if table is not None:
        op.bulk_insert(table, made)


def downgrade() -> None:
    """Take the step back; shifts that were cancelled are lost, and a second one of a driver."""
    for table in ("assignment", "crew", "gateway_box"):
        op.drop_table(table)
    op.drop_index("uq_shift_van_day", "shift")
    op.drop_index("ix_shift_time", "shift")
    op.execute("DELETE FROM shift WHERE state <> 'planned'")
    op.execute(
        "DELETE FROM shift WHERE EXISTS (SELECT 1 FROM shift AS earlier WHERE"
        " earlier.tenant = shift.tenant AND earlier.driver_id = shift.driver_id AND"
        " earlier.service_date = shift.service_date AND (earlier.starts_at < shift.starts_at OR"
        " (earlier.starts_at = shift.starts_at AND earlier.id < shift.id)))"
    )
    for table, columns in _columns().items():
        with op.batch_alter_table(table) as batch:
            for column in columns:
                batch.drop_column(column.name)
            if table == "shift":
                for name in _UNIQUE:
                    batch.create_unique_constraint(
                        f"uq_shift_tenant_{name}_service_date", ["tenant", name, "service_date"]
                    )
