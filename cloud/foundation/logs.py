"""Log lines of every process: one line each, a fixed sentence and its context, to stderr."""

import json
import logging
import sys
from typing import Final

from cloud.foundation.clock import to_rfc3339

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}
_TALKATIVE: Final = ("alembic", "uvicorn", "httpx", "httpcore")
"""Libraries of which only warnings are of interest to the people who run this."""


class OneLine(logging.Formatter):
    """``2026-11-22T12:00:00.000Z info ingest: subscribed broker=127.0.0.1:1883``."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line; values with spaces are quoted, a traceback becomes a value."""
        context = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            context["traceback"] = self.formatException(record.exc_info)
        told = "".join(f" {key}={_value(value)}" for key, value in context.items())
        head = f"{to_rfc3339(record.created)} {record.levelname.lower()} {self._role}"
        return f"{head}: {' '.join(record.getMessage().splitlines())}{told}"


def log_as(role: str) -> None:
    """Send this process's log to stderr as lines of ``role``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine(role))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _value(value: object) -> str:
    text = str(value)
    is_plain = text.isprintable() and text != "" and not any(mark in text for mark in ' "=')
    return text if is_plain else json.dumps(text, ensure_ascii=False)
