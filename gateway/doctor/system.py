"""The computer below: its clock, its temperature, the service, and what provisioning has put."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.doctor import Check, bad, good, skipped, warning
from gateway.kernel_time import is_synchronised
from gateway.operation import computer
from gateway.operation.health import Health
from gateway.operation.status import POWER
from gateway.stamp import PROVED, RELEASED_MS

UNIT: Final = "roundsman-gateway"
_HOT_CELSIUS: Final = 80.0
_RULES: Final = "70-roundsman-receiver.rules"
_RULE_FOLDERS: Final = (Path("/etc/udev/rules.d"), Path("/usr/lib/udev/rules.d"))
_CMDLINES: Final = (Path("/boot/firmware/cmdline.txt"), Path("/boot/cmdline.txt"))


def clock(now_ms: float, running: Health | None) -> Check:
    """Whether the time is known."""
    if running is not None and running.clock.quality in PROVED:
        by = "fixes" if running.clock.quality == "gnss" else "time servers"
        return good("clock", f"the running gateway has its time from {by}")
    if is_synchronised():
        return good("clock", "kept right by time servers")
    if now_ms < RELEASED_MS:
        return warning(
            "clock", "before 2025: it was never set", "wait for a fix; certificates fail until then"
        )
    return warning("clock", "not proved by anybody", "wait for a fix, or let chrony reach a server")


def temperature() -> Check:
    """Whether the processor is too hot."""
    celsius = computer.processor_celsius()
    if celsius is None:
        return skipped("processor", "does not tell its temperature")
    if celsius >= _HOT_CELSIUS:
        return warning("processor", f"{celsius:g} °C: it slows down", "give the box air and shade")
    return good("processor", f"{celsius:g} °C")


def power() -> Check:
    """Whether the supply gives enough."""
    found = computer.power()
    if found is None:
        return skipped("power", "the board does not tell")
    if not found:
        return good("power", "enough voltage since the start")
    told = ", ".join(POWER[one] for one in found)
    remedy = "use a supply of 5.1 V and 3 A or more with short thick wires, and cool the board"
    return warning("power", told, remedy)


def parts(running: Health | None) -> Iterator[Check]:
    """What the running gateway says of its optional inputs and of its rules."""
    if running is None:
        return
    for name, why in sorted(running.inputs.items()):
        remedy = (
            "look at its wire and at dtoverlay=w1-gpio, correct its id, or remove it from [inputs]"
            if name.startswith("thermometer")
            else "free the line (gpioinfo tells who has it), correct it, or remove it from [inputs]"
        )
        yield warning("inputs", f"{name}: {why}", remedy)
    for rule, count in sorted(running.failed.items()):
        remedy = f"report it with the journal of {UNIT}; fixes are kept all the same"
        yield bad("rules", f"{rule} has failed {count} times", remedy)


def service(running: Health | None) -> Iterator[Check]:
    """Whether systemd keeps the gateway running, and watches it."""
    if running is not None and running.stuck:
        parts = ", ".join(running.stuck)
        yield bad("gateway", f"stuck: {parts}", f"systemctl restart {UNIT}, and keep its journal")
    told = _properties()
    if told is None or told.get("LoadState") != "loaded":
        where = "systemd does not answer here" if told is None else f"{UNIT} is not installed"
        yield skipped("service", where)
        return
    if told.get("ActiveState") != "active":
        yield bad("service", f"{UNIT} is {told.get('ActiveState')}", f"systemctl start {UNIT}")
    elif told.get("WatchdogUSec") in {None, "0", "infinity"}:
        yield warning("service", "no watchdog looks at it", "install the unit of this version")
    elif told.get("UnitFileState") != "enabled":
        yield warning("service", "it does not start by itself", f"systemctl enable {UNIT}")
    else:
        yield good("service", f"active, watched every {told['WatchdogUSec']}")


def _properties() -> dict[str, str] | None:
    program = shutil.which("systemctl")
    if program is None:
        return None
    wanted = "LoadState,ActiveState,UnitFileState,WatchdogUSec"
    try:
        asked = subprocess.run(  # noqa: S603 - found on the path, with arguments of ours
            [program, "show", UNIT, f"--property={wanted}"],
            capture_output=True,
            check=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return dict(line.split("=", 1) for line in asked.stdout.splitlines() if "=" in line)


def provisioned() -> Iterator[Check]:
    """On a board that could be a van's: what `provision` puts there."""
    model = computer.model()
    if model is None:
        yield skipped("board", "no Raspberry Pi, or it does not tell")
        return
    yield good("board", model)
    if not any((one / _RULES).exists() for one in _RULE_FOLDERS):
        yield warning("udev", f"{_RULES} is missing", "run provision")
    consoles = [path for path in _CMDLINES if path.exists() and _has_console(path)]
    if consoles:
        yield warning("uart", f"{consoles[0]}: a console is on the line", "run provision, reboot")
    if not Path("/dev/watchdog").exists():
        yield warning("watchdog", "/dev/watchdog is missing", "dtparam=watchdog=on; run provision")


def _has_console(path: Path) -> bool:
    words = path.read_text(encoding="utf-8", errors="replace").split()
    return any(
        word.startswith(("console=serial0", "console=ttyAMA", "console=ttyS")) for word in words
    )
