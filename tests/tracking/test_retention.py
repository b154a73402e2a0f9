"""What has had its time is deleted, nothing else is, and nothing of it comes back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.foundation.database import Database
from cloud.foundation.layout import DataFolder
from cloud.foundation.places import place_of
from cloud.foundation.settings import RetentionSettings, Settings
from cloud.tracking import history, store
from cloud.tracking.blocks import Numbered, cut, pack
from cloud.tracking.model import Committed, StreamKey
from cloud.tracking.retention import Retention
from cloud.tracking.store import LiveRow, Writes
from tests.parts.migrated import upgrade
from tests.tracking.vans import NOON_MS, fix

DAY_S = 86_400
KEPT = RetentionSettings(positions_days=10, events_days=20, answers_days=30, set_aside_days=5)


@pytest.fixture
def telemetry(tmp_path: Path, kept_in: Settings) -> Iterator[Database]:
    database = Database(place_of("telemetry", DataFolder(tmp_path), kept_in))
    upgrade(database, "telemetry")
    yield database
    database.close()


def drive(telemetry: Database, van: str, day: int, count: int = 50) -> None:
    """A van's drive on a day after the first, folded."""
    key = StreamKey("main", van, 7)
    first = day * 1000
    rows = [Numbered(first + at, fix(day * DAY_S + at), NOON_MS) for at in range(count)]
    with telemetry.writing() as connection:
        history.replace(
            connection, key, arrived=[], blocks=[], by=[pack(part) for part in cut(rows)]
        )


def live(telemetry: Database, *vans: str) -> None:
    rows = [LiveRow(tenant="main", van=van, change=place) for place, van in enumerate(vans)]
    with telemetry.writing() as connection:
        store.write(connection, Writes(live=[store.live_values(row) for row in rows]))


def after(telemetry: Database, days: float) -> int:
    """Let a pass of retention happen so many days after the first; tells how much it deleted."""
    retention = Retention(telemetry, KEPT, lambda: NOON_MS + round(days * DAY_S * 1000))
    deleted = 0
    while retention.has_work():
        deleted += retention.work()
    return deleted


def days_kept(telemetry: Database, van: str) -> list[int]:
    with telemetry.reading() as connection:
        return sorted({seq // 1000 for _, seq in history.stored_seqs(connection, "main", van)})


def test_tracks_end_with_their_days_and_by_van(telemetry: Database) -> None:
    live(telemetry, "van-1", "van-2")
    for day in range(15):
        drive(telemetry, "van-1", day)
    drive(telemetry, "van-2", 14)
    assert after(telemetry, 14.5) == 5
    assert days_kept(telemetry, "van-1") == list(range(5, 15))
    assert days_kept(telemetry, "van-2") == [14]
    assert after(telemetry, 14.5) == 0


def test_a_block_that_reaches_over_the_end_is_kept(telemetry: Database) -> None:
    live(telemetry, "van-1")
    drive(telemetry, "van-1", 0)
    assert after(telemetry, 10.0001) == 0
    assert days_kept(telemetry, "van-1") == [0]


def test_what_could_never_be_folded_ends_with_the_tracks(telemetry: Database) -> None:
    """Beside a damaged block a batch stays as it came."""
    live(telemetry, "van-1")
    with telemetry.writing() as connection:
        arrived = history.ArrivedRow("main", "van-1", 7, 0, 9, 10, NOON_MS, b"packed")
        store.write(connection, Writes(arrived=[arrived]))
    assert [after(telemetry, days) for days in (9, 11)] == [0, 1]


def test_each_kind_has_its_own_time(telemetry: Database) -> None:
    live(telemetry, "van-1")
    event = ("main", "van-1", 9, 0, NOON_MS, 3, "idled", "{}", NOON_MS, NOON_MS)
    aside = (b"1", "fleet/v1/main/van-1/up/batch", b"abc", "why", NOON_MS)
    answer = ("main", "van-1", "cmd-1", "done", "", None, NOON_MS)
    with telemetry.writing() as connection:
        store.write(connection, Writes(events=[event], set_aside=[aside], results=[answer]))
    drive(telemetry, "van-1", 0)
    assert [after(telemetry, days) for days in (4, 6, 11, 21, 31, 99)] == [0, 1, 1, 1, 1, 0]


def test_what_was_deleted_stays_committed(telemetry: Database) -> None:
    """A van that sends it again is told that it is committed, and nothing of it is kept."""
    live(telemetry, "van-1")
    key = StreamKey("main", "van-1", 7)
    with telemetry.writing() as connection:
        store.write(connection, Writes(streams={key: Committed(((0, 49, 1),))}))
    drive(telemetry, "van-1", 0)
    assert after(telemetry, 30) == 1
    with telemetry.reading() as connection:
        committed = store.committed_of(connection, key)
    assert committed.news(0, 49, 1) == []


def test_much_is_deleted_in_pieces(telemetry: Database) -> None:
    live(telemetry, "van-1")
    events = [
        ("main", "van-1", 9, seq, NOON_MS, 3, "idled", "{}", NOON_MS, NOON_MS)
        for seq in range(1_200)
    ]
    with telemetry.writing() as connection:
        store.write(connection, Writes(events=events))
    retention = Retention(telemetry, KEPT, lambda: NOON_MS + 99 * DAY_S * 1000)
    pieces = []
    while retention.has_work():
        pieces.append(retention.work())
    assert max(pieces) == 500
    assert sum(pieces) == 1_200
