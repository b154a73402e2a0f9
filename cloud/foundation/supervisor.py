"""Starts the parts of a cloud in order, keeps them alive, and ends all of them together."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cloud.foundation.errors import CloudError, Unavailable
from cloud.foundation.processes import (
    Running,
    die_with_parent,
    end_session,
    forget,
    record,
    running_of,
)

_log = logging.getLogger(__name__)

SUPERVISED: Final = "ROUNDSMAN_SUPERVISOR"
"""Names the supervisor's pid in the environment of every child."""
_LOOK_EVERY_S: Final = 0.1
_BACKOFF_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_STEADY_AFTER_S: Final = 60.0
_STOP_WITHIN_S: Final = 4.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One child process.

    Attributes:
        name: its role.
        command: makes the command line, anew for each start; raises `CloudError` when it cannot
            be started now.
        is_ready: whether it does its work now.
        is_vital: the start fails without it; the others may come later.
        death_signal: what the kernel sends it when the supervisor dies.
    """

    name: str
    command: Callable[[], list[str]]
    is_ready: Callable[[], bool]
    is_vital: bool
    death_signal: signal.Signals = signal.SIGTERM
    ready_within_s: float = 90.0


class _Child:
    """A part, its process and how often it has failed."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.process: subprocess.Popen[bytes] | None = None
        self.running: Running | None = None
        self.is_wanted = False
        self.started_s = 0.0
        self.failures = 0
        self.retry_at_s = 0.0
        self.reason = ""


class Supervisor:
    """Runs the stages of parts until it is told to stop."""

    def __init__(
        self,
        stages: Sequence[Sequence[Part]],
        *,
        folder: Path,
        environment: Mapping[str, str],
        is_stopping: Callable[[], bool],
    ) -> None:
        self._stages = [[_Child(part) for part in stage] for stage in stages]
        self._children = [child for stage in self._stages for child in stage]
        self._folder = folder
        self._environment = {**environment, SUPERVISED: str(os.getpid())}
        self._is_stopping = is_stopping

    def run(self, on_ready: Callable[[], None]) -> None:
        """Start every stage, call ``on_ready``, keep all alive until told to stop; then end all.

        Raises:
            Unavailable: a vital part does not start; what has been started is ended.
        """
        try:
            for stage in self._stages:
                if not self._is_stopping():
                    self._start_stage(stage)
            if not self._is_stopping():
                on_ready()
            while not self._is_stopping():
                self._look_after()
                time.sleep(_LOOK_EVERY_S)
        finally:
            self._stop()

    def _start_stage(self, stage: list[_Child]) -> None:
        for child in stage:
            self._start(child)
        for child in stage:
            self._wait_ready(child)

    def _wait_ready(self, child: _Child) -> None:
        deadline = time.monotonic() + child.part.ready_within_s
        while not self._is_stopping() and time.monotonic() < deadline:
            if child.process is not None and child.process.poll() is None:
                if child.part.is_ready():
                    _log.info("ready", extra={"part": child.part.name, "pid": child.process.pid})
                    return
            elif child.part.is_vital:
                break
            else:
                return
            time.sleep(_LOOK_EVERY_S)
        if self._is_stopping():
            return
        reason = child.reason or _ending(child) or "does not answer"
        if child.part.is_vital:
            raise Unavailable(f"{child.part.name}: {reason}; its lines above say more")
        _log.warning("not ready yet", extra={"part": child.part.name, "reason": reason})

    def _start(self, child: _Child) -> None:
        child.is_wanted = True
        child.started_s = time.monotonic()
        try:
            command = child.part.command()
            process = subprocess.Popen(  # noqa: S603 - our own parts, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
                env=self._environment,
                start_new_session=True,
                preexec_fn=die_with_parent(os.getpid(), child.part.death_signal),  # noqa: PLW1509 - the supervisor has one thread
            )
        except (CloudError, OSError) as error:
            self._failed(child, str(error))
            return
        child.process, child.running, child.reason = process, running_of(process.pid), ""
        if child.running is not None:
            record(self._folder, child.part.name, child.running)

    def _failed(self, child: _Child, reason: str) -> None:
        delay_s = _BACKOFF_S[min(child.failures, len(_BACKOFF_S) - 1)]
        child.failures += 1
        child.retry_at_s = time.monotonic() + delay_s
        if reason != child.reason:
            _log.warning(
                "not running; it is started again",
                extra={"part": child.part.name, "reason": reason, "after_s": delay_s},
            )
        child.reason = reason

    def _look_after(self) -> None:
        now_s = time.monotonic()
        for child in self._children:
            if child.process is None:
                if child.is_wanted and now_s >= child.retry_at_s:
                    self._start(child)
            elif child.process.poll() is not None:
                reason = _ending(child)
                if now_s - child.started_s > _STEADY_AFTER_S:
                    child.failures = 0
                self._clear(child)
                child.reason = ""
                self._failed(child, reason)

    def _clear(self, child: _Child) -> None:
        """End what a child that is gone has left in its session."""
        if child.running is not None:
            end_session(child.running, within_s=1.0)
        forget(self._folder, child.part.name)
        child.process = child.running = None

    def _stop(self) -> None:
        """End the stages in reverse, the parts of one stage at once."""
        deadline = time.monotonic() + _STOP_WITHIN_S
        for stage in reversed(self._stages):
            running = [child for child in stage if child.process is not None]
            for child in running:
                self._terminate(child)
            for child in running:
                self._wait_ended(child, deadline)
        _log.info("stopped")

    def _terminate(self, child: _Child) -> None:
        if child.process is not None:
            child.process.terminate()

    def _wait_ended(self, child: _Child, deadline: float) -> None:
        if child.process is None:
            return
        try:
            child.process.wait(max(0.05, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.warning("ended hard", extra={"part": child.part.name})
            child.process.kill()
            child.process.wait()
        self._clear(child)


def _ending(child: _Child) -> str:
    code = None if child.process is None else child.process.returncode
    if code is None:
        return ""
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
