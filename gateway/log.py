"""Log lines for the journal: a fixed sentence, then its context as key=value."""

import logging
import sys
from collections import deque
from typing import Final

_OWN_KEYS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_MAX_LINE: Final = 1000


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


class RecentLines(logging.Handler):
    """Keeps the newest lines in memory, for whoever looks for a fault from afar."""

    def __init__(self, count: int) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[str] = deque(maxlen=count)
        self.setFormatter(_Line())

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line, and of an exception its last."""
        self._lines.append(f"{round(record.created)} {self.format(record)}"[-_MAX_LINE:])

    def lines(self) -> list[str]:
        """The oldest first, each with the system's time in seconds since 1970 before it."""
        return list(self._lines)
