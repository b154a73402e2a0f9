"""Gathers the gateway's health from its parts, in the main thread, once a second."""

import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

import msgspec

from gateway.clock import Clock
from gateway.control.desk import Control
from gateway.enrolment.renewal import Renewal
from gateway.fixes.epochs import Epoch
from gateway.inbox import News, ReceiverChanged, ReceiverStatus, Taken
from gateway.operation import belonging, computer
from gateway.operation.health import (
    Beat,
    CertificateHealth,
    ClockHealth,
    ControlHealth,
    FixHealth,
    Health,
    LinkHealth,
    ReceiverHealth,
    SealedHealth,
    SpoolHealth,
    Status,
)
from gateway.settings import Settings, WatchSettings
from gateway.uplink.lanes import Uplink
from gateway.uplink.link import Link
from wire import __version__

_LOOK_EVERY_S = 1.0
_SLOW_EVERY_S = 10.0
_NO_FIX_AFTER_S = 5.0


_STATUS: Final[Mapping[ReceiverStatus, Status]] = {
    "ok": "starting",
    "speaks": "no_fix",
    "silent": "silent",
    "unreadable": "unreadable",
    "lost": "lost",
}


class _Seen(msgspec.Struct):
    """What was last heard of one receiver."""

    status: Status = "starting"
    detail: str = ""
    at_s: float | None = None
    epoch: Epoch | None = None
    fix_at_s: float | None = None


class Vitals:
    """Hears what the service hears, and asks the parts for the rest.

    Args:
        settings: the van's own. clock, link, uplink, control, renewal: the parts.
        spool: tells what waits. inputs: why an input tells nothing, by its name.
        failed: how often each rule of the logbook has failed. now_s: of the monotonic clock.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        link: Link,
        uplink: Uplink,
        control: Control,
        renewal: Renewal,
        spool: Callable[[], SpoolHealth],
        inputs: Callable[[], Mapping[str, str]],
        failed: Callable[[], Mapping[str, int]],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._link = link
        self._uplink = uplink
        self._control = control
        self._renewal = renewal
        self._spool = spool
        self._inputs = inputs
        self._failed = failed
        self._power: tuple[Literal["weak", "throttled", "was_weak"], ...] = ()
        self._began_s = clock.monotonic_s()
        self._seen = {receiver.name: _Seen() for receiver in settings.receivers}
        self._connection: int | None = None
        self._connected_at_s = self._began_s
        self._slow_at_s = 0.0
        self._celsius: float | None = None
        self._sealed: tuple[SealedHealth, ...] = ()
        self.chosen: str | None = None
        self.boot = 0
        self.is_on_duty = True

    def hear(self, news: News, now_s: float) -> None:
        """What the service's inbox brought."""
        match news:
            case Taken(receiver=name, epoch=epoch, at_s=at_s):
                seen = self._seen.setdefault(name, _Seen())
                seen.at_s, seen.epoch, seen.status, seen.detail = at_s, epoch, "no_fix", ""
                if epoch.position is not None:
                    seen.fix_at_s, seen.status = at_s, "ok"
            case ReceiverChanged(receiver=name, status=status, detail=detail):
                seen = self._seen.setdefault(name, _Seen())
                seen.status, seen.detail = _STATUS[status], detail
            case _:
                return

    @property
    def reception(self) -> Literal["no_fix", "unreadable", "silent"]:
        """What keeps a van without a fix from one, of the receiver that is nearest to it."""
        known = {seen.status for seen in self._seen.values() if seen.status != "lost"}
        if known == {"silent"}:
            return "silent"
        return "unreadable" if known and known <= {"silent", "unreadable"} else "no_fix"

    @property
    def processor_celsius(self) -> float | None:
        """The board's temperature, no older than ten seconds."""
        self._look_slowly()
        return self._celsius

    def _look_slowly(self) -> None:
        """Renew what is not worth a look each second."""
        now_s = self._clock.monotonic_s()
        if now_s < self._slow_at_s:
            return
        self._slow_at_s = now_s + _SLOW_EVERY_S
        self._celsius = computer.processor_celsius()
        self._power = computer.power() or ()
        self._sealed = belonging.sealed(self._settings.folder, self._later_ms())

    def _later_ms(self) -> int:
        """The later of both clocks, by which certificates are renewed."""
        return max(self._clock.now_ms(), round(time.time() * 1000))  # noqa: TID251 - as TLS sees it

    def health(self, now_s: float, stuck: tuple[str, ...] = ()) -> Health:
        """All of it, now."""
        return Health(
            tenant=self._settings.tenant,
            van=self._settings.van,
            version=__version__,
            python=platform.python_version(),
            boot=self.boot,
            pid=os.getpid(),
            up_s=round(now_s - self._began_s, 1),
            receivers=tuple(self._receiver(name, seen, now_s) for name, seen in self._seen.items()),
            chosen=self.chosen,
            fix=self._fix(now_s),
            is_on_duty=self.is_on_duty,
            spool=self._spool(),
            link=self._link_health(now_s),
            clock=self._clock_health(),
            control=self._control_health(),
            certificate=self._certificate(),
            processor_celsius=self.processor_celsius,
            power=self._power,
            inputs=dict(self._inputs()),
            failed=dict(self._failed()),
            sealed=self._sealed,
            resident_bytes=computer.resident_bytes(),
            stuck=stuck,
        )

    def _certificate(self) -> CertificateHealth | None:
        held = self._renewal.held
        if held is None:
            return None
        return belonging.certificate(held, self._later_ms(), self._renewal.problem)

    def _receiver(self, name: str, seen: _Seen, now_s: float) -> ReceiverHealth:
        status = seen.status
        if status == "ok" and now_s > (seen.fix_at_s or 0.0) + _NO_FIX_AFTER_S:
            status = "no_fix"
        age_s = None if seen.at_s is None else round(now_s - seen.at_s, 1)
        return ReceiverHealth(name=name, status=status, detail=seen.detail, age_s=age_s)

    def _fix(self, now_s: float) -> FixHealth | None:
        seen = self._seen.get(self.chosen or next(iter(self._seen)))
        if seen is None or seen.epoch is None or seen.at_s is None:
            return None
        epoch = seen.epoch
        return FixHealth(
            age_s=round(now_s - seen.at_s, 1),
            mode=epoch.mode,
            satellites=epoch.satellites,
            hdop=epoch.hdop,
            jamming=epoch.jamming,
            spoofing=epoch.spoofing,
            antenna=epoch.antenna,
        )

    def _link_health(self, now_s: float) -> LinkHealth:
        now = self._link.connection
        if now != self._connection:
            self._connection, self._connected_at_s = now, now_s
        used = self._link.traffic()
        return LinkHealth(
            broker=self._link.place,
            is_connected=now is not None,
            since_s=round(now_s - self._connected_at_s, 1),
            sent_bytes=used.sent_bytes,
            heard_bytes=used.heard_bytes,
            in_flight=self._uplink.in_flight,
            problem=self._link.problem,
        )

    def _clock_health(self) -> ClockHealth:
        off_ms = round(time.time() * 1000) - self._clock.now_ms()  # noqa: TID251 - it is compared
        return ClockHealth(quality=self._clock.quality, system_off_ms=off_ms)

    def _control_health(self) -> ControlHealth:
        desired, route = self._control.desired, self._control.route.current
        return ControlHealth(
            settings=desired.version,
            is_on_trial=desired.standing.trial is not None,
            refused=desired.refused,
            route=None if route is None else route.route,
            route_revision=None if route is None else route.revision,
            stops=0 if route is None else len(route.stops),
            held=self._control.held,
            untold=self._control.untold,
        )


def beats(
    limits: WatchSettings,
    readers: Mapping[str, float],
    link_at_s: float,
    commit_due_s: float,
    now_s: float,
) -> Iterable[Beat]:
    """The heartbeats of all parts but the main thread.

    Args:
        limits: how long each may take.
        readers: when each reader last went round.
        link_at_s: when the connection's thread did.
        commit_due_s: when the spool's next commit is due.
        now_s: of the same clock.
    """
    for name, at_s in readers.items():
        yield Beat(f"reader {name}", at_s, limits.reader_s)
    yield Beat("link", link_at_s, limits.link_s)
    yield Beat("spool", min(commit_due_s, now_s), limits.spool_s)
