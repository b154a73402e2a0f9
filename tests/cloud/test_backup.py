"""A backup is restored and counted before it is called good, and a damaged one is never."""

import json
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import psutil
import pytest
from click.testing import CliRunner
from sqlalchemy import text

from cloud import keeping, roles
from cloud.cli import main
from cloud.foundation import backup, outbox
from cloud.foundation.database import Database
from cloud.foundation.errors import Conflict, Invalid, NotFound
from cloud.foundation.layout import DataFolder
from cloud.foundation.migrations import downgrade
from cloud.foundation.places import PostgresPlace
from cloud.foundation.processes import claim, forget
from cloud.gateways.model import SettingsDesired
from cloud.tracking.store import Writes, write
from tests.cloud.desk import NOW, Desk, open_desk
from tests.parts.postgres import Postgres
from tests.tracking.vans import arrived_row, batch


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """An office with a van, orders, events nobody took, and a little history."""
    desk = open_desk(tmp_path / "data")
    van = {"id": "van-1", "name": "One", "depot_id": "la-serena", "capacity_parcels": 9}
    assert desk.ask("POST", "/vehicles", json=van).status_code == 201
    for number in range(30):
        assert desk.order(reference=f"R-{number}").status_code == 201
    with desk.telemetry.writing() as connection:
        write(connection, Writes(arrived=[arrived_row(batch(7, first)) for first in (0, 10)]))
    yield desk
    desk.close()


@pytest.fixture
def data(desk: Desk, tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data")


def contents(data: DataFolder) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, by name."""
    found: dict[str, list[tuple[object, ...]]] = {}
    for path in (data.business, data.telemetry):
        with sqlite3.connect(path) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in tables.fetchall():
                rows = connection.execute(f'SELECT * FROM "{table}"').fetchall()
                found[f"{path.stem}.{table}"] = sorted(rows, key=repr)
        connection.close()
    return found


def test_what_is_restored_is_what_was_backed_up(data: DataFolder, tmp_path: Path) -> None:
    made = keeping.back_up(data, tmp_path / "all.backup", is_checked=True)
    assert made.trees["business"].rows["customer_order"] == 30
    assert made.trees["telemetry"].rows["arrived"] == 2
    other = DataFolder(tmp_path / "other")
    restored = keeping.restore(other, tmp_path / "all.backup", is_replacing=False)
    assert restored == made
    assert contents(other) == contents(data)


def on_postgresql(folder: Path, url: str) -> DataFolder:
    """A data folder whose databases lie in PostgreSQL."""
    folder.mkdir()
    (folder / "cloud.toml").write_text(f'[database]\nurl = "{url}"\n')
    return DataFolder(folder)


def test_what_one_store_has_written_another_takes_and_back(
    data: DataFolder, tmp_path: Path, postgres_server: Postgres
) -> None:
    keeping.back_up(data, tmp_path / "files.backup", is_checked=False)
    large = on_postgresql(tmp_path / "large", postgres_server.make())
    moved = keeping.restore(large, tmp_path / "files.backup", is_replacing=False)
    made = keeping.back_up(large, tmp_path / "schemas.backup", is_checked=True)
    assert {tree: one.rows for tree, one in made.trees.items()} == {
        tree: one.rows for tree, one in moved.trees.items()
    }
    back = DataFolder(tmp_path / "back")
    keeping.restore(back, tmp_path / "schemas.backup", is_replacing=False)
    assert contents(back) == contents(data)


def test_schemas_that_were_there_are_set_aside_and_counted_on(
    desk: Desk, data: DataFolder, tmp_path: Path, postgres_server: Postgres
) -> None:
    keeping.back_up(data, tmp_path / "files.backup", is_checked=False)
    url = postgres_server.make()
    large = on_postgresql(tmp_path / "large", url)
    keeping.restore(large, tmp_path / "files.backup", is_replacing=False)
    with pytest.raises(Conflict, match="--replace"):
        keeping.restore(large, tmp_path / "files.backup", is_replacing=False)
    keeping.restore(large, tmp_path / "files.backup", is_replacing=True)
    database = Database(PostgresPlace(url=url, schema="business"))
    with database.writing() as connection:
        last = connection.scalar(text("SELECT max(position) FROM outbox"))
        outbox.append(connection, "main", NOW, SettingsDesired(vehicle_id="van-1"))
        assert connection.scalar(text("SELECT max(position) FROM outbox")) == last + 1
        schemas = set(connection.scalars(text("SELECT nspname FROM pg_namespace")))
    database.close()
    assert sum(one.startswith("business_before_") for one in schemas) == 1
    assert not any("restoring" in one for one in schemas)


def test_a_backup_can_be_read_by_its_owner_only(data: DataFolder, tmp_path: Path) -> None:
    keeping.back_up(data, tmp_path / "all.backup", is_checked=False)
    assert (tmp_path / "all.backup").stat().st_mode & 0o077 == 0


def test_events_go_on_after_the_last_number(desk: Desk, data: DataFolder, tmp_path: Path) -> None:
    """A consumer stands at the number of an event whose row is gone."""
    with desk.database.writing() as connection:
        last = connection.scalar(text("SELECT max(position) FROM outbox"))
        connection.execute(text("DELETE FROM outbox"))
    keeping.back_up(data, tmp_path / "all.backup", is_checked=False)
    other = DataFolder(tmp_path / "other")
    keeping.restore(other, tmp_path / "all.backup", is_replacing=False)
    database = Database(other.business)
    with database.writing() as connection:
        outbox.append(connection, "main", NOW, SettingsDesired(vehicle_id="van-1"))
        assert connection.scalar(text("SELECT position FROM outbox")) == last + 1
    database.close()


def test_a_backup_of_an_older_form_is_brought_to_the_newest(
    desk: Desk, data: DataFolder, tmp_path: Path
) -> None:
    desk.close()
    old = Database(data.business)
    downgrade(old, "business", "0004")
    old.close()
    made = keeping.back_up(data, tmp_path / "old.backup", is_checked=True)
    assert made.trees["business"].revision == "0004"
    other = DataFolder(tmp_path / "other")
    keeping.restore(other, tmp_path / "old.backup", is_replacing=False)
    assert roles.is_current(other.business, "business")


def test_what_was_there_is_set_aside_and_never_overwritten(
    desk: Desk, data: DataFolder, tmp_path: Path
) -> None:
    keeping.back_up(data, tmp_path / "all.backup", is_checked=False)
    before = contents(data)
    with pytest.raises(Conflict, match="--replace"):
        keeping.restore(data, tmp_path / "all.backup", is_replacing=False)
    assert desk.order(reference="later").status_code == 201
    desk.close()
    keeping.restore(data, tmp_path / "all.backup", is_replacing=True)
    assert contents(data) == before
    (aside,) = data.root.glob("business.before-*.db")
    with sqlite3.connect(aside) as connection:
        assert connection.execute("SELECT count(*) FROM customer_order").fetchone() == (31,)
    connection.close()


def test_a_database_that_is_damaged_can_be_replaced(
    desk: Desk, data: DataFolder, tmp_path: Path
) -> None:
    keeping.back_up(data, tmp_path / "all.backup", is_checked=False)
    before = contents(data)
    desk.close()
    data.business.write_bytes(b"nothing of use" * 1000)
    keeping.restore(data, tmp_path / "all.backup", is_replacing=True)
    assert contents(data) == before


def test_nothing_is_restored_while_the_cloud_runs(data: DataFolder, tmp_path: Path) -> None:
    keeping.back_up(data, tmp_path / "all.backup", is_checked=False)
    other = DataFolder(tmp_path / "other")
    claim(other.running, "ingest")
    held = other.running / "ingest.json"
    told = json.loads(held.read_text())
    held.write_text(json.dumps({"pid": 1, "started": _started_of(1)}))
    with pytest.raises(Conflict, match="ingest: process 1"):
        keeping.restore(other, tmp_path / "all.backup", is_replacing=True)
    assert told["pid"] != 1
    forget(other.running, "ingest")


def _started_of(pid: int) -> float:
    return psutil.Process(pid).create_time()


def test_a_backup_that_is_cut_or_changed_is_refused_and_changes_nothing(
    desk: Desk, data: DataFolder, tmp_path: Path
) -> None:
    good = tmp_path / "all.backup"
    keeping.back_up(data, good, is_checked=False)
    desk.close()
    before, whole, chance = contents(data), good.read_bytes(), Random(7)
    bad = tmp_path / "bad.backup"
    for _ in range(40):
        told = bytearray(whole)
        if chance.random() < 0.5:
            del told[chance.randrange(len(told)) :]
        else:
            at = chance.randrange(len(told))
            told[at] ^= 1 << chance.randrange(8)
        bad.write_bytes(told)
        try:
            keeping.restore(data, bad, is_replacing=True)
        except Invalid:
            assert contents(data) == before
        else:  # a bit of no meaning, such as a date of the archive's own
            assert contents(data) == before
        assert not list(data.root.glob("*.restoring*"))


def test_a_backup_that_has_lost_rows_is_not_called_good(
    data: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping.back_up(data, tmp_path / "all.backup", is_checked=False)
    short = tmp_path / "short.backup"
    with zipfile.ZipFile(tmp_path / "all.backup") as old, zipfile.ZipFile(short, "w") as new:
        for member in old.namelist():
            told = b"" if member == "business/customer_order" else old.read(member)
            new.writestr(member, told)
    with pytest.raises(Invalid, match="customer_order: has 0 rows and should have 30"):
        backup.check(short, tmp_path)


def test_an_empty_file_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(Invalid, match="no whole backup"):
        backup.check(tmp_path / "empty", tmp_path)


def test_a_folder_without_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is not there"):
        keeping.back_up(DataFolder(tmp_path / "x"), tmp_path / "all.backup", is_checked=True)


def test_the_commands_say_what_they_did(desk: Desk, data: DataFolder, tmp_path: Path) -> None:
    file = tmp_path / "all.backup"
    run = CliRunner().invoke
    made = run(main, ["backup", "--data", str(data.root), str(file)])
    assert made.exit_code == 0, made.output
    assert "restored and counted" in made.output
    assert "secrets" in made.output
    there = run(main, ["restore", "--data", str(data.root), str(file)])
    assert there.exit_code == 1
    assert "--replace" in there.output
    desk.close()
    done = run(main, ["restore", "--data", str(data.root), str(file), "--replace"])
    assert done.exit_code == 0, done.output
    assert "counted and in place" in done.output
