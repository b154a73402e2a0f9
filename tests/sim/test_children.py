import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from sim.children import Child, ChildError, run_once

PARENT = """
import asyncio, sys
from pathlib import Path
from sim.children import start

async def main():
    child = await start([sys.executable, "-c", "import time; time.sleep(60)"], Path(sys.argv[1]))
    print(child.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""

DEAF = """
import signal, time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf")
time.sleep(60)
"""


def child(tmp_path: Path, code: str, told: list[str]) -> Child:
    return Child("worker", [sys.executable, "-c", code], logs=tmp_path, say=told.append)


async def told_by(worker: Child, word: str, *, times: int = 1) -> None:
    for _ in range(200):
        if worker.log.exists() and worker.log.read_text().count(word) >= times:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"{worker.name} never told {word!r} {times} times")


@pytest.mark.slow
def test_a_child_dies_with_its_parent_even_when_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "child.log")],
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        process = psutil.Process(int(parent.stdout.readline()))
        time.sleep(0.3)
        assert process.is_running()
        assert os.getsid(process.pid) == process.pid, "a session of its own: Ctrl-C passes it by"
        parent.send_signal(signal.SIGKILL)
    psutil.wait_procs([process], timeout=3)
    assert not process.is_running()


@pytest.mark.slow
def test_a_child_that_dies_is_started_again_and_people_are_told(tmp_path: Path) -> None:
    told: list[str] = []
    worker = child(tmp_path, "print('started')", told)

    async def run() -> None:
        worker.gives_up_after = None
        running = asyncio.create_task(worker.keep_running())
        await told_by(worker, "started", times=2)
        running.cancel()
        await asyncio.wait([running])
        await worker.stop(1.0)

    asyncio.run(asyncio.wait_for(run(), 10))
    assert told[0].startswith("worker ended (exit status 0); starting it again")


@pytest.mark.slow
def test_a_child_that_never_stays_up_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    told: list[str] = []
    worker = child(tmp_path, "raise SystemExit('port 1 is not mine')", told)
    worker.gives_up_after = 2
    with pytest.raises(ChildError, match=r"worker does not stay up.*port 1 is not mine"):
        asyncio.run(worker.keep_running())
    assert len(told) == 1


@pytest.mark.slow
def test_a_child_that_does_not_listen_is_ended_all_the_same(tmp_path: Path) -> None:
    worker = child(tmp_path, DEAF, [])

    async def run() -> float:
        running = asyncio.create_task(worker.keep_running())
        await told_by(worker, "deaf")
        running.cancel()
        await asyncio.wait([running])
        began = time.monotonic()
        await worker.stop(0.3)
        return time.monotonic() - began

    assert asyncio.run(asyncio.wait_for(run(), 10)) < 2.0


@pytest.mark.slow
def test_a_command_that_fails_is_told_with_its_last_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such city')"]
    with pytest.raises(ChildError, match="exit status 1: no such city"):
        asyncio.run(run_once(command, tmp_path / "city.log"))


@pytest.mark.slow
def test_a_log_that_has_grown_too_long_begins_anew(tmp_path: Path) -> None:
    log = tmp_path / "city.log"
    log.write_bytes(b"old\n" * 2_000_000)
    asyncio.run(run_once([sys.executable, "-c", "print('new')"], log))
    assert log.read_text() == "new\n"
