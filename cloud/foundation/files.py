"""Files that are put in place whole: after a kill at any moment the old or the new one is there."""

import os
import secrets
from pathlib import Path


def put(path: Path, content: bytes, *, is_durable: bool = True) -> None:
    """Replace ``path`` with ``content``, readable by the owner only.

    Args:
        path: its folder must exist.
        content: the whole file.
        is_durable: also survive a power cut; not needed for what a start makes anew.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if is_durable:
                file.flush()
                os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def sync_folder(path: Path) -> None:
    """Let the names in a folder survive a power cut, too."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def private_folder(path: Path) -> Path:
    """Make ``path`` and its parents; what lies in it is for the owner only."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)
    return path
