"""Makes the spool's tables; run by ``gateway prepare`` alone, as it loads sqlite-utils."""

import contextlib
import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

SCHEMA_VERSION: Final = 1
PAGE_BYTES: Final = 4096


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
    database.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    for table, columns, key in (
        # One row a start: its ordinal and the stream ids it opened.
        ("stream", {"boot": int, "fixes": int, "events": int}, "boot"),
        # Events and fixes; spool.py says how kind, start and seq make the id.
        ("row", {"id": int, "body": bytes}, "id"),
        # Fixes that the cloud refused again and again; kept for whoever looks into it.
        ("refused", {"id": int, "body": bytes}, "id"),
        # Commands already taken, and the results not yet told.
        ("command", {"id": str, "expires_at_ms": int}, "id"),
        ("result", {"command": str, "body": bytes}, "command"),
    ):
        database.create_table(table, columns, pk=key, not_null=set(columns))
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
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
