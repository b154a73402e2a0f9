"""A receiver that writes NMEA 0183 on a serial line."""

import logging
import time
from typing import Final

import serial

from gateway.errors import ReceiverLost
from gateway.fixes.epochs import Epoch, EpochAssembler
from wire.values import FixSource

_SILENCE_S: Final = 0.25
"""A pause this long ends an epoch; within one, sentences follow each other without a pause."""

_GATHER_S: Final = 0.02
"""Bytes come one by one; waking for each would cost more than all the rest."""

_READ_BYTES: Final = 4096

_TELL_EVERY_S: Final = 60.0

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
    """A serial line at a fixed speed; opened by a stable name it survives renumbering."""

    source: FixSource = "serial"

    def __init__(self, device: str, baud: int) -> None:
        self._device = device
        self._baud = baud
        self._line: serial.Serial | None = None
        self._refusals = _Refusals(device)
        self._assembler = EpochAssembler(self._refusals)

    def open(self) -> None:
        """Open the line.

        Raises:
            ReceiverLost: there is no such device, or it may not be opened.
        """
        self._assembler = EpochAssembler(self._refusals)
        try:
            self._line = serial.Serial(self._device, self._baud, timeout=_SILENCE_S)
        except (OSError, ValueError) as error:
            raise ReceiverLost(f"{self._device}: cannot be opened: {error}") from error

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
        except (OSError, TypeError) as error:
            raise ReceiverLost(f"{self._device}: lost: {error}") from error
        return list(self._assembler.feed(chunk) if chunk else self._assembler.flush())

    def close(self) -> None:
        """Close the line."""
        if self._line is not None:
            self._line.close()
            self._line = None
