"""One thread that keeps a receiver open and passes on its epochs."""

import logging
import queue
import random
import threading
from typing import Final

from gateway.errors import ReceiverLost
from gateway.inbox import Inbox, News, ReceiverChanged, Taken
from gateway.receivers import Receiver

logger = logging.getLogger(__name__)

REOPEN_MIN_S: Final = 0.25
REOPEN_MAX_S: Final = 5.0


class Reader:
    """Opens, reads and, whenever it is lost, opens again.

    Args:
        name: of the receiver, told with its epochs. receiver: read by this thread only.
        inbox: where epochs go; when full, it waits. jitter: spreads the attempts.
    """

    def __init__(self, name: str, receiver: Receiver, inbox: Inbox, jitter: random.Random) -> None:
        self._name = name
        self._receiver = receiver
        self._inbox = inbox
        self._jitter = jitter
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"reader-{name}")
        self._thread.daemon = True

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End reading and wait for the thread, but no longer than ``timeout_s``."""
        self._stopping.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        delay_s = REOPEN_MIN_S
        while not self._stopping.is_set():
            try:
                self._receiver.open()
                self._tell(ReceiverChanged(self._name, "ok", ""))
                while not self._stopping.is_set():
                    for epoch in self._receiver.read():
                        delay_s = REOPEN_MIN_S
                        self._tell(Taken(self._name, epoch))
            except ReceiverLost as lost:
                self._tell(ReceiverChanged(self._name, "lost", str(lost)))
            except Exception as error:
                logger.exception("the receiver failed in an unknown way")
                self._tell(ReceiverChanged(self._name, "lost", repr(error)))
            finally:
                self._receiver.close()
            self._stopping.wait(delay_s * self._jitter.uniform(0.8, 1.2))
            delay_s = min(delay_s * 2, REOPEN_MAX_S)

    def _tell(self, news: News) -> None:
        while not self._stopping.is_set():
            try:
                self._inbox.put(news, timeout=0.5)
            except queue.Full:
                continue
            return
