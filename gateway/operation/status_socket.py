"""A Unix socket in the data folder that answers with the gateway's health, as JSON.

So ``gateway status`` shows what is true now, and nothing is written to the medium for it. The
folder is the service's own, so nobody else can ask.
"""

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

NAME: Final = "status.sock"
_MAX_ANSWER_BYTES: Final = 1_000_000
_WITHIN_S: Final = 3.0


class StatusSocket:
    """Answers each who connects, in a thread of its own, so that a hung gateway answers too.

    Args:
        folder: where the socket lies. answer: gives the bytes; called in that thread.
    """

    def __init__(self, folder: Path, answer: Callable[[], bytes]) -> None:
        self._folder = folder
        self._answer = answer
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)

    def start(self) -> None:
        """Begin to answer; without it the gateway works all the same."""
        try:
            (self._folder / NAME).unlink(missing_ok=True)
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            with _short(self._folder) as path:
                self._socket.bind(path)
            self._socket.listen(4)
        except OSError as error:
            logger.warning("status cannot be asked for", extra={"problem": str(error)})
            return
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            with contextlib.suppress(OSError):
                (self._folder / NAME).unlink(missing_ok=True)

    def _run(self) -> None:
        assert self._socket is not None  # noqa: S101 - started only with one
        while True:
            try:
                asking, _ = self._socket.accept()
            except OSError:
                return
            with asking, contextlib.suppress(OSError):
                asking.settimeout(_WITHIN_S)
                asking.sendall(self._answer())


def ask(folder: Path) -> bytes | None:
    """The answer of the gateway that works in ``folder``; None when none does."""
    parts: list[bytes] = []
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking, _short(folder) as path:
            asking.settimeout(_WITHIN_S)
            asking.connect(path)
            while part := asking.recv(65_536):
                parts.append(part)
                if sum(map(len, parts)) > _MAX_ANSWER_BYTES:
                    return None
    except OSError:
        return None
    return b"".join(parts)


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A name of the socket within the 107 bytes that a socket's name may have."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)
