"""A box that becomes another van's gateway keeps what it recorded under the old van's name.

The spool remembers whose it is, and so does the file `OWNER` beside it, for a spool that is damaged
and cannot say. When the configuration names another van, everything that belongs to the old one is
moved to ``data_dir/sealed/TENANT.VAN.N/`` before anything of the new van is recorded; the spool
goes last, so a power cut in the middle is gone on with at the next start. What is given up has
`GIVEN_UP` in its folder; `giving_up` tells how.
"""

import fcntl
import logging
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from gateway import children
from gateway.durable import is_there, put_private, sync_folder
from gateway.enrolment.credentials import Credentials
from gateway.errors import SpoolError
from gateway.settings import Settings
from gateway.spool.notes import sound
from wire.topics import TopicError, require_name

logger = logging.getLogger(__name__)

OWNER: Final = "spool.owner"
"""Whose the spool is, told outside it: ``TENANT/VAN``."""
_STAYS: Final = frozenset({"credentials", "gateway.lock", "sealed", OWNER})
"""What in the data folder belongs to the box and not to a van; `OWNER` outlives the sealing."""
_DELIVER_EVERY_S: Final = 3_600.0
_END_WITHIN_S: Final = 0.5
SPOOL: Final = "spool.db"
GIVEN_UP: Final = "given-up.json"
"""Beside a sealed spool: it counts as gone, and the present van is to tell of it."""


def owner_of(settings: Settings) -> str:
    """How a spool names whose it is."""
    return f"{settings.tenant}/{settings.van}"


def seal_if_moved(settings: Settings) -> Path | None:
    """Set aside what another van's gateway has recorded here; then it is this van's place.

    A spool that cannot say whose it is is `OWNER`'s, and without that file the van's whose
    certificate came before; it is moved unread, as reading is what would repair it here.

    Returns:
        The sealed folder; None when the spool is this van's, or there is none.

    Raises:
        SpoolError: it cannot be set aside now; nothing of the new van may be recorded into it.
    """
    target = _seal(settings) if is_there(settings.spool_file) else None
    _keep_owner(settings)
    return target


def _seal(settings: Settings) -> Path | None:
    told = _told_owner(settings.spool_file)
    owner = told or _remembered_owner(settings)
    if owner is None or owner == owner_of(settings):
        _bring_back(settings)
        return None
    try:
        tenant, van = _names(owner)
        target = _target(settings.folder / "sealed", tenant, van)
        if told is not None:
            _fold_log(settings.spool_file)
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The place must outlast a power cut before anything is moved to it.
        sync_folder(target.parent)
        sync_folder(settings.folder)
        for path in sorted(settings.folder.iterdir()):
            if path.name not in _STAYS and path != settings.spool_file:
                path.rename(target / path.name)
        sync_folder(target)
        settings.spool_file.rename(target / SPOOL)
        sync_folder(target)
        (settings.folder / OWNER).unlink(missing_ok=True)
        sync_folder(settings.folder)
    except (OSError, sqlite3.Error, TopicError) as error:
        raise SpoolError(
            f"data_dir: what was recorded for {owner} cannot be sealed: {error}; make room in "
            f"{settings.folder}, or move its files away"
        ) from error
    logger.warning(
        "this box was another van's; what it recorded is sealed and told as that van's",
        extra={"van": owner, "folder": str(target)},
    )
    return target


def _bring_back(settings: Settings) -> None:
    """Undo a sealing that was interrupted before the box became its own van's again.

    Its spool is still here, so what was moved before it belongs beside it: its log, and files that
    were set aside as damaged. A log left there would some day lie beside another spool.
    """
    place = settings.folder / "sealed"
    try:
        begun = _target(place, settings.tenant, settings.van)
        if not begun.is_dir():
            return
        for path in sorted(begun.iterdir()):
            if path.name == f"{SPOOL}-shm":
                path.unlink()  # shared memory of nobody that lives
            elif not is_there(settings.folder / path.name):
                path.rename(settings.folder / path.name)
        sync_folder(settings.folder)
        begun.rmdir()
    except OSError as error:  # the next start tries again
        extra = {"folder": str(place), "problem": str(error)}
        logger.warning("what was half sealed could not be brought back", extra=extra)


def clear(folder: Path, kept: str) -> None:
    """Remove all in a folder but the file ``kept``, as far as it can be removed.

    Raises:
        OSError: part of it cannot.
    """
    problem: OSError | None = None
    for path in folder.iterdir():
        if path.name == kept:
            continue
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError as error:
            problem = error
    if problem is not None:
        raise problem


def remove(folder: Path, last: str) -> None:
    """Remove what is done with, ``last`` only once all else is gone: it says what the rest is.

    Raises:
        OSError: part of it cannot be removed; then ``last`` is still there.
    """
    clear(folder, last)
    (folder / last).unlink()
    folder.rmdir()


def sealed_folders(folder: Path) -> list[tuple[str, str, Path]]:
    """Tenant, van and folder of everything that is sealed below ``folder``, the oldest first."""
    found = [one for one in _folders(folder) if (one[2] / SPOOL).is_file()]
    return [one for one in found if not (one[2] / GIVEN_UP).is_file()]


def given_up_folders(folder: Path) -> list[tuple[str, str, Path]]:
    """The same of what was given up and is still to be told by the present van."""
    return [one for one in _folders(folder) if (one[2] / GIVEN_UP).is_file()]


def _folders(folder: Path) -> Iterator[tuple[str, str, Path]]:
    for path in sorted((folder / "sealed").glob("*.*.*")):
        tenant, van, _ = path.name.split(".", 2)
        yield tenant, van, path


@contextmanager
def alone_with_sealed(folder: Path) -> Iterator[None]:
    """Hold what is sealed below ``folder``: it is handed in or given up by one process at a time.

    Raises:
        SpoolError: another process holds it, or it cannot be opened.
    """
    place = folder / "sealed"
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    except OSError as error:
        raise SpoolError(f"data_dir: {place}: {error.strerror}; run as its owner") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise SpoolError(
            f"data_dir: {place} is being handed in by another process; try again in some "
            "minutes, or stop the gateway first"
        ) from error
    finally:
        os.close(descriptor)


class Delivering:
    """Starts, now and then, the process that hands in what is sealed; see ``delivery``."""

    def __init__(self, config: Path, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._next_s = 0.0

    def step(self, now_s: float, *, is_connected: bool) -> None:
        """Start it when there is something to do and a connection; never waits."""
        if self._process is not None:
            if self._process.poll() is None:
                return
            self._process = None
        if not is_connected or now_s < self._next_s:
            return
        self._next_s = now_s + _DELIVER_EVERY_S
        if sealed_folders(self._folder):
            self._process = children.start("deliver-sealed", "--config", self._config)

    def stop(self) -> None:
        """Tell it to end; what is not acknowledged stays sealed."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):  # one that hangs on its medium is left to it
                self._process.wait(_END_WITHIN_S)


def _told_owner(spool: Path) -> str | None:
    """Whose rows these are, read without a write: None when the spool cannot say.

    A connection that may write would fold the log in as it closes, and with it goes what tells the
    spool that the power was cut.
    """
    # Without a log the file is as it was closed. With one that a read-only medium gives no shared
    # memory to, what the file alone says is better than nothing.
    has_log = is_there(spool.with_name(f"{spool.name}-wal"))
    for mode in (["mode=ro"] if has_log else []) + ["mode=ro&immutable=1"]:
        place = f"file:{quote(str(spool.absolute()))}?{mode}"
        with suppress(sqlite3.Error), closing(sqlite3.connect(place, uri=True)) as database:
            found = sound(database.execute("SELECT key, body FROM note WHERE key = '/owner'"))
            return found["/owner"].decode() if found else None
    return None


def _remembered_owner(settings: Settings) -> str | None:
    """What is known outside the spool of whose it is; None when it can only be this van's."""
    try:
        kept = (settings.folder / OWNER).read_text()
        _names(kept)
    except (OSError, UnicodeDecodeError, TopicError):
        earlier = None
        with suppress(OSError):  # a spool that can be read later is claimed by its own van alone
            earlier = Credentials(settings.folder).before(settings.tenant, settings.van)
        return None if earlier is None else f"{earlier.tenant}/{earlier.van}"
    return kept


def _keep_owner(settings: Settings) -> None:
    """Write down whose the spool is, before its first row."""
    kept, owner = settings.folder / OWNER, owner_of(settings).encode()
    try:
        if not kept.exists() or kept.read_bytes() != owner:
            put_private(kept, owner)
    except OSError as error:  # what is recorded is held in memory then; the next start writes it
        extra = {"file": str(kept), "problem": str(error)}
        logger.warning("whose the spool is could not be written beside it", extra=extra)


def _names(owner: str) -> tuple[str, str]:
    tenant, _, van = owner.partition("/")
    return require_name("tenant", tenant), require_name("van", van)


def _target(folder: Path, tenant: str, van: str) -> Path:
    """The folder for it, or the one in which an interrupted sealing has begun."""
    number = 1
    while any((folder / f"{tenant}.{van}.{number}" / name).exists() for name in (SPOOL, GIVEN_UP)):
        number += 1
    return folder / f"{tenant}.{van}.{number}"


def _fold_log(spool: Path) -> None:
    """Have everything in the one file, so that it can be moved in one rename.

    The log of a file that is damaged stays beside it, and goes with all else before it does.
    """
    try:
        with closing(sqlite3.connect(spool, isolation_level=None)) as database:
            is_busy, _, _ = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        return
    if is_busy:
        raise OSError("another process uses the spool")
    for suffix in ("-wal", "-shm"):
        left = spool.with_name(f"{spool.name}{suffix}")
        if left.exists() and left.stat().st_size and suffix == "-wal":
            raise OSError("its log could not be folded in")
        left.unlink(missing_ok=True)
