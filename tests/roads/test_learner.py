"""The learner works on one question at a time, whoever has left."""

import asyncio
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from cloud.traffic.learner import Learner
from cloud.traffic.questions import Learn, Learned


class Slow(Learner):
    """Learns until it is let go, and counts how many do so at once."""

    def __init__(self) -> None:
        nothing = cast("Any", None)
        super().__init__(
            business=nothing, telemetry=nothing, city=Path(), folder=Path(), engine=lambda: ""
        )
        self.working = self.most = 0
        self.begun, self.go = threading.Event(), threading.Event()

    def _learn(self, question: Learn) -> Learned:
        self.working += 1
        self.most = max(self.most, self.working)
        self.begun.set()
        self.go.wait(10)
        self.working -= 1
        return Learned(hours=0)


def test_who_leaves_keeps_the_turn_until_the_work_has_ended() -> None:
    async def ask() -> None:
        learner, question = Slow(), Learn(at_s=0.0, zone="UTC")
        first = asyncio.create_task(learner.answer(question))
        await asyncio.to_thread(learner.begun.wait, 10)
        first.cancel()
        second = asyncio.create_task(learner.answer(question))
        await asyncio.sleep(0.1)
        learner.go.set()
        with suppress(asyncio.CancelledError):
            await first
        assert first.cancelled()
        assert await second == Learned(hours=0)
        assert learner.most == 1

    asyncio.run(ask())
