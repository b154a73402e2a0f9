"""The units and drop-ins, each asked about with systemd's own tool."""

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.firmware.tools import UNITS, ask, tool

OURS = sorted(path.name for path in UNITS.glob("roundsman-*"))
SERVICES = [name for name in OURS if name.endswith(".service")]
DROPINS = sorted(path.parent.name for path in UNITS.glob("*.d/roundsman.conf"))
PACKAGES = {
    "chrony.service": "chrony",
    "gpsd.service": "gpsd",
    "gpsd.socket": "gpsd",
    "systemd-logind.service": "systemd",
}
DEBIANS = Path("/usr/lib/systemd/system")


def a_folder_of_our_units(folder: Path) -> Path:
    """Our units with a program that exists here, as the tool looks for it."""
    for name in OURS:
        text = (UNITS / name).read_text()
        (folder / name).write_text(re.sub("/opt/[a-z-]+/bin/roundsman ", "/bin/true ", text))
    return folder


def faults(folder: Path, unit: str) -> list[str]:
    told = ask(
        tool("systemd-analyze", "systemd"),
        "verify",
        "--man=no",
        unit,
        SYSTEMD_UNIT_PATH=f"{folder}:",
    )
    ours = [line for line in told.stdout.splitlines() if "roundsman" in line or unit in line]
    return ours if ours or told.returncode == 0 else [told.stdout]


@pytest.mark.parametrize("unit", OURS)
def test_systemd_finds_no_fault_in_the_unit(unit: str, tmp_path: Path) -> None:
    assert faults(a_folder_of_our_units(tmp_path), unit) == []


def test_the_tool_would_tell_a_fault(tmp_path: Path) -> None:
    folder = a_folder_of_our_units(tmp_path)
    unit = folder / "roundsman-gateway.service"
    unit.write_text(unit.read_text().replace("WatchdogSec=60", "WatchdogSec=soon"))
    assert faults(folder, unit.name) != []


@pytest.mark.parametrize("unit", SERVICES)
def test_the_unit_is_exposed_by_two_at_most(unit: str) -> None:
    told = ask(
        tool("systemd-analyze", "systemd"), "security", "--offline=true", "--no-pager", UNITS / unit
    ).stdout
    exposure = re.search(r"exposure level for \S+: ([0-9.]+)", told)
    assert exposure is not None, told
    assert float(exposure[1]) <= 2.0


@pytest.mark.parametrize("dropin", DROPINS)
def test_the_drop_in_fits_the_unit_that_debian_brings(dropin: str, tmp_path: Path) -> None:
    unit = dropin.removesuffix(".d")
    if not (DEBIANS / unit).exists():
        pytest.skip(f"SKIPPED: {unit} (Debian package {PACKAGES[unit]}) is not installed")
    for name in PACKAGES:
        if (DEBIANS / name).exists():
            shutil.copy(DEBIANS / name, tmp_path / name)
    shutil.copytree(UNITS / dropin, tmp_path / dropin)
    assert faults(tmp_path, unit) == []


def test_a_bad_configuration_is_not_tried_again() -> None:
    for name in ("roundsman-gateway.service", "roundsman-cloud.service"):
        assert "RestartPreventExitStatus=78\n" in (UNITS / name).read_text()


def test_the_request_to_restart_is_the_same_file_for_who_waits_and_who_takes_it() -> None:
    waits = re.findall(
        r"^PathExists=(.+)$", (UNITS / "roundsman-reboot.path").read_text(), re.MULTILINE
    )
    takes = re.findall(
        r"^ExecStart=\S+ (.+)$", (UNITS / "roundsman-reboot.service").read_text(), re.MULTILINE
    )
    makes = re.findall(r"^RuntimeDirectory=(.+)$", (UNITS / OURS[1]).read_text(), re.MULTILINE)
    assert waits == takes == [f"/run/{makes[0]}/reboot-requested"]


def test_a_dead_data_partition_keeps_neither_gateway_nor_clock_nor_login_from_starting() -> None:
    # StateDirectory= and ConfigurationDirectory= require their mounts too (systemd.exec(5)).
    gateway = (UNITS / "roundsman-gateway.service").read_text()
    clock = (UNITS / "chrony.service.d" / "roundsman.conf").read_text()
    for text in (gateway, clock):
        requires = re.findall(
            r"^((?:RequiresMountsFor|StateDirectory|ConfigurationDirectory)=.+)$",
            text,
            re.MULTILINE,
        )
        assert requires == []
        assert re.search(r"^After=.*\blocal-fs\.target\b", text, re.MULTILINE)
    login = (UNITS / "systemd-logind.service.d" / "roundsman.conf").read_text()
    assert "\nStateDirectory=\n" in clock
    assert "\nStateDirectory=\n" in login
    assert "\nReadWritePaths=-/var/lib/roundsman\n" in gateway


def test_the_cloud_and_a_gateway_beside_it_share_neither_program_nor_user(tmp_path: Path) -> None:
    units = [(UNITS / f"roundsman-{name}.service").read_text() for name in ("cloud", "gateway")]
    for key in ("ExecStart=(\\S+)", "User=(.+)", "Group=(.+)"):
        told = [re.findall(f"^{key}$", re.sub(" .*", "", unit), re.MULTILINE) for unit in units]
        assert all(told)
        assert told[0] != told[1]
    file = UNITS / "sysusers.d" / "roundsman-cloud.conf"
    assert "u roundsman-cloud " in file.read_text()
    assert "User=roundsman-cloud\n" in units[0]
    if os.geteuid() != 0:
        pytest.skip("SKIPPED: to make the user needs the rights of root")
    (tmp_path / "etc").mkdir()
    made = ask(tool("systemd-sysusers", "systemd"), f"--root={tmp_path}", file)
    assert made.returncode == 0, made.stdout
    assert "roundsman-cloud:" in (tmp_path / "etc" / "passwd").read_text()
