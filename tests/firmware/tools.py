"""The tools that will read the files in a van, asked here about the same files."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "systemd"
CONFIG = ROOT / "firmware_config"
PROVISION = CONFIG / "provision"
UPDATE = CONFIG / "update"
SCRIPTS = [
    ROOT / "run",
    ROOT / "tests" / "check.sh",
    PROVISION,
    UPDATE,
    *(CONFIG / "deb" / name for name in ("build", "postinst", "prerm", "postrm")),
]

_SEARCH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def tool(name: str, package: str) -> str:
    """The program, or the test that asks for it is skipped by name."""
    found = shutil.which(name, path=_SEARCH)
    if found is None:
        pytest.skip(f"SKIPPED: {name} (Debian package {package}) is not installed")
    return found


def ask(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the tool answers, with both of its outputs as one."""
    return subprocess.run(
        [str(part) for part in command],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
        timeout=150,
    )
