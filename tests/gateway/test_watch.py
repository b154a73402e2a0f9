"""Readiness and the watchdog: fed while every part goes round, and only then."""

import os
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.operation.health import Beat, stuck
from gateway.operation.notify import Notifier
from gateway.operation.watch import Watch
from tests.gateway.rig import ROOT, Line, Receiver, Van, wait_until
from tests.parts.ports import free_port

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="SKIPPED: Debian package strace is not installed"
)

BEATS = st.builds(Beat, st.text(min_size=1, max_size=3), st.floats(0, 1000), st.floats(0.1, 100))


class Manager:
    """Listens as systemd does."""

    def __init__(self, name: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{name[1:]}" if name.startswith("@") else name)
        self._socket.setblocking(False)
        self.name = name
        self.told: list[str] = []

    def listen(self) -> list[str]:
        """All that was told so far, one assignment each."""
        while select.select([self._socket], [], [], 0)[0]:
            self.told += self._socket.recv(65_536).decode().splitlines()
        return self.told

    def fed(self) -> int:
        return self.listen().count("WATCHDOG=1")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with closing(Manager(str(tmp_path / "notify"))) as manager:
        yield manager


@settings(deadline=None)
@given(st.lists(BEATS, max_size=6), st.floats(0, 2000))
def test_a_part_is_stuck_exactly_when_its_time_is_over(beats: list[Beat], now_s: float) -> None:
    late = stuck(beats, now_s)
    assert list(late) == [one.part for one in beats if one.at_s + one.within_s < now_s]


def test_one_stuck_part_starves_the_watchdog_until_it_turns_again(manager: Manager) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "4000000"})
    watch = Watch(notifier)
    good, late = Beat("link", 100, 10), Beat("spool", 80, 10)
    watch.look(100, [good], "well")
    assert manager.fed() == 1
    watch.look(100.5, [good], "well")
    assert manager.fed() == 1
    watch.look(102, [good, late], "not well")
    assert (manager.fed(), watch.stuck) == (1, ("spool",))
    assert manager.told[-1] == "STATUS=not well"
    watch.look(104, [good, Beat("spool", 104, 10)], "well")
    assert (manager.fed(), watch.stuck) == (2, ())
    notifier.close()


def test_an_abstract_name_is_understood() -> None:
    with closing(Manager(f"@roundsman-test-{os.getpid()}")) as manager:
        notifier = Notifier({"NOTIFY_SOCKET": manager.name})
        notifier.tell("READY=1", "STATUS=started")
        notifier.close()
        assert manager.listen() == ["READY=1", "STATUS=started"]


@pytest.mark.parametrize("name", ["", "relative", "/nowhere/notify"])
def test_without_a_manager_nothing_happens(name: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.tell("READY=1")
    notifier.tell("READY=1")
    notifier.close()


@pytest.mark.parametrize(
    ("usec", "pid", "watched_s"),
    [("3000000", "", 3.0), ("3000000", "self", 3.0), ("3000000", "1", None), ("x", "", None)],
)
def test_the_watchdog_is_one_s_own(usec: str, pid: str, watched_s: float | None) -> None:
    pid = str(os.getpid()) if pid == "self" else pid
    environment = {"WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}
    assert Notifier(environment).watchdog_s == watched_s


def watched(van: Van, manager: Manager) -> None:
    """Start the van's gateway as systemd would, to be fed each second."""
    text = van.config.read_text()
    van.config.write_text(f"{text}[watch]\nreader_s = 2.5\nlink_s = 5\nspool_s = 2.5\n")
    with van.log.open("ab") as log:
        van.process = subprocess.Popen(
            [sys.executable, "-m", "roundsman", "gateway", "run", "--config", van.config],
            cwd=ROOT,
            stderr=log,
            env={**os.environ, "NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "2000000"},
        )


def assert_fed(manager: Manager, times: int) -> None:
    before = manager.fed()
    wait_until(lambda: manager.fed() >= before + times, "the watchdog is fed", 60)


def assert_starves(manager: Manager) -> None:
    """From some moment on nothing is fed for three times the pace."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        before = manager.fed()
        time.sleep(3)
        if manager.fed() == before:
            return
    raise AssertionError("the watchdog is still fed")


@pytest.mark.slow
def test_a_gateway_is_ready_is_fed_and_says_that_it_stops(
    van: Van, receiver: Receiver, manager: Manager
) -> None:
    watched(van, manager)
    assert_fed(manager, 3)
    assert manager.told[0] == "READY=1"
    wait_until(lambda: any("3D" in one for one in manager.listen()), "the status tells of fixes")
    assert van.stop() == 0
    assert receiver.ticks > 0
    assert "STOPPING=1" in manager.listen()


@pytest.mark.slow
def test_a_broker_that_never_answers_is_no_reason_to_starve(
    tmp_path: Path, line: Line, receiver: Receiver, manager: Manager
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        port = silent.getsockname()[1]
        van = Van(tmp_path / "van", port, f'kind = "serial"\ndevice = "{line.device}"')
        watched(van, manager)
        assert_fed(manager, 8)
        assert receiver.ticks > 0
        van.kill()


@pytest.mark.slow
def test_a_receiver_that_is_away_is_no_reason_to_starve(tmp_path: Path, manager: Manager) -> None:
    van = Van(tmp_path / "van", free_port(), f'kind = "serial"\ndevice = "{tmp_path}/none"')
    watched(van, manager)
    assert_fed(manager, 5)
    van.kill()


@contextmanager
def hanging(pid: int, calls: str, path: str | None = None) -> Iterator[None]:
    """Some system calls of a process, perhaps only those on ``path``, take a minute each."""
    inject = ("-e", f"trace={calls}", "-e", f"inject={calls}:delay_enter=60s")
    where = () if path is None else ("-P", path)
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", "/dev/null", *inject, *where, "-p", str(pid)],
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
        assert tracer.poll() is None, "strace may trace here"
    finally:
        tracer.kill()
        tracer.wait()


@needs_strace
@pytest.mark.slow
def test_a_receiver_whose_driver_hangs_starves_the_watchdog_and_is_named(
    van: Van, line: Line, receiver: Receiver, manager: Manager
) -> None:
    watched(van, manager)
    assert_fed(manager, 2)
    with hanging(van.pid(), "read", str(line.device.readlink())):
        assert_starves(manager)
    assert receiver.ticks > 0
    assert "a part is stuck" in van.log.read_text()
    assert any("stuck: reader serial" in one for one in manager.told)


@needs_strace
@pytest.mark.slow
def test_a_medium_that_hangs_starves_the_watchdog(
    van: Van, receiver: Receiver, manager: Manager
) -> None:
    watched(van, manager)
    assert_fed(manager, 2)
    with hanging(van.pid(), "fsync,fdatasync"):
        assert_starves(manager)
    assert receiver.ticks > 0


@pytest.mark.slow
def test_the_watchdog_s_signal_has_python_tell_where_each_thread_stood(
    van: Van, receiver: Receiver, manager: Manager
) -> None:
    watched(van, manager)
    assert_fed(manager, 1)
    assert van.process is not None
    van.process.send_signal(6)
    assert van.process.wait(20) == -6
    assert receiver.ticks > 0
    assert re.search(r"Thread 0x\w+ .*\n  File", van.log.read_text())
