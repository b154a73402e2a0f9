"""A receiver that writes NMEA 0183 on a serial line, with UBX frames between or without."""

import contextlib
import errno
import logging
import os
import stat
import termios
import time
from pathlib import Path
from typing import Final

import serial

from gateway.errors import ReceiverLost, SettingsError
from gateway.fixes.epochs import Epoch, EpochAssembler
from gateway.receivers.hearing import Hearing, Listening
from gateway.receivers.speed import SpeedSearch
from wire.values import FixSource

_SILENCE_S: Final = 0.25
"""A pause this long ends an epoch; within one, sentences follow each other without a pause."""

_GATHER_S: Final = 0.02
"""Bytes come one by one; waking for each would cost more than all the rest."""

_READ_BYTES: Final = 4096

_NO_LINES: Final = frozenset({(4, console) for console in range(64)} | {(5, 0), (5, 1), (5, 2)})
"""Screens and their stand-ins are terminals, but no lines (Linux, admin-guide/devices.txt)."""

_TELL_EVERY_S: Final = 60.0

_IF_SILENT: Final = (
    "the line is open, but nothing comes: look at the receiver's power, at the wire from its TX to "
    "this line's RX, and whether this is the receiver's port; a modem's AT port is silent too"
)
_IF_UNREADABLE: Final = (
    "bytes come, but no sentence of NMEA: look at the speed (baud), at the ground wire, and "
    "whether this is the receiver's port"
)

logger = logging.getLogger(__name__)


class _Refusals:
    """Tells of refused sentences, but not of each: a noisy line would fill the log."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._count = 0
        self._told_s = -_TELL_EVERY_S

    def __call__(self, sentence: str, reason: str) -> None:
        self._count += 1
        now_s = time.monotonic()
        if now_s - self._told_s >= _TELL_EVERY_S:
            context = {"device": self._device, "count": self._count, "last": sentence[:90]}
            logger.warning("sentences refused: %s", reason, extra=context)
            self._told_s, self._count = now_s, 0


class SerialNmea:
    """A serial line; opened by a stable name it survives renumbering.

    Args:
        device: best a path below ``/dev/serial/by-id``.
        baud: speed of the line; None has it found by trying, and remembered for the next opening.
    """

    source: FixSource = "serial"

    def __init__(self, device: str, baud: int | None) -> None:
        self._device = device
        self._baud = baud
        self._remembered: int | None = None
        self._search: SpeedSearch | None = None
        self._line: serial.Serial | None = None
        self._refusals = _Refusals(device)
        self._assembler = EpochAssembler(self._refusals)
        self._listening = _listening()
        self._hearing = Hearing("starting")

    def open(self) -> None:
        """Open the line for this process alone.

        Raises:
            ReceiverLost: there is no such device, it may not be opened, or another reads it.
        """
        self._assembler = EpochAssembler(self._refusals)
        self._listening = _listening()
        speed = self._baud
        if speed is None:
            self._search = SpeedSearch(self._remembered, time.monotonic())
            speed = self._search.speed
        self._line = open_line(self._device, speed)

    def read(self) -> list[Epoch]:
        """What the line has brought; a silence ends the epoch.

        Raises:
            ReceiverLost: the line is gone.
        """
        line = self._line
        if line is None:
            raise ReceiverLost(f"{self._device}: not open")
        try:
            chunk = line.read(1)
            if chunk:
                time.sleep(_GATHER_S)
                chunk += line.read(min(line.in_waiting, _READ_BYTES))
            proved = self._assembler.proved
            epochs = list(self._assembler.feed(chunk) if chunk else self._assembler.flush())
            proved = self._assembler.proved - proved
            self._hearing = self._listening.heard(len(chunk), proved, time.monotonic())
            if self._search is not None:
                self._seek(line, self._search, proved, len(chunk))
        except (OSError, TypeError, termios.error) as error:
            raise ReceiverLost(f"{self._device}: lost: {error}") from error
        return epochs

    def hearing(self) -> Hearing:
        """Whether the line speaks at all."""
        return self._hearing

    def close(self) -> None:
        """Close the line."""
        line, self._line = self._line, None
        if line is not None:
            with contextlib.suppress(OSError, termios.error):
                line.close()

    def _seek(self, line: serial.Serial, search: SpeedSearch, proved: int, size: int) -> None:
        was_proved = search.is_proved
        if search.heard(proved, size, time.monotonic()):
            line.baudrate = search.speed
            line.reset_input_buffer()
        elif search.is_proved and not was_proved:
            self._remembered = search.speed
            context = {"device": self._device, "baud": search.speed}
            logger.info("the speed of the line is proved", extra=context)


def _listening() -> Listening:
    return Listening(time.monotonic(), silent=_IF_SILENT, unreadable=_IF_UNREADABLE)


def open_line(device: str, baud: int) -> serial.Serial:
    """Open a serial line for this process alone; another that reads it would take half the bytes.

    The lock is the kernel's (flock), so it ends with the process however that ends.

    Raises:
        ReceiverLost: there is no such device, it may not be opened, or another reads it.
    """
    try:
        return serial.Serial(device, baud, timeout=_SILENCE_S, exclusive=True)
    except (OSError, ValueError, termios.error) as error:
        raise ReceiverLost(f"{device}: cannot be opened: {_remedy(device, error)}") from error


def refuse_what_is_no_line(field: str, device: str) -> None:
    """Refuse a path that can never become a serial line; one that is not there yet may.

    Raises:
        SettingsError: names the field and what to do.
    """
    try:
        mode = Path(device).stat().st_mode
    except OSError:
        return
    if not stat.S_ISCHR(mode) or not _may_be_line(device):
        raise SettingsError(
            f"{field}: {device} is not a serial line; give a device such as /dev/serial/by-id/…"
        )


def _may_be_line(device: str) -> bool:
    """Whether a device is a terminal of its own; one that cannot be opened now may be one."""
    number = Path(device).stat().st_rdev
    if (os.major(number), os.minor(number)) in _NO_LINES:
        return False
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        return os.isatty(descriptor)
    finally:
        os.close(descriptor)


def _remedy(device: str, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EAGAIN:
        return f"{_holder(device)} reads it already; end that, or give it to one of them alone"
    if number == errno.EACCES:
        return "not permitted; add the gateway's user to the group dialout"
    if number == errno.ENOENT:
        return "no such device; is it plugged in?"
    return str(error)


def _holder(device: str) -> str:
    """Which process holds the lock, as far as the kernel tells."""
    try:
        at = Path(device).stat()
        place = f"{os.major(at.st_dev):02x}:{os.minor(at.st_dev):02x}:{at.st_ino}"
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            words = line.split()
            if place in words:
                name = Path(f"/proc/{words[4]}/comm").read_text(encoding="utf-8").strip()
                return f"process {words[4]} ({name})"
    except (OSError, ValueError, IndexError):
        pass
    return "another process"
