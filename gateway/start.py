"""The composition root of ``gateway run``."""

import fcntl
import logging
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway import children, configuration, log
from gateway.clock import Clock, demo_rate
from gateway.durable import is_of_medium, is_there
from gateway.enrolment.sealing import Delivering, seal_if_moved
from gateway.errors import SettingsError, SpoolError
from gateway.receivers import Receiver
from gateway.settings import (
    GpsdSettings,
    ReceiverSettings,
    ReplaySettings,
    SerialSettings,
)

logger = logging.getLogger(__name__)

_PREPARE_WITHIN_S: Final = 60.0
_LOCK: Final = "gateway.lock"
MEDIUM_FAILS: Final = 74
"""Exit code of ``gateway prepare`` where the card takes nothing now (EX_IOERR)."""


def run(config: Path) -> None:
    """Run the gateway of ``config`` until it is told to stop.

    Raises:
        SettingsError: the configuration cannot be used.
        SpoolError: the spool cannot be used, or another gateway uses it.
    """
    log.to_stderr()
    chosen = configuration.load(config)
    rate = None if chosen.demo is None else demo_rate(Path(chosen.demo.clock_file))
    with _alone_in(chosen.folder):
        seal_if_moved(chosen)
        if not is_there(chosen.spool_file):
            _prepare(config)
        delivering = Delivering(config, chosen.folder)
        from gateway.service import Service  # not needed to refuse a configuration

        receivers = [
            receiver_of(f"receivers[{at}]", one) for at, one in enumerate(chosen.receivers)
        ]
        Service(chosen, receivers, Clock(rate=rate), delivering).run()


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel lets go of it however the process ends."""
    descriptor = _lock_file(folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise SpoolError(f"data_dir: another gateway works in {folder}; stop it first") from error
    finally:
        os.close(descriptor)


def _lock_file(folder: Path) -> int:
    """A descriptor to lock; where the medium takes nothing now, of the folder in memory.

    Raises:
        SettingsError: the folder cannot be one.
        SpoolError: there is nowhere to lock.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / _LOCK, flags, 0o600)
    except (FileExistsError, NotADirectoryError) as error:
        raise SettingsError(
            f"data_dir: {folder} cannot be a folder: {error.strerror}; give another path"
        ) from error
    except OSError as error:
        in_memory = os.environ.get("RUNTIME_DIRECTORY")
        if not is_of_medium(error) or in_memory is None:
            problem = f"data_dir: {folder}: {error.strerror}; give a writable folder"
            raise SpoolError(problem) from error
        logger.exception("the medium takes nothing; what is recorded is held in memory")
        return os.open(Path(in_memory) / _LOCK, flags, 0o600)


def _prepare(config: Path) -> None:
    """Make the spool in a process of its own, whose memory is given back.

    Where the card takes nothing now, it is held in memory, and made once the card does.

    Raises:
        SpoolError: it cannot be made here, whatever the card takes.
    """
    with children.start("prepare", "--config", config) as preparing:
        try:
            code = preparing.wait(_PREPARE_WITHIN_S)
        except subprocess.TimeoutExpired as error:
            preparing.kill()
            raise SpoolError(
                "data_dir: the spool was not made in time; look at the card"
            ) from error
    if code not in {0, MEDIUM_FAILS}:
        raise SpoolError("data_dir: the spool could not be made; see the line above")


def receiver_of(field: str, chosen: ReceiverSettings) -> Receiver:
    """A receiver of the settings, not opened; ``field`` is where it stands in them.

    Raises:
        SettingsError: a device is there but no serial line.
    """
    match chosen:
        case SerialSettings(device=device, baud=baud):
            from gateway.receivers.serial_nmea import SerialNmea, refuse_what_is_no_line

            refuse_what_is_no_line(f"{field}.device", device)
            return SerialNmea(device, baud)
        case GpsdSettings():
            from gateway.receivers.gpsd import Gpsd

            return Gpsd(chosen)
        case ReplaySettings(file=file, rate_hz=rate_hz):
            from gateway.receivers.replay import Replay

            return Replay(Path(file), rate_hz)
