"""The demo as a user runs it, for any test that needs the whole loop: start it, ask it, end it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil

from tests.parts.ports import free_port

ROOT = Path(__file__).resolve().parents[2]


class Running:
    """A demo started as a process; ``told`` is what it writes on the screen."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.screen = folder.with_name(f"{folder.name}.screen")
        self.output = self.screen.open("wb")
        command = [
            sys.executable,
            "-m",
            "sim.demo",
            "--data",
            str(folder),
            "--port",
            str(free_port()),
        ]
        self.process = subprocess.Popen(
            [*command, *arguments], stdout=self.output, stderr=self.output, cwd=ROOT
        )

    @property
    def told(self) -> str:
        return self.screen.read_text()

    def facts(self) -> dict[str, Any]:
        with suppress(FileNotFoundError):
            facts = msgspec.json.decode((self.folder / "demo.json").read_bytes())
            assert isinstance(facts, dict)
            return facts
        return {}

    def wait_for(self, what: str, holds: Callable[[], object], within_s: float) -> None:
        until = time.monotonic() + within_s
        while not holds():
            assert self.process.poll() is None, f"the demo ended: {self.told}"
            assert time.monotonic() < until, f"no {what} within {within_s} s: {self.told}"
            time.sleep(0.1)

    def wait_until_ready(self) -> None:
        self.wait_for("url and login", lambda: "Ctrl-C stops" in self.told, within_s=180)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        return self.ask("PATCH", path, json=body)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        facts = self.facts()
        headers = {"authorization": f"Bearer {facts['api_token']}"}
        where = f"{facts['url']}/api/v1/{path}"
        answer = httpx.request(method, where, headers=headers, timeout=10, **more)
        answer.raise_for_status()
        return answer.json()

    def positions(self) -> dict[str, tuple[float, float]]:
        return {
            van["id"]: (van["position"]["lat"], van["position"]["lon"])
            for van in self.get("vehicles")["items"]
            if van["position"] is not None
        }

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[Running]:
    running = Running(folder, *arguments)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.end(signal.SIGKILL)
        running.output.close()


def assert_gone(family: list[psutil.Process], within_s: float = 10.0) -> None:
    _, alive = psutil.wait_procs(family, timeout=within_s)
    assert [process.cmdline() for process in alive if process.is_running()] == []
