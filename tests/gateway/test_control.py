"""Commands are taken once; the route is kept on disk."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from gateway import schema
from gateway.commands import MAX_REMEMBERED, CommandLog
from gateway.route import RouteFile
from wire import codec
from wire.messages import Command, Result, Route, RouteStop

NOW_MS = 1_772_438_400_000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    schema.prepare(tmp_path / "spool.db")
    with closing(sqlite3.connect(tmp_path / "spool.db", isolation_level=None)) as connection:
        yield connection


def ping(number: int = 1, *, name: str = "ping", expires_at_ms: int = NOW_MS + 1) -> Command:
    return Command(id=f"c{number}", name=name, expires_at_ms=expires_at_ms)


def results(log: CommandLog) -> list[Result]:
    return [codec.decode(body, Result) for _, body in log.untold()]


def test_a_ping_is_done(database: sqlite3.Connection) -> None:
    log = CommandLog(database)
    log.take(ping(), NOW_MS)
    assert results(log) == [Result(command="c1", status="done")]


def test_a_command_is_answered_once_even_over_a_restart(database: sqlite3.Connection) -> None:
    log = CommandLog(database)
    log.take(ping(), NOW_MS)
    log.take(ping(), NOW_MS)
    ((command, _),) = log.untold()
    log.telling(command, mid=7)
    assert log.untold() == []
    log.told(7)
    after_restart = CommandLog(database)
    after_restart.take(ping(), NOW_MS)
    assert after_restart.untold() == []


def test_a_result_not_told_before_a_restart_is_told_after_it(database: sqlite3.Connection) -> None:
    log = CommandLog(database)
    log.take(ping(), NOW_MS)
    log.telling("c1", mid=7)
    assert results(CommandLog(database)) == [Result(command="c1", status="done")]


def test_an_expired_command_is_not_done(database: sqlite3.Connection) -> None:
    log = CommandLog(database)
    log.take(ping(expires_at_ms=NOW_MS), NOW_MS)
    assert [result.status for result in results(log)] == ["expired"]


def test_an_unknown_command_is_refused_by_name(database: sqlite3.Connection) -> None:
    log = CommandLog(database)
    log.take(ping(name="fly"), NOW_MS)
    (result,) = results(log)
    assert result.status == "refused"
    assert "fly" in result.detail


def test_the_memory_of_commands_is_bounded(database: sqlite3.Connection) -> None:
    log = CommandLog(database)
    for number in range(MAX_REMEMBERED + 20):
        log.take(ping(number), NOW_MS)
    (count,) = database.execute("SELECT count(*) FROM command").fetchone()
    assert count == MAX_REMEMBERED
    log.take(ping(MAX_REMEMBERED + 19), NOW_MS)
    assert len(log.untold()) == MAX_REMEMBERED


def route(revision: int, name: str = "r1") -> Route:
    stop = RouteStop(stop="s1", kind="delivery", lat_e7=1, lon_e7=2, planned_arrival_ms=NOW_MS)
    return Route(route=name, revision=revision, stops=(stop,))


def test_a_higher_revision_wins_and_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "route.json"
    file = RouteFile(path)
    assert file.revision is None
    assert file.take(route(3))
    assert not file.take(route(2))
    assert not file.take(route(3))
    assert RouteFile(path).revision == 3
    assert codec.decode(path.read_bytes(), Route) == route(3)


def test_another_route_replaces_the_one_in_force(tmp_path: Path) -> None:
    file = RouteFile(tmp_path / "route.json")
    file.take(route(9))
    assert file.take(route(1, name="tomorrow"))
    assert file.revision == 1


@pytest.mark.parametrize("left", [b"", b"{", b"\xff", msgspec.json.encode({"route": 1})])
def test_a_damaged_file_is_no_route(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "route.json").write_bytes(left)
    file = RouteFile(tmp_path / "route.json")
    assert file.revision is None
    assert file.take(route(1))
