"""What keeps a running gateway in order: what the cloud asks for, its health, its watchdog."""

import faulthandler
import logging
import os
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.clock import Clock
from gateway.control.commands import Abilities, CommandLog, Commands
from gateway.control.desired import DesiredSettings, applied
from gateway.control.desk import KINDS, Control, Effects
from gateway.control.reboot import Reboots, boot_id
from gateway.control.route import ROUTE_FILE, RouteFile
from gateway.enrolment.renewal import Renewal
from gateway.inbox import Delivered, Heard, News
from gateway.log import RecentLines
from gateway.operation import diagnostics, vitals
from gateway.operation.health import SpoolHealth, in_one_line
from gateway.operation.notify import Notifier
from gateway.operation.status_socket import StatusSocket
from gateway.operation.vitals import Vitals
from gateway.operation.watch import Watch
from gateway.settings import Settings
from gateway.uplink.lanes import Uplink
from gateway.uplink.link import Link
from wire.desired import DesiredValues
from wire.messages import Route

_LOOK_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What operation needs of the service.

    Attributes:
        connection: of the spool. spool: what waits in it.
        inputs: why an input tells nothing. failed: how often each rule of the logbook has.
        replay: sends the fixes between two instants (ms) again; tells how many.
        use: other values are desired. follow: another route is in force.
        turned: when each reader last went round.
    """

    connection: Any
    spool: Callable[[], SpoolHealth]
    inputs: Callable[[], Mapping[str, str]]
    failed: Callable[[], Mapping[str, int]]
    replay: Callable[[int, int], int]
    use: Callable[[DesiredValues], None]
    follow: Callable[[Route], None]
    turned: Callable[[], Mapping[str, float]]


class Operation:
    """Joins control, vitals and watchdog, and holds the live lane's pace for whoever watches.

    Args:
        settings: the van's own. desired: what the cloud desires.
        link, uplink, clock, renewal: the service's parts. ports: what it does for us.
    """

    def __init__(
        self,
        settings: Settings,
        desired: DesiredSettings,
        *,
        link: Link,
        uplink: Uplink,
        clock: Clock,
        renewal: Renewal,
        ports: Ports,
    ) -> None:
        self._settings = settings
        self._link = link
        self._uplink = uplink
        self._clock = clock
        self._ports = ports
        self._lines = RecentLines(diagnostics.LINES)
        self._rate: tuple[float, float] | None = None
        runtime = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
        reboots = Reboots(
            settings.folder / "reboot.json",
            Path(runtime) if runtime else None,
            boot_id(),
            clock.monotonic_s(),
        )
        abilities = Abilities(replay=ports.replay, set_rate=self._set_rate, diagnose=self._diagnose)
        self.control = Control(
            desired=desired,
            commands=Commands(CommandLog(ports.connection), abilities, reboots),
            route=RouteFile(settings.folder / ROUTE_FILE),
            reboots=reboots,
            link=link,
            clock=clock,
            effects=Effects(use=self._use, follow=ports.follow),
        )
        self.vitals = Vitals(
            settings,
            clock=clock,
            link=link,
            uplink=uplink,
            control=self.control,
            renewal=renewal,
            spool=ports.spool,
            inputs=ports.inputs,
            failed=ports.failed,
        )
        self._notifier = Notifier()
        self._watch = Watch(self._notifier)
        self._looked_at_s = clock.monotonic_s()
        self._health = self.vitals.health(self._looked_at_s)
        self._socket = StatusSocket(settings.folder, self._tell_status)

    def start(self, boot: int) -> None:
        """The gateway works: tell the manager, and answer whoever asks."""
        logging.getLogger().addHandler(self._lines)
        faulthandler.enable()  # the watchdog's SIGABRT has Python tell where each thread stood
        self.vitals.boot = boot
        self._health = self.vitals.health(self._clock.monotonic_s())
        self._socket.start()
        self._notifier.tell("READY=1", "STATUS=started")

    def stop(self) -> None:
        """The gateway begins to stop."""
        self._notifier.tell("STOPPING=1", "STATUS=stopping")
        self._notifier.close()
        self._socket.stop()
        logging.getLogger().removeHandler(self._lines)

    def hear(self, news: News, now_s: float) -> None:
        """What the inbox brought.

        Raises:
            sqlite3.Error: the medium takes nothing; what was asked for is tried again.
        """
        self.vitals.hear(news, now_s)
        match news:
            case Delivered(mid=mid):
                self.control.delivered(mid)
            case Heard(kind="ack"):
                self.control.cloud_answered(news)
            case Heard(kind=kind) if kind in KINDS:
                self.control.hear(news)
            case Heard():
                self._link.acknowledge(news)
            case _:
                return

    def step(self, now_s: float) -> None:
        """What time brings.

        Raises:
            sqlite3.Error: the spool cannot be read.
        """
        if self._rate is not None and now_s >= self._rate[1]:
            self._rate = None
            self._set_pace()
        self.control.step(now_s)

    def look(self, now_s: float, commit_due_s: float) -> None:
        """Renew the health and feed the watchdog; called at each turn, whatever fails.

        Args:
            now_s: of the monotonic clock.
            commit_due_s: when the spool's next commit is due.
        """
        if now_s < self._looked_at_s + _LOOK_EVERY_S:
            return
        try:
            self._health = self.vitals.health(now_s, self._watch.stuck)
        except sqlite3.Error as error:
            logging.getLogger(__name__).warning("no health", extra={"problem": str(error)})
        self._looked_at_s = now_s
        beats = vitals.beats(
            self._settings.watch,
            self._ports.turned(),
            self._link.turned_at_s,
            commit_due_s,
            now_s,
        )
        self._watch.look(now_s, beats, in_one_line(self._health))

    def _tell_status(self) -> bytes:
        turned_s = round(self._clock.monotonic_s() - self._looked_at_s, 1)
        return msgspec.json.encode(msgspec.structs.replace(self._health, turned_s=turned_s))

    def _diagnose(self) -> dict[str, Any]:
        health = self.vitals.health(self._clock.monotonic_s(), self._watch.stuck)
        return diagnostics.collect(self._settings, health, self._lines.lines())

    def _use(self, values: DesiredValues) -> None:
        now = applied(self._settings, values)
        self._set_pace()
        self._ports.use(values)
        self._link.move(now.broker.host, now.broker.port)

    def _set_rate(self, live_every_s: float, for_s: float) -> None:
        self._rate = live_every_s, self._clock.monotonic_s() + for_s
        self._set_pace()

    def _set_pace(self) -> None:
        pace = applied(self._settings, self.control.desired.values).uplink
        if self._rate is not None:
            pace = msgspec.structs.replace(pace, live_every_s=self._rate[0], is_metered=False)
        self._uplink.pace(pace)
