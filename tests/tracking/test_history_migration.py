"""Rows become blocks and blocks become rows again; nothing is lost on either way, nor by a kill."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cloud.foundation.database import Database
from cloud.foundation.migrations import downgrade, upgrade
from cloud.tracking import history, store
from cloud.tracking.blocks import TrackRow
from cloud.tracking.model import StreamKey
from cloud.tracking.store import Writes, fix_values
from tests.tracking.vans import NOON_MS, arrived_row, batch, fix
from wire.messages import Fix

ROOT = Path(__file__).parents[2]
KEY = StreamKey("main", "van-1", 7)
type Row = tuple[object, ...]

UNTIMED = Fix(recorded_at_ms=NOON_MS - 3, lat_e7=-5, lon_e7=6, mode=2, source="gpsd")
WITHOUT_CLOCK = msgspec.structs.replace(UNTIMED, recorded_at_ms=-(2**53), quality="rtc")
FIXES: dict[tuple[str, int, int], Fix] = {
    **{("van-1", 7, seq): fix(seq) for seq in range(1_000)},
    **{("van-1", 7, seq): fix(seq) for seq in range(1_008, 1_800, 8)},
    ("van-1", 9, 5): fix(9_000),
    ("van-1", 9, 2**62 - 1): fix(9_001),
    ("van-2", 7, 0): UNTIMED,
    ("van-2", 7, 1): WITHOUT_CLOCK,
    ("van-2", 7, 2): fix(0),
}
RANGES = {
    ("van-1", 7): [[0, 1799]],
    ("van-1", 9): [[5, 5], [9, 2**62 - 1]],
    ("van-2", 50): [[0, 4]],
}


def rows_of_before() -> list[Row]:
    return sorted(
        (
            ("main", van, stream, seq, *fix_values(one), NOON_MS)
            for (van, stream, seq), one in FIXES.items()
        ),
        key=lambda row: row[:4],
    )


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """In the form of before, with rows."""
    database = Database(tmp_path / "telemetry.db")
    rows = rows_of_before()
    upgrade(database, "telemetry", "0003")
    with database.writing() as connection:
        marks = ",".join("?" * len(rows[0]))
        for row in rows:
            connection.exec_driver_sql(f"INSERT INTO fix VALUES ({marks})", row)
        for (van, stream), ranges in RANGES.items():
            values = ("main", van, stream, json.dumps(ranges))
            connection.exec_driver_sql("INSERT INTO stream VALUES (?,?,?,?)", values)
    yield database
    database.close()


def stored(database: Database) -> list[Row]:
    with database.reading() as connection:
        found = connection.exec_driver_sql("SELECT * FROM fix ORDER BY tenant, van, stream, seq")
        return [tuple(row) for row in found]


def track(database: Database, van: str) -> list[TrackRow]:
    with database.reading() as connection:
        return history.fixes_between(connection, "main", van, -(2**53), 2**53, 10_000)


def test_rows_become_blocks_and_rows_again(database: Database) -> None:
    upgrade(database, "telemetry")
    expected = sorted(
        (
            fix_values(one)[0],
            *(stream, seq, one.lat_e7, one.lon_e7, one.speed_cmps, one.course_ddeg),
        )
        for (van, stream, seq), one in FIXES.items()
        if van == "van-1"
    )
    assert track(database, "van-1") == expected
    assert [row.at_ms for row in track(database, "van-2")] == [-(2**53), NOON_MS - 3, NOON_MS]
    downgrade(database, "telemetry", "0003")
    assert stored(database) == rows_of_before()
    with database.reading() as connection:
        found = connection.exec_driver_sql("SELECT van, stream, ranges FROM stream").fetchall()
    assert {(van, stream): json.loads(ranges) for van, stream, ranges in found} == RANGES


def test_what_was_committed_stays_so_and_what_was_kept_is_not_kept_again(
    database: Database,
) -> None:
    upgrade(database, "telemetry")
    with database.reading() as connection:
        committed = store.committed_of(connection, KEY)
        told_by_gaps = store.committed_of(connection, StreamKey("main", "van-2", 50))
    assert committed.ranges == ((0, 1799),)
    assert committed.news(0, 999, 1) == []
    assert committed.news(1_000, 1_015, 1) == [(1_000, 1_007), (1_009, 1_015)]
    assert told_by_gaps.pieces == ((0, 4, 0),)


def test_a_stream_of_countless_holes_is_committed_all_the_same(database: Database) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM fix WHERE stream = 9")
        for seq in range(0, 10_000, 2):
            row = ("main", "van-1", 9, seq, *fix_values(fix(seq)), NOON_MS)
            connection.exec_driver_sql(f"INSERT INTO fix VALUES ({','.join('?' * 18)})", row)
        connection.exec_driver_sql("UPDATE stream SET ranges = '[[0,9999]]' WHERE stream = 9")
    upgrade(database, "telemetry")
    with database.reading() as connection:
        committed = store.committed_of(connection, StreamKey("main", "van-1", 9))
    assert committed.pieces == ((0, 9_999, 0),)


def test_what_has_not_been_folded_becomes_rows_too(database: Database) -> None:
    upgrade(database, "telemetry")
    narrow = arrived_row(batch(11, 0, 10))._replace(first=3, last=4, fixes=2)
    poison = arrived_row(batch(12, 0, 10))._replace(body=b"poison")
    with database.writing() as connection:
        store.write(connection, Writes(arrived=[narrow, poison]))
    downgrade(database, "telemetry", "0003")
    added = [row for row in stored(database) if row[2] in {11, 12}]
    assert added == [("main", "van-1", 11, seq, *fix_values(fix(seq)), NOON_MS) for seq in (3, 4)]


KILLED = """
import os, sys, signal
from pathlib import Path
from alembic import op
from cloud.foundation.database import Database
from cloud.foundation import migrations
op.drop_table = lambda name: os.kill(os.getpid(), signal.SIGKILL)
getattr(migrations, sys.argv[2])(Database(Path(sys.argv[1])), "telemetry", sys.argv[3])
"""


@pytest.mark.parametrize(("way", "to"), [("upgrade", "0004"), ("downgrade", "0003")])
def test_a_kill_before_its_end_leaves_the_form_of_before_whole(
    database: Database, way: str, to: str
) -> None:
    if way == "downgrade":
        upgrade(database, "telemetry")
    database.close()
    argv = [sys.executable, "-c", KILLED, str(database.place), way, to]
    killed = subprocess.run(argv, cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    if way == "downgrade":
        assert len(track(database, "van-1")) == sum(van == "van-1" for van, *_ in FIXES)
        downgrade(database, "telemetry", "0003")
    assert stored(database) == rows_of_before()
