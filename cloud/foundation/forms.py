"""Which form a database is in, asked of its driver alone: most starts need no more."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from cloud.foundation.errors import Unavailable
from cloud.foundation.places import Place, PostgresPlace

CONNECT_WITHIN_S: Final = 5


def revision(place: Place) -> str | None:
    """The form a database is in; None when it has none yet.

    Raises:
        Unavailable: the fleet's own database cannot be reached.
    """
    return _of_file(place) if isinstance(place, Path) else _of_schema(place)


def _of_file(path: Path) -> str | None:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return _only(connection.execute("SELECT version_num FROM alembic_version").fetchall())
    except sqlite3.Error:
        return None


def _of_schema(place: PostgresPlace) -> str | None:
    import psycopg  # loaded only where it is used

    options = f"-csearch_path={place.schema}"
    try:
        with psycopg.connect(
            place.url, options=options, connect_timeout=CONNECT_WITHIN_S
        ) as connection:
            found = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL")
            if found.fetchone() != (True,):
                return None
            return _only(connection.execute("SELECT version_num FROM alembic_version").fetchall())
    except psycopg.Error as error:
        reason = str(error).partition("\n")[0]
        raise Unavailable(
            f"database.url: {reason}; is it right, and does the server run?"
        ) from error


def _only(rows: list[tuple[str]]) -> str | None:
    return rows[0][0] if len(rows) == 1 else None
