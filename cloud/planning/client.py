"""Asking the planners' processes for plans, over their Unix sockets."""

import asyncio
import logging
from pathlib import Path
from typing import Final

import msgspec

from cloud.foundation.asking import ask, closed
from cloud.foundation.errors import CloudError, Unavailable
from cloud.planning.questions import (
    MAX_ANSWER_BYTES,
    MAX_REQUEST_BYTES,
    QUICK_S,
    Answer,
    Expected,
    Question,
    Refused,
    Solved,
    SolveRequest,
)

log = logging.getLogger(__name__)

_CONNECT_S: Final = 2.0
_AT_ONCE_S: Final = 3.0
"""After so long whoever decides at once does not, and the other is asked."""


class PlannerUnavailable(Unavailable):
    """The planner does not answer, broke off, or took too long. The old plan stays in force."""


class PlannerRefused(CloudError):
    """The planner will not make this plan; the text names the field and the remedy."""


class PlannerClient:
    """One question is one connection, so that closing it ends the search.

    Args:
        socket: of the planner that searches.
        quick: of the one that decides at once; without it the other does that too.
    """

    def __init__(self, socket: Path, quick: Path | None = None) -> None:
        self._socket = socket
        self._quick = quick

    async def solve(self, request: SolveRequest, *, timeout_s: float) -> Solved:
        """A plan and what the independent check says of it.

        Args:
            request: the problem and how to solve it.
            timeout_s: real time after which the question is given up.

        Raises:
            PlannerUnavailable: no planner runs, it died, or the time is over.
            PlannerRefused: the request is at fault, or a part the planner needs has failed.
        """
        said = _said(request)
        if self._quick is not None and request.seconds <= QUICK_S:
            try:
                return await self._solved(self._quick, said, min(timeout_s, _AT_ONCE_S))
            except PlannerUnavailable as error:
                log.warning("the other planner decides", extra={"reason": error.detail})
        return await self._solved(self._socket, said, timeout_s)

    async def expect(self, told: Expected, *, timeout_s: float) -> None:
        """Have the planner that decides at once learn the ways of places it will be asked about.

        Raises:
            PlannerUnavailable: it does not answer, or the road engine does not.
        """
        answer = await self._answer(self._quick or self._socket, _said(told), timeout_s)
        if isinstance(answer, Refused):
            raise PlannerUnavailable(answer.reason)

    async def _solved(self, socket: Path, said: bytes, timeout_s: float) -> Solved:
        answer = await self._answer(socket, said, timeout_s)
        if isinstance(answer, Solved):
            return answer
        if isinstance(answer, Refused) and not answer.is_passing:
            raise PlannerRefused(answer.reason)
        reason = answer.reason if isinstance(answer, Refused) else "planner: it answers no plan"
        raise PlannerUnavailable(reason)

    async def _answer(self, socket: Path, said: bytes, timeout_s: float) -> Answer:
        try:
            async with asyncio.timeout(timeout_s):
                line = await ask(socket, said, most_bytes=MAX_ANSWER_BYTES)
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


def _said(question: Question) -> bytes:
    said = msgspec.json.encode(question) + b"\n"
    if len(said) > MAX_REQUEST_BYTES:
        raise PlannerRefused(
            f"problem: {len(said)} bytes, at most {MAX_REQUEST_BYTES}; plan fewer orders"
        )
    return said
