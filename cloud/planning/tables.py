"""Tables of plans, their revisions, routes and stops."""

from sqlalchemy import JSON, Column, Float, Index, Integer, String, Table

from cloud.foundation.database import BUSINESS

plan = Table(
    "plan",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("depot_id", String, primary_key=True),
    Column("service_date", String, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("unserved", JSON, nullable=False),
)
revision_row = Table(
    "plan_revision",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("depot_id", String, primary_key=True),
    Column("service_date", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("trigger", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("solver", String, nullable=False),
    Column("because", String),
    Column("created_at", Float, nullable=False),
    Column("cost", JSON, nullable=False),
    Column("diff", JSON, nullable=False),
    Column("sequences", JSON, nullable=False),
    Column("steps", JSON(none_as_null=True)),
    Column("prices", JSON(none_as_null=True)),
)
route_row = Table(
    "route",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("depot_id", String, nullable=False),
    Column("service_date", String, nullable=False),
    Column("vehicle_id", String, nullable=False),
    Column("driver_id", String, nullable=False),
    Column("starts_at", Float, nullable=False),
    Column("ends_at", Float, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("end_leg_s", Integer, nullable=False),
    Column("end_leg_m", Integer, nullable=False),
    Column("geometry", JSON, nullable=False),
    Column("breaks", JSON, nullable=False, server_default="[]"),
    Index("uq_route_day", "tenant", "depot_id", "service_date", "vehicle_id", unique=True),
)
stop_row = Table(
    "stop",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("route_id", String, nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("position", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("lat", Float, nullable=False),
    Column("lon", Float, nullable=False),
    Column("address", String, nullable=False),
    Column("service_s", Integer, nullable=False),
    Column("window_begin", Float),
    Column("window_end", Float),
    Column("planned_arrival", Float, nullable=False),
    Column("planned_departure", Float, nullable=False),
    Column("leg_s", Integer, nullable=False),
    Column("leg_m", Integer, nullable=False),
    Column("arrived_at", Float),
    Column("done_at", Float),
)
stop_order = Table(
    "stop_order",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("stop_id", String, primary_key=True),
    Column("order_id", String, primary_key=True, index=True),
)
