"""A receiver that gpsd owns, followed as it streams its reports.

gpsd-py3 opens the connection; what follows is read here, because its own way of asking waits for
ever, fails on an interleaved DEVICE message, makes (0, 0) of a missing position, and can ask no
faster than gpsd answers: at 10 Hz it would lose epochs.
"""

import contextlib
import logging
import select
import socket
import threading
import time
from typing import Final

import gpsd

from gateway.errors import ReceiverLost
from gateway.fixes.epochs import Epoch
from gateway.fixes.reports import ReportAssembler
from gateway.receivers.hearing import Hearing, Listening
from gateway.receivers.selection import Selection
from gateway.settings import GpsdSettings
from wire.values import FixSource

_WATCH: Final = b'?WATCH={"enable":true,"json":true};\n'
_ASK: Final = b"?DEVICES;\n"
_WAIT_S: Final = 0.25
_SETTLED_S: Final = 0.05
"""gpsd writes the reports of one instant without a pause."""
_RECEIVE_BYTES: Final = 65_536
_MAX_UNREADABLE: Final = 200
_IF_SILENT: Final = (
    "gpsd answers, but reports no receiver: look at DEVICES in /etc/default/gpsd, at the power of "
    "the receiver, and with gpsmon at what it says"
)

_opening: Final = threading.Lock()
"""gpsd-py3 keeps its one connection in module globals."""

logger = logging.getLogger(__name__)


class Gpsd:
    """gpsd on a TCP port. Of several devices one counts, chosen as among receivers."""

    source: FixSource = "gpsd"

    def __init__(self, settings: GpsdSettings) -> None:
        self._settings = settings
        self._socket: socket.socket | None = None
        self._assembler = ReportAssembler()
        self._selection = Selection([settings.device] if settings.device else [])
        self._heard_s = 0.0
        self._has_asked = False
        self._listening = Listening(0.0, silent=_IF_SILENT)
        self._hearing = Hearing("starting")

    def open(self) -> None:
        """Connect and have gpsd stream its reports.

        Raises:
            ReceiverLost: there is no gpsd, or it does not answer in time.
        """
        chosen = self._settings
        self._assembler = ReportAssembler()
        self._heard_s, self._has_asked = time.monotonic(), False
        self._listening = Listening(self._heard_s, silent=_IF_SILENT)
        try:
            self._socket = _connect(chosen.host, chosen.port, chosen.timeout_s)
            self._socket.sendall(_WATCH)
        except Exception as error:
            self.close()
            raise ReceiverLost(f"gpsd at {chosen.host}:{chosen.port}: {error!r}") from error

    def read(self) -> list[Epoch]:
        """The epochs that gpsd has reported by now.

        Raises:
            ReceiverLost: gpsd is gone, silent, or says nothing that can be read.
        """
        connection = self._socket
        if connection is None:
            raise ReceiverLost("gpsd: not open")
        wait_s = _SETTLED_S if self._assembler.is_waiting else _WAIT_S
        try:
            if not select.select([connection], [], [], wait_s)[0]:
                self._prove_life(connection)
                flushed = self._assembler.flush()
                self._listen(len(flushed))
                return self._of_chosen(flushed)
            chunk = connection.recv(_RECEIVE_BYTES)
        except (OSError, ValueError) as error:
            raise ReceiverLost(f"gpsd: {error!r}") from error
        if not chunk:
            raise ReceiverLost("gpsd: it has closed the connection")
        self._heard_s, self._has_asked = time.monotonic(), False
        reported = self._assembler.feed(chunk)
        self._listen(len(reported))
        if self._assembler.unreadable > _MAX_UNREADABLE:
            raise ReceiverLost("gpsd: what answers there does not speak gpsd's JSON; check port")
        return self._of_chosen(reported)

    def close(self) -> None:
        """Disconnect."""
        connection, self._socket = self._socket, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()

    def hearing(self) -> Hearing:
        """Whether gpsd reports anything of a receiver."""
        return self._hearing

    def _listen(self, reports: int) -> None:
        self._hearing = self._listening.heard(reports, reports, time.monotonic())

    def _prove_life(self, connection: socket.socket) -> None:
        """Silence may be a gpsd without a device; ask, and believe it only when it answers."""
        silent_s = time.monotonic() - self._heard_s
        if silent_s > 2 * self._settings.timeout_s:
            raise ReceiverLost(f"gpsd: no answer for {silent_s:.0f} s")
        if silent_s > self._settings.timeout_s and not self._has_asked:
            self._has_asked = True
            connection.sendall(_ASK)

    def _of_chosen(self, reported: list[tuple[str, Epoch]]) -> list[Epoch]:
        now_s = time.monotonic()
        wanted = self._settings.device
        used = []
        for device, epoch in reported:
            if wanted is not None and device != wanted:
                continue
            self._selection.add(device)
            is_fix = epoch.position is not None
            if self._selection.took(device, is_fix=is_fix, utc_ms=epoch.utc_ms, now_s=now_s):
                used.append(epoch)
        for before, chosen, reason in self._selection.news():
            context = {"device": chosen, "before": before, "reason": reason}
            logger.info("gpsd's fixes come from another device", extra=context)
        return used


def _connect(host: str, port: int, timeout_s: float) -> socket.socket:
    """A connection of our own, opened by gpsd-py3, which gives its socket no timeout."""
    with _opening:
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(timeout_s)
        try:
            _greet(host, port)
            connection: socket.socket = gpsd.gpsd_socket.dup()
        finally:
            socket.setdefaulttimeout(before)
            for half in (gpsd.gpsd_stream, gpsd.gpsd_socket):
                # Closing the stream flushes it, which fails once more when the connection is gone.
                with contextlib.suppress(OSError, ValueError):
                    if half is not None:
                        half.close()
            gpsd.gpsd_stream = gpsd.gpsd_socket = None
    connection.settimeout(timeout_s)
    return connection


def _greet(host: str, port: int) -> None:
    try:
        gpsd.connect(host, port)
    except (OSError, ValueError):
        raise
    except Exception:
        # A DEVICE message between the answers upsets gpsd-py3, but the connection stands.
        if gpsd.gpsd_socket is None:
            raise
