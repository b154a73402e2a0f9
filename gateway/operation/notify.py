"""Tells systemd how the service does. Source: sd_notify(3)."""

import logging
import os
import socket
from collections.abc import Mapping

logger = logging.getLogger(__name__)

_MICROSECONDS = 1_000_000


class Notifier:
    """Sends datagrams to the service's manager; without one, does nothing.

    Attributes:
        watchdog_s: within this time the manager wants to hear ``WATCHDOG=1``; None when it does
            not watch.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self.watchdog_s = _watchdog_s(environment)
        self._socket: socket.socket | None = None
        self._is_complained = False

    def tell(self, *assignments: str) -> None:
        """Send e.g. ``READY=1``; never waits and never raises."""
        if self._address is None:
            return
        try:
            if self._socket is None:
                kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
                self._socket = socket.socket(socket.AF_UNIX, kind)
                self._socket.settimeout(0)
            self._socket.sendto("\n".join(assignments).encode(), self._address)
        except OSError as error:
            if not self._is_complained:
                self._is_complained = True
                logger.warning("the manager does not listen", extra={"problem": str(error)})

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()


def _address(told: str) -> str | None:
    if told.startswith("@"):
        return f"\0{told[1:]}"  # Linux's abstract names
    return told if told.startswith("/") else None


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    told, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not told.isdecimal() or int(told) == 0 or pid not in {"", str(os.getpid())}:
        return None
    return int(told) / _MICROSECONDS
