"""Commands are taken once; the route is kept on disk."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.control.commands import MAX_REMEMBERED, Abilities, CommandLog, Commands, bounded
from gateway.control.reboot import GIVE_UP_S, REQUEST, Reboots
from gateway.control.route import RouteFile
from gateway.spool import schema
from gateway.spool.medium import Medium
from gateway.stamp import Stamp
from wire import codec
from wire.messages import MAX_RESULT_BYTES, Command, Result, Route, RouteStop
from wire.values import ClockQuality

NOW_MS = 1_772_438_400_000
NOW = Stamp(NOW_MS, "gnss")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Medium]:
    schema.prepare(tmp_path / "spool.db")
    with closing(Medium(tmp_path / "spool.db")) as medium:
        yield medium


class Gateway:
    """Commands over a spool, and what they have had done; made anew, it is a restart."""

    def __init__(self, database: Medium, folder: Path, boot_id: str = "boot-1") -> None:
        (folder / "run").mkdir(exist_ok=True)
        self.replayed: list[tuple[int, int]] = []
        self.rates: list[tuple[float, float]] = []
        self.runtime = folder / "run"
        self.log = CommandLog(database)
        self.reboots = Reboots(folder / "reboot.json", self.runtime, boot_id, 0.0)
        abilities = Abilities(
            replay=self._replay,
            set_rate=lambda every_s, for_s: self.rates.append((every_s, for_s)),
            diagnose=lambda: {"health": {"van": "van-1"}},
        )
        self.commands = Commands(self.log, abilities, self.reboots)

    def _replay(self, from_ms: int, to_ms: int) -> int:
        self.replayed.append((from_ms, to_ms))
        return 7

    def take(self, command: Command, stamp: Stamp = NOW) -> bool:
        return self.commands.take(command, stamp)

    def results(self) -> list[Result]:
        return [codec.decode(body, Result) for _, body in self.log.untold()]

    def tell_all(self) -> None:
        for mid, (command, _) in enumerate(self.log.untold()):
            self.log.telling(command, mid)
            self.log.told(mid)

    def step(self, now_s: float) -> None:
        self.reboots.step(now_s, self.log.has, self.log.is_told)

    def has_asked_for_reboot(self) -> bool:
        return (self.runtime / REQUEST).exists()


@pytest.fixture
def gateway(database: Medium, tmp_path: Path) -> Gateway:
    return Gateway(database, tmp_path)


def asking(
    name: str = "ping", number: int = 1, *, expires_at_ms: int = NOW_MS + 1, **arguments: Any
) -> Command:
    return Command(id=f"c{number}", name=name, expires_at_ms=expires_at_ms, arguments=arguments)


def spanning(from_: object, to: object) -> Command:
    arguments = {"from": from_, "to": to}
    return Command(id="c1", name="replay", expires_at_ms=NOW_MS + 1, arguments=arguments)


def test_a_ping_is_done(gateway: Gateway) -> None:
    assert gateway.take(asking())
    assert gateway.results() == [Result(command="c1", status="done")]


def test_a_command_is_answered_once_even_over_a_restart(
    gateway: Gateway, database: Medium, tmp_path: Path
) -> None:
    gateway.take(asking())
    gateway.take(asking())
    ((command, _),) = gateway.log.untold()
    gateway.log.telling(command, mid=7)
    assert gateway.log.untold() == []
    gateway.log.told(7)
    after_restart = Gateway(database, tmp_path)
    assert after_restart.take(asking())
    assert after_restart.log.untold() == []


def test_a_result_not_told_before_a_restart_is_told_after_it(
    gateway: Gateway, database: Medium, tmp_path: Path
) -> None:
    gateway.take(asking())
    gateway.log.telling("c1", mid=7)
    assert Gateway(database, tmp_path).results() == [Result(command="c1", status="done")]


def test_a_result_that_a_lost_connection_held_is_told_on_the_next_one(gateway: Gateway) -> None:
    gateway.take(asking())
    gateway.log.telling("c1", mid=7)
    gateway.log.disconnected()
    assert [command for command, _ in gateway.log.untold()] == ["c1"]
    gateway.log.told(7)
    assert [command for command, _ in gateway.log.untold()] == ["c1"], "a receipt of the last one"


def test_an_expired_command_is_not_done(gateway: Gateway) -> None:
    gateway.take(asking("set-rate", expires_at_ms=NOW_MS, live_every_s=1, for_s=60))
    assert [result.status for result in gateway.results()] == ["expired"]
    assert gateway.rates == []


@pytest.mark.parametrize("quality", ["none", "rtc"])
def test_without_a_trusted_clock_questions_are_answered_and_the_rest_waits(
    gateway: Gateway, quality: ClockQuality
) -> None:
    doubtful = Stamp(NOW_MS + 10**9, quality)
    assert gateway.take(asking(number=1), doubtful)
    assert gateway.take(asking("collect-diagnostics", 2), doubtful)
    assert not gateway.take(asking("reboot", 3), doubtful)
    assert not gateway.take(asking("set-rate", 4, live_every_s=1, for_s=60), doubtful)
    assert [result.status for result in gateway.results()] == ["done", "done"]
    assert gateway.take(asking("set-rate", 4, live_every_s=1, for_s=60), NOW)
    assert gateway.rates == [(1, 60)]


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (asking("fly"), "fly"),
        (asking("ping", loudly=True), "loudly"),
        (asking("replay"), "from"),
        (spanning("yesterday", NOW_MS), "arguments.from"),
        (spanning("2026-03-02T08:00:00", NOW_MS), "zone"),
        (spanning(5, 4), "swap"),
        (spanning(0, 2**60), "arguments.to"),
        (spanning(True, 5), "arguments.from"),
        (asking("set-rate", for_s=60), "live_every_s"),
        (asking("set-rate", for_s=60, live_every_s=1, hz=1), "live_every_s"),
        (asking("set-rate", for_s=0, hz=1), "arguments.for_s"),
        (asking("set-rate", for_s=60, hz=1e9), "arguments.hz"),
        (asking("reboot", force=True), "force"),
    ],
)
def test_what_cannot_be_done_as_told_is_refused_by_its_field(
    gateway: Gateway, command: Command, named: str
) -> None:
    assert gateway.take(command)
    (result,) = gateway.results()
    assert result.status == "refused"
    assert named in result.detail
    assert (gateway.replayed, gateway.rates) == ([], [])
    gateway.step(1)
    assert not gateway.has_asked_for_reboot()


def test_a_replay_tells_how_many_rows_go_again(gateway: Gateway) -> None:
    gateway.take(spanning("2026-03-02T08:00:00Z", "2026-03-02T09:00:00+00:30"))
    assert gateway.replayed == [(NOW_MS, NOW_MS + 1_800_000)]
    (result,) = gateway.results()
    assert result.data == {"rows": 7}


def test_another_pace_is_set_once(gateway: Gateway) -> None:
    for _ in range(2):
        gateway.take(asking("set-rate", hz=4, for_s=90))
    assert gateway.rates == [(0.25, 90)]


def test_diagnostics_come_as_data(gateway: Gateway) -> None:
    gateway.take(asking("collect-diagnostics"))
    assert gateway.results()[0].data == {"health": {"van": "van-1"}}


def test_data_that_is_too_long_is_left_out_largest_first() -> None:
    long = Result(
        command="c1",
        status="done",
        data={"log": ["x" * 1000] * 200, "files": ["y"] * 20_000, "health": {"van": "van-1"}},
    )
    told = bounded(long)
    assert len(codec.encode(told)) <= MAX_RESULT_BYTES
    assert told.data == {"files": ["y"] * 20_000, "health": {"van": "van-1"}}
    assert "log" in told.detail


def test_a_reboot_is_answered_first_and_asked_for_once(
    gateway: Gateway, database: Medium, tmp_path: Path
) -> None:
    gateway.take(asking("reboot"))
    gateway.step(1)
    assert not gateway.has_asked_for_reboot()
    gateway.tell_all()
    gateway.step(2)
    assert gateway.has_asked_for_reboot()
    (gateway.runtime / REQUEST).unlink()
    rebooted = Gateway(database, tmp_path, "boot-2")
    rebooted.take(asking("reboot"))
    for now_s in (1.0, 100.0):
        rebooted.step(now_s)
        assert not rebooted.has_asked_for_reboot()


def test_a_kill_before_the_reboot_is_asked_for_does_not_lose_it(
    gateway: Gateway, database: Medium, tmp_path: Path
) -> None:
    gateway.take(asking("reboot"))
    again = Gateway(database, tmp_path)
    again.step(1)
    assert not again.has_asked_for_reboot()
    again.tell_all()
    again.step(2)
    assert again.has_asked_for_reboot()


def test_a_kill_between_promise_and_answer_leaves_the_command_to_be_given_again(
    gateway: Gateway, database: Medium, tmp_path: Path
) -> None:
    gateway.reboots.promise("c1")
    again = Gateway(database, tmp_path)
    again.step(100)
    assert not again.has_asked_for_reboot()
    again.take(asking("reboot"))
    again.tell_all()
    again.step(101)
    assert again.has_asked_for_reboot()


def test_a_reboot_that_nobody_does_is_given_up(gateway: Gateway) -> None:
    gateway.take(asking("reboot"))
    gateway.tell_all()
    gateway.step(1)
    (gateway.runtime / REQUEST).unlink()
    gateway.step(GIVE_UP_S + 1)
    gateway.step(GIVE_UP_S + 2)
    assert not gateway.has_asked_for_reboot()


def test_without_anyone_to_do_it_a_reboot_is_refused(database: Medium, tmp_path: Path) -> None:
    gateway = Gateway(database, tmp_path)
    gateway.reboots = Reboots(tmp_path / "other.json", None, "boot-1", 0.0)
    gateway.commands = Commands(
        gateway.log,
        Abilities(replay=lambda *_: 0, set_rate=lambda *_: None, diagnose=dict),
        gateway.reboots,
    )
    gateway.take(asking("reboot"))
    assert gateway.results()[0].status == "refused"
    assert "roundsman-reboot.path" in gateway.results()[0].detail


def test_a_medium_that_takes_nothing_leaves_the_command_to_be_given_again(
    gateway: Gateway, database: Medium
) -> None:
    database.execute("PRAGMA query_only = 1")
    with pytest.raises(sqlite3.OperationalError):
        gateway.take(asking("set-rate", hz=4, for_s=90))
    assert gateway.rates == []
    database.execute("PRAGMA query_only = 0")
    assert gateway.take(asking("set-rate", hz=4, for_s=90))
    assert gateway.rates == [(0.25, 90)]


def test_the_memory_of_commands_is_bounded(gateway: Gateway, database: Medium) -> None:
    for number in range(MAX_REMEMBERED + 20):
        gateway.take(asking(number=number))
    (count,) = database.execute("SELECT count(*) FROM command").fetchone()
    assert count == MAX_REMEMBERED
    gateway.take(asking(number=MAX_REMEMBERED + 19))
    assert len(gateway.log.untold()) == MAX_REMEMBERED


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
    assert RouteFile(path).current == route(3)
    assert codec.decode(path.read_bytes(), Route) == route(3)


def test_another_route_replaces_the_one_in_force(tmp_path: Path) -> None:
    file = RouteFile(tmp_path / "route.json")
    file.take(route(9))
    assert file.take(route(1, name="tomorrow"))
    assert file.revision == 1


@pytest.mark.parametrize("left", [b"", b"{", b"\xff", msgspec.json.encode({"route": 1})])
def test_a_damaged_file_is_no_route_and_is_set_aside(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "route.json").write_bytes(left)
    file = RouteFile(tmp_path / "route.json")
    assert file.revision is None
    assert (tmp_path / "route.json.damaged").read_bytes() == left
    assert file.take(route(1))
    assert RouteFile(tmp_path / "route.json").current == route(1)
