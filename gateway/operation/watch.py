"""Feeds the service's watchdog, but only while every part of the gateway goes round."""

import logging
from collections.abc import Iterable

from gateway.operation.health import Beat, stuck
from gateway.operation.notify import Notifier

logger = logging.getLogger(__name__)

_FEED_EVERY_S = 5.0


class Watch:
    """Looks at the parts' heartbeats; called by the main thread, whose own beat is the call.

    Attributes:
        stuck: the parts that do not turn, as of the last look.
    """

    def __init__(self, notifier: Notifier) -> None:
        self.stuck: tuple[str, ...] = ()
        self._notifier = notifier
        limit_s = notifier.watchdog_s
        self._every_s = _FEED_EVERY_S if limit_s is None else min(_FEED_EVERY_S, limit_s / 4)
        self._next_s = 0.0

    def look(self, now_s: float, beats: Iterable[Beat], status: str) -> None:
        """Feed the watchdog when it is time and all is well; else say once what is stuck."""
        if now_s < self._next_s:
            return
        self._next_s = now_s + self._every_s
        before, self.stuck = self.stuck, stuck(beats, now_s)
        if self.stuck and self.stuck != before:
            logger.critical(
                "a part is stuck; the watchdog is fed no more", extra={"parts": self.stuck}
            )
        fed = () if self.stuck else ("WATCHDOG=1",)
        self._notifier.tell(f"STATUS={status}", *fed)
