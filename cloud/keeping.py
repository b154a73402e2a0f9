"""``roundsman cloud backup`` and ``restore``: what happens to the databases around a backup."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from cloud.foundation import backup
from cloud.foundation.backup import Manifest
from cloud.foundation.clock import RealClock, to_rfc3339
from cloud.foundation.database import (
    Database,
    beside,
    exists,
    prepare,
    put_in_place,
    remove,
)
from cloud.foundation.errors import Conflict, Invalid, NotFound
from cloud.foundation.files import private_folder
from cloud.foundation.layout import DataFolder
from cloud.foundation.places import Place, Tree, place_of
from cloud.foundation.processes import claim, forget
from cloud.foundation.settings import load
from wire import __version__

_TREES: Final[tuple[Tree, ...]] = ("business", "telemetry")
_WRITERS: Final = ("supervisor", "web", "ingest")


def back_up(data: DataFolder, file: Path, *, is_checked: bool) -> Manifest:
    """Write a backup of what is kept, which may be in use, and try whether it can be restored.

    Raises:
        NotFound: there is nothing to back up. Invalid: it cannot be restored; it is not kept.
        Unavailable: the fleet's own database does not answer. OSError: it cannot be written.
    """
    places = _places(data)
    for place in places.values():
        if not exists(place):
            raise NotFound(f"{place}: is not there; is {data.root} a data folder?")
    with _opened(places) as databases:
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

    What was there before stays under another name, ``before`` and the instant in it.

    Raises:
        Conflict: the cloud runs, or there are databases and ``is_replacing`` was not said.
        Invalid: the backup is damaged; nothing has changed then.
        Unavailable: the fleet's own database does not answer.
    """
    private_folder(data.root)
    with _alone(data):
        places = _places(data)
        present = [place for place in places.values() if exists(place)]
        if present and not is_replacing:
            raise Conflict(f"{present[0]}: is there already; say --replace to set it aside")
        fresh = {name: beside(place, "restoring") for name, place in places.items()}
        try:
            for place in fresh.values():
                remove(place)
                prepare(place)
            with _opened(fresh) as databases:
                manifest = backup.restore(file, databases)
            stamp = to_rfc3339(RealClock().now_s()).translate({ord(":"): None, ord("."): "-"})
            put_in_place(
                [
                    (place, fresh[name], beside(place, f"before-{stamp}"))
                    for name, place in places.items()
                ]
            )
        finally:
            for place in fresh.values():
                remove(place)
    return manifest


@contextmanager
def _alone(data: DataFolder) -> Iterator[None]:
    """Nobody writes meanwhile; a start of the cloud is refused until the end."""
    with ExitStack() as ending:
        for role in _WRITERS:
            claim(data.running, role)
            ending.callback(forget, data.running, role)
        yield


@contextmanager
def _opened(places: dict[Tree, Place]) -> Iterator[dict[str, Database]]:
    databases: dict[str, Database] = {name: Database(place) for name, place in places.items()}
    try:
        yield databases
    finally:
        for database in databases.values():
            database.close()


def _places(data: DataFolder) -> dict[Tree, Place]:
    settings = load(data.settings)
    return {tree: place_of(tree, data, settings) for tree in _TREES}
