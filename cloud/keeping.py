"""``roundsman cloud backup`` and ``restore``: what happens to the files around a backup."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from cloud.foundation import backup
from cloud.foundation.backup import Manifest
from cloud.foundation.clock import RealClock, to_rfc3339
from cloud.foundation.database import Database
from cloud.foundation.errors import Conflict, Invalid, NotFound
from cloud.foundation.files import private_folder, sync_folder
from cloud.foundation.layout import DataFolder
from cloud.foundation.processes import claim, forget
from cloud.foundation.settings import load
from wire import __version__

_WRITERS: Final = ("supervisor", "web", "ingest")
_LOGS: Final = ("-wal", "-shm")


def back_up(data: DataFolder, file: Path, *, is_checked: bool) -> Manifest:
    """Write a backup of a data folder, which may be in use, and try whether it can be restored.

    Raises:
        NotFound: there is nothing to back up. Invalid: it cannot be restored; it is not kept. Or
            the data lies in PostgreSQL.
        OSError: it cannot be written.
    """
    _require_files(data)
    for path in _files(data).values():
        if not path.exists():
            raise NotFound(f"{path}: is not there; is {data.root} a data folder?")
    with _opened(_files(data)) as databases:
        manifest = backup.write(file, databases, version=__version__, now_s=RealClock().now_s())
    if is_checked:
        try:
            backup.check(file, file.parent)
        except Invalid:
            file.unlink()
            raise
    return manifest


def restore(data: DataFolder, file: Path, *, is_replacing: bool) -> Manifest:
    """Restore a backup beside what is there, and put it in its place when it has been counted.

    What was there before stays as ``*.before-….db``.

    Raises:
        Conflict: the cloud runs, or there are databases and ``is_replacing`` was not said.
        Invalid: the backup is damaged, or the data lies in PostgreSQL; nothing has changed then.
    """
    _require_files(data)
    private_folder(data.root)
    with _alone(data):
        present = [path for path in _files(data).values() if path.exists()]
        if present and not is_replacing:
            raise Conflict(f"{present[0]}: is there already; say --replace to set it aside")
        fresh = {name: _beside(path, ".restoring") for name, path in _files(data).items()}
        try:
            with _opened(fresh) as databases:
                manifest = backup.restore(file, databases)
            _put_in_place(data, fresh)
        finally:
            for path in fresh.values():
                _remove(path)
    return manifest


def _require_files(data: DataFolder) -> None:
    if load(data.settings).database.url is not None:
        raise Invalid.field(
            "database.url",
            "names a PostgreSQL, and this is for files of SQLite",
            "use pg_dump -Fc and pg_restore, and keep a copy of the folder's secrets",
        )


def _put_in_place(data: DataFolder, fresh: dict[str, Path]) -> None:
    """Each old file stays under another name, and at every moment there is one under its own."""
    stamp = to_rfc3339(RealClock().now_s()).translate({ord(":"): None, ord("."): "-"})
    for name, path in _files(data).items():
        aside = path.with_name(f"{path.stem}.before-{stamp}.db")
        _settle_log(path)
        for kind in _LOGS:  # one that could not be settled must never meet another's database
            if (log := _beside(path, kind)).exists():
                log.rename(_beside(aside, kind))
        if path.exists():
            os.link(path, aside)
        fresh[name].rename(path)
    sync_folder(data.root)


def _settle_log(path: Path) -> None:
    """Bring what stands in the write-ahead log into the database, unless that is damaged."""
    if not path.exists():
        return
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def _alone(data: DataFolder) -> Iterator[None]:
    """Nobody writes meanwhile; a start of the cloud is refused until the end."""
    with ExitStack() as ending:
        for role in _WRITERS:
            claim(data.running, role)
            ending.callback(forget, data.running, role)
        yield


@contextmanager
def _opened(files: dict[str, Path]) -> Iterator[dict[str, Database]]:
    databases = {name: Database(path) for name, path in files.items()}
    try:
        yield databases
    finally:
        for database in databases.values():
            database.close()


def _files(data: DataFolder) -> dict[str, Path]:
    return {"business": data.business, "telemetry": data.telemetry}


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f"{path.name}{kind}")


def _remove(path: Path) -> None:
    for kind in ("", *_LOGS, "-turn"):
        _beside(path, kind).unlink(missing_ok=True)
