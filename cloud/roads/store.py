"""The tables of closures, slow zones and speeds out of files."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    LargeBinary,
    RowMapping,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from cloud.foundation.database import BUSINESS
from cloud.foundation.identity.reach import EVERYTHING, Reach
from cloud.foundation.identity.within import within_or_of_all
from cloud.roads.news import times_of
from cloud.roads.speed_files import SpeedFile
from cloud.roads.speeds import RoadRule

_AT_ONCE: Final = 500
"""Values in one statement: SQLite and PostgreSQL bound how many there may be."""

road_rule = Table(
    "road_rule",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("points", Text, nullable=False),
    Column("is_area", Boolean, nullable=False),
    Column("kmh", Float),
    Column("is_one_way", Boolean, nullable=False),
    Column("depot_id", String),
    Column("from_s", Float),
    Column("until_s", Float),
    Column("source", String, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("changed_by", String, nullable=False),
)
road_speed_file = Table(
    "road_speed_file",
    BUSINESS,
    Column("tenant", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("rows", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("changed_by", String, nullable=False),
)
road_told = Table(
    "road_told",
    BUSINESS,
    Column("effect", String, primary_key=True),
    Column("rule", Text, nullable=False),
)
_PLAIN = (
    "name", "kind", "is_area", "kmh", "is_one_way", "depot_id", "from_s", "until_s", "source",
    "changed_at", "changed_by",
)  # fmt: skip


def rules_within(reach: Reach) -> ColumnElement[bool]:
    """Rules within reach: a depot's people see its own, and those of all depots."""
    return within_or_of_all(reach, road_rule.c.depot_id)


def rules(
    connection: Connection, tenant: str | None = None, reach: Reach = EVERYTHING
) -> list[RoadRule]:
    """Every rule within reach, by id; of all tenants when none is named."""
    wanted = select(road_rule).where(rules_within(reach)).order_by("tenant", "id")
    if tenant is not None:
        wanted = wanted.where(road_rule.c.tenant == tenant)
    return [_rule(row) for row in connection.execute(wanted).mappings()]


def find(connection: Connection, tenant: str, rule_id: str) -> RoadRule | None:
    """One rule."""
    row = connection.execute(select(road_rule).where(*_of(tenant, rule_id))).mappings().first()
    return None if row is None else _rule(row)


def count(connection: Connection, tenant: str) -> int:
    """How many rules a tenant has."""
    wanted = select(func.count()).select_from(road_rule).where(road_rule.c.tenant == tenant)
    return connection.scalar(wanted) or 0


def add(connection: Connection, tenant: str, *some: RoadRule) -> None:
    """Add rules."""
    if some:
        rows = [{"tenant": tenant, "id": one.id} | _values(one) for one in some]
        connection.execute(insert(road_rule), rows)


def change(connection: Connection, tenant: str, rule: RoadRule) -> None:
    """Put a rule in the place of the one of its id."""
    connection.execute(update(road_rule).where(*_of(tenant, rule.id)), _values(rule))


def remove(connection: Connection, tenant: str, rule_id: str) -> None:
    """Take a rule away."""
    connection.execute(delete(road_rule).where(*_of(tenant, rule_id)))


def remove_of_file(connection: Connection, tenant: str, source: str) -> int:
    """Take away the rules that came from a file; how many there were."""
    wanted = (road_rule.c.tenant == tenant, road_rule.c.source == source)
    return connection.execute(delete(road_rule).where(*wanted)).rowcount


def told(connection: Connection) -> dict[str, RoadRule]:
    """The rules that were last told to hold, by what they do."""
    rows = connection.execute(select(road_told).order_by(road_told.c.effect))
    return {row.effect: msgspec.json.decode(row.rule, type=RoadRule) for row in rows}


def put_told(
    connection: Connection, before: Mapping[str, RoadRule], now: Mapping[str, RoadRule]
) -> None:
    """Write what was told to hold in the place of what was ``before``."""
    known = times_of(before)
    same = {effect for effect, times in times_of(now).items() if known.get(effect) == times}
    gone = sorted(before.keys() - same)
    for at in range(0, len(gone), _AT_ONCE):
        some = road_told.c.effect.in_(gone[at : at + _AT_ONCE])
        connection.execute(delete(road_told).where(some))
    new = [
        {"effect": effect, "rule": msgspec.json.encode(rule).decode()}
        for effect, rule in now.items()
        if effect not in same
    ]
    if new:
        connection.execute(insert(road_told), new)


def speed_files(connection: Connection, tenant: str | None = None) -> list[SpeedFile]:
    """Speeds out of files, in the order in which they came; of all tenants when none is named."""
    wanted = select(road_speed_file).order_by("changed_at", "tenant", "name")
    if tenant is not None:
        wanted = wanted.where(road_speed_file.c.tenant == tenant)
    return [
        SpeedFile(**{name: row[name] for name in SpeedFile.__dataclass_fields__})
        for row in connection.execute(wanted).mappings()
    ]


def put_speed_file(connection: Connection, tenant: str, file: SpeedFile) -> None:
    """Keep a file's speeds in the place of those of its name."""
    remove_speed_file(connection, tenant, file.name)
    values = {name: getattr(file, name) for name in SpeedFile.__dataclass_fields__}
    connection.execute(insert(road_speed_file), {"tenant": tenant} | values)


def remove_speed_file(connection: Connection, tenant: str, name: str) -> int:
    """Forget a file's speeds; 1 when there were some."""
    wanted = (road_speed_file.c.tenant == tenant, road_speed_file.c.name == name)
    return connection.execute(delete(road_speed_file).where(*wanted)).rowcount


def _of(tenant: str, rule_id: str) -> tuple[ColumnElement[bool], ...]:
    return road_rule.c.tenant == tenant, road_rule.c.id == rule_id


def _values(rule: RoadRule) -> dict[str, Any]:
    points = msgspec.json.encode(rule.points).decode()
    return {name: getattr(rule, name) for name in _PLAIN} | {"points": points}


def _rule(row: RowMapping) -> RoadRule:
    points = msgspec.json.decode(row["points"], type=tuple[tuple[float, float], ...])
    return RoadRule(id=row["id"], points=points, **{name: row[name] for name in _PLAIN})
