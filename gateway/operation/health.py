"""Pure: how the gateway does, as ``status`` shows it, and whether every part still turns."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

from wire.events import Antenna, Jamming, Spoofing
from wire.values import ClockQuality

type Status = Literal["ok", "no_fix", "silent", "unreadable", "lost", "starting"]


class ReceiverHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One receiver.

    Attributes:
        status: ``starting`` is open or not yet, and nothing was heard. ``no_fix`` speaks without a
            position, ``silent`` is open without a byte, ``unreadable`` brings what is no sentence.
        detail: why it is lost, or what to look at. age_s: how old its last epoch is.
    """

    name: str
    status: Status
    detail: str = ""
    age_s: float | None = None


class FixHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What the last epoch said; never where."""

    age_s: float
    mode: int
    satellites: int | None = None
    hdop: float | None = None
    jamming: Jamming = "unknown"
    spoofing: Spoofing = "unknown"
    antenna: Antenna = "unknown"


class SpoolHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for the cloud, and the medium it waits on."""

    fixes: int = 0
    events: int = 0
    used_bytes: int = 0
    max_bytes: int = 0
    free_bytes: int | None = None
    condition: Literal["ok", "degraded"] = "ok"


class LinkHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The connection to the broker; ``problem`` says why there is none."""

    broker: str
    is_connected: bool = False
    since_s: float | None = None
    sent_bytes: int = 0
    heard_bytes: int = 0
    in_flight: int = 0
    problem: str | None = None


class ClockHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How far the time is trusted, and how far the system's clock is from it."""

    quality: ClockQuality = "none"
    system_off_ms: int = 0


class CertificateHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The certificate by which the broker knows the van.

    Attributes:
        left_s: until it expires; negative when it has. renews_in_s: until the next is asked for.
        problem: why there is no next one though it is time. remedy: what to do about that.
    """

    serial: str
    left_s: float
    renews_in_s: float
    problem: str | None = None
    remedy: str = ""


class SealedHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What the box recorded for an earlier van and has not handed in.

    Attributes:
        has_certificate: whether there is one, in force by its date, to hand it in with.
        is_given_up: the owner has given it up; the present van tells of it.
        problem: why it cannot be read.
    """

    tenant: str
    van: str
    fixes: int = 0
    events: int = 0
    has_certificate: bool = False
    is_given_up: bool = False
    problem: str | None = None


class ControlHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What the cloud has asked for.

    Attributes:
        settings: version in force. is_on_trial: they wait for an answer to prove themselves.
        refused: version refused or rolled back, and why.
        held: messages that cannot be taken yet. untold: results that wait to be told.
    """

    settings: int = 0
    is_on_trial: bool = False
    refused: tuple[int, str] | None = None
    route: str | None = None
    route_revision: int | None = None
    stops: int = 0
    held: int = 0
    untold: int = 0


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, at one moment of a running gateway.

    Attributes:
        up_s: since its start. turned_s: since its main thread last went round; told when asked.
        stuck: parts that do not turn any more.
        power: what the board says of its supply and its pace, as `computer.power`.
        inputs: why an optional input tells nothing now, by its name.
        failed: how often each rule of the logbook has failed.
    """

    tenant: str
    van: str
    version: str
    python: str
    boot: int
    pid: int
    up_s: float
    receivers: tuple[ReceiverHealth, ...]
    chosen: str | None = None
    fix: FixHealth | None = None
    is_on_duty: bool = True
    spool: SpoolHealth
    link: LinkHealth
    clock: ClockHealth
    control: ControlHealth
    certificate: CertificateHealth | None = None
    sealed: tuple[SealedHealth, ...] = ()
    processor_celsius: float | None = None
    power: tuple[Literal["weak", "throttled", "was_weak"], ...] = ()
    inputs: dict[str, str] = {}
    failed: dict[str, int] = {}
    resident_bytes: int | None = None
    stuck: tuple[str, ...] = ()
    turned_s: float = 0.0


class Beat(NamedTuple):
    """A part went round at ``at_s`` and does so again ``within_s``, or it is stuck."""

    part: str
    at_s: float
    within_s: float


def stuck(beats: Iterable[Beat], now_s: float) -> tuple[str, ...]:
    """The parts that have not gone round in time. One that is offline but tries is not stuck."""
    return tuple(beat.part for beat in beats if now_s > beat.at_s + beat.within_s)


def in_one_line(health: Health) -> str:
    """For the service's manager, and for a quick look."""
    fix = health.fix
    reception = "no fix"
    if fix is not None and fix.age_s < 5 and fix.mode > 1:
        reception = (
            f"{fix.mode}D"
            if fix.satellites is None
            else f"{fix.mode}D, {fix.satellites} satellites"
        )
    parts = [
        f"stuck: {', '.join(health.stuck)}" if health.stuck else "",
        f"{health.chosen or 'no receiver'}: {reception}",
        "connected" if health.link.is_connected else "offline",
        f"{health.spool.fixes} fixes and {health.spool.events} events wait",
        "spool degraded" if health.spool.condition != "ok" else "",
    ]
    return "; ".join(part for part in parts if part)
