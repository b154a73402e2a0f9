"""UBX frames as u-blox receivers send them, built from pyubx2's definitions."""

from typing import Any

import pyubx2


def frame(group: str, name: str, **fields: Any) -> bytes:
    made: bytes = pyubx2.UBXMessage(group, name, pyubx2.GET, **fields).serialize()
    return made


def mon_rf(*blocks: tuple[int, int]) -> bytes:
    """Of each radio path (jammingState, antStatus)."""
    fields: dict[str, int] = {"version": 0, "nBlocks": len(blocks)}
    for index, (jamming, antenna) in enumerate(blocks, 1):
        fields |= {f"jammingState_{index:02}": jamming, f"antStatus_{index:02}": antenna}
    return frame("MON", "MON-RF", **fields)


def mon_hw(jamming: int, antenna: int) -> bytes:
    return frame("MON", "MON-HW", jammingState=jamming, aStatus=antenna)


def nav_status(spoofing: int) -> bytes:
    return frame("NAV", "NAV-STATUS", spoofDetState=spoofing, gpsFix=3)


def sec_sig(version: int, jamming: int, spoofing: int) -> bytes:
    return frame(
        "SEC", "SEC-SIG", version=version, jammingState=jamming, spoofingState=spoofing,
        jamDetEnabled=1, spfDetEnabled=1,
    )  # fmt: skip
