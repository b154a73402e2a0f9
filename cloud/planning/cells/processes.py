"""A process that searches cells one after another, and dies with this one."""

import asyncio
import os
import pickle
import signal
import sys
from contextlib import suppress
from typing import Final, Self

from cloud.foundation.processes import die_with_parent
from cloud.planning.cells.child import LENGTH, CellTask, Failed, framed
from cloud.planning.solution import Plan
from cloud.planning.solvers.port import SolverFailed

_GRACE_S: Final = 60.0
"""So long after its time a search that has not answered is killed."""


class SearchProcess:
    """Searches one cell at a time. Made by `started`; ended by leaving the context."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def started(cls) -> Self:
        """A new one, which needs about a second until it searches."""
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "cloud.planning.cells.child",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                preexec_fn=die_with_parent(os.getpid(), signal.SIGKILL),
            )
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def plan(self, task: CellTask) -> Plan:
        """The plan of a cell.

        Raises:
            SolverFailed: the solver failed, or the process ended or gave no answer in time.
        """
        into, out = self._process.stdin, self._process.stdout
        assert into is not None and out is not None  # noqa: S101, PT018 - asked for above
        said = await asyncio.to_thread(framed, task)
        try:
            async with asyncio.timeout(task.request.seconds + _GRACE_S):
                into.write(said)
                await into.drain()
                (length,) = LENGTH.unpack(await out.readexactly(LENGTH.size))
                body = await out.readexactly(length)
        except (EOFError, ConnectionError) as error:
            raise SolverFailed(
                "cells: the process of a search ended without an answer; try again"
            ) from error
        except TimeoutError:
            raise SolverFailed(
                f"cells: a search of {task.request.seconds:.1f} s did not end; try again"
            ) from None
        answer: Plan | Failed = pickle.loads(body)  # noqa: S301 - from our own child
        if isinstance(answer, Failed):
            raise SolverFailed(answer.reason)
        return answer
