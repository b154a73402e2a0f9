"""A recording of NMEA, played once at a steady pace."""

import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from gateway.errors import ReceiverLost
from gateway.fixes.epochs import Epoch, EpochAssembler
from gateway.receivers.hearing import Hearing
from wire.values import FixSource

_CHUNK_BYTES: Final = 4096
_MAX_WAIT_S: Final = 0.25


def recorded_epochs(
    path: Path, on_refused: Callable[[str, str], None] | None = None
) -> Iterator[Epoch]:
    """Every epoch of a recording, with or without a position.

    ``on_refused`` is told each sentence that was not read, and why.

    Raises:
        OSError: the file cannot be read.
    """
    assembler = EpochAssembler(on_refused)
    with path.open("rb") as recording:
        while chunk := recording.read(_CHUNK_BYTES):
            yield from assembler.feed(chunk)
    yield from assembler.finish()


class Replay:
    """A recording as a receiver; after its end it stays silent."""

    source: FixSource = "replay"

    def __init__(self, path: Path, rate_hz: float) -> None:
        self._path = path
        self._rate_hz = rate_hz
        self._epochs: Iterator[Epoch] | None = None
        self._played = 0
        self._began_s = 0.0

    def open(self) -> None:
        """Begin, or go on where it was closed.

        Raises:
            ReceiverLost: there is no such file.
        """
        if not self._path.is_file():
            raise ReceiverLost(f"{self._path}: not a file; give the path of a recording")
        if self._epochs is None:
            self._epochs = recorded_epochs(self._path)
        self._played = 0
        self._began_s = time.monotonic()

    def read(self) -> list[Epoch]:
        """The epochs due by now.

        Raises:
            ReceiverLost: the file cannot be read.
        """
        if self._epochs is None:
            raise ReceiverLost(f"{self._path}: not open")
        due = int((time.monotonic() - self._began_s) * self._rate_hz) - self._played
        if due < 1:
            time.sleep(min(1 / self._rate_hz, _MAX_WAIT_S))
            return []
        self._played += due
        try:
            epochs = list(islice(self._epochs, min(due, 1000)))
        except OSError as error:
            raise ReceiverLost(f"{self._path}: {error}") from error
        if not epochs:
            time.sleep(_MAX_WAIT_S)
        return epochs

    def hearing(self) -> Hearing:
        """A recording speaks, also once it is over."""
        return Hearing("speaks")

    def close(self) -> None:
        """Pause."""
