"""The serial line between a simulated receiver and a gateway: a pseudo-terminal.

A UART does not wait for its reader: what finds no room is lost, in the middle of a sentence too.
"""

import os
import tty
from pathlib import Path
from types import TracebackType
from typing import Self


class SerialLine:
    """The receiver's end, with a path for the gateway's end that stays the same over restarts."""

    def __init__(self, device: Path) -> None:
        """Open a line and let ``device`` point to it; what pointed elsewhere is replaced."""
        self.device = device
        self.dropped_bytes = 0
        self._receiver, self._kept_open = os.openpty()
        try:
            tty.setraw(self._kept_open)
            os.set_blocking(self._receiver, False)
            fresh = device.with_name(device.name + ".new")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(os.ttyname(self._kept_open))
            fresh.replace(device)
        except OSError:
            self._close_ends()
            raise

    def write(self, sentences: bytes) -> None:
        """Send, at once; what the line cannot take is dropped and counted."""
        try:
            written = os.write(self._receiver, sentences)
        except BlockingIOError:
            written = 0
        self.dropped_bytes += len(sentences) - written

    def close(self) -> None:
        """Unplug the receiver: the gateway's end reads no more, the path is gone."""
        self.device.unlink(missing_ok=True)
        self._close_ends()

    def _close_ends(self) -> None:
        os.close(self._receiver)
        os.close(self._kept_open)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
