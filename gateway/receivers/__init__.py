"""Where epochs come from: a serial line, gpsd, a recording. One port, three implementations."""

from typing import Protocol

from gateway.fixes.epochs import Epoch
from gateway.receivers.hearing import Hearing
from wire.values import FixSource


class Receiver(Protocol):
    """A position source that can be opened, read and lost any number of times."""

    source: FixSource

    def open(self) -> None:
        """Begin.

        Raises:
            ReceiverLost: it is not there or does not answer.
        """
        ...

    def read(self) -> list[Epoch]:
        """The epochs of the next moment, often none; waits no longer than half a second.

        Raises:
            ReceiverLost: it is gone; close and open it again.
        """
        ...

    def hearing(self) -> Hearing:
        """Whether it speaks at all, as of the last `read`."""
        ...

    def close(self) -> None:
        """Let go of it; closing twice is allowed."""
        ...
