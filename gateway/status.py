"""``gateway status``: what the spool holds, read beside a running gateway."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from gateway.errors import SpoolError
from gateway.route import RouteFile
from gateway.settings import Settings


def report(settings: Settings) -> str:
    """A few lines of text.

    Raises:
        SpoolError: there is no spool, or it cannot be read.
    """
    path = settings.spool_file
    try:
        lines = _spool_lines(path)
    except sqlite3.Error as error:
        raise SpoolError(f"{path}: {error}; has this gateway ever run?") from error
    revision = RouteFile(settings.folder / "route.json").revision
    lines.append(f"route revision {'none' if revision is None else revision}")
    return "\n".join([f"van {settings.van} of {settings.tenant}", *lines])


def _spool_lines(path: Path) -> list[str]:
    # Read-only: a second connection that wrote or checkpointed could damage the file (WAL reset).
    database = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)
    try:
        pages, free, page_bytes = (
            database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        rows = database.execute("SELECT id >> 62, count(*) FROM row GROUP BY 1").fetchall()
        waiting = dict(rows)
        streams = database.execute(
            "SELECT boot, fixes, events FROM stream ORDER BY boot"
        ).fetchall()
    finally:
        database.close()
    return [
        f"spooled fixes {waiting.get(1, 0)}, events {waiting.get(0, 0)}",
        f"spool bytes {(pages - free) * page_bytes}",
        *(f"start {boot}: fixes {fixes}, events {events}" for boot, fixes, events in streams),
    ]
