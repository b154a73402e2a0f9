"""The script that turns a fresh Raspberry Pi OS into a van, on a folder that looks like one."""

import re
import subprocess
from pathlib import Path

import pytest

from gateway import configuration
from gateway.errors import SettingsError
from tests.firmware.tools import CONFIG, PROVISION, ask, tool

AARCH64 = b"\x7fELF\x02\x01\x01" + bytes(11) + (183).to_bytes(2, "little") + bytes(44)
CMDLINE = "console=serial0,115200 console=tty1 root=PARTUUID=ab-02 rootwait quiet\n"
CONFIG_TXT = "# mine\ndtparam=audio=on\n[cm5]\ndtoverlay=dwc2\n"
DATA = "LABEL=roundsman-data"


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """What of a freshly started Raspberry Pi OS the script looks at."""
    files = {
        "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\n',
        "etc/rpi-issue": "Raspberry Pi reference\n",
        "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
        "etc/fstab": "# made by hand\nPARTUUID=ab-01 /boot/firmware vfat defaults 0 2\n"
        "PARTUUID=ab-02 / ext4 defaults,noatime 0 1\n",
        "boot/firmware/config.txt": CONFIG_TXT,
        "boot/firmware/cmdline.txt": CMDLINE,
        "var/lib/chrony/chrony.drift": "1.0 0.1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").write_bytes(AARCH64)
    return tmp_path


def provision(card: Path, *options: str | Path) -> subprocess.CompletedProcess[str]:
    return ask(PROVISION, "--root", card, "--files-only", *options)


def provisioned(card: Path, *options: str | Path) -> str:
    told = provision(card, *options)
    assert told.returncode == 0, told.stdout
    return told.stdout


def everything(folder: Path) -> dict[str, bytes | str]:
    """Each file's content and mode, each link's target."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path)] = str(path.readlink())
        elif path.is_file():
            found[str(path)] = path.read_bytes() + oct(path.stat().st_mode).encode()
    return found


ALL = ("--apn", "internet", "--gpsd", "--pps", "--one-wire", "--poweroff-pin", "--read-only", DATA)


@pytest.mark.parametrize("options", [(), ALL], ids=["plain", "everything"])
def test_the_second_run_changes_nothing(card: Path, options: tuple[str, ...]) -> None:
    provisioned(card, *options)
    before = everything(card)
    assert "nothing to change" in provisioned(card, *options)
    assert everything(card) == before


def test_a_dry_run_tells_the_changes_and_makes_none(card: Path) -> None:
    before = everything(card)
    told = provisioned(card, "--dry-run", *ALL)
    assert everything(card) == before
    foretold = re.findall("^provision: would (.+)$", told, re.MULTILINE)
    done = re.findall("^provision: (.+)$", provisioned(card, *ALL), re.MULTILINE)
    assert foretold
    assert set(foretold) <= set(done)


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("etc/os-release", 'VERSION_ID="12"\n', "version is '12'"),
        ("etc/rpi-issue", None, "no Raspberry Pi OS"),
        ("bin/sh", "#!", "not for 64-bit ARM"),
    ],
)
def test_another_system_is_left_alone(card: Path, file: str, text: str | None, reason: str) -> None:
    if text is None:
        (card / file).unlink()
    else:
        (card / file).write_text(text)
    before = everything(card)
    told = provision(card)
    assert told.returncode == 1
    assert reason in told.stdout
    assert everything(card) == before
    assert reason in provisioned(card, "--anyway")


def test_the_boot_settings_keep_what_was_there(card: Path) -> None:
    provisioned(card, "--gpsd", "--pps")
    text = (card / "boot/firmware/config.txt").read_text()
    assert text.startswith(CONFIG_TXT)
    added = text.removeprefix(CONFIG_TXT).splitlines()
    assert added[1] == "[all]", "a section of the owner's may be open"
    included = [line.split()[1] for line in added if line.startswith("include ")]
    assert included == ["roundsman.txt", "roundsman-pps.txt"]
    assert all((card / "boot/firmware" / name).is_file() for name in included)


def test_the_serial_line_is_freed_of_the_console_and_of_nothing_else(card: Path) -> None:
    provisioned(card)
    words = (card / "boot/firmware/cmdline.txt").read_text().split()
    assert words[:4] == ["console=tty1", "root=PARTUUID=ab-02", "rootwait", "quiet"]
    assert not [word for word in words if word.startswith(("console=serial", "console=ttyAMA"))]
    assert "panic=10" in words


def test_what_is_not_asked_for_any_more_goes(card: Path) -> None:
    provisioned(card, "--gpsd", "--pps", "--one-wire")
    pulse = card / "etc/chrony/conf.d/roundsman-pps.conf"
    assert pulse.exists(), "chronyd would not start without the pulse that it names"
    provisioned(card)
    assert not pulse.exists()
    assert not (card / "boot/firmware/roundsman-pps.txt").exists()
    assert "pps" not in (card / "boot/firmware/config.txt").read_text()


def test_a_modem_is_set_up_for_its_access_point_and_secret_to_root(card: Path) -> None:
    provisioned(card, "--apn", "iot.1nce.net")
    file = card / "etc/NetworkManager/system-connections/roundsman-lte.nmconnection"
    assert "\napn=iot.1nce.net\n" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_ssh_is_let_in_where_it_is_said(card: Path) -> None:
    provisioned(card, "--management", "eth0,wlan0")
    text = (card / "etc/roundsman-management.nft").read_text()
    assert 'roundsman_management = { "eth0", "wlan0" }' in text


@pytest.mark.parametrize(
    "options",
    [
        ("--management", 'eth0" } ; drop'),
        ("--management", "eth0,,wlan0"),
        ("--apn", "a\npassword=b"),
        ("--apn", "a/b"),
        ("--read-only", "somewhere"),
        ("--read-only", "LABEL=a b"),
        ("--read-only", "LABEL=a#b"),
        ("--config", "/nowhere.toml"),
        ("--deb", "/nowhere.deb"),
        ("--apn",),
        ("--management", ""),
        ("--pps",),
        ("--unknown",),
    ],
)
def test_a_value_that_would_break_a_file_is_refused(card: Path, options: tuple[str, ...]) -> None:
    before = everything(card)
    told = provision(card, *options)
    assert told.returncode == 1
    assert options[0] in told.stdout or options[-1] in told.stdout
    assert everything(card) == before


def test_the_interfaces_of_ssh_stay_until_others_are_given(card: Path) -> None:
    provisioned(card, "--management", "wlan0,usb0")
    before = (card / "etc/roundsman-management.nft").read_text()
    provisioned(card)
    assert (card / "etc/roundsman-management.nft").read_text() == before
    provisioned(card, "--management", "eth0")
    assert "wlan0" not in (card / "etc/roundsman-management.nft").read_text()


def logged_in(*options: str, address: str = "", port: int = 22) -> str:
    """A dry run on this very machine, over an ssh connection to ``address``."""
    connection = f"192.0.2.7 40000 {address} {port}" if address else ""
    told = ask(PROVISION, "--anyway", "--dry-run", *options, SSH_CONNECTION=connection)
    return told.stdout


def test_whoever_is_logged_in_is_not_locked_out_unasked() -> None:
    over_wifi = "fe80::1%wlan7"
    told = logged_in("--management", "eth0", address=over_wifi)
    assert "wlan7" in told
    assert "--management eth0,wlan7" in told
    assert "would write" not in told
    assert "would write" in logged_in("--management", "eth0", "--close-ssh", address=over_wifi)
    assert "would write" in logged_in("--management", "eth0,wlan7", address=over_wifi)
    assert "would write" in logged_in(address=over_wifi), "the first time it is added by itself"
    assert "port 2222" in logged_in("--management", "wlan7", address=over_wifi, port=2222)


def test_the_interface_of_a_login_is_found_by_its_address() -> None:
    tool("ip", "iproute2")
    assert "would write" in logged_in("--management", "eth9", address="127.0.0.1"), "that is lo"


def test_a_login_is_known_though_sudo_takes_its_variable_away() -> None:
    script = f"env -u SSH_CONNECTION {PROVISION} --anyway --dry-run --management eth0; exit $?"
    told = ask("sh", "-c", script, SSH_CONNECTION="192.0.2.7 40000 fe80::1%wlan7 22")
    assert told.returncode == 1
    assert "you are logged in over wlan7" in told.stdout


def test_ssh_on_interfaces_that_are_not_here_is_refused() -> None:
    told = logged_in("--management", "eth9,wlan9")
    assert "there is no eth9,wlan9 here" in told
    assert "would write" not in told


def test_the_read_only_system_keeps_its_partitions_and_what_must_survive(card: Path) -> None:
    former = (card / "etc/fstab").read_text()
    provisioned(card, "--read-only", DATA)
    mounts = {
        line.split()[1]: line.split()
        for line in (card / "etc/fstab").read_text().splitlines()
        if line and not line.startswith("#")
    }
    assert (mounts["/"][0], mounts["/boot/firmware"][0]) == ("PARTUUID=ab-02", "PARTUUID=ab-01")
    assert mounts["/data"][0] == DATA
    assert (card / "data/chrony/chrony.drift").read_text() == "1.0 0.1\n"
    assert (card / "etc/fstab.before-roundsman").read_text() == former
    for place, (source, *_) in mounts.items():
        if source.startswith("/data/"):
            assert (card / source[1:]).is_dir()
            assert (card / place[1:]).is_dir(), "a read-only system makes no mount point"


def test_a_mount_of_the_owners_is_kept(card: Path) -> None:
    fstab = card / "etc/fstab"
    theirs = "LABEL=camera /srv/camera ext4 nofail 0 2"
    fstab.write_text(fstab.read_text() + theirs + "\n")
    for _ in range(2):
        provisioned(card, "--read-only", DATA)
        assert fstab.read_text().splitlines().count(theirs) == 1


def test_a_mount_of_the_owners_where_a_van_has_its_own_is_refused(card: Path) -> None:
    fstab = card / "etc/fstab"
    theirs = "LABEL=logs /var/log ext4 defaults 0 2"
    fstab.write_text(fstab.read_text() + theirs + "\n")
    before = fstab.read_text()
    told = provision(card, "--read-only", DATA)
    assert told.returncode == 1
    assert theirs in told.stdout
    assert fstab.read_text() == before


def test_what_a_read_only_system_would_fail_at_each_day_is_off(card: Path) -> None:
    provisioned(card, "--read-only", DATA)
    units = card / "etc/systemd/system"
    for name in ("logrotate", "man-db", "dpkg-db-backup", "e2scrub_all", "apt-daily"):
        assert (units / f"{name}.timer").readlink() == Path("/dev/null")


def test_a_system_that_never_started_does_not_become_read_only(card: Path) -> None:
    (card / "etc/machine-id").write_text("")
    told = provision(card, "--read-only", DATA)
    assert told.returncode == 1
    assert "start it once" in told.stdout


def test_a_van_is_given_what_enrolment_goes_on_from(card: Path) -> None:
    told = provisioned(card, "--apn", "internet")
    file = card / "etc/roundsman/gateway.toml"
    assert "gateway enrol" in told
    assert file.stat().st_mode & 0o777 == 0o640
    with pytest.raises(SettingsError, match="tenant"):
        configuration.load(file)
    assert "is_metered" not in file.read_text(), "its live positions would be 30 s old"
    file.write_text(file.read_text() + '[demo]\nclock_file = "x"\n')
    mine = file.read_text()
    provisioned(card)
    assert file.read_text() == mine, "the owner's, once it is there"


def test_a_configuration_can_come_along(card: Path) -> None:
    provisioned(card, "--config", CONFIG / "deb" / "gateway.toml")
    file = card / "etc/roundsman/gateway.toml"
    assert configuration.load(file).van == "van-1"
    provisioned(card, "--config", CONFIG / "deb" / "gateway.toml")


def test_an_enrolled_van_keeps_its_identity(card: Path, tmp_path: Path) -> None:
    file = card / "etc/roundsman/gateway.toml"
    provisioned(card, "--config", CONFIG / "deb" / "gateway.toml")
    other = tmp_path / "other.toml"
    other.write_text(file.read_text().replace("van-1", "van-2"))
    before = everything(card)
    told = provision(card, "--gpsd", "--config", other)
    assert told.returncode == 1
    assert "enrolled" in told.stdout
    assert everything(card) == before


def test_an_installed_gpsd_leaves_the_receiver_alone_until_it_is_asked_for(card: Path) -> None:
    tool("dpkg-query", "dpkg")
    database = card / "var/lib/dpkg"
    (database / "info").mkdir(parents=True)
    (database / "updates").mkdir()
    (database / "status").write_text(
        "Package: gpsd\nStatus: install ok installed\nMaintainer: M <m@roundsman.invalid>\n"
        "Architecture: arm64\nVersion: 3.25-5\nDescription: gpsd\n\n"
    )
    defaults = card / "etc/default/gpsd"
    defaults.parent.mkdir(parents=True)
    defaults.write_text('DEVICES=""\n')
    provisioned(card)
    assert defaults.read_text() == 'DEVICES=""\n'
    masks = [card / "etc/systemd/system" / name for name in ("gpsd.socket", "gpsd.service")]
    assert [str(mask.readlink()) for mask in masks] == ["/dev/null", "/dev/null"]
    provisioned(card, "--gpsd")
    assert not [mask for mask in masks if mask.is_symlink()]
    assert "ttyAMA0" in defaults.read_text()
