"""Events reach every consumer in order, at least once, and only when their change committed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from cloud.foundation import outbox
from cloud.foundation.database import Database
from cloud.foundation.layout import DataFolder
from cloud.foundation.outbox import Consumer, DomainEvent, Outbox
from cloud.foundation.places import place_of
from cloud.foundation.settings import Settings
from tests.parts.migrated import upgrade


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    number: int


@pytest.fixture
def database(tmp_path: Path, kept_in: Settings) -> Iterator[Database]:
    made = Database(place_of("business", DataFolder(tmp_path), kept_in))
    upgrade(made, "business")
    yield made
    made.close()


def tell(database: Database, *numbers: int) -> None:
    with database.writing() as connection:
        outbox.append(connection, "main", 1.0, *(Happened(number=one) for one in numbers))


def numbers(heard: list[DomainEvent]) -> list[int]:
    return [event.body(Happened).number for event in heard]


def run(
    database: Database, consumers: dict[str, Consumer], until: Callable[[], bool],
    meanwhile: Callable[[], Awaitable[None]] | None = None,
) -> None:  # fmt: skip
    async def main() -> None:
        events = Outbox(database)
        tasks = [asyncio.create_task(events.run(name, one)) for name, one in consumers.items()]
        await asyncio.sleep(0.05)
        if meanwhile is not None:
            await meanwhile()
            events.wake()
        async with asyncio.timeout(10):
            while not until():  # noqa: ASYNC110 - the consumers under test set no event
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


def listening(heard: list[DomainEvent]) -> Consumer:
    async def hear(event: DomainEvent) -> None:
        heard.append(event)

    return hear


def test_every_consumer_hears_everything_in_order(database: Database) -> None:
    one: list[DomainEvent] = []
    other: list[DomainEvent] = []
    tell(database, 1, 2)

    async def later() -> None:
        tell(database, 3)

    consumers = {"one": listening(one), "other": listening(other)}
    run(database, consumers, lambda: len(one) == len(other) == 3, later)
    assert numbers(one) == numbers(other) == [1, 2, 3]
    assert {event.kind for event in one} == {"Happened"}


def test_an_event_of_a_change_that_failed_is_never_told(database: Database) -> None:
    heard: list[DomainEvent] = []

    def tell_and_fail() -> None:
        with database.writing() as connection:
            outbox.append(connection, "main", 1.0, Happened(number=1))
            raise ValueError("the change does not hold")

    with pytest.raises(ValueError, match="does not hold"):
        tell_and_fail()
    tell(database, 2)
    run(database, {"one": listening(heard)}, lambda: len(heard) == 1)
    assert numbers(heard) == [2]


def test_a_consumer_goes_on_where_it_stood(database: Database) -> None:
    heard: list[DomainEvent] = []
    tell(database, 1, 2)
    run(database, {"one": listening(heard)}, lambda: len(heard) == 2)
    tell(database, 3)
    run(database, {"one": listening(heard)}, lambda: len(heard) == 3)
    assert numbers(heard) == [1, 2, 3]


def test_a_failing_consumer_tries_again_and_holds_up_no_other(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_RETRY_S", 0.05)
    failing: list[int] = []
    well: list[DomainEvent] = []

    async def fails_twice(event: DomainEvent) -> None:
        failing.append(event.body(Happened).number)
        if len(failing) < 3:
            raise ConnectionError("not now")

    tell(database, 1, 2)
    run(database, {"bad": fails_twice, "well": listening(well)}, lambda: failing[-1:] == [2])
    assert failing == [1, 1, 1, 2]
    assert numbers(well) == [1, 2]


def test_what_everybody_has_heard_is_dropped(database: Database) -> None:
    heard: list[DomainEvent] = []
    tell(database, *range(5))
    run(database, {"one": listening(heard)}, lambda: len(heard) == 5)
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(outbox.outbox)).scalar() == 0


def test_where_a_consumer_stands_is_kept_though_the_database_did_not_answer_at_first(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_RETRY_S", 0.05)
    heard: list[DomainEvent] = []
    tried: list[dict[str, int]] = []
    move = Outbox._move

    def moves_later(events: Outbox, reached: dict[str, int]) -> None:
        tried.append(reached)
        if len(tried) < 3:
            raise OperationalError("move", None, ConnectionError("not now"))
        move(events, reached)

    def stands() -> int | None:
        with database.reading() as connection:
            return connection.execute(select(outbox.outbox_cursor.c.position)).scalar()

    monkeypatch.setattr(Outbox, "_move", moves_later)
    tell(database, 1)
    run(database, {"one": listening(heard)}, lambda: stands() == 1)
    assert numbers(heard) == [1]
    assert len(tried) == 3
