"""What the cloud asks of the van: settings, commands and the route, each taken or given again.

A message is acknowledged to the broker when it is taken. One that cannot be taken yet, because the
medium fails or the clock is not trusted, is held and tried again; the broker keeps it as well.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.clock import Clock
from gateway.control.commands import Commands
from gateway.control.desired import DesiredSettings
from gateway.control.reboot import Reboots
from gateway.control.route import RouteFile
from gateway.inbox import Heard
from gateway.uplink.link import Link
from wire import codec
from wire.desired import DesiredValues
from wire.messages import Command, Resume, Route

logger = logging.getLogger(__name__)

KINDS: Final = frozenset({"command", "desired", "route"})
MAX_HELD: Final = 16
"""Messages held until they can be taken; what comes beyond them waits at the broker."""
_TRY_EVERY_S: Final = 2.0
_NO_STREAM: Final = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What changes in the van. ``use``: other settings are in force. ``follow``: another route."""

    use: Callable[[DesiredValues], None]
    follow: Callable[[Route], None]


class Control:
    """Takes the messages below ``dn/`` but for acknowledgements.

    Args:
        desired, commands, route, reboots: what keeps each of them.
        link: where receipts and results go. clock: for the commands' expiry.
        effects: called when something has changed.
    """

    def __init__(
        self,
        *,
        desired: DesiredSettings,
        commands: Commands,
        route: RouteFile,
        reboots: Reboots,
        link: Link,
        clock: Clock,
        effects: Effects,
    ) -> None:
        self.desired = desired
        self.route = route
        self._commands = commands
        self._reboots = reboots
        self._link = link
        self._clock = clock
        self._effects = effects
        self._held: list[Heard] = []
        self._try_at_s = 0.0
        self._state_mid: int | None = None
        self._untold = 0

    @property
    def held(self) -> int:
        """How many messages wait to be taken."""
        return len(self._held)

    @property
    def untold(self) -> int:
        """How many results wait to be told, as far as the medium could tell."""
        with contextlib.suppress(sqlite3.Error):
            self._untold = len(self._commands.log.untold())
        return self._untold

    def hear(self, heard: Heard) -> None:
        """Take a message of one of `KINDS`, or hold it."""
        if self._take(heard):
            self._link.acknowledge(heard)
        else:
            self._hold(heard)
        self.tell_results()

    def cloud_answered(self, heard: Heard) -> None:
        """The cloud has acknowledged something: it can be reached with the settings in force."""
        if heard.connection is not None and heard.connection == self._link.connection:
            self.desired.answered("cloud")

    def state_told(self, mid: int) -> None:
        """The state that tells of the settings in force was handed over as message ``mid``."""
        self._state_mid = mid

    def delivered(self, mid: int) -> None:
        """The broker has message ``mid``.

        Raises:
            sqlite3.Error: the medium takes nothing; a result is told once more after a restart.
        """
        if mid == self._state_mid:
            self._state_mid = None
            self.desired.answered("broker")
        self._commands.log.told(mid)

    def connected(self) -> None:
        """There is a new connection: tell what waits, and ask for an answer if one is needed."""
        self._state_mid = None
        self._commands.log.disconnected()
        if self.desired.standing.trial is not None:
            self._link.publish("resume", codec.encode(Resume(streams=(_NO_STREAM,))))
        self.tell_results()

    def step(self, now_s: float) -> None:
        """What time brings: a trial that is over, held messages, a promised reboot.

        Raises:
            sqlite3.Error: the spool cannot be read.
        """
        if self.desired.step(now_s):
            self._effects.use(self.desired.values)
        if self._held and now_s >= self._try_at_s:
            self._try_at_s = now_s + _TRY_EVERY_S
            for heard in self._held[:]:
                if self._take(heard):
                    self._held.remove(heard)
                    self._link.acknowledge(heard)
            self.tell_results()
        self._reboots.step(now_s, self._commands.log.has, self._commands.log.is_told)

    def tell_results(self) -> None:
        """Hand the results that wait to the connection.

        Raises:
            sqlite3.Error: the spool cannot be read.
        """
        for command, body in self._commands.log.untold():
            mid = self._link.publish("result", body)
            if mid is None:
                return
            self._commands.log.telling(command, mid)

    def _take(self, heard: Heard) -> bool:
        try:
            match heard.kind:
                case "command":
                    command = codec.decode(heard.payload, Command)
                    return self._commands.take(command, self._clock.stamp())
                case "desired":
                    if self.desired.take(heard.payload, self._clock.monotonic_s()):
                        self._effects.use(self.desired.values)
                case _:
                    route = codec.decode(heard.payload, Route)
                    if self.route.take(route):
                        self._effects.follow(route)
        except codec.WireError as error:
            logger.warning(
                "a message was not readable", extra={"kind": heard.kind, "problem": str(error)}
            )
        except (OSError, sqlite3.Error) as error:
            logger.warning("not taken yet", extra={"kind": heard.kind, "problem": str(error)})
            return False
        return True

    def _hold(self, heard: Heard) -> None:
        # The same one comes again with each connection; of settings and route the newest counts.
        self._held = [
            one
            for one in self._held
            if one.payload != heard.payload and not one.kind == heard.kind != "command"
        ]
        if len(self._held) < MAX_HELD:
            self._held.append(heard)
        else:
            logger.warning("too many messages are held; the broker keeps this one")
