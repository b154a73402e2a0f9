"""The configuration, its certificates, the data folder and the spool in it."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from gateway.doctor import Check, bad, good, skipped, warning
from gateway.durable import is_there
from gateway.operation import computer
from gateway.operation.left_behind import look
from gateway.settings import BrokerSettings, Settings

_SOON_DAYS: Final = 21


def configuration(path: Path, settings: Settings) -> Check:
    """Whether others may read the password in it."""
    told = f"{path}: {settings.van} of {settings.tenant}"
    if settings.broker.password and path.stat().st_mode & stat.S_IROTH:
        return warning("config", f"{told}; anyone may read its password", f"chmod o-r {path}")
    return good("config", told)


def certificates(broker: BrokerSettings, now: datetime) -> Iterator[Check]:
    """Whether each certificate can be read, and for how long it holds."""
    if not broker.tls:
        yield skipped("tls", "off: what the van says can be read on the way")
        return
    for field, name in (("cert_file", broker.cert_file), ("ca_file", broker.ca_file)):
        if name is not None:
            yield _certificate(field, Path(name), now)
    key = None if broker.key_file is None else Path(broker.key_file)
    if key is not None and key.exists() and key.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        yield bad("key_file", f"{key}: anyone may read it", f"chmod 600 {key}, and enrol again")


def _certificate(field: str, path: Path, now: datetime) -> Check:
    from cryptography import x509

    try:
        held = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return bad(field, f"{path}: {error}", "enrol again: roundsman gateway enrol")
    left_days = (held.not_valid_after_utc - now).days
    told = f"{path}: until {held.not_valid_after_utc:%Y-%m-%d}"
    if held.not_valid_before_utc > now:
        return bad(field, f"{told}, but not before {held.not_valid_before_utc:%Y-%m-%d}",
                   "look at the clock below")  # fmt: skip
    if left_days < 0:
        return bad(field, f"{told}: it has expired", "enrol again: roundsman gateway enrol")
    if left_days < _SOON_DAYS:
        return warning(field, f"{told}: {left_days} days", "let the van connect, so that it renews")
    return good(field, told)


def folder(settings: Settings) -> Check:
    """Whether the gateway's folder is one it can write to."""
    path = settings.folder
    if not path.exists():
        return warning("data_dir", f"{path} is not there yet", "start the gateway; it makes it")
    if not path.is_dir():
        return bad("data_dir", f"{path} is no folder", "give another data_dir, or move it away")
    if computer.is_read_only(path):
        return bad(
            "data_dir",
            f"{path} lies on a file system that is mounted read-only",
            "put data_dir on the data partition; where it is, the card has failed: see dmesg",
        )
    owner = path.stat().st_uid
    if os.geteuid() not in {0, owner} or not os.access(path, os.W_OK | os.X_OK):
        return warning(
            "data_dir", f"{path} cannot be written by this user", "run as its owner, or with sudo"
        )
    return good("data_dir", str(path))


def spool(settings: Settings) -> Iterator[Check]:
    """Whether the spool is whole, and whether it has room."""
    path = settings.spool_file
    if not is_there(path):
        yield skipped("spool", "none yet; the gateway makes it at its first start")
        return
    problem = _problem(path)
    left = look(path)
    if problem is not None:
        yield bad("spool", f"{path}: {problem}", "restart the gateway: it salvages what is whole")
    elif left.problem is not None:
        yield bad("spool", left.problem, "use the program that wrote it, or move it aside")
    else:
        yield good("spool", f"whole; {left.fixes} fixes and {left.events} events wait")
    free = computer.free_bytes(settings.folder)
    keep = settings.spool.keep_free_bytes
    if free is not None and free < keep:
        yield warning(
            "room",
            f"{free / 1e6:.0f} MB are free, {keep / 1e6:.0f} MB are kept for others",
            "make room, or lower spool.keep_free_bytes; the spool grows no further meanwhile",
        )
    elif free is not None:
        yield good("room", f"{free / 1e9:.1f} GB are free")


def _problem(path: Path) -> str | None:
    # Read-only: a second connection that wrote or checkpointed could damage the file (WAL reset).
    mode = "mode=ro" if is_there(path.with_name(f"{path.name}-wal")) else "mode=ro&immutable=1"
    try:
        database = sqlite3.connect(f"file:{quote(str(path.absolute()))}?{mode}", uri=True)
        try:
            (told,) = database.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            database.close()
    except sqlite3.Error as error:
        return str(error)
    return None if told == "ok" else str(told)


def today(now_s: float) -> datetime:
    """An instant in seconds since 1970 as certificates tell it."""
    return datetime.fromtimestamp(now_s, UTC)
