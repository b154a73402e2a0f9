"""One thread that keeps a receiver open and passes on its epochs."""

import logging
import queue
import random
import threading
import time
from typing import Final

from gateway.errors import ReceiverLost
from gateway.inbox import Inbox, News, ReceiverChanged, ReceiverStatus, Taken
from gateway.receivers import Receiver

logger = logging.getLogger(__name__)

REOPEN_MIN_S: Final = 0.25
REOPEN_MAX_S: Final = 2.0
"""A receiver that is plugged in again is back within five seconds."""


class Reader:
    """Opens, reads and, whenever it is lost, opens again.

    Args:
        name: of the receiver, told with its epochs. receiver: read by this thread only.
        inbox: where epochs go; when full, it waits. jitter: spreads the attempts.

    Attributes:
        turned_at_s: when its thread last went round, by the monotonic clock.
    """

    def __init__(self, name: str, receiver: Receiver, inbox: Inbox, jitter: random.Random) -> None:
        self.name = name
        self._receiver = receiver
        self._inbox = inbox
        self._jitter = jitter
        self.turned_at_s = 0.0
        self._told: ReceiverChanged | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"reader-{name}")
        self._thread.daemon = True

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """End reading soon, without waiting for it."""
        self._stopping.set()

    def stop(self, timeout_s: float) -> None:
        """End reading and wait for the thread, but no longer than ``timeout_s``."""
        self.ask_to_stop()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        delay_s = REOPEN_MIN_S
        while not self._stopping.is_set():
            self.turned_at_s = time.monotonic()
            if self._read_until_lost():
                delay_s = REOPEN_MIN_S
            self._stopping.wait(delay_s * self._jitter.uniform(0.8, 1.2))
            delay_s = min(delay_s * 2, REOPEN_MAX_S)

    def _read_until_lost(self) -> bool:
        """Whether it gave anything."""
        has_given = False
        try:
            self._receiver.open()
            self._change("ok", "")
            while not self._stopping.is_set():
                self.turned_at_s = time.monotonic()
                epochs, at_s = self._receiver.read(), time.monotonic()
                hearing = self._receiver.hearing()
                if hearing.status != "starting":
                    self._change(hearing.status, hearing.remedy)
                for epoch in epochs:
                    has_given = True
                    self._tell(Taken(self.name, epoch, at_s))
        except ReceiverLost as lost:
            self._change("lost", str(lost))
        except Exception as error:
            logger.exception("the receiver failed in an unknown way")
            self._change("lost", repr(error))
        finally:
            try:
                self._receiver.close()
            except Exception:
                logger.exception("the receiver could not be closed")
        return has_given

    def _change(self, status: ReceiverStatus, detail: str) -> None:
        """Tell a change, but not each of the same failures while it stays away."""
        change = ReceiverChanged(self.name, status, detail)
        if change != self._told:
            self._told = change
            self._tell(change)

    def _tell(self, news: News) -> None:
        while not self._stopping.is_set():
            self.turned_at_s = time.monotonic()
            try:
                self._inbox.put(news, timeout=0.5)
            except queue.Full:
                continue
            return
