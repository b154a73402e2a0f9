"""A command on a read-only system, on a real one in a mount namespace of its own."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.firmware.tools import UPDATE, ask, tool

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="SKIPPED: needs the rights of root")

MAKE = """
set -eu
mount -t tmpfs -o size=4M tmpfs "$1"
cd "$1"
for name in bin sbin lib lib64; do [ ! -L /$name ] || ln -s usr/$name $name; done
mkdir -p usr etc proc dev tmp data boot/firmware var/lib/dpkg/info var/lib/dpkg/updates var/cache
mkdir -p var/lib/roundsman
touch var/lib/dpkg/status
cp "$2" update
printf '%s' "$4" >then
echo 'tmpfs / tmpfs ro 0 0' >etc/fstab
echo '/data/roundsman /var/lib/roundsman none bind 0 0' >>etc/fstab
mount --rbind /usr usr
mount --bind /dev dev
mount -t proc proc proc
mount -t tmpfs -o ro tmpfs boot/firmware
[ "$3" = dead ] || mount -t tmpfs tmpfs var/lib/roundsman
mount -o remount,ro "$PWD"
exec chroot . sh /then 2>&1
"""
STATES = """
for place in / /boot/firmware; do
    if touch $place/written 2>/dev/null; then echo "$place open"; else echo "$place closed"; fi
done
"""


def on_a_read_only_system(folder: Path, then: str, data: str = "sound") -> str:
    """What a shell says there; ``then`` is what it does."""
    unshare = tool("unshare", "util-linux")
    told = ask(
        unshare, "--mount", "sh", "-c", MAKE, "sh", folder, UPDATE, data, f"{then}\n{STATES}",
        PATH="/usr/sbin:/usr/bin:/sbin:/bin",
    )  # fmt: skip
    if "unshare failed" in told.stdout or "permission denied" in told.stdout.lower():
        pytest.skip(f"SKIPPED: no mount namespace here: {told.stdout}")
    return told.stdout


def test_it_is_writable_for_the_command_with_room_on_the_card_and_closed_after(
    tmp_path: Path,
) -> None:
    look = "touch /etc/changed /boot/firmware/changed && echo room $TMPDIR && touch $TMPDIR/big"
    told = on_a_read_only_system(
        tmp_path, f"/update sh -c '{look}'; echo ended $?; ls /etc/changed /var/cache"
    )
    assert "room /var/cache/roundsman-update\n" in told
    assert "ended 0\n" in told
    assert "/etc/changed\n" in told
    assert told.endswith("/ closed\n/boot/firmware closed\n")
    assert "/var/cache:\n/" in told, "what it built is gone"


def test_it_is_closed_after_a_command_that_fails(tmp_path: Path) -> None:
    told = on_a_read_only_system(tmp_path, "/update sh -c 'touch /changed; exit 7'; echo ended $?")
    assert "ended 7\n" in told
    assert "run it again" in told
    assert told.endswith("/ closed\n/boot/firmware closed\n")


def test_it_refuses_where_the_card_is_too_full(tmp_path: Path) -> None:
    told = on_a_read_only_system(tmp_path, "/update; echo ended $?")
    assert "500 MB are needed" in told
    assert "ended 1\n" in told
    assert told.endswith("/ closed\n/boot/firmware closed\n")


def test_it_refuses_where_the_vans_own_data_is_not_mounted(tmp_path: Path) -> None:
    told = on_a_read_only_system(tmp_path, "/update touch /changed; ls /changed", "dead")
    assert "mount /var/lib/roundsman" in told
    assert "/changed" not in told.replace("'/changed'", "")


def test_a_half_installed_package_is_told(tmp_path: Path) -> None:
    fields = "Package: p|Status: install ok half-configured|Version: 1|Architecture: all"
    lines = f"{fields}|Maintainer: m|Description: d|"
    cut_off = f"echo '{lines}' | tr '|' '\\n' >/var/lib/dpkg/status"
    told = on_a_read_only_system(tmp_path, f'/update sh -c "{cut_off}"; echo ended $?')
    assert "half installed" in told
    assert "ended 1\n" in told


def test_it_explains_itself_and_takes_no_option_for_a_command() -> None:
    assert "usage: roundsman-update" in ask(UPDATE, "--help").stdout
    told = subprocess.run([UPDATE, "--all"], check=False, capture_output=True, text=True)
    assert told.returncode == 1
    assert "--all" in told.stderr
