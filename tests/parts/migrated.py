"""Databases in their newest form without the migrations' time: made once a run, then copied.

What the migrations do is tried by the tests of their own; all other tests begin with their result.
"""

import shutil
import tempfile
from functools import cache
from pathlib import Path

from cloud import roles
from cloud.foundation import migrations
from cloud.foundation.database import Database
from cloud.foundation.files import private_folder
from cloud.foundation.layout import DataFolder
from cloud.foundation.places import Place, Tree, place_of
from cloud.foundation.settings import Settings

PLAIN = Settings()


def upgrade(database: Database, name: Tree) -> None:
    """`cloud.foundation.migrations.upgrade` to the newest form; of a new file, by a copy."""
    _put(database.place, name)
    if not roles.is_current(database.place, name):
        migrations.upgrade(database, name)


def migrate(data: DataFolder, *names: Tree, settings: Settings = PLAIN) -> None:
    """`cloud.roles.migrate`; of new files, by a copy."""
    private_folder(data.root)
    for name in names:
        _put(place_of(name, data, settings), name)
    roles.migrate(data, *names, settings=settings)


def _put(place: Place, name: Tree) -> None:
    if isinstance(place, Path) and not place.exists():
        shutil.copy(_template(name), place)


@cache
def _template(name: Tree) -> Path:
    folder = tempfile.TemporaryDirectory(prefix="roundsman-migrated-")
    _FOLDERS.append(folder)
    data = DataFolder(Path(folder.name))
    roles.migrate(data, name)
    found = place_of(name, data, PLAIN)
    assert isinstance(found, Path)
    assert not found.with_name(f"{found.name}-wal").exists(), "all of it is in the one file"
    return found


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []
"""They go with the run."""
