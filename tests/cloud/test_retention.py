"""What is old ends piece by piece, and a database that fails is tried again."""

import asyncio
import threading

import pytest
from sqlalchemy.exc import OperationalError

from cloud.foundation import retention


class Old:
    """So many pieces, and a database that fails at some."""

    def __init__(self, pieces: int, *, failing_at: frozenset[int] = frozenset()) -> None:
        self.left = pieces
        self.asked = 0
        self.failing_at = failing_at
        self.enough = threading.Event()

    def end_piece(self, calls: int) -> int:
        self.asked += 1
        if self.asked == calls:
            self.enough.set()
        if self.asked in self.failing_at:
            raise OperationalError("delete", {}, Exception("disk is full"))
        self.left = max(0, self.left - 1)
        return self.left


def passed(old: Old, calls: int) -> None:
    """Until it was asked so often, and a little longer."""

    async def work() -> None:
        ending = asyncio.create_task(retention.end_old("parcels", lambda: old.end_piece(calls)))
        assert await asyncio.to_thread(old.enough.wait, 10)
        await asyncio.sleep(0.05)
        ending.cancel()
        await asyncio.wait({ending})

    asyncio.run(work())


def test_pieces_are_ended_until_nothing_is_left() -> None:
    old = Old(5)
    passed(old, 5)
    assert (old.left, old.asked) == (0, 5)


def test_a_database_that_fails_is_told_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retention, "RETRY_S", 0.01)
    old = Old(3, failing_at=frozenset({2}))
    passed(old, 4)
    assert old.left == 0
    assert [record.message for record in caplog.records] == ["what is old cannot be ended"]
