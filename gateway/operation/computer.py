"""What the computer under the gateway says of itself; each is None where it does not tell."""

import os
from pathlib import Path
from typing import Final

_ZONES: Final = Path("/sys/class/thermal")


def processor_celsius(zones: Path = _ZONES) -> float | None:
    """The hottest of the thermal zones."""
    told = [_number(zone / "temp") for zone in sorted(zones.glob("thermal_zone*"))]
    known = [value / 1000 for value in told if value is not None]
    return round(max(known), 1) if known else None


def free_bytes(folder: Path) -> int | None:
    """What a program without rights may still write where ``folder`` is."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


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


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
