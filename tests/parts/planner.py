"""A running planner process, for any test that needs real plans."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud.planning.client import PlannerClient


class PlannerProcess:
    """The planner's process and the socket it answers on."""

    def __init__(self, socket: Path, roads_url: str, roads_folder: Path | None = None) -> None:
        self.socket = socket
        self._argv = [sys.executable, "-m", "cloud.planning.worker"]
        self._argv += ["--socket", str(socket), "--roads", roads_url]
        if roads_folder is not None:
            self._argv += ["--roads-folder", str(roads_folder)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process's id; it must run."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(self._argv, cwd=Path(__file__).parents[2])
        deadline = time.monotonic() + 60
        while not asyncio.run(PlannerClient(self.socket).is_ready()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the planner does not listen: {self._argv}")
            time.sleep(0.05)

    def terminate(self) -> int:
        """Ask it to end; its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(20)

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def planner_process(
    socket: Path, roads_url: str, roads_folder: Path | None = None
) -> Iterator[PlannerProcess]:
    """The real planner, listening; killed afterwards."""
    planner = PlannerProcess(socket, roads_url, roads_folder)
    try:
        planner.start()
        yield planner
    finally:
        planner.kill()
