"""Asking the learner: one question is one connection, so that closing it ends the work."""

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from cloud.foundation.asking import ask
from cloud.foundation.errors import Unavailable
from cloud.roads.learning import Met, unpacked
from cloud.traffic.questions import (
    MAX_ANSWER_BYTES,
    Answer,
    Found,
    Learn,
    Learned,
    Meet,
    Question,
    Refused,
)

_WITHIN_S: Final = 1_800.0


class LearnerUnavailable(Unavailable):
    """The learner does not answer, or cannot now; what was learned before holds."""


class LearnerClient:
    """The learner of this data folder, on its Unix socket."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def met(self, span_s: tuple[float, float], vans: "tuple[tuple[str, str], ...]") -> Met:
        """What some vans, by tenant and id, met in a span of time.

        Raises:
            LearnerUnavailable: it cannot be told now.
        """
        answer = await self._ask(Meet(span_s=span_s, vans=vans), Found)
        return unpacked(answer.met)

    async def learn(self, at_s: float, zone: str) -> int:
        """Have the pattern of a week learned anew; of how many hours it is.

        Raises:
            LearnerUnavailable: it cannot be learned now.
        """
        return (await self._ask(Learn(at_s=at_s, zone=zone), Learned)).hours

    async def _ask[T: (Found, Learned)](self, question: Question, kind: type[T]) -> T:
        try:
            async with asyncio.timeout(_WITHIN_S):
                said = msgspec.json.encode(question) + b"\n"
                line = await ask(self._socket, said, most_bytes=MAX_ANSWER_BYTES)
            answer: Answer = msgspec.json.decode(line, type=Answer)
        except TimeoutError:
            raise LearnerUnavailable(
                f"learner: no answer within {_WITHIN_S:g} s; it is asked again, "
                "what was learned before holds"
            ) from None
        except (OSError, ValueError, msgspec.DecodeError) as error:
            raise LearnerUnavailable(
                f"learner: it does not answer ({type(error).__name__}); "
                "it is restarted by itself, what was learned before holds"
            ) from error
        if isinstance(answer, Refused):
            raise LearnerUnavailable(answer.reason)
        if not isinstance(answer, kind):
            raise LearnerUnavailable("learner: it answers something else than was asked")
        return answer
