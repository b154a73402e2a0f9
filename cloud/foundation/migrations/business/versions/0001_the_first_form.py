"""the first form."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "attempt",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("stop_id", sa.String(), nullable=False),
        sa.Column("vehicle_id", sa.String(), nullable=False),
        sa.Column("driver_id", sa.String(), nullable=False),
        sa.Column("arrived_at", sa.Float(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("outcome_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "order_id", "number", name=op.f("pk_attempt")),
    )
    op.create_table(
        "customer_order",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("depot_id", sa.String(), nullable=False),
        sa.Column("service_date", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("priority", sa.String(), nullable=False),
        sa.Column("place_id", sa.String(), nullable=False),
        sa.Column("window_begin", sa.Float(), nullable=True),
        sa.Column("window_end", sa.Float(), nullable=True),
        sa.Column("service_s", sa.Integer(), nullable=False),
        sa.Column("recipient_name", sa.String(), nullable=True),
        sa.Column("recipient_phone", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("cancel_reason", sa.String(), nullable=True),
        sa.Column("promise_original_begin", sa.Float(), nullable=True),
        sa.Column("promise_original_end", sa.Float(), nullable=True),
        sa.Column("promise_current_begin", sa.Float(), nullable=True),
        sa.Column("promise_current_end", sa.Float(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_customer_order")),
        sa.UniqueConstraint("tenant", "reference", name=op.f("uq_customer_order_tenant_reference")),
    )
    with op.batch_alter_table("customer_order", schema=None) as batch_op:
        batch_op.create_index(
            "ix_customer_order_created", ["tenant", "created_at", "id"], unique=False
        )
        batch_op.create_index(
            "ix_customer_order_day", ["tenant", "depot_id", "service_date"], unique=False
        )

    op.create_table(
        "depot",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("lat", sa.Float(), nullable=False),
        sa.Column("lon", sa.Float(), nullable=False),
        sa.Column("shift_start", sa.String(), nullable=False),
        sa.Column("shift_end", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_depot")),
    )
    op.create_table(
        "driver",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_driver")),
    )
    op.create_table(
        "gateway",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("vehicle_id", sa.String(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("password", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "vehicle_id", name=op.f("pk_gateway")),
    )
    op.create_table(
        "outbox",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "outbox_cursor",
        sa.Column("consumer", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("consumer", name=op.f("pk_outbox_cursor")),
    )
    op.create_table(
        "parcel",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("whereabouts_kind", sa.String(), nullable=False),
        sa.Column("whereabouts_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_parcel")),
    )
    with op.batch_alter_table("parcel", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_parcel_order_id"), ["order_id"], unique=False)

    op.create_table(
        "place",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("lat", sa.Float(), nullable=False),
        sa.Column("lon", sa.Float(), nullable=False),
        sa.Column("street", sa.String(), nullable=False),
        sa.Column("street_distance_m", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_place")),
        sa.UniqueConstraint(
            "tenant", "address", "lat", "lon", name=op.f("uq_place_tenant_address_lat_lon")
        ),
    )
    op.create_table(
        "plan",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("depot_id", sa.String(), nullable=False),
        sa.Column("service_date", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("unserved", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "depot_id", "service_date", name=op.f("pk_plan")),
    )
    op.create_table(
        "plan_revision",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("depot_id", sa.String(), nullable=False),
        sa.Column("service_date", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("trigger", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("solver", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("cost", sa.JSON(), nullable=False),
        sa.Column("diff", sa.JSON(), nullable=False),
        sa.Column("sequences", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant", "depot_id", "service_date", "number", name=op.f("pk_plan_revision")
        ),
    )
    op.create_table(
        "planning_job",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("depot_id", sa.String(), nullable=False),
        sa.Column("service_date", sa.String(), nullable=False),
        sa.Column("trigger", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("solver", sa.String(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_planning_job")),
        sa.UniqueConstraint("id", name=op.f("uq_planning_job_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("planning_job", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_planning_job_state"), ["state"], unique=False)

    op.create_table(
        "route",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("depot_id", sa.String(), nullable=False),
        sa.Column("service_date", sa.String(), nullable=False),
        sa.Column("vehicle_id", sa.String(), nullable=False),
        sa.Column("driver_id", sa.String(), nullable=False),
        sa.Column("starts_at", sa.Float(), nullable=False),
        sa.Column("ends_at", sa.Float(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("end_leg_s", sa.Integer(), nullable=False),
        sa.Column("end_leg_m", sa.Integer(), nullable=False),
        sa.Column("geometry", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_route")),
    )
    with op.batch_alter_table("route", schema=None) as batch_op:
        batch_op.create_index(
            "uq_route_day", ["tenant", "depot_id", "service_date", "vehicle_id"], unique=True
        )

    op.create_table(
        "shift",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("vehicle_id", sa.String(), nullable=False),
        sa.Column("driver_id", sa.String(), nullable=False),
        sa.Column("depot_id", sa.String(), nullable=False),
        sa.Column("service_date", sa.String(), nullable=False),
        sa.Column("starts_at", sa.Float(), nullable=False),
        sa.Column("ends_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_shift")),
        sa.UniqueConstraint(
            "tenant",
            "driver_id",
            "service_date",
            name=op.f("uq_shift_tenant_driver_id_service_date"),
        ),
        sa.UniqueConstraint(
            "tenant",
            "vehicle_id",
            "service_date",
            name=op.f("uq_shift_tenant_vehicle_id_service_date"),
        ),
    )
    with op.batch_alter_table("shift", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_shift_depot_id"), ["depot_id"], unique=False)

    op.create_table(
        "stop",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("route_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("lat", sa.Float(), nullable=False),
        sa.Column("lon", sa.Float(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("service_s", sa.Integer(), nullable=False),
        sa.Column("window_begin", sa.Float(), nullable=True),
        sa.Column("window_end", sa.Float(), nullable=True),
        sa.Column("planned_arrival", sa.Float(), nullable=False),
        sa.Column("planned_departure", sa.Float(), nullable=False),
        sa.Column("leg_s", sa.Integer(), nullable=False),
        sa.Column("leg_m", sa.Integer(), nullable=False),
        sa.Column("arrived_at", sa.Float(), nullable=True),
        sa.Column("done_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_stop")),
    )
    with op.batch_alter_table("stop", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_stop_route_id"), ["route_id"], unique=False)

    op.create_table(
        "stop_order",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("stop_id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "stop_id", "order_id", name=op.f("pk_stop_order")),
    )
    with op.batch_alter_table("stop_order", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_stop_order_order_id"), ["order_id"], unique=False)

    op.create_table(
        "token",
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_token")),
    )
    op.create_table(
        "user",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("driver_id", sa.String(), nullable=True),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_user")),
        sa.UniqueConstraint("name", name=op.f("uq_user_name")),
    )
    op.create_table(
        "vehicle",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("depot_id", sa.String(), nullable=False),
        sa.Column("capacity_parcels", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_vehicle")),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("vehicle")
    op.drop_table("user")
    op.drop_table("token")
    with op.batch_alter_table("stop_order", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_stop_order_order_id"))

    op.drop_table("stop_order")
    with op.batch_alter_table("stop", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_stop_route_id"))

    op.drop_table("stop")
    with op.batch_alter_table("shift", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_shift_depot_id"))

    op.drop_table("shift")
    with op.batch_alter_table("route", schema=None) as batch_op:
        batch_op.drop_index("uq_route_day")

    op.drop_table("route")
    with op.batch_alter_table("planning_job", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_planning_job_state"))

    op.drop_table("planning_job")
    op.drop_table("plan_revision")
    op.drop_table("plan")
    op.drop_table("place")
    with op.batch_alter_table("parcel", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_parcel_order_id"))

    op.drop_table("parcel")
    op.drop_table("outbox_cursor")
    op.drop_table("outbox")
    op.drop_table("gateway")
    op.drop_table("driver")
    op.drop_table("depot")
    with op.batch_alter_table("customer_order", schema=None) as batch_op:
        batch_op.drop_index("ix_customer_order_day")
        batch_op.drop_index("ix_customer_order_created")

    op.drop_table("customer_order")
    op.drop_table("attempt")
