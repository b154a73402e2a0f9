"""Who runs is known by pid and start time; parts start, restart and end together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from cloud.foundation import processes
from cloud.foundation.errors import Conflict, Unavailable
from cloud.foundation.layout import DataFolder
from cloud.foundation.ports import read_ports
from cloud.foundation.processes import Running, find_running, is_alive
from cloud.foundation.supervisor import Part, Supervisor
from tests.parts.broker import wait_for
from tests.parts.ports import free_port

ROOT = Path(__file__).parents[2]


def test_the_collector_passes_by_what_a_start_has_made() -> None:
    code = (
        "import gc, fastapi\n"
        "from cloud.foundation.processes import put_start_aside\n"
        "put_start_aside()\n"
        "print(gc.get_freeze_count() > 10_000, len(gc.get_objects()) < 1_000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT, text=True
    )
    assert done.stdout.split() == ["True", "True"], done.stdout + done.stderr


def test_this_process_is_alive_and_one_of_the_same_number_from_another_time_is_not() -> None:
    me = processes.myself()
    assert is_alive(me)
    assert not is_alive(Running(pid=me.pid, started=me.started - 100))


def test_a_role_is_claimed_once_and_the_refusal_names_the_holder(tmp_path: Path) -> None:
    holder = subprocess.Popen(["sleep", "60"])
    try:
        running = processes.running_of(holder.pid)
        assert running is not None
        processes.record(tmp_path, "ingest", running)
        with pytest.raises(Conflict, match=rf"process {holder.pid} already serves"):
            processes.claim(tmp_path, "ingest")
    finally:
        holder.kill()
        holder.wait()
    processes.claim(tmp_path, "ingest")
    assert find_running(tmp_path, "ingest") == processes.myself()


def test_a_stranger_who_got_an_old_number_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        processes.record(tmp_path, "web", Running(pid=stranger.pid, started=1.0))
        assert processes.end_leftovers(tmp_path, ["web"]) == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.slow
def test_what_a_dead_child_has_started_is_ended_with_its_session() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "import subprocess; print(subprocess.Popen(['sleep', '60']).pid)"],
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    leader = processes.running_of(child.pid)
    assert child.stdout is not None
    with child.stdout:
        grandchild = int(child.stdout.readline())
    child.wait(10)
    assert leader is not None
    assert psutil.pid_exists(grandchild)
    processes.end_session(leader, within_s=5)
    assert processes.running_of(grandchild) is None


def part(name: str, program: str, *, is_vital: bool = False) -> Part:
    return Part(
        name=name,
        command=lambda: [sys.executable, "-c", program],
        is_ready=lambda: True,
        is_vital=is_vital,
        ready_within_s=5,
    )


@pytest.mark.slow
def test_a_part_that_dies_is_started_again(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    dying = part("dying", f"open({str(starts)!r}, 'a').write('x')")
    supervisor = Supervisor(
        [[dying]],
        folder=tmp_path,
        environment=dict(os.environ),
        is_stopping=lambda: starts.exists() and len(starts.read_text()) >= 3,
    )
    supervisor.run(lambda: None)
    assert len(starts.read_text()) >= 3
    assert find_running(tmp_path, "dying") is None


@pytest.mark.slow
def test_a_vital_part_that_cannot_start_ends_the_others_and_is_named(tmp_path: Path) -> None:
    steady = part("steady", "import time; time.sleep(60)")
    broken = Part(
        name="broken",
        command=lambda: [sys.executable, "-c", "raise SystemExit(3)"],
        is_ready=lambda: False,
        is_vital=True,
    )
    pids: list[int] = []

    def is_stopping() -> bool:
        running = find_running(tmp_path, "steady")
        if running is not None:
            pids.append(running.pid)
        return False

    supervisor = Supervisor(
        [[steady], [broken]],
        folder=tmp_path,
        environment=dict(os.environ),
        is_stopping=is_stopping,
    )
    with pytest.raises(Unavailable, match="broken: ended with status 3"):
        supervisor.run(lambda: None)
    assert pids
    assert processes.running_of(pids[0]) is None


class SmallCloud:
    """A started `tests.cloud.small_cloud`."""

    def __init__(self, root: Path) -> None:
        self.data = DataFolder(root)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.cloud.small_cloud", str(root)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def wait_serving(self) -> "SmallCloud":
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"serving\n"
        return self

    def descendants(self) -> list[Running]:
        children = psutil.Process(self.process.pid).children(recursive=True)
        found = [processes.running_of(child.pid) for child in children]
        return [one for one in found if one is not None]

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def small_cloud(root: Path) -> Iterator[SmallCloud]:
    cloud = SmallCloud(root)
    try:
        yield cloud
    finally:
        cloud.end()


@pytest.mark.slow
def test_sigterm_ends_every_part_in_time_with_status_0(tmp_path: Path) -> None:
    with small_cloud(tmp_path / "data") as cloud:
        parts = cloud.wait_serving().descendants()
        assert len(parts) >= 4, "broker, ingest, family and its child"
        begun = time.monotonic()
        cloud.process.send_signal(signal.SIGTERM)
        assert cloud.process.wait(10) == 0
        assert time.monotonic() - begun < 5
        assert not any(is_alive(one) for one in parts)


@pytest.mark.slow
def test_kill_9_of_the_supervisor_ends_the_parts_and_the_next_start_is_clean(
    tmp_path: Path,
) -> None:
    with small_cloud(tmp_path / "data") as cloud:
        parts = cloud.wait_serving().descendants()
        port = (cloud.data.ports).read_bytes()
        cloud.process.kill()
    with small_cloud(tmp_path / "data") as cloud:
        now = cloud.wait_serving().descendants()
        assert not any(is_alive(one) for one in parts)
        assert len(now) >= 4
        assert cloud.data.ports.read_bytes() == port


@pytest.mark.slow
def test_the_kernel_ends_the_direct_children_of_a_killed_supervisor(tmp_path: Path) -> None:
    with small_cloud(tmp_path / "data") as cloud:
        parts = cloud.wait_serving().descendants()
        direct = [one for one in parts if psutil.Process(one.pid).ppid() == cloud.process.pid]
        cloud.process.kill()
        wait_for(lambda: not any(is_alive(one) for one in direct), "the children to end", 6)
        processes.end_leftovers(cloud.data.running, ["family"])
        assert not any(is_alive(one) for one in parts)


@pytest.mark.slow
def test_a_second_supervisor_is_refused_and_two_folders_run_side_by_side(tmp_path: Path) -> None:
    with small_cloud(tmp_path / "a") as first, small_cloud(tmp_path / "b") as other:
        first.wait_serving()
        other.wait_serving()
        refused = serve(f"--data={tmp_path / 'a'}")
        assert refused.returncode == 1
        assert f"process {first.process.pid} already serves" in refused.stderr
        assert first.process.poll() is None
        assert other.process.poll() is None


def serve(*options: str) -> subprocess.CompletedProcess[str]:
    """``roundsman cloud serve`` to its end, which must come soon."""
    return subprocess.run(
        [sys.executable, "-m", "cloud.cli", "serve", *options],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        timeout=30,
    )


@pytest.mark.slow
def test_a_taken_port_ends_the_start_with_the_remedy_and_leaves_nothing(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused = serve(f"--data={tmp_path / 'data'}", f"--port={port}")
    assert refused.returncode == 1
    assert f"port: {port} on 127.0.0.1 is taken" in refused.stderr
    assert "--port" in refused.stderr
    assert find_running(tmp_path / "data" / "run", "supervisor") is None


@pytest.mark.slow
def test_a_taken_broker_port_is_not_moved_in_silence(tmp_path: Path) -> None:
    with small_cloud(tmp_path / "data") as cloud:
        cloud.wait_serving()
    port = read_ports(cloud.data.ports).mqtt
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        refused = serve(f"--data={tmp_path / 'data'}", f"--port={free_port()}")
    assert refused.returncode == 1
    assert f"mqtt: port {port}" in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize("role", ["broker", "ingest"])
def test_a_killed_part_comes_back(tmp_path: Path, role: str) -> None:
    with small_cloud(tmp_path / "data") as cloud:
        cloud.wait_serving()
        before = find_running(cloud.data.running, role)
        assert before is not None
        os.kill(before.pid, signal.SIGKILL)
        wait_for(lambda: find_running(cloud.data.running, role) not in {None, before}, role)
