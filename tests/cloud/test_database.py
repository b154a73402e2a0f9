"""One writer, many readers, and forms that change whole or not at all."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, inspect, text
from sqlalchemy.exc import OperationalError

import cloud.app  # noqa: F401 - every feature's tables
from cloud.foundation.database import BUSINESS, TELEMETRY, Database
from cloud.foundation.migrations import downgrade, upgrade

ROOT = Path(__file__).parents[2]
FORMS = [("business", BUSINESS), ("telemetry", TELEMETRY)]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "some.db")


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_the_migrated_form_is_the_one_the_stores_use(
    database: Database, name: str, form: MetaData
) -> None:
    upgrade(database, name)
    with database.writing() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, form) == []
    database.close()


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_a_form_goes_back_and_forth(database: Database, name: str, form: MetaData) -> None:
    upgrade(database, name)
    downgrade(database, name)
    with database.writing() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
    upgrade(database, name)
    with database.writing() as connection:
        assert set(form.tables) <= set(inspect(connection).get_table_names())
    database.close()


KILLED_IN_MIGRATION = """
import os, sys, signal
from pathlib import Path
from alembic import op
from cloud.foundation.database import Database
from cloud.foundation.migrations import upgrade
real, made = op.create_table, []
def create_table(*args, **kw):
    if len(made) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    made.append(args[0])
    return real(*args, **kw)
op.create_table = create_table
upgrade(Database(Path(sys.argv[1])), "business")
"""


def test_a_kill_in_the_middle_of_a_migration_leaves_the_old_form_whole(tmp_path: Path) -> None:
    path = tmp_path / "business.db"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_IN_MIGRATION, str(path)], cwd=ROOT, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    database = Database(path)
    with database.writing() as connection:
        assert inspect(connection).get_table_names() == []
    upgrade(database, "business")
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM customer_order")).scalar() == 0
    database.close()


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(text("CREATE TABLE t (x)"))

    def insert_and_fail() -> None:
        with database.writing() as connection:
            connection.execute(text("INSERT INTO t VALUES (1)"))
            raise ValueError("the change does not hold")

    with pytest.raises(ValueError, match="does not hold"):
        insert_and_fail()
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM t")).scalar() == 0
    database.close()


def test_a_reader_cannot_write_and_sees_one_moment(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    with database.reading() as reader:
        assert reader.execute(text("SELECT count(*) FROM t")).scalar() == 0
        with database.writing() as writer:
            writer.execute(text("INSERT INTO t VALUES (1)"))
        assert reader.execute(text("SELECT count(*) FROM t")).scalar() == 0
    with database.reading() as reader:
        assert reader.execute(text("SELECT count(*) FROM t")).scalar() == 1
        with pytest.raises(OperationalError, match="readonly"):
            reader.execute(text("INSERT INTO t VALUES (2)"))
    database.close()


KILLED_WRITER = """
import sys
from pathlib import Path
from sqlalchemy import text
from cloud.foundation.database import Database
database = Database(Path(sys.argv[1]))
with database.writing() as connection:
    connection.execute(text("CREATE TABLE t (x)"))
for number in range(10**9):
    with database.writing() as connection:
        connection.execute(text("INSERT INTO t VALUES (:n)"), {"n": number})
    print(number, flush=True)
"""


def test_what_was_committed_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED_WRITER, str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "0\n"
        time.sleep(0.3)
        os.kill(writer.pid, signal.SIGKILL)
        told = [int(line) for line in writer.stdout.read().splitlines() if line]
    database = Database(path)
    with database.reading() as connection:
        kept = [row.x for row in connection.execute(text("SELECT x FROM t ORDER BY x"))]
    database.close()
    assert kept == list(range(len(kept)))
    assert len(kept) > max(told, default=0)


def test_a_reader_that_is_in_use_at_the_close_ends_with_its_transaction(
    database: Database,
) -> None:
    upgrade(database, "business")
    with database.reading() as connection:
        driver = connection.connection.driver_connection
        database.close()
    assert driver is not None
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        driver.execute("SELECT 1")
