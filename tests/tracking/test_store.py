"""What is written comes back, and the migrated form is the declared one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from cloud.foundation import migrations
from cloud.foundation.database import TELEMETRY, Database, table_names
from cloud.foundation.layout import DataFolder
from cloud.foundation.migrations import NAMES, downgrade, upgrade
from cloud.foundation.places import place_of
from cloud.foundation.settings import Settings
from cloud.roles import is_current
from cloud.tracking import store
from cloud.tracking.model import Committed, StreamKey
from cloud.tracking.store import LiveRow, Writes
from tests.parts import migrated
from tests.tracking.vans import NOON_MS, fix
from wire.messages import Fix

FOLDER = Path(migrations.__file__).parent
KEY = ["tenant", "van", "stream", "first"]
BY_THE_WEEK = [
    ("remove_index", "ix_block_tenant_van_stream_first", [*KEY, "from_ms"]),
    ("add_index", "ix_block_tenant_van_stream_first", KEY),
]
"""Where blocks are divided by time, that stands in each key of theirs, too."""


@pytest.fixture
def telemetry(tmp_path: Path, kept_in: Settings) -> Iterator[Database]:
    place = place_of("telemetry", DataFolder(tmp_path), kept_in)
    database = Database(place)
    migrated.upgrade(database, "telemetry")
    yield database
    database.close()


def test_a_file_in_the_newest_form_is_known_without_the_migrations(
    telemetry: Database, tmp_path: Path
) -> None:
    assert is_current(telemetry.place, "telemetry")
    assert not is_current(tmp_path / "none.db", "telemetry")
    downgrade(telemetry, "telemetry")
    assert not is_current(telemetry.place, "telemetry")


@pytest.mark.parametrize("name", NAMES)
def test_a_revision_is_numbered_as_its_file_and_there_is_one_newest(name: str) -> None:
    script = ScriptDirectory(str(FOLDER), version_locations=[str(FOLDER / name / "versions")])
    files = sorted((FOLDER / name / "versions").glob("[0-9]*.py"))
    assert script.get_heads() == [files[-1].name.split("_")[0]]
    numbers = {revision.revision for revision in script.walk_revisions()}
    assert numbers == {file.name.split("_")[0] for file in files}


def test_the_migrated_form_is_the_declared_one(telemetry: Database) -> None:
    with telemetry.writing() as connection:
        tables = table_names(connection)
        options = {
            "compare_type": True,
            "include_name": lambda name, kind, _: kind != "table" or name in tables,
        }
        context = MigrationContext.configure(connection, opts=options)
        found = compare_metadata(context, TELEMETRY)
        is_divided = connection.dialect.name == "postgresql"
    told = [(what, one.name, [column.name for column in one.columns]) for what, one in found]
    assert told == (BY_THE_WEEK if is_divided else [])


def test_the_migration_goes_down_to_nothing_and_up_again(telemetry: Database) -> None:
    downgrade(telemetry, "telemetry")
    with telemetry.reading() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
    upgrade(telemetry, "telemetry")


def test_events_of_before_stand_at_the_time_the_gateway_told(telemetry: Database) -> None:
    downgrade(telemetry, "telemetry", "0001")
    with telemetry.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO event VALUES"
            f" ('main','van-1',50,0,{NOON_MS},3,'idled','{{}}',{NOON_MS + 9})"
        )
    upgrade(telemetry, "telemetry")
    with telemetry.reading() as connection:
        span = (NOON_MS, NOON_MS + 1)
        rows = store.events_between(
            connection, "main", "van-1", *span, kinds=(), after=None, limit=9
        )
    assert [(row.at_ms, row.kind, row.quality) for row in rows] == [(NOON_MS, "idled", "gnss")]


def test_what_is_committed_of_a_stream_comes_back(telemetry: Database) -> None:
    key, large = StreamKey("main", "van-1", 2**63 - 1), 2**62 - 1
    committed = Committed(((0, 4, 1), (5, 8, 0), (19, large, 8)))
    with telemetry.writing() as connection:
        store.write(connection, Writes(streams={key: committed}))
    with telemetry.reading() as connection:
        assert store.committed_of(connection, key) == committed
        assert store.committed_of(connection, StreamKey("main", "van-2", 1)) == Committed()


@pytest.mark.parametrize(
    "row",
    [
        LiveRow(tenant="main", van="van-1", fix=fix(3), received_at_ms=NOON_MS, change=4),
        LiveRow(
            tenant="main",
            van="van-1",
            fix=Fix(recorded_at_ms=1, lat_e7=-1, lon_e7=2, mode=2),
            received_at_ms=5,
            is_online=True,
            presence_at_ms=6,
            state="{}",
            state_at_ms=7,
            change=8,
        ),
        LiveRow(tenant="main", van="van-1", is_online=False, presence_at_ms=1, change=1),
    ],
)
def test_a_live_row_comes_back_whole(telemetry: Database, row: LiveRow) -> None:
    with telemetry.writing() as connection:
        store.write(connection, Writes(live=[store.live_values(row)]))
    with telemetry.reading() as connection:
        assert store.live_rows(connection) == [row]
        assert store.live_rows(connection, after_change=row.change) == []


def test_a_live_row_of_another_release_spoils_no_other(telemetry: Database) -> None:
    rows = [
        LiveRow(tenant="main", van=f"van-{one}", fix=fix(one), received_at_ms=NOON_MS, change=one)
        for one in (1, 2, 3)
    ]
    with telemetry.writing() as connection:
        store.write(connection, Writes(live=[store.live_values(row) for row in rows]))
        connection.exec_driver_sql("UPDATE live_state SET source = 99 WHERE van = 'van-1'")
        connection.exec_driver_sql("UPDATE live_state SET mode = 9 WHERE van = 'van-2'")
        assert [row.fix for row in store.live_rows(connection)] == [None, None, fix(3)]


def test_what_is_set_aside_is_counted_by_van(telemetry: Database) -> None:
    rows = [
        (b"1", "fleet/v1/main/van-1/up/batch", b"abc", "why", 1),
        (b"2", "fleet/v1/main/van-1/up/event", b"de", "why", 1),
        (b"3", "fleet/v1/main/van-11/up/batch", b"f", "why", 1),
    ]
    with telemetry.writing() as connection:
        store.write(connection, Writes(set_aside=rows))
        assert store.set_aside_of(connection, "main", "van-1") == (2, 5)
        assert store.set_aside_of(connection, "main", "van-9") == (0, 0)
