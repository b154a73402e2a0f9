"""By hand, as root: ``python -m tests.firmware.offline_install``, because it takes minutes.

Makes a Debian 13 from Debian's own packages, lays the part of a Raspberry Pi OS that the script
looks at over it, and without any network installs the package, makes a van of it twice, and runs
the gateway there. For arm64 the programs run under qemu-user-static, registered with binfmt_misc.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.firmware.tools import CONFIG, PROVISION

PACKAGES = (
    "python3,systemd,systemd-sysv,udev,kmod,nftables,chrony,gpsd,network-manager,modemmanager,"
    "openssh-server,e2fsprogs,dbus,libpam-systemd"
)
BOOT = {
    "etc/rpi-issue": "Raspberry Pi reference\n",
    "boot/firmware/config.txt": "dtparam=audio=on\n",
    "boot/firmware/cmdline.txt": "console=serial0,115200 console=tty1 root=PARTUUID=ab-02 quiet\n",
    "etc/fstab": "PARTUUID=ab-01 /boot/firmware vfat defaults 0 2\nPARTUUID=ab-02 / ext4 ro 0 1\n",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
}
SENTENCE = "$GPGGA,092750.000,5321.6802,N,00630.3372,W,1,8,1.03,61.7,M,55.2,M,,*76\r\n"
ASK_ALL = """
set -eux
roundsman --version
roundsman gateway --help
roundsman gateway decode /tmp/recording.nmea
runuser -u roundsman -- test -r /etc/roundsman/gateway.toml
install -m 640 -g roundsman /usr/share/doc/roundsman-gateway/examples/gateway.toml /etc/roundsman/
runuser -u roundsman -- roundsman gateway prepare --config /etc/roundsman/gateway.toml
roundsman gateway status --config /etc/roundsman/gateway.toml || [ $? = 3 ]
udevadm verify /usr/lib/udev/rules.d/*-roundsman-*.rules
systemd-analyze verify --man=no roundsman-gateway.service roundsman-reboot.path gpsd.service
"""


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        sys.exit(f"{command}\n{done.stdout}{done.stderr}\nfailed: {done.returncode}")
    return done.stdout + done.stderr


def debian(folder: Path, arch: str) -> None:
    """Debian 13 as debootstrap makes it; once, then it is kept."""
    if (folder / "usr/bin/python3").exists() and not (folder / "debootstrap").exists():
        return
    run("debootstrap", f"--arch={arch}", "--variant=minbase", f"--include={PACKAGES}",
        "trixie", folder)  # fmt: skip


@contextmanager
def a_layer_over(base: Path, work: Path) -> Iterator[Path]:
    """The system as it was made, whatever is done to it here."""
    for name in ("upper", "work", "root"):
        (work / name).mkdir(parents=True, exist_ok=True)
    layers = f"lowerdir={base},upperdir={work}/upper,workdir={work}/work"
    run("mount", "-t", "overlay", "overlay", "-o", layers, work / "root")
    try:
        yield work / "root"
    finally:
        run("umount", "-R", work / "root")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", choices=["arm64", "amd64"], default="amd64")
    parser.add_argument("--base", type=Path, required=True, help="folder for the Debian 13")
    parser.add_argument("--work", type=Path, required=True, help="an empty folder")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("needs the rights of root")
    debian(options.base, options.arch)
    built = run(CONFIG / "deb" / "build", "--arch", options.arch, "--out", options.work)
    package = built.splitlines()[-1]
    print(f"package: {Path(package).stat().st_size} bytes")
    with a_layer_over(options.base, options.work) as root:
        for name, text in BOOT.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        (root / "tmp" / "recording.nmea").write_text(SENTENCE)
        offline = ("unshare", "--net", PROVISION, "--anyway", "--root", root, "--deb", package)
        print(run(*offline, "--gpsd", "--apn", "internet"))
        again = run(*offline, "--gpsd", "--apn", "internet")
        if "nothing to change" not in again:
            sys.exit(f"the second run changed something:\n{again}")
        run("mount", "-t", "proc", "proc", root / "proc")
        print(run("unshare", "--net", "chroot", root, "sh", "-c", ASK_ALL))
    print(f"1 passed, 0 failed: a van of Debian 13 for {options.arch}, made without network")


if __name__ == "__main__":
    main()
