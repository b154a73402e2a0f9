"""One message in a file of its own: there after a power cut as it was before or as it is now."""

import logging
import os
from pathlib import Path

import msgspec

from wire import codec

logger = logging.getLogger(__name__)


class KeptFile[M: msgspec.Struct]:
    """A value of one type, replaced as a whole.

    Args:
        path: the file; what stands there and cannot be read is set aside as ``*.damaged``.
        kind: the type of the value.
    """

    def __init__(self, path: Path, kind: type[M]) -> None:
        self.path = path
        self._kind = kind

    def read(self) -> M | None:
        """The kept value; None when there is none, or only a damaged one."""
        try:
            return codec.decode(self.path.read_bytes(), self._kind)
        except FileNotFoundError:
            return None
        except (OSError, codec.WireError) as error:
            logger.warning(
                "a kept file cannot be read and is set aside",
                extra={"file": str(self.path), "problem": str(error)},
            )
            self._set_aside()
            return None

    def _set_aside(self) -> None:
        try:
            self.path.replace(self.path.with_name(f"{self.path.name}.damaged"))
        except OSError:
            logger.warning("it cannot be set aside either", extra={"file": str(self.path)})

    def write(self, value: M) -> None:
        """Put ``value`` in the place of the one before, on the medium when this returns.

        Raises:
            OSError: the medium takes nothing; the value before stays.
        """
        put_file(self.path, codec.encode(value))

    def forget(self) -> None:
        """There is no value any more.

        Raises:
            OSError: the medium takes nothing; the value stays.
        """
        self.path.unlink(missing_ok=True)
        _sync(self.path.parent)


def peek[M: msgspec.Struct](path: Path, kind: type[M]) -> M | None:
    """The value kept at ``path``, for a look from outside: nothing is set aside."""
    try:
        return codec.decode(path.read_bytes(), kind)
    except (OSError, codec.WireError):
        return None


def put_file(path: Path, content: bytes) -> None:
    """Put ``content`` in the place of what ``path`` holds, on the medium when this returns.

    Only its owner may read it.

    Raises:
        OSError: the medium takes nothing; what was there stays.
    """
    unfinished = path.with_name(f"{path.name}.new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
