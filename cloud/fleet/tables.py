"""Tables of the fleet."""

from sqlalchemy import Boolean, Column, Float, Index, Integer, String, Table, true

from cloud.fleet.columns import CALENDAR, SPANS, WORDS
from cloud.fleet.model import OWN
from cloud.foundation.database import BUSINESS

depot = Table(
    "depot",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("zone", String, nullable=False),
    Column("lat", Float, nullable=False),
    Column("lon", Float, nullable=False),
    Column("shift_start", String, nullable=False),
    Column("shift_end", String, nullable=False),
    Column("calendar", CALENDAR),
    Column("retired_at", Float),
    Column("version", Integer, nullable=False, server_default="1"),
)
carrier = Table(
    "carrier",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("retired_at", Float),
    Column("version", Integer, nullable=False, server_default="1"),
)
vehicle = Table(
    "vehicle",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("depot_id", String, nullable=False),
    Column("capacity_parcels", Integer, nullable=False),
    Column("carrier_id", String, nullable=False, server_default=OWN),
    Column("capacity_kg", Float),
    Column("capacity_litres", Float),
    Column("skills", WORDS, nullable=False, server_default="[]"),
    Column("zones", WORDS, nullable=False, server_default="[]"),
    Column("height_m", Float),
    Column("weight_kg", Float),
    Column("range_km", Float),
    Column("price_km", Float),
    Column("price_hour", Float),
    Column("price_use", Float),
    Column("start_lat", Float),
    Column("start_lon", Float),
    Column("end_lat", Float),
    Column("end_lon", Float),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    Column("retired_at", Float),
    Column("version", Integer, nullable=False, server_default="1"),
)
driver = Table(
    "driver",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("carrier_id", String, nullable=False, server_default=OWN),
    Column("depot_id", String),
    Column("skills", WORDS, nullable=False, server_default="[]"),
    Column("licences", WORDS, nullable=False, server_default="[]"),
    Column("zones", WORDS, nullable=False, server_default="[]"),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    Column("retired_at", Float),
    Column("version", Integer, nullable=False, server_default="1"),
)
box = Table(
    "gateway_box",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("serial", String, nullable=False),
    Column("retired_at", Float),
    Column("version", Integer, nullable=False, server_default="1"),
)
crew = Table(
    "crew",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("driver_id", String, nullable=False),
    Column("helper_ids", WORDS, nullable=False),
    Column("retired_at", Float),
    Column("version", Integer, nullable=False, server_default="1"),
)
shift = Table(
    "shift",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("vehicle_id", String, nullable=False),
    Column("driver_id", String, nullable=False),
    Column("depot_id", String, nullable=False, index=True),
    Column("service_date", String, nullable=False),
    Column("starts_at", Float, nullable=False),
    Column("ends_at", Float, nullable=False),
    Column("crew_id", String),
    Column("helper_ids", WORDS, nullable=False, server_default="[]"),
    Column("breaks", SPANS, nullable=False, server_default="[]"),
    Column("state", String, nullable=False, server_default="planned"),
    Column("version", Integer, nullable=False, server_default="1"),
)
Index(
    "uq_shift_van_day",
    shift.c.tenant,
    shift.c.vehicle_id,
    shift.c.service_date,
    unique=True,
    sqlite_where=shift.c.state == "planned",
    postgresql_where=shift.c.state == "planned",
)
Index("ix_shift_time", shift.c.tenant, shift.c.starts_at)
assignment = Table(
    "assignment",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("vehicle_id", String, nullable=False),
    Column("holder_id", String, nullable=False),
    Column("begin_at", Float, nullable=False),
    Column("end_at", Float),
    Column("shift_id", String),
    Index("ix_assignment_vehicle", "tenant", "kind", "vehicle_id", "begin_at"),
    Index("ix_assignment_holder", "tenant", "kind", "holder_id", "begin_at"),
)
gateway = Table(
    "gateway",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("vehicle_id", String, primary_key=True),
    Column("client_id", String, nullable=False),
    Column("username", String, nullable=False),
    Column("password", String, nullable=False),
    Column("created_at", Float, nullable=False),
)
