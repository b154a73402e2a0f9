"""Pure: when to try again after a connection failed, and when one is taken for dead."""

from collections.abc import Callable
from typing import Final

from gateway.uplink.causes import Cause

type Jitter = Callable[[], float]
"""Gives a number from 0 up to 1, another at each call, so that vans do not come all at once."""

_LEAST_S: Final[dict[Cause, float]] = {
    "lost": 1.0,
    "unreachable": 1.0,
    "name": 2.0,
    "silent": 5.0,
    "tls": 10.0,
    "refused": 15.0,
}
_MOST_S: Final[dict[Cause, float]] = {
    "lost": 10.0,
    "unreachable": 30.0,
    "name": 30.0,
    "silent": 60.0,
    "tls": 120.0,
    "refused": 300.0,
}
STEADY_S: Final = 20.0
"""A connection that held less long has not ended a row of failures: two gateways with one identity
throw each other out, and a broker may fall over each time it has started."""

STUCK_S: Final = 30.0


class Backoff:
    """How long to wait before the next try: twice as long with each failure in a row.

    Half of it is by chance.

    Args:
        jitter: 0 up to 1, another number for each van and try.
    """

    def __init__(self, jitter: Jitter) -> None:
        self._jitter = jitter
        self._failures = 0

    def wait_s(self, cause: Cause, held_s: float = 0.0) -> float:
        """Seconds until the next try, after a failure by ``cause``.

        Args:
            cause: of this failure.
            held_s: how long the connection had been good before it.
        """
        if held_s >= STEADY_S:
            self._failures = 0
        longest = min(_LEAST_S[cause] * 2.0 ** min(self._failures, 10), _MOST_S[cause])
        self._failures += 1
        return longest * (0.5 + self._jitter() / 2)

    def forgive(self) -> None:
        """The next failure counts as the first: what is tried now is something else."""
        self._failures = 0


def is_dead(heard_s: float, keepalive_s: float) -> bool:
    """Whether a link is taken for dead that brought nothing for ``heard_s``.

    After ``keepalive_s`` of silence a ping is sent; its answer is owed ten seconds later.
    """
    return heard_s > keepalive_s + 10.0


def is_stuck(owed_s: float, heard_s: float) -> bool:
    """Whether the broker has owed a receipt for so long, in silence, that it cannot be alive."""
    return owed_s > STUCK_S and heard_s > STUCK_S
