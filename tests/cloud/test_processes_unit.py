"""The cloud's systemd unit, checked by the tool that will read it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "systemd" / "roundsman-cloud.service"

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="SKIPPED: Debian package systemd (systemd-analyze) is not installed",
)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists here, as the tool looks for it."""
    copy = tmp_path / UNIT.name
    text = UNIT.read_text()
    assert "/opt/roundsman-cloud/bin/roundsman " in text
    copy.write_text(text.replace("/opt/roundsman-cloud/bin/roundsman ", f"{sys.executable} "))
    return copy


def test_systemd_finds_no_fault_in_the_unit(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, check=False, text=True
    )
    ours = [line for line in done.stderr.splitlines() if UNIT.stem in line]
    assert (done.returncode, ours) == (0, [])


def test_the_unit_is_exposed_by_two_at_most(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True,
        check=True,
        text=True,
    )
    told = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert told is not None, done.stdout
    assert float(told[1]) <= 2.0
