"""Asking the planner's process for a plan, over its Unix socket."""

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from cloud.foundation.asking import ask, closed
from cloud.foundation.errors import CloudError, Unavailable
from cloud.planning.questions import (
    MAX_ANSWER_BYTES,
    MAX_REQUEST_BYTES,
    Answer,
    Refused,
    Solved,
    SolveRequest,
)

_CONNECT_S: Final = 2.0


class PlannerUnavailable(Unavailable):
    """The planner does not answer, broke off, or took too long. The old plan stays in force."""


class PlannerRefused(CloudError):
    """The planner will not make this plan; the text names the field and the remedy."""


class PlannerClient:
    """One question is one connection, so that closing it ends the search."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def solve(self, request: SolveRequest, *, timeout_s: float) -> Solved:
        """A plan and what the independent check says of it.

        Args:
            request: the problem and how to solve it.
            timeout_s: real time after which the question is given up.

        Raises:
            PlannerUnavailable: no planner runs, it died, or the time is over.
            PlannerRefused: the request is at fault, or a part the planner needs has failed.
        """
        said = msgspec.json.encode(request) + b"\n"
        if len(said) > MAX_REQUEST_BYTES:
            raise PlannerRefused(
                f"problem: {len(said)} bytes, at most {MAX_REQUEST_BYTES}; plan fewer orders"
            )
        try:
            async with asyncio.timeout(timeout_s):
                line = await ask(self._socket, said, most_bytes=MAX_ANSWER_BYTES)
            answer: Answer = msgspec.json.decode(line, type=Answer)
        except TimeoutError:
            raise PlannerUnavailable(
                f"planner: no plan within {timeout_s:g} s; try again with fewer seconds"
            ) from None
        except msgspec.DecodeError as error:
            raise PlannerUnavailable(f"planner: its answer cannot be read: {error}") from error
        except (OSError, ValueError) as error:
            raise PlannerUnavailable(
                f"planner: it broke off ({type(error).__name__}); it is restarted by itself, "
                "try again in a moment"
            ) from error
        if isinstance(answer, Refused):
            if answer.is_passing:
                raise PlannerUnavailable(answer.reason)
            raise PlannerRefused(answer.reason)
        return answer

    async def is_ready(self) -> bool:
        """Whether a planner listens now."""
        try:
            async with asyncio.timeout(_CONNECT_S):
                _, writer = await asyncio.open_unix_connection(self._socket)
        except (OSError, TimeoutError):
            return False
        await closed(writer)
        return True
