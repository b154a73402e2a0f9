"""Makes the spool's tables; only `prepare` loads sqlite-utils, in a process of its own."""

import contextlib
import importlib
import os
import sqlite3
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

SCHEMA_VERSION: Final = 4
PAGE_BYTES: Final = 1024
"""A group of ten fixes fills half of it: larger pages are written ten times until they are full."""

_TABLES: Final = (
    # One row a start: its ordinal, the stream ids it opened, and by how much its clock was off
    # before it was trusted.
    """stream (boot INTEGER PRIMARY KEY, fixes INTEGER NOT NULL, events INTEGER NOT NULL,
    by_ms INTEGER, quality TEXT)""",
    # Events and fixes; rows.py says how kind, start and seq make the id.
    "row (id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    # Fixes that the cloud refused again and again; kept for whoever looks into it.
    "refused (id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    # Small things that survive a restart, the spool's own under keys that begin with a slash;
    # notes.py puts a check behind each.
    "note (key TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID",
    # Commands already taken, and the results not yet told.
    "command (id TEXT PRIMARY KEY, expires_at_ms INTEGER NOT NULL)",
    "result (command TEXT PRIMARY KEY, body BLOB NOT NULL)",
)


PROBES: Final = (
    "SELECT boot, fixes, events, by_ms, quality FROM stream LIMIT 0",
    "SELECT id, body FROM row LIMIT 0",
    "SELECT id, body FROM refused LIMIT 0",
    "SELECT key, body FROM note LIMIT 0",
    "SELECT id, expires_at_ms FROM command LIMIT 0",
    "SELECT command, body FROM result LIMIT 0",
)
"""What a sound file answers without an error."""


def create(connection: sqlite3.Connection) -> None:
    """Make the tables in a file that has none."""
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    for table in _TABLES:
        connection.execute(f"CREATE TABLE {table}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def make(path: Path) -> None:
    """Make an empty spool where there is no file, in the running gateway.

    Raises:
        sqlite3.Error: the medium takes nothing.
    """
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        create(connection)
        connection.execute("PRAGMA journal_mode = WAL")


def prepare(path: Path) -> None:
    """Make the spool at ``path`` unless it is there; it appears complete or not at all."""
    if path.exists():
        return
    sqlite_utils = _sqlite_utils()
    path.parent.mkdir(parents=True, exist_ok=True)
    # A gateway killed just now may have left another of us at work; each has a file of its own.
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    for left in path.parent.glob(f"{path.name}.*.new*"):
        left.unlink(missing_ok=True)
    database = sqlite_utils.Database(unfinished)
    create(database.conn)
    database.enable_wal()
    database.close()
    with contextlib.suppress(FileExistsError):
        os.link(unfinished, path)
    unfinished.unlink()


def _sqlite_utils() -> ModuleType:
    """sqlite-utils without pandas and numpy: it tries both at import, for seconds and 80 MB."""
    kept_out = {"numpy", "pandas"} - sys.modules.keys()
    sys.modules.update(dict.fromkeys(kept_out))  # type: ignore[arg-type]
    try:
        return importlib.import_module("sqlite_utils")
    finally:
        for name in kept_out:
            del sys.modules[name]
