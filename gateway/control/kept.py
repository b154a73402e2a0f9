"""One message in a file of its own: there after a power cut as it was before or as it is now."""

import logging
from pathlib import Path

import msgspec

from gateway.durable import put_private, sync_folder
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
        put_private(self.path, codec.encode(value))

    def forget(self) -> None:
        """There is no value any more.

        Raises:
            OSError: the medium takes nothing; the value stays.
        """
        self.path.unlink(missing_ok=True)
        sync_folder(self.path.parent)


def peek[M: msgspec.Struct](path: Path, kind: type[M]) -> M | None:
    """The value kept at ``path``, for a look from outside: nothing is set aside."""
    try:
        return codec.decode(path.read_bytes(), kind)
    except (OSError, codec.WireError):
        return None
