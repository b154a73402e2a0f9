"""The audit log ends by age, from its beginning on, and never without a line that tells of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from cloud.foundation.database import Database
from cloud.foundation.identity import audit
from cloud.foundation.identity.audit import audit_row
from cloud.foundation.identity.ending import ACTION, AuditRetention
from cloud.foundation.layout import DataFolder
from cloud.foundation.places import place_of
from cloud.foundation.settings import Settings
from tests.cloud.desk import StillClock
from tests.parts.migrated import upgrade

DAY_S = 86_400.0
NOW_S = 4_000_000_000.0


@pytest.fixture
def database(tmp_path: Path, kept_in: Settings) -> Iterator[Database]:
    database = Database(place_of("business", DataFolder(tmp_path), kept_in))
    upgrade(database, "business")
    yield database
    database.close()


class Clock(StillClock):
    """A hundred years on."""

    def now_s(self) -> float:
        return NOW_S


def write(database: Database, tenant: str, *ages_days: float) -> None:
    plain = {"user_name": "Eva", "role": "admin", "action": "x", "subject": "y", "detail": {}}
    rows = [
        plain | {"tenant": tenant, "at": NOW_S - age * DAY_S, "address": ""} for age in ages_days
    ]
    with database.writing() as connection:
        connection.execute(insert(audit_row), rows)


def numbers(database: Database, tenant: str) -> list[int]:
    with database.reading() as connection:
        wanted = select(audit_row.c.number).where(audit_row.c.tenant == tenant)
        return list(connection.scalars(wanted.order_by(audit_row.c.number)))


def test_only_the_oldest_lines_end_and_a_line_tells_of_them(database: Database) -> None:
    write(database, "main", 900, 800, 100, 850, 5)
    write(database, "other", 3)
    before = numbers(database, "main")
    retention = AuditRetention(database, 731, Clock())
    assert retention.work() == 2
    assert retention.work() == 0, "an older line after a young one waits for it"
    after = numbers(database, "main")
    assert after[:-1] == before[2:]
    with database.reading() as connection:
        newest = audit.page(connection, "main", None, 1)[0]
    assert newest.number > max(before), "no number is used again"
    assert (newest.action, newest.user_name, newest.at) == (ACTION, "retention", NOW_S)
    assert newest.detail == {"lines": 2, "upto_number": before[1]}
    assert len(numbers(database, "other")) == 1, "what is young is not touched"


def test_a_log_that_ends_as_a_whole_leaves_the_line_and_its_numbers(database: Database) -> None:
    write(database, "main", *[900] * 2_500)
    highest = max(numbers(database, "main"))
    retention = AuditRetention(database, 731, Clock())
    assert [retention.work(), retention.work(), retention.work()] == [2_000, 500, 0]
    assert [one > highest for one in numbers(database, "main")] == [True, True]
