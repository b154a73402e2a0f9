"""Log lines of every process: one line each, a fixed sentence and its context, to stderr.

``ROUNDSMAN_LOG=json`` makes each line an object for machines.
"""

import json
import logging
import os
import sys
from contextvars import ContextVar
from typing import Any, Final

from cloud.foundation.clock import to_rfc3339

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}
_TALKATIVE: Final = ("alembic", "uvicorn", "httpx", "httpcore")
"""Libraries of which only warnings are of interest to the people who run this."""
FORMAT_VARIABLE: Final = "ROUNDSMAN_LOG"
CONTEXT: ContextVar[dict[str, str]] = ContextVar("context", default={})  # noqa: B039 - never changed, only replaced
"""What every line tells besides its own context: the request that is being answered."""


def context_of(record: logging.LogRecord) -> dict[str, Any]:
    """The keys and values of a record, with those of `CONTEXT` and a traceback as one more."""
    own = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    context = {**own, **CONTEXT.get()}
    if record.exc_info:
        context["traceback"] = logging.Formatter().formatException(record.exc_info)
    return context


class OneLine(logging.Formatter):
    """``2026-11-22T12:00:00.000Z info ingest: subscribed broker=127.0.0.1:1883``."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line; values with spaces are quoted, a traceback becomes a value."""
        told = "".join(f" {key}={_value(value)}" for key, value in context_of(record).items())
        head = f"{to_rfc3339(record.created)} {record.levelname.lower()} {self._role}"
        return f"{head}: {' '.join(record.getMessage().splitlines())}{told}"


class JsonLine(logging.Formatter):
    """The same as one JSON object: ``at``, ``level``, ``role``, ``said``, and the context."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line; a value that JSON does not know stands as its text."""
        told = {
            **context_of(record),
            "at": to_rfc3339(record.created),
            "level": record.levelname.lower(),
            "role": self._role,
            "said": record.getMessage(),
        }
        return json.dumps(told, ensure_ascii=False, default=str)


def log_as(role: str) -> None:
    """Send this process's log to stderr as lines of ``role``."""
    handler = logging.StreamHandler(sys.stderr)
    is_json = os.environ.get(FORMAT_VARIABLE) == "json"
    handler.setFormatter(JsonLine(role) if is_json else OneLine(role))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _value(value: object) -> str:
    text = str(value)
    is_plain = text.isprintable() and text != "" and not any(mark in text for mark in ' "=')
    return text if is_plain else json.dumps(text, ensure_ascii=False)
