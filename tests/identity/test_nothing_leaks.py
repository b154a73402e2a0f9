"""Every query is of one tenant: no row of another ever shows, whichever table it lies in.

Each table that has a tenant is given a row of a company that nobody else may see. Then everything
is asked for as the other company, by the very ids of those rows. Meanwhile each statement is looked
at: one that touches a table without naming its tenant is found even when there was nothing to leak.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Connection,
    Float,
    Integer,
    LargeBinary,
    Table,
    event,
    insert,
    inspect,
)
from sqlalchemy.engine import Engine
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BinaryExpression

from cloud.foundation.database import BUSINESS, TELEMETRY, Database
from tests.identity.company import OTHER, Company
from tests.identity.test_every_route import BODIES, PARAMETER, ROWS

THIRD = "third"
CANARY, ID = "canary-says-secret", "canary"
TABLES = [
    (tree, table)
    for tree in (BUSINESS, TELEMETRY)
    for table in tree.sorted_tables
    if "tenant" in table.c
]
OF_NO_TENANT = {
    "token",  # found by the fingerprint of 256 random bits, before anybody's tenant is known
    "outbox",  # /metrics counts what waits in it
}


def canary_row(table: Table) -> dict[str, Any]:
    """A row of THIRD with the canary in each text that is no id."""
    return {"tenant": THIRD} | {
        column.name: _value(column)
        for column in table.c
        if column.name != "tenant" and column.autoincrement is not True
    }


def _value(column: Any) -> Any:
    kind = column.type
    if isinstance(kind, Boolean):
        return True
    if isinstance(kind, Integer | Float):
        return 1
    if isinstance(kind, LargeBinary):
        return CANARY.encode()
    is_id = column.name in {"id", "van", "tenant"} or column.name.endswith("_id")
    if getattr(kind, "none_as_null", None) is not None:  # JSON
        return [CANARY]
    return ID if is_id or column.primary_key else CANARY


def _touched(statement: Any) -> set[str]:
    """Tables with a tenant that a statement reads or changes."""
    parts = visitors.iterate(statement)
    return {part.name for part in parts if isinstance(part, Table) and "tenant" in part.c}


def _named(statement: Any) -> set[str]:
    """Tables whose tenant a statement compares with something."""
    compared = (part for part in visitors.iterate(statement) if isinstance(part, BinaryExpression))
    sides = (side for part in compared for side in (part.left, part.right))
    return {
        getattr(side.table, "name", "")
        for side in sides
        if getattr(side, "name", "") == "tenant" and hasattr(side, "table")
    }


@contextmanager
def every_statement() -> Iterator[list[tuple[str, str]]]:
    """Statements that touch a table without naming its tenant, as (tables, text)."""
    found: list[tuple[str, str]] = []

    def look(_connection: Connection, statement: Any, *_: Any) -> None:
        if hasattr(statement, "get_children") and not getattr(statement, "is_insert", False):
            forgotten = _touched(statement) - _named(statement) - OF_NO_TENANT
            if forgotten:
                found.append((", ".join(sorted(forgotten)), re.sub(r"\s+", " ", str(statement))))

    event.listen(Engine, "before_execute", look)
    try:
        yield found
    finally:
        event.remove(Engine, "before_execute", look)


@pytest.fixture(scope="module")
def watched(company: Company) -> Company:
    place = company.database.place
    assert isinstance(place, Path)
    telemetry = Database(place.with_name("telemetry.db"))
    for tree, table in TABLES:
        database = company.database if tree is BUSINESS else telemetry
        with database.writing() as connection:
            assert inspect(connection).has_table(table.name), table.name
            connection.execute(insert(table).values(**canary_row(table)))
    telemetry.close()
    return company


def test_no_row_of_any_table_is_shown_to_another_tenant(watched: Company) -> None:
    with every_statement() as forgetful:
        for _, method, path in ROWS:
            if path.startswith("/api") or path in {"/session", "/health", "/health/ready"}:
                continue
            body = BODIES.get(f"{method} {path}")
            asked = PARAMETER.sub(lambda f: "2026-11-23" if "date" in f[1] else ID, path)
            for role in ("admin", "driver"):
                told = watched.as_((OTHER, role), method, asked, body)
                assert CANARY.encode() not in told.content, (method, path, told)
                assert told.status != 500, (method, path)
                if "_id}" in path:
                    assert told.status >= 400, (method, path, told)
    assert forgetful == []


def test_the_canary_would_be_seen(watched: Company) -> None:
    token = watched.people.add_tenant(THIRD, "Third", "admin")["api_token"]
    assert (
        CANARY.encode() in watched.ask("GET", "/api/v1/carriers?with_retired=true", token).content
    )


def test_a_statement_without_its_tenant_would_be_found(watched: Company) -> None:
    vehicle = BUSINESS.tables["vehicle"]
    with every_statement() as forgetful, watched.database.reading() as connection:
        connection.execute(vehicle.select().where(vehicle.c.id == "van-north"))
    assert [tables for tables, _ in forgetful] == ["vehicle"]
