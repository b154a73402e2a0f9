"""``./run test``: every test, with the Debian packages they need installed where allowed."""

import os
import shutil
import subprocess
import sys

PACKAGES = {
    "gpsd": "gpsd",
    "gpsfake": "gpsd-clients",
    "chromium": "chromium",
    "shellcheck": "shellcheck",
    "chronyd": "chrony",
    "nft": "nftables",
    "strace": "strace",
    "mosquitto": "mosquitto",
    "udevadm": "udev",
}
"""A program that a test starts, and the Debian package that brings it."""


def missing_packages() -> list[str]:
    search = f"{os.environ.get('PATH', '')}:/usr/sbin"
    return [
        package for program, package in PACKAGES.items() if not shutil.which(program, path=search)
    ]


def install(packages: list[str]) -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"tests: may not install {', '.join(packages)}; what needs them is skipped by name")
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends"]):
        wanted = packages if arguments[0] == "install" else []
        done = subprocess.run(
            ["apt-get", *arguments, *wanted],
            env=environment,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode != 0:
            print(
                f"tests: apt-get {arguments[0]} failed; what needs {', '.join(packages)} is skipped"
            )
            return


def main() -> None:
    packages = missing_packages()
    if packages:
        install(packages)
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[1:]])  # noqa: S606


main()
