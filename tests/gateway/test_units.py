"""What is installed beside the gateway, each file checked by the tool that will read it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.rig import ROOT

UNIT = ROOT / "systemd" / "roundsman-gateway.service"
RULES = ROOT / "firmware_config" / "udev" / "70-roundsman-receiver.rules"
GPSD = ROOT / "firmware_config" / "gpsd" / "gpsd"

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="SKIPPED: Debian package systemd (systemd-analyze) is not installed",
)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists here, as the tool looks for it."""
    copy = tmp_path / UNIT.name
    text = UNIT.read_text()
    assert "/opt/roundsman/bin/roundsman " in text
    copy.write_text(text.replace("/opt/roundsman/bin/roundsman ", f"{sys.executable} "))
    return copy


@needs_systemd
def test_systemd_finds_no_fault_in_the_unit(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, check=False, text=True
    )
    ours = [line for line in done.stderr.splitlines() if UNIT.stem in line]
    assert (done.returncode, ours) == (0, [])


@needs_systemd
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


MATCHES = {"SUBSYSTEM", "ATTRS{idVendor}", "ATTRS{idProduct}"}
ASSIGNMENTS = {"SYMLINK", "GROUP", "MODE", "ENV{ID_MM_DEVICE_IGNORE}", "TAG"}


def test_each_udev_rule_matches_before_it_assigns() -> None:
    rules = [line for line in RULES.read_text().splitlines() if line and not line.startswith("#")]
    assert rules
    for rule in rules:
        tokens = [re.fullmatch(r'([^=+]+)(==|\+=|=)"([^"]+)"', part) for part in rule.split(", ")]
        assert all(tokens), rule
        told = {token[1]: token[2] for token in tokens if token}
        assert {key for key, operator in told.items() if operator == "=="} == MATCHES
        assert {key for key, operator in told.items() if operator != "=="} == ASSIGNMENTS


def verifies_rules() -> bool:
    """Whether there is an udevadm that can; from systemd 254 on."""
    if shutil.which("udevadm") is None:
        return False
    asked = subprocess.run(["udevadm", "verify", "--help"], capture_output=True, check=False)
    return asked.returncode == 0


def test_udev_finds_no_fault_in_the_rules() -> None:
    if not verifies_rules():
        pytest.skip("SKIPPED: udevadm verify (Debian package udev, from version 254 on)")
    subprocess.run(["udevadm", "verify", RULES], check=True)


def test_the_defaults_of_gpsd_are_shell_and_name_the_receiver_of_the_rules() -> None:
    told = subprocess.run(
        ["sh", "-eu", "-c", f'. {GPSD}; echo "$START_DAEMON $USBAUTO $DEVICES $GPSD_OPTIONS"'],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()
    assert told == ["true", "false", "/dev/roundsman-receiver", "-n"]
    assert 'SYMLINK+="roundsman-receiver"' in RULES.read_text()
