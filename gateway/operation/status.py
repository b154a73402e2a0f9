"""``gateway status``: one screen of how the gateway does, asked of it, or read from its disk."""

import time
from typing import Final

import msgspec

from gateway.control.desired import DESIRED_FILE, Standing
from gateway.control.kept import peek
from gateway.control.route import ROUTE_FILE
from gateway.operation import belonging
from gateway.operation.belonging import Finding
from gateway.operation.figures import size, span
from gateway.operation.health import CertificateHealth, Health, SealedHealth
from gateway.operation.left_behind import LeftBehind, look
from gateway.operation.status_socket import ask
from gateway.settings import Settings
from gateway.stamp import PROVED
from wire.messages import Route

RUNS: Final = 0
RUNS_NOT: Final = 3
"""Exit codes, as for an init script (LSB 3.1)."""

POWER: Final = {
    "weak": "too little voltage now",
    "was_weak": "too little voltage since the start",
    "throttled": "slowed down",
}
_WIDTH: Final = 11
_MARKS: Final = {"good": "●", "warning": "▲", "bad": "✗", "plain": " "}


class Line(msgspec.Struct, frozen=True):
    """One line of the screen; ``mark`` is a key of the marks."""

    mark: str
    name: str
    text: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown; exactly one of ``running`` and ``left`` is told, and the rest with ``left``.

    Attributes:
        running: the health of the gateway that works. left: what one that does not has left.
    """

    running: Health | None = None
    left: LeftBehind | None = None
    settings: int = 0
    route: str | None = None
    route_revision: int | None = None
    certificate: CertificateHealth | None = None
    sealed: tuple[SealedHealth, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 when it runs, 3 when it does not."""
        return RUNS if self.running is not None else RUNS_NOT


def report(settings: Settings) -> Report:
    """How the gateway of ``settings`` does. Nothing is disturbed or written by looking."""
    answer = ask(settings.folder)
    try:
        running = None if not answer else msgspec.json.decode(answer, type=Health)
    except msgspec.DecodeError:  # another version answers, and is about to be restarted
        running = None
    if running is not None:
        return Report(running=running)
    now_ms = round(time.time() * 1000)  # noqa: TID251 - as certificates are judged
    standing = peek(settings.folder / DESIRED_FILE, Standing) or Standing()
    route = peek(settings.folder / ROUTE_FILE, Route)
    return Report(
        left=look(settings.spool_file),
        settings=standing.settings if standing.trial is None else standing.trial.settings,
        route=None if route is None else route.route,
        route_revision=None if route is None else route.revision,
        certificate=belonging.certificate_on_disk(settings.folder, now_ms),
        sealed=belonging.sealed(settings.folder, now_ms),
    )


def lines(settings: Settings, told: Report) -> list[Line]:
    """The screen, line by line."""
    if told.running is not None:
        return _running(told.running)
    left = told.left or LeftBehind()
    spool = (
        Line("bad", "spool", left.problem)
        if left.problem is not None
        else Line("plain", "spool", f"{_waiting(left.fixes, left.events)}, {size(left.bytes)}")
    )
    return [
        Line("plain", "van", f"{settings.van} of {settings.tenant}"),
        Line("bad", "running", "no; start it: systemctl start roundsman-gateway"),
        spool,
        Line("plain", "starts", str(left.boot)),
        Line("plain", "settings", _version(told.settings)),
        Line("plain", "route", _route(told.route, told.route_revision)),
        *_belonging(told.certificate, told.sealed, is_connected=False),
    ]


def _running(health: Health) -> list[Line]:
    is_stuck = bool(health.stuck) or health.turned_s > 10
    turned = f", but has not turned for {span(health.turned_s)}" if health.turned_s > 10 else ""
    stuck = f", stuck: {', '.join(health.stuck)}" if health.stuck else ""
    return [
        Line("plain", "van", f"{health.van} of {health.tenant}"),
        Line(
            "bad" if is_stuck else "good",
            "running",
            f"for {span(health.up_s)}, start {health.boot}, pid {health.pid}{turned}{stuck}",
        ),
        *_receivers(health),
        _fix(health),
        _spool(health),
        _link(health),
        *_belonging(health.certificate, health.sealed, is_connected=health.link.is_connected),
        _clock(health),
        _settings(health),
        Line(
            "plain",
            "route",
            _route(health.control.route, health.control.route_revision, health.control.stops),
        ),
        Line("plain" if not health.control.held else "warning", "commands", _commands(health)),
        Line(
            "warning" if (health.processor_celsius or 0) >= 80 else "plain",
            "computer",
            _computer(health),
        ),
        *_troubles(health),
    ]


def _troubles(health: Health) -> list[Line]:
    """What is only told while something is wrong, a line each kind."""
    found = []
    if health.power:
        text = ", ".join(POWER[one] for one in health.power)
        found.append(Line("warning", "power", text))
    if health.inputs:
        (name, why), *others = sorted(health.inputs.items())
        more = f", and {len(others)} more" if others else ""
        found.append(Line("warning", "inputs", f"{name}: {why}{more}"))
    if health.failed:
        text = ", ".join(f"{rule} {count} times" for rule, count in sorted(health.failed.items()))
        found.append(Line("bad", "rules", f"failed: {text}"))
    return found


def _belonging(
    certificate: CertificateHealth | None, sealed: tuple[SealedHealth, ...], *, is_connected: bool
) -> list[Line]:
    found = (
        []
        if certificate is None
        else [
            _found(
                "certificate", belonging.judged_certificate(certificate, is_connected=is_connected)
            )
        ]
    )
    return found + [_found("sealed", belonging.judged_sealed(one)) for one in sealed]


def _found(name: str, found: Finding) -> Line:
    return Line(found.verdict, name, found.told + (f"; {found.remedy}" if found.remedy else ""))


def _receivers(health: Health) -> list[Line]:
    marks = {"ok": "good", "no_fix": "warning", "starting": "warning"}
    words = {"no_fix": "no fix", "starting": "not heard yet"}
    return [
        Line(
            marks.get(one.status, "bad"),
            "receiver",
            f"{one.name}: {words.get(one.status, one.status)}"
            + (", chosen" if one.name == health.chosen and len(health.receivers) > 1 else "")
            + (f"; {one.detail}" if one.detail else ""),
        )
        for one in health.receivers
    ]


def _fix(health: Health) -> Line:
    fix = health.fix
    if fix is None:
        return Line("warning", "fix", "none yet")
    parts = ["no position" if fix.mode < 2 else f"{fix.mode}D"]
    if fix.satellites is not None:
        parts.append(f"{fix.satellites} satellites")
    if fix.hdop is not None:
        parts.append(f"hdop {fix.hdop:g}")
    parts.append(f"{span(fix.age_s)} ago")
    doubts = [
        f"{name} {value}"
        for name, value in (
            ("jamming", fix.jamming),
            ("spoofing", fix.spoofing),
            ("antenna", fix.antenna),
        )
        if value not in {"unknown", "ok", "none"}
    ]
    if not health.is_on_duty:
        parts.append("off duty: no position leaves the van")
    is_good = fix.mode >= 2 and fix.age_s < 5 and not doubts
    return Line("good" if is_good else "warning", "fix", ", ".join(parts + doubts))


def _spool(health: Health) -> Line:
    spool = health.spool
    free = "" if spool.free_bytes is None else f", {size(spool.free_bytes)} free"
    room = f"{size(spool.used_bytes)} of {size(spool.max_bytes)}{free}"
    degraded = "" if spool.condition == "ok" else ", DEGRADED: held in memory; check the medium"
    mark = "good" if spool.condition == "ok" else "bad"
    return Line(mark, "spool", f"{_waiting(spool.fixes, spool.events)}, {room}{degraded}")


def _link(health: Health) -> Line:
    link = health.link
    used = f"{size(link.sent_bytes)} sent, {size(link.heard_bytes)} heard"
    since = "" if link.since_s is None else f" for {span(link.since_s)}"
    problem = f"; {link.problem}" if link.problem else ""
    if not link.is_connected:
        return Line("bad", "link", f"{link.broker}: offline{since}, {used}{problem}")
    flight = f", {link.in_flight} in flight" if link.in_flight else ""
    mark = "warning" if link.problem else "good"
    return Line(mark, "link", f"{link.broker}: connected{since}, {used}{flight}{problem}")


def _clock(health: Health) -> Line:
    words = {
        "gnss": "set by fixes",
        "ntp": "set by time servers",
        "rtc": "not proved",
        "none": "wrong",
    }
    clock = health.clock
    off_s = clock.system_off_ms / 1000
    system = ""
    if abs(off_s) >= 1:
        system = f"; the system's is {span(abs(off_s))} {'ahead' if off_s > 0 else 'behind'}"
    is_good = clock.quality in PROVED
    return Line("good" if is_good else "warning", "clock", words[clock.quality] + system)


def _settings(health: Health) -> Line:
    control = health.control
    text = _version(control.settings)
    if control.is_on_trial:
        text += ", on trial until somebody answers"
    if control.refused is not None and control.refused[0] > control.settings:
        version, why = control.refused
        return Line("warning", "settings", f"{text}; version {version} is not: {why}")
    return Line("plain", "settings", text)


def _commands(health: Health) -> str:
    control = health.control
    if not control.untold and not control.held:
        return "none waits"
    return f"{control.untold} answers wait to be told, {control.held} messages to be taken"


def _computer(health: Health) -> str:
    parts = [f"roundsman {health.version}", f"Python {health.python}"]
    if health.resident_bytes is not None:
        parts.append(f"{size(health.resident_bytes)} of memory")
    if health.processor_celsius is not None:
        parts.append(f"{health.processor_celsius:g} °C")
    return ", ".join(parts)


def _version(settings: int) -> str:
    return f"version {settings} in force" if settings else "the van's own file"


def _route(route: str | None, revision: int | None, stops: int | None = None) -> str:
    if route is None:
        return "none told"
    count = "" if stops is None else f", {stops} stops"
    return f"{route}, revision {revision}{count}"


def _waiting(fixes: int, events: int) -> str:
    return f"{fixes} fixes and {events} events wait"


def shown(screen: list[Line]) -> list[tuple[str, str]]:
    """Each line as (mark, text), for a terminal."""
    return [
        (line.mark, f"{_MARKS[line.mark]} {line.name:<{_WIDTH}} {line.text}") for line in screen
    ]
