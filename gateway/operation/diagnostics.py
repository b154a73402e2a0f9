"""What ``collect-diagnostics`` answers: enough to find a fault from afar, and nothing private.

No password, no client id and no position is in it, on duty or off.
"""

import os
import platform
import re
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.operation import computer
from gateway.operation.health import Health
from gateway.settings import Settings
from wire import __version__

LINES: Final = 50
_PLACES: Final = (
    re.compile(r"\$[A-Z]{2}[A-Z0-9]{0,3},[^\s']*"),  # a sentence of the receiver
    re.compile(r"-?\b\d{1,3}\.\d{4,}\b"),  # degrees
    re.compile(r"\b(?:lat|lon|latitude|longitude)\w*['\"]?\s*[=:]\s*\S+", re.IGNORECASE),
)
_HIDDEN: Final = "[…]"


def collect(settings: Settings, health: Health, lines: Iterable[str]) -> dict[str, Any]:
    """Everything as JSON values; ``lines``: the newest lines of the log."""
    secrets = {settings.broker.password, settings.broker.client_id} - {""}
    return {
        "health": msgspec.to_builtins(health),
        "versions": {
            "roundsman": __version__,
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "kernel": platform.release(),
            "machine": platform.machine(),
            "board": computer.model(),
        },
        "computer": {
            "up_s": computer.up_s(),
            "load": list(os.getloadavg()),
            "resident_bytes": health.resident_bytes,
            "files": _files(settings.folder),
        },
        "settings": _public(settings),
        "log": [without_secrets(line, secrets) for line in lines][-LINES:],
    }


def without_secrets(line: str, secrets: Iterable[str]) -> str:
    """``line`` without what only the van may know, and without a position."""
    for secret in secrets:
        line = line.replace(secret, _HIDDEN)
    for place in _PLACES:
        line = place.sub(_HIDDEN, line)
    return line


def _public(settings: Settings) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(settings)
    for name in ("password", "client_id", "username"):
        told["broker"].pop(name, None)
    return told


def _files(folder: Path) -> dict[str, int]:
    sizes: dict[str, int] = {}
    try:
        for entry in sorted(folder.iterdir())[:50]:
            sizes[entry.name] = entry.lstat().st_size
    except OSError:
        return sizes
    return sizes
