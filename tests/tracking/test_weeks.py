"""History on PostgreSQL lies in weeks, which come and go; what is told of it stays the same."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from cloud.foundation.database import Database
from cloud.foundation.migrations import downgrade, upgrade
from cloud.foundation.places import PostgresPlace
from cloud.tracking import history, store
from cloud.tracking.blocks import MAX_SPAN_MS
from cloud.tracking.folding import fold
from cloud.tracking.history import BLOCK, WEEK_MS, drop_weeks, make_weeks
from cloud.tracking.model import StreamKey
from cloud.tracking.store import Writes
from tests.parts.postgres import Postgres
from tests.tracking.vans import NOON_MS, arrived_row, batch

pytestmark = pytest.mark.slow


class PowerCut(Exception):
    """Ends a transaction before its end."""


KEY = StreamKey("main", "van-1", 7)
WEEK = NOON_MS - NOON_MS % WEEK_MS
EVER = (-(2**53), 2**53)


@pytest.fixture
def database(postgres_server: Postgres, tmp_path: Path) -> Iterator[Database]:
    url = postgres_server.make_migrated(tmp_path)
    database = Database(PostgresPlace(url=url, schema="telemetry"))
    yield database
    database.close()


def put(database: Database, *firsts: int, count: int = 400) -> None:
    """Batches of a fix a second from these seqs on, folded at once."""
    with database.writing() as connection:
        rows = [arrived_row(batch(7, first, count)) for first in firsts]
        store.write(connection, Writes(arrived=rows))
        fold(connection, KEY, history.arrived_of(connection, KEY, 2**62, 1_000))


def seqs(database: Database) -> list[int]:
    with database.reading() as connection:
        told = history.fixes_between(connection, "main", "van-1", *EVER, 100_000)
        assert [(one.stream, one.seq) for one in told] == history.stored_seqs(
            connection, "main", "van-1"
        )
    return [one.seq for one in told]


def where(database: Database) -> dict[str, int]:
    """How many blocks lie in each part that has some."""
    with database.reading() as connection:
        told = text(
            "SELECT tableoid::regclass::text AS part, count(*) AS many FROM block GROUP BY 1"
        )
        return {row.part: row.many for row in connection.execute(told)}


def made(database: Database, now_ms: int = NOON_MS) -> list[str]:
    with database.writing() as connection:
        return make_weeks(connection, now_ms)


def dropped(database: Database, before_ms: int) -> list[str]:
    with database.writing() as connection:
        return drop_weeks(connection, before_ms)


WEEK_S = WEEK_MS // 1000


def test_this_week_and_four_more_are_made_once(database: Database) -> None:
    assert len(made(database)) == 5
    assert made(database) == []
    assert len(made(database, NOON_MS + WEEK_MS)) == 1


def test_blocks_lie_in_their_week_also_those_that_came_before_it_was_made(
    database: Database,
) -> None:
    put(database, 0, 400)
    assert list(where(database)) == ["block_rest"]
    made(database)
    assert "block_rest" not in where(database)
    put(database, WEEK_S, 900)
    assert len(where(database)) == 2
    assert seqs(database) == [*range(800), *range(900, 1300), *range(WEEK_S, WEEK_S + 400)]


def test_a_week_goes_in_one_piece_and_only_when_all_of_it_is_old(database: Database) -> None:
    made(database)
    put(database, 0, WEEK_S)
    over = WEEK + WEEK_MS + MAX_SPAN_MS
    assert dropped(database, over - 1) == []
    assert len(dropped(database, over)) == 1
    assert seqs(database) == [*range(WEEK_S, WEEK_S + 400)]


def test_rows_of_a_wild_clock_ask_for_no_part(database: Database) -> None:
    put(database, 0)
    put(database, 60 * WEEK_S, 600 * WEEK_S)
    made(database)
    assert where(database)["block_rest"] == 2


def test_late_batches_are_merged_over_weeks_and_none_stands_twice(database: Database) -> None:
    made(database)
    put(database, WEEK_S - 50, count=20)
    put(database, WEEK_S + 50, count=300)
    put(database, WEEK_S - 40, count=100)
    assert seqs(database) == [*range(WEEK_S - 50, WEEK_S + 350)]


def test_a_fold_that_is_cut_short_changes_nothing(database: Database) -> None:
    made(database)
    put(database, 0)
    before = seqs(database)
    with suppress(PowerCut), database.writing() as connection:
        store.write(connection, Writes(arrived=[arrived_row(batch(7, 200, 400))]))
        fold(connection, KEY, history.arrived_of(connection, KEY, 2**62, 10))
        assert drop_weeks(connection, NOON_MS + 5 * WEEK_MS)
        raise PowerCut
    assert seqs(database) == before


def test_the_key_still_refuses_a_block_twice_in_one_week(database: Database) -> None:
    put(database, 0)
    with database.reading() as connection:
        row = connection.execute(select(BLOCK)).mappings().one()
    with pytest.raises(IntegrityError), database.writing() as connection:
        connection.execute(BLOCK.insert(), [{**row, "id": row["id"] + 1}])


def test_blocks_survive_the_way_back_to_one_table_and_into_parts_again(database: Database) -> None:
    made(database)
    put(database, 0, WEEK_S, 700)
    before = seqs(database)
    downgrade(database, "telemetry", "0005")
    assert list(where(database)) == ["block"]
    columns = ",".join(BLOCK.c.keys()[1:])
    other = columns.replace("van", "'van-2'")
    with database.writing() as connection:  # as a release of then would have put one
        connection.execute(text(f"INSERT INTO block ({columns}) SELECT {other} FROM block"))
    upgrade(database, "telemetry")
    made(database)
    put(database, 3_000)
    assert seqs(database) == sorted([*before, *range(3_000, 3_400)])
    with database.reading() as connection:
        assert [seq for _, seq in history.stored_seqs(connection, "main", "van-2")] == before
