"""Looking for damage in the spool's file, without making anybody wait."""

import os
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

SMALL_BYTES: Final = 8_000_000
"""A file up to this is checked before the start goes on; a larger one while recording goes on."""

_WAIT_S: Final = 5.0
_DAMAGE: Final = frozenset(
    {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_INTERRUPT}
)


class Malformed(sqlite3.DatabaseError):
    """Python cannot even decode what SQLite says of the file."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def code_of(error: sqlite3.Error) -> int:
    """SQLite's extended code; 0 for what Python's own module found wrong."""
    return int(getattr(error, "sqlite_errorcode", 0))


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error says that the file is damaged, and not that the medium takes nothing."""
    return code_of(error) & 0xFF in _DAMAGE


def readable(text: bytes) -> str:
    """Text of a file that may be damaged."""
    return text.decode(errors="replace")


def was_cut(path: Path) -> bool:
    """Whether the last gateway did not close the file: its log is still there."""
    log = Path(f"{path}-wal")
    try:
        return log.stat().st_size > 0
    except OSError:
        return False


def problem_of(connection: sqlite3.Connection) -> str | None:
    """What SQLite finds wrong with the file, None when nothing.

    Raises:
        sqlite3.Error: it could not even be looked at.
    """
    (told,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    return None if told == "ok" else str(told)


class Checker:
    """Checks the file once in a thread of its own, of the lowest priority, only reading."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._problem: str | None = None
        self._connection: sqlite3.Connection | None = None
        self._thread = threading.Thread(target=self._run, name="spool-check", daemon=True)
        self._thread.start()

    def take_problem(self) -> str | None:
        """What was found, once."""
        problem, self._problem = self._problem, None
        return problem

    @property
    def is_done(self) -> bool:
        """Whether the check has ended."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """End it."""
        connection = self._connection
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.interrupt()
        self._thread.join(_WAIT_S)

    def _run(self) -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        uri = f"file:{quote(str(self._path.absolute()))}?mode=ro"
        try:
            with closing(sqlite3.connect(uri, uri=True, check_same_thread=False)) as connection:
                self._connection = connection
                connection.execute("PRAGMA cache_size = -512")
                self._problem = problem_of(connection)
        except UnicodeDecodeError as error:
            self._problem = str(error)
        except sqlite3.Error as error:
            if is_damage(error):
                self._problem = str(error)
        finally:
            self._connection = None
