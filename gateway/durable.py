"""Files and names that are on the medium when the call returns."""

import errno
import os
import sqlite3
from pathlib import Path
from typing import Final

_FAILING: Final = frozenset({errno.EROFS, errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ENOMEM})
_FAILING_SQLITE: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
    }
)


def is_of_medium(error: Exception) -> bool:
    """Whether a worn or full card says so, which is no mistake of the configuration."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _FAILING_SQLITE
    return isinstance(error, OSError) and error.errno in _FAILING


def is_there(path: Path) -> bool:
    """Whether something lies at ``path``; what a failing medium does not show counts as there.

    `Path.exists` raises there before Python 3.14, and says since that nothing is.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def put_private(path: Path, content: bytes) -> None:
    """Put ``content`` in the place of what ``path`` holds; only its owner may read it.

    After a power cut it is there as it was before or as it is now, and no link that somebody
    planted in its place is followed.

    Raises:
        OSError: the medium takes nothing; what was there stays.
    """
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(unfinished, flags, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a power cut.

    Raises:
        OSError: the medium takes nothing.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
