"""``./run test``: every test, with the Debian packages they need installed where allowed.

All of them are shared out to some processes, file by file (tests/units.py), as much of their time
goes by waiting; those that judge the machine (``@pytest.mark.alone``) come after that, one by one.
Asked for a part (a path, ``-k``, ``-m``) it runs that in one process, as pytest does.
"""

import os
import re
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
WORKERS = 2 + (os.cpu_count() or 1) // 2
SLOWEST = ("--durations=25", "--durations-min=5")


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


def run(*arguments: str) -> int:
    print(f"tests: pytest {' '.join(arguments)}", flush=True)
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


def run_all(options: list[str]) -> int:
    """Every test; the status of the first part that did not go well."""
    shared = ("-n", str(WORKERS), "-m", "not alone")
    parts = [run(*part, *SLOWEST, *options) for part in (shared, ("-m", "alone"))]
    return next((status for status in parts if status != 0), 0)


def main() -> None:
    packages = missing_packages()
    if packages:
        install(packages)
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
    asked = sys.argv[1:]
    is_all = all(re.match(r"-(?!k|m|n|p)", one) for one in asked)
    sys.exit(run_all(asked) if is_all else run(*asked))


main()
