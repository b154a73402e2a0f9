"""Log lines for the journal: a fixed sentence, then its context as key=value."""

import logging
import sys
from typing import Final

_OWN_KEYS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Line(logging.Formatter):
    """The journal adds the time; here stand level, sentence and context."""

    def format(self, record: logging.LogRecord) -> str:
        context = "".join(
            f" {key}={value!r}" for key, value in vars(record).items() if key not in _OWN_KEYS
        )
        return f"{record.levelname.lower()}: {super().format(record)}{context}"


def to_stderr() -> None:
    """Send everything from level INFO on to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
