"""What the computer under the gateway says of itself; each is None where it does not tell."""

import os
from pathlib import Path
from typing import Final, Literal

_ZONES: Final = Path("/sys/class/thermal")
_THROTTLED: Final = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
_MONITORS: Final = Path("/sys/class/hwmon")
_WEAK_NOW, _WEAK_ONCE, _THROTTLED_NOW = 1, 1 << 16, 1 << 1 | 1 << 2
"""Bits of the firmware: under-voltage now and since the start; the frequency capped or throttled
now (Raspberry Pi documentation, vcgencmd get_throttled)."""


def processor_celsius(zones: Path = _ZONES) -> float | None:
    """The hottest of the thermal zones."""
    told = [_number(zone / "temp") for zone in sorted(zones.glob("thermal_zone*"))]
    known = [value / 1000 for value in told if value is not None]
    return round(max(known), 1) if known else None


def power(
    firmware: Path = _THROTTLED, monitors: Path = _MONITORS
) -> tuple[Literal["weak", "throttled", "was_weak"], ...] | None:
    """What a Raspberry Pi says of its supply and its pace; None where nothing tells.

    ``was_weak`` is of any time since the start, and left out while it is weak now.
    """
    bits = _number(firmware, 16)
    alarms = [
        _number(folder / "in0_lcrit_alarm")
        for folder in monitors.glob("hwmon*")
        if _word(folder / "name") == "rpi_volt"
    ]
    if bits is None and not any(alarm is not None for alarm in alarms):
        return None
    bits = bits or 0
    is_weak = bool(bits & _WEAK_NOW) or any(alarms)
    found: list[Literal["weak", "throttled", "was_weak"]] = []
    if is_weak:
        found.append("weak")
    elif bits & _WEAK_ONCE:
        found.append("was_weak")
    if bits & _THROTTLED_NOW:
        found.append("throttled")
    return tuple(found)


def free_bytes(folder: Path) -> int | None:
    """What a program without rights may still write where ``folder`` is."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def is_read_only(folder: Path) -> bool | None:
    """Whether the file system where ``folder`` is takes no writes from anybody."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return None


def resident_bytes() -> int | None:
    """Memory of this process."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def model() -> str | None:
    """Which computer it is, as its device tree says."""
    try:
        told = Path("/proc/device-tree/model").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return told.rstrip("\0\n")


def up_s() -> float | None:
    """Seconds since the computer started."""
    try:
        return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _word(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _number(path: Path, base: int = 10) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"), base)
    except (OSError, ValueError):
        return None
