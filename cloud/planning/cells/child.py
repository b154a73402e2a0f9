"""``python -m cloud.planning.cells.child``: searches cells one after another, for one parent.

Reads a `CellTask`, writes a plan or a `Failed`, until its input ends. Both are pickled behind their
length: they come from and go to the parent alone.
"""

import os
import pickle
import struct
import sys
from dataclasses import dataclass
from typing import BinaryIO, Final

from cloud.planning.questions import SolveRequest
from cloud.planning.solution import Plan
from cloud.planning.solvers.port import SolverFailed
from cloud.planning.solvers.solving import solve
from cloud.roads.hours import Travel

LENGTH: Final = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class CellTask:
    """One cell to be searched, by so many threads."""

    request: SolveRequest
    matrix: Travel
    far_m: dict[int, float]
    cores: int


@dataclass(frozen=True, slots=True)
class Failed:
    """No plan; why."""

    reason: str


def framed(value: CellTask | Plan | Failed) -> bytes:
    """A value as it goes through a pipe."""
    body = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(body)) + body


def main() -> None:
    """Search until there is no more."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    while (task := _asked(sys.stdin.buffer)) is not None:
        answers.write(framed(_answer(task)))
        answers.flush()


def _asked(stream: BinaryIO) -> CellTask | None:
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    body = stream.read(LENGTH.unpack(head)[0])
    task: CellTask = pickle.loads(body)  # noqa: S301 - from the parent
    return task


def _answer(task: CellTask) -> Plan | Failed:
    try:
        return solve(task.request, task.matrix, far_m=task.far_m, cores=task.cores)
    except SolverFailed as error:
        return Failed(str(error))


if __name__ == "__main__":
    main()
