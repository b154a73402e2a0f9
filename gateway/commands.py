"""Commands from the cloud: each is taken once, even over a restart, and answered."""

import logging
import sqlite3
from typing import Final

from gateway.spool import transaction
from wire import codec
from wire.messages import Command, Result

logger = logging.getLogger(__name__)

MAX_REMEMBERED: Final = 1000

_FORGET_OLDEST: Final = (
    "DELETE FROM command WHERE rowid <= (SELECT max(rowid) FROM command) - ?",
    "DELETE FROM result WHERE rowid <= (SELECT max(rowid) FROM result) - ?",
)


class CommandLog:
    """The commands taken and the results not yet told, on the spool's connection.

    A command's id and its result are committed together before the result is told, so a command
    that comes again is neither done nor answered again, and no answer is lost.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._telling: dict[int, str] = {}

    def take(self, command: Command, now_ms: int) -> None:
        """Carry out a command unless it was taken before; its result waits to be told.

        Raises:
            sqlite3.Error: the medium takes nothing; the command is not taken.
        """
        result = _carry_out(command, now_ms)
        with transaction(self._connection) as database:
            taken = database.execute(
                "INSERT OR IGNORE INTO command VALUES (?, ?)", (command.id, command.expires_at_ms)
            )
            if taken.rowcount == 0:
                return
            database.execute("INSERT INTO result VALUES (?, ?)", (command.id, codec.encode(result)))
            for statement in _FORGET_OLDEST:
                database.execute(statement, (MAX_REMEMBERED,))

    def untold(self) -> list[tuple[str, bytes]]:
        """Results that are not yet handed to the connection, oldest first."""
        rows = self._connection.execute("SELECT command, body FROM result ORDER BY rowid")
        told = set(self._telling.values())
        return [(command, body) for command, body in rows if command not in told]

    def telling(self, command: str, mid: int) -> None:
        """The result of ``command`` was handed to the connection as message ``mid``."""
        self._telling[mid] = command

    def told(self, mid: int) -> None:
        """The broker has message ``mid``; if it was a result, that is done with.

        Raises:
            sqlite3.Error: the medium takes nothing; the result is told once more after a restart.
        """
        command = self._telling.get(mid)
        if command is not None:
            with transaction(self._connection) as database:
                database.execute("DELETE FROM result WHERE command = ?", (command,))
            del self._telling[mid]


def _carry_out(command: Command, now_ms: int) -> Result:
    if command.expires_at_ms <= now_ms:
        return Result(command=command.id, status="expired", detail="came after its expiry")
    if command.name == "ping":
        return Result(command=command.id, status="done")
    return Result(
        command=command.id,
        status="refused",
        detail=f"name: {command.name!r} is not a command of this gateway; it knows ping",
    )
