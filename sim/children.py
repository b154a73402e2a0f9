"""The product's processes as the demo starts them: tethered, logged, restarted, ended in order."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

_ROOT: Final = Path(__file__).resolve().parents[1]
_TETHER: Final = Path(__file__).with_name("tether.py")
_LOG_LIMIT_BYTES: Final = 5_000_000
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_STEADY_S: Final = 60.0
"""Really: a child that has run so long is forgiven its earlier deaths."""

type Say = Callable[[str], None]


class ChildError(Exception):
    """A child ended that should not have; the message says where to read on."""


def product(*arguments: str) -> list[str]:
    """The command line of the product's own CLI."""
    return [sys.executable, "-m", "roundsman", *arguments]


class Child:
    """One process of the product, started again when it dies."""

    def __init__(self, name: str, command: Sequence[str], *, logs: Path, say: Say) -> None:
        """``logs`` is the folder of its log file ``name.log``; ``say`` tells of restarts."""
        self.name = name
        self.log = logs / f"{name}.log"
        self._command = list(command)
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self.gives_up_after: int | None = 3
        """Deaths after which it is not started again; None is never."""

    async def keep_running(self) -> None:
        """Start it, and again after each death with growing pauses, until cancelled.

        Raises:
            ChildError: it died as often as ``gives_up_after`` says.
        """
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        deaths = 0
        while True:
            started = loop.time()
            self._process = await start(self._command, self.log)
            status = await self._process.wait()
            deaths += 1
            if self.gives_up_after is not None and deaths >= self.gives_up_after:
                reason = f"{_cause(status)}: {last_line(self.log)}"
                raise ChildError(f"{self.name} does not stay up: {reason} (see {self.log})")
            pause_s = _FIRST_PAUSE_S if loop.time() - started > _STEADY_S else pause_s
            self._say(f"{self.name} ended ({_cause(status)}); starting it again. See {self.log}")
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

    async def stop(self, patience_s: float) -> None:
        """Ask it to end, and end it when it has not after ``patience_s`` real seconds.

        Call it after the task of `keep_running` has been cancelled.
        """
        if self._process is not None:
            await end(self._process, patience_s)


async def start(command: Sequence[str], log: Path) -> asyncio.subprocess.Process:
    """Start a tethered process in a session of its own, with its output in ``log``."""
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "PYTHONUNBUFFERED": "1"}
    tether = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid())]
    with _opened(log) as output:
        return await asyncio.create_subprocess_exec(
            *tether,
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )


def _opened(log: Path) -> BinaryIO:
    """The log to append to; begun anew when it has grown too long."""
    log.parent.mkdir(parents=True, exist_ok=True)
    is_long = log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES
    return log.open("wb" if is_long else "ab")


async def end(process: asyncio.subprocess.Process, patience_s: float) -> None:
    """SIGTERM, then SIGKILL when it is still there after ``patience_s``."""
    for number, wait_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 5.0)):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(number)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), wait_s)


async def run_once(command: Sequence[str], log: Path) -> None:
    """Run a command to its end.

    Raises:
        ChildError: it did not end with 0; carries the last line of its log.
    """
    process = await start(command, log)
    try:
        status = await process.wait()
    finally:
        await end(process, 1.0)
    if status != 0:
        raise ChildError(f"{_cause(status)}: {last_line(log)} (see {log})")


def last_line(log: Path) -> str:
    """The last line of a log that is not empty, at most 300 characters."""
    with suppress(OSError):
        lines = log.read_bytes()[-4000:].decode(errors="replace").split("\n")
        for line in reversed(lines):
            if line.strip():
                return line.strip()[:300]
    return "nothing was logged"


def _cause(status: int) -> str:
    if status < 0:
        with suppress(ValueError):
            return signal.Signals(-status).name
    return f"exit status {status}"
