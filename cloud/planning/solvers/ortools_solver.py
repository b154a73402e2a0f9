"""OR-Tools behind the port, in a child process that is killed when it outruns its time.

It holds the GIL for the whole search and has outrun its own limit (or-tools #2212, #3263). The
child sends each better order of visits as it finds it, so a kill loses only the last one.
"""

import subprocess
import sys
import threading
import time
from typing import Final

import msgspec

from cloud.planning.problem import Problem, VisitKind
from cloud.planning.solvers.port import Sequences, SolverFailed, Step, Task

_START_UP_S: Final = 20.0
_GRACE_S: Final = 0.5
_LOOK_EVERY_S: Final = 0.05


class ChildTask(msgspec.Struct, frozen=True, kw_only=True):
    """What the child reads from its standard input, as MessagePack.

    ``seconds`` of the search; ``matrix_s`` and ``matrix_m`` are rows of 32-bit integers.
    """

    problem: Problem
    size: int
    matrix_s: bytes
    matrix_m: bytes
    seconds: float
    seed: int
    start: tuple[tuple[tuple[int, VisitKind], ...], ...] | None


type Found = tuple[tuple[tuple[int, VisitKind], ...], ...]
"""What the child writes, one JSON line for each better plan."""


class OrtoolsSolver:
    """The second opinion; see the figures in docs/decisions/solvers.md."""

    name = "ortools"

    def solve(self, task: Task) -> Sequences:
        """The best order of visits that the child told before it ended or was killed.

        Raises:
            SolverFailed: it told none.
        """
        child = _Child(task)
        try:
            child.wait()
        finally:
            child.end()
        return child.best()


class _Child:
    def __init__(self, task: Task) -> None:
        self._task = task
        self._lines: list[bytes] = []
        self._begun = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cloud.planning.solvers.ortools_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._said = b""
        self._threads = [
            threading.Thread(target=target, name=f"ortools-{target.__name__}", daemon=True)
            for target in (self._tell, self._hear, self._complaints)
        ]
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        """Until it is done, cancelled or out of time; the time runs from when it searches."""
        deadline = time.monotonic() + _START_UP_S
        while self._process.poll() is None and not self._begun.is_set():
            if time.monotonic() > deadline or self._task.is_cancelled():
                return
            self._begun.wait(_LOOK_EVERY_S)
        deadline = time.monotonic() + self._task.seconds + _GRACE_S
        while time.monotonic() < deadline and not self._task.is_cancelled():
            try:
                self._process.wait(_LOOK_EVERY_S)
            except subprocess.TimeoutExpired:
                continue
            return

    def end(self) -> None:
        """Kill it if it still runs, and join what listens to it."""
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def best(self) -> Sequences:
        """The last whole line it wrote."""
        whole = [line for line in self._lines if line.endswith(b"\n")]
        if not whole:
            said = self._said.decode(errors="replace").strip()
            raise SolverFailed(
                f"ortools: no plan within {self._task.seconds:g} s "
                f"({said.splitlines()[-1] if said else 'killed'}); give it more time"
            )
        found = msgspec.json.decode(whole[-1], type=Found)
        return tuple(tuple(Step(job, kind) for job, kind in steps) for steps in found)

    def _tell(self) -> None:
        task = self._task
        start = None
        if task.start is not None:
            start = tuple(tuple((each.job, each.kind) for each in steps) for steps in task.start)
        said = ChildTask(
            problem=task.problem,
            size=len(task.matrix.seconds),
            matrix_s=task.matrix.seconds.tobytes(),
            matrix_m=task.matrix.metres.tobytes(),
            seconds=task.seconds,
            seed=task.seed,
            start=start,
        )
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        try:
            self._process.stdin.write(msgspec.msgpack.encode(said))
            self._process.stdin.close()
        except BrokenPipeError:
            return

    def _hear(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        for line in self._process.stdout:
            if not self._begun.is_set():
                self._begun.set()
            else:
                self._lines.append(line)

    def _complaints(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - asked for above
        self._said = self._process.stderr.read()[-4_000:]
