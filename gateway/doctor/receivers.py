"""Whether each receiver is there, who holds it, and what it says."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.doctor import Check, bad, good, warning
from gateway.errors import GatewayError, SettingsError
from gateway.fixes.epochs import Epoch
from gateway.operation.health import Health
from gateway.receivers import Receiver
from gateway.receivers.hearing import SILENT_AFTER_S, UNREADABLE_AFTER_S
from gateway.settings import ReceiverSettings, SerialSettings

LISTEN_S: Final = max(SILENT_AFTER_S, UNREADABLE_AFTER_S) + 1
"""Only one that says nothing is listened to for so long: its speed is looked for meanwhile."""


def receiver(
    chosen: ReceiverSettings, running: Health | None, make: Callable[[], Receiver]
) -> Check:
    """What a receiver says, to the running gateway or to us."""
    name = f"receiver {chosen.name}"
    if running is not None:
        return _as_told(name, chosen, running)
    if isinstance(chosen, SerialSettings):
        missing = _missing(name, Path(chosen.device))
        if missing is not None:
            return missing
    try:
        return _listen(name, make())
    except SettingsError as error:
        return bad(name, str(error), "give the path of the receiver's serial line")
    except GatewayError as error:
        return bad(name, str(error), "look at its plug, its power and the setting")


def _as_told(name: str, chosen: ReceiverSettings, running: Health) -> Check:
    told = next((one for one in running.receivers if one.name == chosen.name), None)
    if told is None:
        return warning(name, "the running gateway does not know it", "restart the gateway")
    if told.status == "ok":
        return good(name, "the running gateway gets fixes from it")
    if told.status == "no_fix":
        return warning(
            name, "it speaks, but has no position", "give its antenna a view of the sky, and wait"
        )
    if told.status == "starting":
        return warning(name, "not heard yet", "wait a moment and look again")
    if told.status != "lost":
        return bad(name, told.status, told.detail)
    return bad(name, told.detail, "look at its plug, its power and the setting")


def _missing(name: str, device: Path) -> Check | None:
    if not device.exists():
        return bad(name, f"{device} is not there", "plug it in; ls /dev/serial/by-id names them")
    holders = [f"{told} (pid {pid})" for pid, told in holders_of(device)]
    if holders:
        return bad(
            name, f"{device} is held by {', '.join(holders)}", "stop that, or use gpsd for both"
        )
    if not os.access(device, os.R_OK | os.W_OK):
        return bad(name, f"{device} may not be opened", "run with sudo; the service is in dialout")
    return None


def holders_of(device: Path) -> list[tuple[int, str]]:
    """Pid and name of each other process that has the device open, as far as we may see."""
    real, own = os.path.realpath(device), os.getpid()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_open = any(str(one.readlink()) == real for one in (process / "fd").iterdir())
            if is_open and int(process.name) != own:
                told = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                found.append((int(process.name), told))
        except OSError:
            continue
    return found


def _listen(name: str, source: Receiver) -> Check:
    epochs: list[Epoch] = []
    until_s = time.monotonic() + LISTEN_S
    source.open()
    try:
        while time.monotonic() < until_s and len(epochs) < 3:
            epochs += source.read()
    finally:
        source.close()
    status, remedy = source.hearing()
    if not epochs and status != "speaks":
        return bad(name, f"{status} for {LISTEN_S:.0f} s", remedy)
    last = epochs[-1] if epochs else None
    if last is None or last.position is None:
        return warning(
            name, "it speaks, but has no position", "give its antenna a view of the sky, and wait"
        )
    satellites = "" if last.satellites is None else f", {last.satellites} satellites"
    return good(name, f"{last.mode}D{satellites}")
