"""A whole cloud with its city, as a user starts it, at a chosen moment of the simulated clock."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tests.parts.ports import free_port
from tests.parts.roads_engine import demo_city
from wire.clock import CLOCK_FILE, DEMO_MARK, ClockRate

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class ServedCloud:
    """A running cloud, its data folder and a client that may do everything."""

    root: Path
    url: str
    admin: httpx.Client
    process: subprocess.Popen[bytes]

    def client(self, token: str | None) -> httpx.Client:
        """A client with another token, or with none."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=20)

    def part_pid(self, role: str) -> int:
        """The process that has a role now."""
        told: dict[str, Any] = msgspec.json.decode(
            (self.root / "run" / f"{role}.json").read_bytes()
        )
        return int(told["pid"])


def import_city(root: Path) -> None:
    """The demo city into a data folder; imported once in a test run, and copied from then on."""
    shutil.copytree(demo_city(), root / "city")


@contextmanager
def served_cloud(root: Path, simulated_now_s: float, speed: float = 1.0) -> Iterator[ServedCloud]:
    """Serve ``root`` on a free port ; its city is imported when it is missing."""
    root.mkdir(parents=True, exist_ok=True)
    rate = ClockRate(real_s=time.time(), simulated_s=simulated_now_s, speed=speed)  # noqa: TID251 - the test sets the clock
    (root / CLOCK_FILE).write_bytes(msgspec.json.encode(rate))
    (root / DEMO_MARK).write_text("{}")
    if not (root / "city").exists():
        import_city(root)
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "roundsman",
        "cloud",
        "serve",
        f"--data={root}",
        f"--port={port}",
    ]
    with (root / "serve.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(url, process, root / "serve.log")
        login = msgspec.json.decode((root / "secrets" / "first_login.json").read_bytes())
        headers = {"Authorization": f"Bearer {login['api_token']}"}
        with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=20) as admin:
            yield ServedCloud(root, url, admin, process)
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
        process.wait(15)


def wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when every part is well.

    Raises:
        AssertionError: it ended, or is not well within a minute; shows the end of its log.
    """
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/api/v1/health", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"the cloud is not well:\n{log.read_text()[-3000:]}")
