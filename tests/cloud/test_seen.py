"""Who looks again is never told that nothing has changed when something has."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, insert, select, update

from cloud.foundation.database import Database, put_rows
from cloud.foundation.layout import DataFolder
from cloud.foundation.outbox import outbox_cursor
from cloud.foundation.places import Place, place_of
from cloud.foundation.settings import Settings
from tests.parts.migrated import upgrade

Change = Callable[[Connection], object]
_CHANGES: dict[str, Change] = {
    "nothing": lambda connection: connection.execute(select(outbox_cursor)).all(),
    "add": lambda connection: put_rows(
        connection, outbox_cursor, [("one", 1)], columns=("consumer", "position"), clash="replace"
    ),
    "insert": lambda connection: connection.execute(
        insert(outbox_cursor).from_select(
            ["consumer", "position"],
            select(outbox_cursor.c.consumer + "x", outbox_cursor.c.position).limit(0),
        )
    ),
    "move": lambda connection: connection.execute(
        update(outbox_cursor).values(position=outbox_cursor.c.position + 1)
    ),
    "drop": lambda connection: connection.execute(delete(outbox_cursor)),
}


@pytest.fixture
def place(tmp_path: Path, kept_in: Settings) -> Iterator[Place]:
    found = place_of("business", DataFolder(tmp_path), kept_in)
    made = Database(found)
    upgrade(made, "business")
    yield found
    made.close()


def _content(database: Database) -> bytes:
    with database.reading() as connection:
        return msgspec.json.encode([list(row) for row in connection.execute(select(outbox_cursor))])


class _CalledOff(Exception):
    """The transaction does not hold."""


def _do(database: Database, change: Change, *, holds: bool) -> None:
    with suppress(_CalledOff), database.writing() as connection:
        change(connection)
        if not holds:
            raise _CalledOff


steps = st.lists(
    st.tuples(st.sampled_from(sorted(_CHANGES)), st.sampled_from(["web", "beside"]), st.booleans()),
    max_size=5,
)


@given(steps)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_view_is_the_same_only_when_nothing_has_changed(
    place: Place, drawn: list[tuple[str, str, bool]]
) -> None:
    writers = {"web": Database(place), "beside": Database(place)}
    web = writers["web"]
    try:
        with web.seeing() as (_, seen):
            before = _content(web)
        for change, who, holds in drawn:
            _do(writers[who], _CHANGES[change], holds=holds)
        with web.writing():
            is_as = web.is_as(seen)
        assert not is_as or _content(web) == before
        if not drawn:
            assert is_as, "it is of use when nobody writes"
    finally:
        for one in writers.values():
            one.close()


def test_a_view_of_a_connection_that_is_gone_is_no_other_ones(place: Place) -> None:
    database = Database(place)
    with database.seeing() as (_, seen):
        pass
    database.close()
    _do(database, _CHANGES["add"], holds=True)
    with database.writing():
        assert not database.is_as(seen)
    database.close()


def test_who_writes_does_not_wait_for_who_reads_a_whole_day(place: Place) -> None:
    database = Database(place)
    with database.seeing() as (_, seen):
        pass
    reads, done = threading.Event(), threading.Event()

    def read_long() -> None:
        with database.seeing():
            reads.set()
            done.wait(30)

    reader = threading.Thread(target=read_long)
    reader.start()
    try:
        assert reads.wait(30)
        with ThreadPoolExecutor(1) as beside:
            looked = beside.submit(database.is_as, seen)
            try:
                assert not looked.result(10)
            finally:
                done.set()
    finally:
        done.set()
        reader.join()
    with database.writing():
        assert database.is_as(seen)
    database.close()
