"""The brake on signing in: hashing a password takes 64 MiB and a core, so few are tried at once.

Who is wrong too often waits, twice as long each time. All of it is in memory: a new start frees
everybody.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from cloud.foundation.errors import TooMany, Unavailable

AT_ONCE: Final = 2
MOST_WAITING: Final = 16
FREE_TRIES: Final = 5
"""Wrong passwords of one name from one address before it has to wait."""
FREE_TRIES_OF_ADDRESS: Final = 30
"""Wrong passwords from one address, whatever the names."""
LONGEST_WAIT_S: Final = 300.0
MOST_KNOWN: Final = 10_000
"""Names and addresses remembered; the one that was wrong longest ago is forgotten first."""


@dataclass(slots=True)
class _Wrong:
    count: int
    free_at: float


class SignInBrake:
    """Bounds how many passwords are checked at once, and how often one may be wrong."""

    def __init__(
        self,
        *,
        at_once: int = AT_ONCE,
        most_waiting: int = MOST_WAITING,
        most_known: int = MOST_KNOWN,
    ) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._most_waiting = most_waiting
        self._most_known = most_known
        self._waiting = 0
        self._wrong: OrderedDict[tuple[str, ...], _Wrong] = OrderedDict()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A turn to check one password.

        Raises:
            Unavailable: too many wait for theirs already.
        """
        if self._waiting >= self._most_waiting:
            raise Unavailable("many sign in just now; try again in a few seconds")
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()

    def require_patience(self, name: str, address: str, now_s: float) -> None:
        """Let pass who was not wrong too often just now.

        Raises:
            TooMany: the name from this address, or the address, has to wait.
        """
        known = (self._wrong.get(key) for key, _ in _keys(name, address))
        wait_s = max((one.free_at - now_s for one in known if one is not None), default=0.0)
        if wait_s > 0:
            raise TooMany(
                f"too many wrong passwords; try again in {max(1, round(wait_s))} s", wait_s
            )

    def was_wrong(self, name: str, address: str, now_s: float) -> None:
        """Count a wrong password; from some number on, the next one has to wait."""
        for key, free_tries in _keys(name, address):
            count = 1 + (self._wrong[key].count if key in self._wrong else 0)
            over = count - free_tries
            wait_s = min(LONGEST_WAIT_S, 2.0 ** min(over, 20)) if over >= 0 else 0.0
            self._wrong[key] = _Wrong(count, now_s + wait_s)
            self._wrong.move_to_end(key)
        while len(self._wrong) > self._most_known:
            self._wrong.popitem(last=False)

    def was_right(self, name: str, address: str) -> None:
        """Forget what was wrong with this name from this address."""
        self._wrong.pop((name, address), None)


def _keys(name: str, address: str) -> tuple[tuple[tuple[str, ...], int], ...]:
    """What is counted, and how often each may be wrong for nothing.

    A name alone is not: anybody could keep its owner out.
    """
    return ((name, address), FREE_TRIES), ((address,), FREE_TRIES_OF_ADDRESS)
