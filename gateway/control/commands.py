"""Commands from the cloud: each is taken once, even over a kill, and answered."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from gateway.control.due import due
from gateway.control.reboot import Reboots
from gateway.spool.medium import Medium, transaction
from gateway.stamp import Stamp
from wire import codec
from wire.commands import (
    Asked,
    CollectDiagnostics,
    CommandError,
    Ping,
    Reboot,
    Replay,
    SetRate,
    read,
)
from wire.messages import MAX_RESULT_BYTES, Command, Result

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

    def __init__(self, connection: Medium) -> None:
        self._connection = connection
        self._telling: dict[int, str] = {}

    def has(self, command: str) -> bool:
        """Whether the command of this id was taken."""
        found = self._connection.execute("SELECT 1 FROM command WHERE id = ?", (command,))
        return found.fetchone() is not None

    def finish(self, command: Command, result: Result) -> None:
        """Remember a command as taken, with its result, which waits to be told.

        Raises:
            sqlite3.Error: the medium takes nothing; the command is not taken.
        """
        with transaction(self._connection) as database:
            taken = database.execute(
                "INSERT OR IGNORE INTO command VALUES (?, ?)", (command.id, command.expires_at_ms)
            )
            if taken.rowcount == 0:
                return
            database.execute("INSERT INTO result VALUES (?, ?)", (command.id, codec.encode(result)))
            for statement in _FORGET_OLDEST:
                database.execute(statement, (MAX_REMEMBERED,))

    def is_told(self, command: str) -> bool:
        """Whether no result of this command waits any more."""
        waits = self._connection.execute("SELECT 1 FROM result WHERE command = ?", (command,))
        return waits.fetchone() is None

    def untold(self) -> list[tuple[str, bytes]]:
        """Results that are not yet handed to the present connection, oldest first."""
        rows = self._connection.execute("SELECT command, body FROM result ORDER BY rowid")
        told = set(self._telling.values())
        return [(command, body) for command, body in rows if command not in told]

    def disconnected(self) -> None:
        """What the connection still held is gone with it: results without a receipt wait again."""
        self._telling.clear()

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What commands can have the gateway do.

    Attributes:
        replay: sends the fixes between two instants (ms) again; tells how many.
        set_rate: live fixes every so many seconds, for so many seconds.
        diagnose: what `collect-diagnostics` answers, as JSON values.
    """

    replay: Callable[[int, int], int]
    set_rate: Callable[[float, float], None]
    diagnose: Callable[[], dict[str, Any]]


class Commands:
    """Does what is asked, once.

    What only answers is done before it is written down, for doing it again changes nothing; what
    changes the pace is done after it; a reboot is promised before, and comes after the answer.
    """

    def __init__(self, log: CommandLog, abilities: Abilities, reboots: Reboots) -> None:
        self.log = log
        self._abilities = abilities
        self._reboots = reboots

    def take(self, command: Command, stamp: Stamp) -> bool:
        """Do a command unless it was taken before; its result waits to be told.

        Returns:
            Whether it is taken; False when it must be given again once the clock is trusted.

        Raises:
            sqlite3.Error, OSError: the medium takes nothing; give it again later.
        """
        if self.log.has(command.id):
            return True
        when = due(command, stamp)
        if when == "later":
            return False
        if when == "expired":
            self.log.finish(command, _answer(command, "expired", "came after its expiry"))
            return True
        try:
            wanted = read(command)
            result = self._prepare(command, wanted)
        except CommandError as error:
            self.log.finish(command, _answer(command, "refused", str(error)))
            return True
        self.log.finish(command, result)
        if isinstance(wanted, SetRate):
            self._abilities.set_rate(wanted.every_s, wanted.for_s)
        logger.info("command done", extra={"command": command.id, "does": command.name})
        return True

    def _prepare(self, command: Command, wanted: Asked) -> Result:
        match wanted:
            case Ping():
                return _answer(command, "done", "")
            case Replay():
                count = self._abilities.replay(*wanted.span_ms)
                return _answer(command, "done", f"{count} rows go again", {"rows": count})
            case SetRate():
                told = f"live every {wanted.every_s:g} s for {wanted.for_s:g} s"
                return _answer(command, "done", told)
            case Reboot():
                self._reboots.promise(command.id)
                return _answer(command, "done", "reboots once this is told")
            case CollectDiagnostics():
                return bounded(_answer(command, "done", "", self._abilities.diagnose()))


def _answer(
    command: Command, status: Any, detail: str, data: dict[str, Any] | None = None
) -> Result:
    return Result(
        command=command.id,
        status=status,
        detail=detail[:2000],
        data=msgspec.UNSET if data is None else data,
    )


def bounded(result: Result) -> Result:
    """``result`` with the largest parts of its data left out until it fits into a message."""
    data = {} if result.data is msgspec.UNSET else dict(result.data)
    left_out: list[str] = []
    while data and len(codec.encode(result)) > MAX_RESULT_BYTES:
        largest = max(data, key=lambda name: len(msgspec.json.encode(data[name])))
        del data[largest]
        left_out.append(largest)
        detail = f"left out as too long: {', '.join(left_out)}"
        result = msgspec.structs.replace(result, data=data, detail=detail[:2000])
    return result
