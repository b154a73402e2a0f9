"""What is put beside the gateway, each file checked by the program that will read it."""

import configparser
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import configuration
from gateway.settings import UplinkSettings
from tests.firmware.tools import CONFIG, SCRIPTS, ask, tool

RULES = sorted((CONFIG / "udev").glob("*.rules"))
CHRONY = sorted((CONFIG / "chrony").glob("*.conf"))
BOOT = sorted((CONFIG / "boot").glob("*.txt"))

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="SKIPPED: needs the rights of root")


# udev

MATCHES = {"SUBSYSTEM", "KERNEL", "ATTRS{idVendor}", "ATTRS{idProduct}"}
ASSIGNMENTS = {"SYMLINK", "OPTIONS", "GROUP", "MODE", "TAG"}
ASSIGNMENTS |= {"ENV{ID_MM_DEVICE_IGNORE}", "ENV{SYSTEMD_WANTS}"}
TOKEN = re.compile(r'([^=+]+)(==|\+=|=)"([^"]+)"')


def rules(file: Path) -> Iterator[dict[str, tuple[str, str]]]:
    for line in file.read_text().splitlines():
        if line and not line.startswith("#"):
            tokens = [TOKEN.fullmatch(part) for part in line.split(", ")]
            assert all(tokens), line
            yield {token[1]: (token[2], token[3]) for token in tokens if token}


@pytest.mark.parametrize("file", RULES, ids=lambda path: path.name)
def test_each_udev_rule_says_what_it_matches_and_what_it_gives(file: Path) -> None:
    told = list(rules(file))
    assert told
    for rule in told:
        matched = {key for key, (operator, _) in rule.items() if operator == "=="}
        assert "SUBSYSTEM" in matched
        assert len(matched) >= 2
        assert matched <= MATCHES
        assert rule.keys() - matched <= ASSIGNMENTS
        assert {"GROUP", "MODE"} <= rule.keys()


def test_every_receiver_has_the_one_name_and_no_modem_manager() -> None:
    for rule in rules(CONFIG / "udev" / "70-roundsman-receiver.rules"):
        assert rule["SYMLINK"] == ("+=", "roundsman-receiver")
        assert rule["ENV{ID_MM_DEVICE_IGNORE}"] == ("=", "1")


@pytest.mark.parametrize("file", RULES, ids=lambda path: path.name)
def test_udev_finds_no_fault_in_the_rules(file: Path) -> None:
    udevadm = tool("udevadm", "udev")
    if ask(udevadm, "verify", "--help").returncode != 0:
        pytest.skip("SKIPPED: udevadm verify (Debian package udev, from version 254 on)")
    told = ask(udevadm, "verify", file)
    assert told.returncode == 0, told.stdout


# clock and gpsd


@pytest.mark.parametrize("file", CHRONY, ids=lambda path: path.name)
def test_chronyd_understands_its_settings(file: Path) -> None:
    told = ask(tool("chronyd", "chrony"), "-p", "-f", file)
    assert told.returncode == 0, told.stdout


def test_chronyd_takes_the_last_known_time_and_any_step() -> None:
    words = (CONFIG / "chrony" / "default").read_text().split('"')[1].split()
    assert "-s" in words
    told = ask(tool("chronyd", "chrony"), *words, "-p", "-f", CONFIG / "chrony" / "chrony.conf")
    assert "makestep 1 -1" in told.stdout


def test_the_kernel_is_told_when_the_clock_is_kept() -> None:
    # chronyd clears STA_UNSYNC on Linux with this directive alone (its sys_timex.c).
    told = ask(tool("chronyd", "chrony"), "-p", "-f", CONFIG / "chrony" / "chrony.conf")
    assert "rtcsync" in told.stdout.splitlines()


def test_the_pulse_is_tied_to_the_sentences() -> None:
    sentences = (CONFIG / "chrony" / "chrony.conf").read_text()
    pulse = (CONFIG / "chrony" / "roundsman-pps.conf").read_text()
    named = re.findall(r"^refclock SHM 0 refid (\w+)", sentences, re.MULTILINE)
    assert re.findall(r"^refclock PPS \S+ .*lock (\w+)", pulse, re.MULTILINE) == named


def test_gpsd_reads_the_line_that_is_always_there_and_is_told_of_the_others() -> None:
    script = f'. {CONFIG}/gpsd/gpsd; echo "$DEVICES $USBAUTO $GPSD_OPTIONS"'
    told = subprocess.run(["sh", "-eu", "-c", script], capture_output=True, check=True, text=True)
    device, *others = told.stdout.split()
    assert others == ["true", "-n"]
    for rule in rules(CONFIG / "udev" / "70-roundsman-receiver.rules"):
        if rule.get("KERNEL") == ("==", Path(device).name):
            assert "ENV{SYSTEMD_WANTS}" not in rule
        else:
            assert rule["ENV{SYSTEMD_WANTS}"] == ("=", "gpsdctl@%k.service")


# network


@needs_root
@pytest.mark.parametrize("interfaces", ['"eth0"', '"eth0", "wlan0"'])
def test_nft_takes_the_firewall(interfaces: str, tmp_path: Path) -> None:
    nft = tool("nft", "nftables")
    management = tmp_path / "management.nft"
    text = (CONFIG / "firewall" / "management.nft").read_text()
    management.write_text(text.replace("INTERFACES", interfaces))
    rules_file = tmp_path / "nftables.conf"
    text = (CONFIG / "firewall" / "nftables.conf").read_text()
    rules_file.write_text(text.replace("/etc/roundsman-management.nft", str(management)))
    told = ask(nft, "-c", "-f", rules_file)
    if "Operation not permitted" in told.stdout:
        pytest.skip("SKIPPED: nft -c is not permitted here")
    assert told.returncode == 0, told.stdout


def test_the_firewall_lets_nothing_in_by_default_and_forwards_nothing() -> None:
    text = (CONFIG / "firewall" / "nftables.conf").read_text()
    chains = dict(
        re.findall(r"chain (\w+) \{\s+type filter hook \w+ priority filter; policy (\w+);", text)
    )
    assert chains == {"input": "drop", "forward": "drop", "output": "accept"}
    assert re.findall(r"dport (\d+)", text) == ["68", "546", "22", "5353", "5353"]
    for port in ("22", "5353"):
        lines = [line for line in text.splitlines() if f"dport {port} " in line]
        assert all("iifname $roundsman_management" in line for line in lines)


def test_the_modem_is_metered_and_tried_for_ever() -> None:
    file = configparser.ConfigParser(interpolation=None)
    file.read(CONFIG / "network" / "lte.nmconnection")
    assert file["connection"]["type"] == "gsm"
    assert file["connection"]["metered"] == "1"
    assert file["connection"]["autoconnect-retries"] == "0"
    # Ethernet has 100 and Wi-Fi 600: the modem is taken last.
    assert int(file["ipv4"]["route-metric"]) == int(file["ipv6"]["route-metric"]) > 600
    assert file["gsm"] == {"apn": "APN"}


# system and storage

SYSTEMD_KEYS = {
    "watchdog.conf": ("Manager", {"runtimewatchdogsec": "15s", "rebootwatchdogsec": "2min"}),
    "journald.conf": (
        "Journal",
        {
            "storage": "volatile",
            "runtimemaxuse": "16M",
            "runtimemaxfilesize": "2M",
            "ratelimitintervalsec": "30s",
            "ratelimitburst": "500",
        },
    ),
}


@pytest.mark.parametrize("name", SYSTEMD_KEYS)
def test_systemd_is_told_what_is_meant(name: str) -> None:
    file = configparser.ConfigParser(interpolation=None)
    file.read(CONFIG / "system" / name)
    section, values = SYSTEMD_KEYS[name]
    assert dict(file[section]) == values
    spans = [value for key, value in values.items() if key.endswith("sec")]
    told = ask(tool("systemd-analyze", "systemd"), "timespan", *spans)
    assert told.returncode == 0, told.stdout


def test_each_setting_of_the_kernel_exists() -> None:
    lines = (CONFIG / "system" / "sysctl.conf").read_text().splitlines()
    told = dict(line.split(" = ") for line in lines if line and not line.startswith("#"))
    assert len(told) > 10
    for key, value in told.items():
        place = Path("/proc/sys", *key.split("."))
        if place.parent.exists():  # without IPv6 a whole folder is missing
            assert place.exists(), key
        assert value.isdigit(), key


def test_the_table_of_mounts_is_read_without_error(tmp_path: Path) -> None:
    table = tmp_path / "fstab"
    text = (CONFIG / "storage" / "fstab").read_text()
    for word in ("ROOT", "BOOT", "DATA"):
        text = re.sub(f"^{word} ", f"LABEL={word} ", text, flags=re.MULTILINE)
    table.write_text(text)
    told = ask(tool("findmnt", "util-linux"), "--verify", "--tab-file", table)
    assert re.search(r"\b0 parse errors", told.stdout) or "Success" in told.stdout, told.stdout


GENERATOR = Path("/usr/lib/systemd/system-generators/systemd-fstab-generator")


@pytest.mark.skipif(not GENERATOR.exists(), reason=f"SKIPPED: {GENERATOR} (Debian package systemd)")
def test_what_starts_later_finds_its_state_mounted_and_a_dead_partition_stops_nothing(
    tmp_path: Path,
) -> None:
    text = (CONFIG / "storage" / "fstab").read_text()
    (tmp_path / "fstab").write_text(re.sub("^DATA ", "LABEL=data ", text, flags=re.MULTILINE))
    told = ask(GENERATOR, tmp_path, tmp_path, tmp_path, SYSTEMD_FSTAB=str(tmp_path / "fstab"))
    assert told.returncode == 0, told.stdout
    on_data = [file for file in tmp_path.glob("*.mount") if "What=/data/" in file.read_text()]
    assert len(on_data) == 6
    required = {link.name for link in (tmp_path / "local-fs.target.requires").iterdir()}
    wanted = {link.name for link in (tmp_path / "local-fs.target.wants").iterdir()}
    for mount in (*on_data, tmp_path / "data.mount"):
        assert "Before=local-fs.target\n" in mount.read_text(), "tmpfiles comes after that"
        assert mount.name in wanted - required


def test_all_that_lies_on_the_system_is_read_only_and_what_must_survive_is_on_data() -> None:
    lines = (CONFIG / "storage" / "fstab").read_text().splitlines()
    mounts = {line.split()[1]: line.split() for line in lines if line and line[0] != "#"}
    assert "ro" in mounts["/"][3].split(",")
    assert "ro" in mounts["/boot/firmware"][3].split(",")
    for place in ("/var/lib/roundsman", "/etc/roundsman", "/var/lib/chrony"):
        assert mounts[place][0].startswith("/data/")
        assert "bind" in mounts[place][3].split(",")


# boot

SETTINGS = {"enable_uart", "dtoverlay", "dtparam", "include"}
OVERLAYS = {"disable-bt", "w1-gpio", "pps-gpio", "gpio-poweroff"}
BOARD_PARAMETERS = {"uart0", "watchdog"}
SECTIONS = {"[all]", "[pi5]"}


@pytest.mark.parametrize("file", BOOT, ids=lambda path: path.name)
def test_each_line_of_the_boot_settings_is_known(file: Path) -> None:
    section = "[all]"
    for line in file.read_text().splitlines():
        assert len(line) <= 98, "the boot loader reads no longer line"
        if line.startswith("["):
            section = line
            assert section in SECTIONS
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            assert key in SETTINGS
            known = {"dtoverlay": OVERLAYS, "dtparam": BOARD_PARAMETERS}.get(key)
            assert known is None or re.split("[,=]", value)[0] in known
    assert section == "[all]", "what is included later would count for one board alone"


def test_no_two_things_are_wired_to_one_pin() -> None:
    pins = re.findall(r"gpiopin=(\d+)", "".join(file.read_text() for file in BOOT))
    assert len(pins) == len(set(pins)) == 3
    assert not {"14", "15"} & set(pins), "the serial line's"


# the package's own


@needs_root
def test_the_package_makes_its_user_and_its_folders(tmp_path: Path) -> None:
    users = tool("systemd-sysusers", "systemd")
    folders = tool("systemd-tmpfiles", "systemd")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "group").write_text("root:x:0:\ndialout:x:20:\n")
    (tmp_path / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    made = ask(users, f"--root={tmp_path}", CONFIG / "deb" / "sysusers.conf")
    assert made.returncode == 0, made.stdout
    groups = (tmp_path / "etc" / "group").read_text()
    assert re.search("^dialout:x:20:roundsman$", groups, re.MULTILINE)
    assert re.search("^gpio:x:[0-9]+:roundsman$", groups, re.MULTILINE)
    made = ask(folders, "--create", f"--root={tmp_path}", CONFIG / "deb" / "tmpfiles.conf")
    assert made.returncode == 0, made.stdout
    assert (tmp_path / "etc" / "roundsman").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "var" / "lib" / "roundsman").stat().st_mode & 0o777 == 0o700


def test_the_example_is_a_configuration_of_the_gateway() -> None:
    example = configuration.load(CONFIG / "deb" / "gateway.toml")
    assert example.data_dir == "/var/lib/roundsman"
    assert example.uplink == UplinkSettings(), "what is promised is measured with these"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_no_fault_in_the_script(script: Path) -> None:
    told = ask(tool("shellcheck", "shellcheck"), script)
    assert told.returncode == 0, told.stdout
